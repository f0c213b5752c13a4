//! Hears over Redis what other replicas have written and which sessions have ended, and tells them
//! what this process has written; which sessions it has ended is told in `telling.rs`.
//!
//! Both are streams that are read to their end and then waited at, on a connection of its own. Ended
//! sessions stay in theirs for as long as they matter, so that a process that starts knows all of
//! them. News is for whoever listens: who was away from it takes it that everything was written.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use redis::{
    AsyncConnectionConfig, RedisError, RedisResult, Value,
    aio::MultiplexedConnection,
    streams::{StreamRangeReply, StreamReadReply},
};
use runtime::{CancellationToken, Clock};
use serde::{Deserialize, Serialize};
use tokio::time::{Instant, timeout};
use uuid::Uuid;

use crate::{
    face::Shared,
    link::{Link, State, words_of},
    measures,
    news::News,
    revoked::Revocation,
};

/// The one field of each entry: a message as JSON.
pub(crate) const MESSAGE: &str = "m";
/// How long Redis waits for something to tell before it says that there is nothing.
const WAIT: Duration = Duration::from_secs(1);
/// An answer may take so much longer than that.
const PATIENCE: Duration = Duration::from_secs(1);
/// Entries that are read at once.
const BATCH: usize = 500;
/// News that is kept for those who read a little late.
const NEWS_KEPT: usize = 1_000;
/// News waits so long for more: many writes of one thing are one message.
const GATHER: Duration = Duration::from_millis(10);
/// The wait before a connection that broke is made anew.
const PAUSE: Duration = Duration::from_millis(200);
/// Who hears nothing for so long although Redis answers says so. Longer than it takes to find out
/// that Redis is away.
const DEAF_AFTER: Duration = Duration::from_secs(4);

const START: &str = "0-0";

/// What one process tells the others of what it has written.
#[derive(Serialize, Deserialize)]
struct Bulletin {
    /// The process: it has heard itself.
    origin: Uuid,
    /// By topic.
    news: BTreeMap<String, News>,
}

pub(crate) fn revoked_stream(link: &Link) -> String {
    link.key("revoked")
}

fn news_stream(link: &Link) -> String {
    link.key("news")
}

/// What the tasks of one process work with.
pub(crate) struct Follower {
    pub(crate) shared: Arc<Shared>,
    pub(crate) link: Arc<Link>,
    pub(crate) clock: Arc<dyn Clock>,
    /// This process, among those that tell news.
    pub(crate) origin: Uuid,
}

impl Follower {
    /// Tells the others what this process writes, until `stop`.
    pub(crate) async fn tell_news(self: Arc<Self>, stop: CancellationToken) {
        let board = &self.shared.board;
        loop {
            if stop.run_until_cancelled(board.has_news.notified()).await.is_none() {
                return;
            }
            let news = board.take();
            if news.is_empty() {
                continue;
            }
            let bulletin = Bulletin { origin: self.origin, news };
            if !publish(&self.link, &bulletin).await {
                for (topic, news) in bulletin.news {
                    board.post(&topic, news);
                }
                if stop.run_until_cancelled(until_up(&self.link)).await.is_none() {
                    return;
                }
                let _ = timeout(PAUSE, stop.cancelled()).await;
            }
            let _ = timeout(GATHER, stop.cancelled()).await;
        }
    }

    /// Hears what others tell, until `stop`.
    pub(crate) async fn follow(self: Arc<Self>, stop: CancellationToken) {
        let mut heard_at = Instant::now();
        loop {
            let hearing = async {
                if self.link.state() != State::Up {
                    until_up(&self.link).await;
                    heard_at = Instant::now();
                }
                if let Err(error) = self.hear(&mut heard_at).await {
                    self.hears_nothing_since(heard_at, &error);
                }
            };
            let heard = stop.run_until_cancelled(hearing).await;
            self.shared.follows(false);
            if heard.is_none() {
                return;
            }
            let _ = timeout(PAUSE, stop.cancelled()).await;
        }
    }

    fn hears_nothing_since(&self, heard_at: Instant, error: &RedisError) {
        tracing::debug!(%error, "the connection that hears from other replicas broke");
        if heard_at.elapsed() < DEAF_AFTER || self.link.state() != State::Up {
            return;
        }
        let reason = words_of(error);
        if self.shared.deaf.begins(self.clock.now(), &reason) {
            tracing::warn!(%reason, "Redis answers, but nothing is heard of other replicas");
        }
    }

