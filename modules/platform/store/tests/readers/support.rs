//! A database of a test's own, on either kind, used by one process or several.

use std::{sync::Arc, time::Duration};

use runtime::{
    Clock, Context, Ids, Principal, Random, Section, SystemRandom, Timestamp, TraceContext,
};
use serde::{Deserialize, Serialize};
use store::{Aggregate, Committer, Database, DatabaseSettings, Events, Schema};
use testkit::{TestClock, postgres};
use tokio::{task::JoinSet, time::Instant};
use uuid::Uuid;

static SCHEMA: Schema = Schema::new(
    "shop",
    store::sqlx::migrate::Migrator::DEFAULT,
    store::sqlx::migrate::Migrator::DEFAULT,
);

/// Runs each test on SQLite and on PostgreSQL.
macro_rules! on_both {
    ($($(#[$attribute:meta])* async fn $name:ident($shop:ident: Shop) $body:block)*) => {
        $(mod $name {
            use super::*;

            async fn test($shop: $crate::support::Shop) $body

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn on_sqlite() {
                test($crate::support::Shop::on_sqlite().await).await;
            }

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn on_postgres() {
                test($crate::support::Shop::on_postgres().await).await;
            }
        })*
    };
}
pub(crate) use on_both;

/// As [`on_both`], and on a SQLite file that belongs to one process at a time.
macro_rules! on_all {
    ($($(#[$attribute:meta])* async fn $name:ident($shop:ident: Shop) $body:block)*) => {
        $crate::support::on_both! { $($(#[$attribute])* async fn $name($shop: Shop) $body)* }

        mod alone {
            use super::*;

            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() {
                async fn test($shop: $crate::support::Shop) $body

                test($crate::support::Shop::alone().await).await;
            })*
        }
    };
}
pub(crate) use on_all;

/// One database and the clock that all its users share.
pub(crate) struct Shop {
    pub(crate) clock: TestClock,
    settings: DatabaseSettings,
    folder: tempfile::TempDir,
    is_alone: bool,
}

impl Shop {
    pub(crate) async fn alone() -> Self {
        Self { is_alone: true, ..Self::on_sqlite().await }
    }

    pub(crate) async fn on_sqlite() -> Self {
        Self::with(DatabaseSettings::default()).await
    }

    pub(crate) async fn on_postgres() -> Self {
        Self::at(&postgres::fresh_database().await).await
    }

    pub(crate) async fn at(url: &postgres::PostgresUrl) -> Self {
        let settings = serde_json::json!({ "url": url.as_str() });
        Self::with(serde_json::from_value(settings).unwrap()).await
    }

    async fn with(settings: DatabaseSettings) -> Self {
        let settings = DatabaseSettings { lease_timeout: SILENCE, ..settings };
        assert_eq!(settings.check(), Vec::<String>::new());
        let shop = Self {
            clock: TestClock::at("2026-11-20T19:00:00Z"),
            settings,
            folder: tempfile::tempdir().unwrap(),
            is_alone: false,
        };
        let database = shop.connect().await;
        SCHEMA.up_on(&database).await.unwrap();
        database.close().await;
        shop
    }

    /// Where the server is.
    pub(crate) fn url(&self) -> &str {
        self.settings.url.expose()
    }

    /// Another process' connections to the database.
    pub(crate) async fn connect(&self) -> Database {
        Database::connect(&self.settings, SCHEMA.name(), self.folder.path()).await.unwrap()
    }

    /// A process that uses the database.
    pub(crate) async fn process(&self) -> Process {
        let (settings, folder) = (&self.settings, self.folder.path());
        let database = if self.is_alone {
            Database::connect_alone(settings, SCHEMA.name(), folder).await.unwrap()
        } else {
            self.connect().await
        };
        let clock: Arc<dyn Clock> = Arc::new(self.clock.clone());
        let ids = Ids::new(Arc::clone(&clock), random());
        let (committer, work) = Committer::new(&database, clock, ids, None);
        let mut tasks = JoinSet::new();
        tasks.spawn(work.run());
        let lamps = Events::new(&committer, ());
        Process { database, lamps, tasks }
    }

    pub(crate) fn in_seconds(&self, seconds: i64) -> Timestamp {
        self.clock.now() + jiff::SignedDuration::from_secs(seconds)
    }
}

/// After how long a silent process is taken for dead. Short, since tests wait for it.
pub(crate) const SILENCE: Duration = Duration::from_millis(800);

/// Dropped, it is dead: nothing of it goes on.
pub(crate) struct Process {
    pub(crate) database: Database,
    pub(crate) lamps: Events<Lamp>,
    pub(crate) tasks: JoinSet<()>,
}

impl Process {
    pub(crate) async fn give(&self, lamp: Uuid, command: LampCommand) {
        self.lamps.execute(&context(), lamp, command).await.unwrap();
    }

    /// Ends the process as a kill does, and waits until it is gone.
    pub(crate) async fn kill(mut self) {
        self.tasks.shutdown().await;
        self.database.close().await;
    }
}

pub(crate) fn random() -> Arc<dyn Random> {
    Arc::new(SystemRandom::default())
}

pub(crate) fn context() -> Context {
    let deadline = Instant::now() + Duration::from_secs(30);
    let trace = TraceContext::start(random().as_ref());
    Context::new(Principal::Anonymous, deadline, "req-1", trace)
}

pub(crate) fn uuid(number: u128) -> Uuid {
    Uuid::from_u128(number)
}

/// A lamp that turns itself off.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Lamp {
    pub(crate) is_on: bool,
    pub(crate) off_at: Option<Timestamp>,
    pub(crate) times_off: u32,
}

#[derive(Debug, Clone)]
pub(crate) enum LampCommand {
    TurnOn { off_at: Option<Timestamp> },
    TurnOff,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(crate) enum LampEvent {
    TurnedOn { off_at: Option<Timestamp> },
    TurnedOff,
}

impl Aggregate for Lamp {
    const NAME: &'static str = "lamp";
    type Command = LampCommand;
    type Event = LampEvent;
    type Rejection = std::convert::Infallible;

    fn decide(&self, command: LampCommand) -> Result<Vec<LampEvent>, Self::Rejection> {
        Ok(match command {
            LampCommand::TurnOn { off_at } => vec![LampEvent::TurnedOn { off_at }],
            LampCommand::TurnOff if self.is_on => vec![LampEvent::TurnedOff],
            LampCommand::TurnOff => Vec::new(),
        })
    }

    fn evolve(&mut self, event: &LampEvent) {
        match event {
            LampEvent::TurnedOn { off_at } => {
                self.is_on = true;
                self.off_at = *off_at;
            }
            LampEvent::TurnedOff => {
                self.is_on = false;
                self.off_at = None;
                self.times_off += 1;
            }
        }
    }

    fn wake_at(&self) -> Option<Timestamp> {
        self.off_at
    }
}
