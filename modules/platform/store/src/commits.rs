//! Who hears of commits: whoever waits in this process at once, and whoever waits in another process
//! that works on the same PostgreSQL schema, a moment later.
//!
//! A process tells the others after its commits, with `NOTIFY` in a transaction of its own: inside
//! the commit's, it would make all commits of the whole database wait for each other. While it knows
//! of no other it tells nobody. What gets lost on the way costs a reader a longer wait, since it
//! looks by itself now and then.

use std::{
    collections::HashMap,
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use runtime::{CancellationToken, pause};
use sqlx::postgres::PgListener;
use tokio::{
    sync::watch,
    time::{Instant, sleep_until},
};
use uuid::Uuid;

use crate::{Connection, Database, StoreError};

/// How often a process says that it is there.
const SIGN: Duration = Duration::from_secs(5);
/// Who has said nothing for so long is not told any more; who has not heard itself, hears nobody.
const SILENCE: Duration = Duration::from_secs(15);
/// Between two attempts to listen.
const RETRY: Duration = Duration::from_secs(1);

/// How often a reader looks by itself: when it hears of other processes' commits, and when not.
const LOOK_WHEN_TOLD: Duration = Duration::from_secs(1);
const LOOK: Duration = Duration::from_millis(100);

const NOTIFY: &str = "SELECT pg_notify($1, $2)";

/// What is known of commits.
#[derive(Default)]
pub(crate) struct Commits {
    /// Counts those of this process.
    own: watch::Sender<u64>,
    /// Counts those that were heard of, too.
    all: watch::Sender<u64>,
    is_told: AtomicBool,
}

impl Commits {
    /// Changes with every commit that is heard of.
    pub(crate) fn subscribe(&self) -> watch::Receiver<u64> {
        self.all.subscribe()
    }

    /// This process has committed something.
    pub(crate) fn committed(&self) {
        self.own.send_modify(|count| *count += 1);
        self.all.send_modify(|count| *count += 1);
    }

    /// After how long to look for what other processes committed, if nothing is heard of it.
    pub(crate) fn look(&self) -> Duration {
        if self.is_told.load(Ordering::Relaxed) { LOOK_WHEN_TOLD } else { LOOK }
    }

    fn others_committed(&self) {
        self.all.send_modify(|count| *count += 1);
    }

    fn is_told(&self, is_told: bool) {
        // What was committed while nobody listened is looked for.
        if self.is_told.swap(is_told, Ordering::Relaxed) != is_told {
            self.others_committed();
        }
    }
}

/// Tells the processes that work on the same schema of commits, and hears of theirs, until `stop`.
pub(crate) async fn correspond(database: Database, me: Uuid, stop: CancellationToken) {
    while !stop.is_cancelled() {
        let correspondence = Correspondence::new(&database, me);
        let Some(ended) = stop.run_until_cancelled(Box::pin(correspondence.hold())).await else {
            correspondence.take_leave().await;
            return;
        };
        database.heard_of_commits().is_told(false);
        tracing::debug!(database = database.name(), reason = %ended, "hears of no commits");
        stop.run_until_cancelled(pause(RETRY)).await;
    }
}

/// What one process says to the others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Word {
    Here,
    Committed,
    Gone,
}

impl Word {
    fn text(self) -> &'static str {
        match self {
            Self::Here => "here",
            Self::Committed => "committed",
            Self::Gone => "gone",
        }
    }

    fn read(text: &str) -> Option<Self> {
        [Self::Here, Self::Committed, Self::Gone].into_iter().find(|word| word.text() == text)
    }
}

struct Correspondence<'a> {
    database: &'a Database,
    channel: String,
    me: Uuid,
    /// When others were heard last, and this process by itself.
    heard: Mutex<HashMap<Uuid, Instant>>,
}

impl<'a> Correspondence<'a> {
    fn new(database: &'a Database, me: Uuid) -> Self {
        let channel = format!("boxoffice_commits_{}", database.name());
        Self { database, channel, me, heard: Mutex::default() }
    }

    /// Goes on until something breaks; the answer says what.
    async fn hold(&self) -> StoreError {
        let mut listener = match self.database.listener().await {
            Ok(listener) => listener,
            Err(error) => return error,
        };
        listener.eager_reconnect(false);
        if let Err(error) = listener.listen(&self.channel).await {
            return error.into();
        }
        // Neither is ever dropped between two messages: that would lose one.
        tokio::select! {
            error = self.listen(listener) => error,
            error = self.tell() => error,
            error = self.show_signs() => error,
        }
    }

    async fn listen(&self, mut listener: PgListener) -> StoreError {
        loop {
            let message = match listener.try_recv().await {
                Ok(Some(message)) => message,
                Ok(None) => return StoreError::Unavailable("the connection broke".to_owned()),
                Err(error) => return error.into(),
            };
            let read = message
                .payload()
                .split_once(' ')
                .and_then(|(word, who)| Some((Word::read(word)?, Uuid::try_parse(who).ok()?)));
            let Some((word, who)) = read else { continue };
            if let Err(error) = self.hear(word, who).await {
                return error;
            }
        }
    }

    async fn hear(&self, word: Word, who: Uuid) -> Result<(), StoreError> {
        if word == Word::Gone {
            self.heard().remove(&who);
            return Ok(());
        }
        let is_new = self.heard().insert(who, Instant::now()).is_none();
        if who == self.me {
            self.database.heard_of_commits().is_told(true);
            return Ok(());
        }
        if word == Word::Committed {
            self.database.heard_of_commits().others_committed();
        }
        if is_new {
            // So that it need not wait for the next sign.
            self.say(Word::Here).await?;
        }
        Ok(())
    }

    async fn tell(&self) -> StoreError {
        let mut own = self.database.heard_of_commits().own.subscribe();
        while own.changed().await.is_ok() {
            if !self.has_company() {
                continue;
            }
            if let Err(error) = self.say(Word::Committed).await {
                return error;
            }
        }
        StoreError::Unavailable("nothing is committed any more".to_owned())
    }

    async fn show_signs(&self) -> StoreError {
        let began = Instant::now();
        loop {
            if let Err(error) = self.say(Word::Here).await {
                return error;
            }
            sleep_until(Instant::now() + SIGN).await;
            let last = self.heard().get(&self.me).copied().unwrap_or(began);
            if last.elapsed() > SILENCE {
                return StoreError::Unavailable("the connection fell silent".to_owned());
            }
            self.heard().retain(|who, last| *who == self.me || last.elapsed() <= SILENCE);
        }
    }

    async fn take_leave(&self) {
        if let Err(error) = self.say(Word::Gone).await {
            tracing::debug!(database = self.database.name(), %error, "left without a word");
        }
    }

    fn has_company(&self) -> bool {
        self.heard().keys().any(|who| *who != self.me)
    }

    async fn say(&self, word: Word) -> Result<(), StoreError> {
        let Connection::Postgres(mut connection) = self.database.connection().await? else {
            return Ok(());
        };
        sqlx::query(NOTIFY)
            .bind(&self.channel)
            .bind(format!("{} {}", word.text(), self.me))
            .execute(&mut *connection)
            .await?;
        Ok(())
    }

    fn heard(&self) -> MutexGuard<'_, HashMap<Uuid, Instant>> {
        self.heard.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