    /// Until the connection breaks.
    async fn hear(&self, heard_at: &mut Instant) -> RedisResult<()> {
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(self.link.connect_timeout()))
            .set_response_timeout(Some(WAIT + PATIENCE));
        let client = &self.link.client;
        let mut redis = client.get_multiplexed_async_connection_with_config(&config).await?;
        let names = [revoked_stream(&self.link), news_stream(&self.link)];
        let [revoked_name, news_name] = &names;
        let mut revoked_at = START.to_owned();
        let mut news_at = newest(&mut redis, news_name).await?;
        self.shared.board.doubt_everything();
        let mut is_new = true;
        loop {
            let mut read = redis::cmd("XREAD");
            read.arg("COUNT").arg(BATCH).arg("BLOCK").arg(millis(WAIT)).arg("STREAMS");
            read.arg(&names).arg(&revoked_at).arg(&news_at);
            let answer: Option<StreamReadReply> = read.query_async(&mut redis).await?;
            *heard_at = Instant::now();
            self.shared.follows(true);
            if std::mem::take(&mut is_new) {
                // It may have restarted between two calls, and nobody else has noticed.
                self.shared.revoked.doubt_told();
                self.shared.is_untold.notify_one();
            }
            self.shared.revoked.tidy(self.clock.now());
            for stream in answer.into_iter().flat_map(|answer| answer.keys) {
                let is_revoked = stream.key == *revoked_name;
                let at = if is_revoked { &mut revoked_at } else { &mut news_at };
                for entry in stream.ids {
                    at.clone_from(&entry.id);
                    let message = entry.get::<String>(MESSAGE).unwrap_or_default();
                    if is_revoked {
                        self.take_revocation(&message);
                    } else {
                        self.take_bulletin(&message);
                    }
                }
            }
        }
    }

    fn take_revocation(&self, message: &str) {
        match serde_json::from_str::<Revocation>(message) {
            Ok(revocation) => self.shared.revoked.take(revocation, self.clock.now()),
            // A newer build may end sessions in ways that this one does not know.
            Err(error) => tracing::warn!(%error, "what was told of ended sessions cannot be read"),
        }
    }

    fn take_bulletin(&self, message: &str) {
        match serde_json::from_str::<Bulletin>(message) {
            Ok(bulletin) if bulletin.origin == self.origin => {}
            Ok(bulletin) => {
                for (topic, news) in &bulletin.news {
                    self.shared.board.hear(topic, news);
                }
            }
            Err(error) => {
                tracing::warn!(%error, "what other replicas have written cannot be read");
                self.shared.board.doubt_everything();
            }
        }
    }
}

async fn publish(link: &Link, bulletin: &Bulletin) -> bool {
    let Ok(message) = serde_json::to_string(bulletin) else { return true };
    let name = news_stream(link);
    let added = link.call("news", |mut redis| async move {
        let mut add = redis::cmd("XADD");
        add.arg(name).arg("MAXLEN").arg("~").arg(NEWS_KEPT).arg("*").arg(MESSAGE).arg(message);
        add.query_async::<Value>(&mut redis).await
    });
    added.await.is_some()
}

pub(crate) async fn until_up(link: &Link) {
    let mut states = link.watch();
    // The sender lives as long as the link does.
    let _state = states.wait_for(|state| *state == State::Up).await;
}

/// Where a stream ends now.
async fn newest(redis: &mut MultiplexedConnection, stream: &str) -> RedisResult<String> {
    let mut range = redis::cmd("XREVRANGE");
    range.arg(stream).arg("+").arg("-").arg("COUNT").arg(1);
    let answer: StreamRangeReply = range.query_async(redis).await?;
    Ok(answer.ids.into_iter().next().map_or_else(|| START.to_owned(), |entry| entry.id))
}

pub(crate) fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

impl Shared {
    fn follows(&self, is_following: bool) {
        let was_following =
            self.is_following.swap(is_following, std::sync::atomic::Ordering::Relaxed);
        if was_following != is_following {
            measures::following(is_following);
        }
        if is_following && self.deaf.ends() {
            tracing::info!("other replicas are heard again");
        }
    }

    /// Redis has taken in that a session ended here.
    pub(crate) fn tells(&self) {
        if self.mute.ends() {
            tracing::info!("other replicas can be told of ended sessions again");
        }
    }
}
