//! A database of each kind, and processes on it that can be stopped and started.

use std::{
    net::SocketAddr,
    path::Path,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use runtime::{Context, Ids, Principal, Secret, SystemRandom, TraceContext};
use store::{
    CommitObserver, Committer, Database, DatabaseSettings, Events, RecordedSummary, Schema,
};
use tempfile::TempDir;
use testkit::{TestClock, postgres};
use tokio::{task::JoinSet, time::Instant};
use uuid::Uuid;

use crate::account::{Account, AccountsView};

/// The schema of the service in these tests.
pub static SCHEMA: Schema = Schema::new(
    "ledger",
    sqlx::migrate!("tests/store/migrations/sqlite"),
    sqlx::migrate!("tests/store/migrations/postgres"),
);

/// Runs each test on SQLite and on PostgreSQL.
macro_rules! on_both {
    ($(async fn $name:ident($world:ident) $body:block)*) => {$(
        mod $name {
            use super::*;

            async fn test($world: crate::world::World) $body

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn on_sqlite() {
                test(crate::world::World::sqlite()).await;
            }

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn on_postgres() {
                test(crate::world::World::postgres().await).await;
            }
        }
    )*};
}
pub(crate) use on_both;

/// As [`on_both`], and on a SQLite file that belongs to one process at a time.
macro_rules! on_all {
    ($(async fn $name:ident($world:ident) $body:block)*) => {
        crate::world::on_both! { $(async fn $name($world) $body)* }

        mod alone {
            use super::*;

            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() {
                async fn test($world: crate::world::World) $body

                test(crate::world::World::alone()).await;
            })*
        }
    };
}
pub(crate) use on_all;

/// A database that outlives the processes using it.
pub struct World {
    pub settings: DatabaseSettings,
    pub clock: TestClock,
    directory: TempDir,
    is_alone: bool,
}

impl World {
    pub fn sqlite() -> Self {
        Self::with(Secret::default())
    }

    pub fn alone() -> Self {
        Self { is_alone: true, ..Self::sqlite() }
    }

    pub async fn postgres() -> Self {
        let url = postgres::fresh_database().await;
        Self::with(Secret::from(url.as_str().to_owned()))
    }

    /// On a server of the test's own.
    pub fn on(url: &str) -> Self {
        Self::with(Secret::from(url.to_owned()))
    }

    fn with(url: Secret) -> Self {
        Self {
            settings: DatabaseSettings { url, ..DatabaseSettings::default() },
            clock: TestClock::at("2026-11-20T19:00:00Z"),
            directory: tempfile::tempdir().unwrap(),
            is_alone: false,
        }
    }

    pub fn is_postgres(&self) -> bool {
        !self.settings.url.is_empty()
    }

    pub fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// Leads the way to the server over `way`, and answers with where the server is.
    pub fn detour(&mut self, way: SocketAddr) -> SocketAddr {
        let url = self.settings.url.expose().to_owned();
        let (before, rest) = url.split_once('@').unwrap();
        let (server, after) = rest.split_once('/').unwrap();
        self.settings.url = Secret::from(format!("{before}@{way}/{after}"));
        server.parse().unwrap()
    }

    /// Where SQLite keeps it.
    pub fn file(&self) -> std::path::PathBuf {
        self.directory.path().join("ledger.db")
    }

    /// Connects without migrating.
    pub async fn connect(&self) -> Database {
        let (settings, name, directory) = (&self.settings, SCHEMA.name(), self.directory.path());
        if self.is_alone {
            return Database::connect_alone(settings, name, directory).await.unwrap();
        }
        Database::connect(settings, name, directory).await.unwrap()
    }

    pub async fn database(&self) -> Database {
        let database = self.connect().await;
        SCHEMA.up_on(&database).await.unwrap();
        database
    }

    pub async fn start(&self) -> Process {
        self.start_with(None).await
    }

    pub async fn start_with(&self, observer: Option<CommitObserver>) -> Process {
        let database = self.database().await;
        let ids = Ids::new(Arc::new(self.clock.clone()), Arc::new(SystemRandom::default()));
        let clock = Arc::new(self.clock.clone());
        let (committer, work) = Committer::new(&database, clock, ids.clone(), observer);
        let mut running = JoinSet::new();
        running.spawn(work.run());
        Process {
            accounts: Events::new(&committer, AccountsView),
            committer,
            database,
            ids,
            running,
        }
    }

    /// Starts a process that reports its commits.
    pub async fn start_observed(&self) -> (Process, Commits) {
        let commits = Commits::default();
        let seen = commits.clone();
        let observer = CommitObserver::new(move |events| {
            seen.0.lock().unwrap_or_else(PoisonError::into_inner).push(events.to_vec());
            Box::pin(async {})
        });
        (self.start_with(Some(observer)).await, commits)
    }
}

/// What was committed, one list a commit.
#[derive(Clone, Default)]
pub struct Commits(Arc<Mutex<Vec<Vec<RecordedSummary>>>>);

impl Commits {
    pub fn all(&self) -> Vec<Vec<RecordedSummary>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// A process on the database.
pub struct Process {
    pub database: Database,
    pub committer: Committer,
    pub accounts: Events<Account>,
    pub ids: Ids,
    running: JoinSet<()>,
}

impl Process {
    /// Commits what waits and closes the database.
    pub async fn stop(mut self) {
        self.committer.close();
        self.running.join_next().await;
        self.database.close().await;
    }

    /// Ends at once, as if killed.
    pub async fn kill(mut self) {
        self.running.shutdown().await;
    }

    pub fn id(&self) -> Uuid {
        self.ids.next()
    }
}

pub fn cx() -> Context {
    cx_within(Duration::from_secs(30))
}

pub fn cx_within(limit: Duration) -> Context {
    let principal = Principal::Service { name: "ledger".to_owned() };
    let trace = TraceContext::start(&SystemRandom::default());
    Context::new(principal, Instant::now() + limit, "request-1", trace)
}
