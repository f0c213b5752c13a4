//! A service's database: how it is reached, on SQLite and on PostgreSQL, and whether it works.
//!
//! What runs on it is in [`mod@crate::sql`] and [`crate::tx`]; its schema in [`mod@crate::schema`].

use std::{
    collections::HashMap,
    path::Path,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use sqlx::{
    ConnectOptions as _, PgConnection, SqlitePool, pool::PoolOptions, postgres::PgListener,
    sqlite::SqliteConnectOptions,
};
use tokio::sync::watch;

use self::{health::Health, postgres::Postgres, sqlite::Sqlite};
use crate::{
    Connection, StoreError, Tx, commits::Commits, files::Claim, idempotency::InFlight,
    replay::Apart, settings::DatabaseSettings, tail::Tail, timers::Desk,
};

mod fate;
mod health;
mod postgres;
mod servers;
mod sqlite;

pub(crate) use self::{fate::Fate, servers::Servers};

/// Between two questions to a server that drops connections.
const BEGIN_PAUSE: Duration = Duration::from_millis(50);
/// How long PostgreSQL waits for the next statement of a transaction that reads for long.
const PAUSED: &str = "60s";

/// Which of the two it is. Only the store's own code asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dialect {
    /// An embedded file.
    Sqlite,
    /// A schema on a server.
    Postgres,
}

/// A service's own database: a SQLite file or a schema in PostgreSQL. Cheap to clone.
#[derive(Clone)]
pub struct Database(Arc<Inner>);

struct Inner {
    name: String,
    engine: Engine,
    /// Held as long as no other process may serve the file.
    claim: Option<Mutex<Option<Claim>>>,
    /// What was committed last, while nobody else writes.
    tail: Tail,
    /// Where whoever fires timers in this process hears of them, by category.
    desks: Mutex<HashMap<&'static str, Arc<Desk>>>,
    /// Keys that were claimed, while nobody else writes.
    in_flight: InFlight,
    settings: DatabaseSettings,
    commits: Commits,
    health: Health,
}

enum Engine {
    Sqlite(Sqlite),
    Postgres(Box<Postgres>),
}

impl Database {
    /// Connects: to the schema `name` of the PostgreSQL server in `settings.url`, or, without a
    /// URL, to the file `name.db` in `data_dir`, which is created if it is missing.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when the server or the file cannot be reached (trying again
    /// later makes sense), [`StoreError::Failed`] when the settings are wrong.
    pub async fn connect(
        settings: &DatabaseSettings,
        name: &str,
        data_dir: &Path,
    ) -> Result<Self, StoreError> {
        check_name(name)?;
        let engine = if settings.url.is_empty() {
            Engine::Sqlite(sqlite::open(settings, name, data_dir).await?)
        } else {
            Engine::Postgres(Box::new(Postgres::open(settings, name).await?))
        };
        Ok(Self(Arc::new(Inner {
            name: name.to_owned(),
            engine,
            claim: None,
            tail: Tail::default(),
            desks: Mutex::default(),
            in_flight: InFlight::default(),
            settings: settings.clone(),
            commits: Commits::default(),
            health: Health::default(),
        })))
    }

    /// As [`Database::connect`], for the process that serves it. A SQLite file is then this
    /// process's alone until it is closed: what the process remembers of it is what is in it.
    ///
    /// # Errors
    /// As [`Database::connect`]; [`StoreError::Unavailable`] while another process serves the file.
    pub async fn connect_alone(
        settings: &DatabaseSettings,
        name: &str,
        data_dir: &Path,
    ) -> Result<Self, StoreError> {
        let claim =
            if settings.url.is_empty() { Some(Claim::take(name, data_dir).await?) } else { None };
        Ok(Self::connect(settings, name, data_dir).await?.keeping(claim))
    }

    /// This connection, for as long as which nobody else may serve the file. To be said before it
    /// is shared.
    pub(crate) fn keeping(mut self, claim: Option<Claim>) -> Self {
        if let (Some(inner), Some(claim)) = (Arc::get_mut(&mut self.0), claim) {
            inner.claim = Some(Mutex::new(Some(claim)));
        }
        self
    }

    /// Whether nobody else writes it.
    pub(crate) fn is_alone(&self) -> bool {
        self.0.claim.is_some()
    }

    /// What was committed last, where that is all there is.
    pub(crate) fn tail(&self) -> Option<&Tail> {
        self.is_alone().then_some(&self.0.tail)
    }

    /// Changes when what is remembered of it may not be there any more: another server has gone on
    /// with it, or it was started anew.
    pub fn moves(&self) -> u64 {
        match &self.0.engine {
            Engine::Sqlite(_) => 0,
            Engine::Postgres(postgres) => postgres.moves(),
        }
    }

    /// The keys that were claimed in this process.
    pub(crate) fn in_flight(&self) -> &InFlight {
        &self.0.in_flight
    }

    pub(crate) fn open_desk(&self, category: &'static str, desk: Arc<Desk>) {
        self.desks().insert(category, desk);
    }

    pub(crate) fn close_desk(&self, category: &'static str) {
        self.desks().remove(category);
    }

    /// Where to leave word of timers of this category, when this process fires them.
    pub(crate) fn desk(&self, category: &'static str) -> Option<Arc<Desk>> {
        self.desks().get(category).cloned()
    }

    fn desks(&self) -> MutexGuard<'_, HashMap<&'static str, Arc<Desk>>> {
        self.0.desks.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The name it was opened under: the service's.
    pub fn name(&self) -> &str {
        &self.0.name
    }

    /// Which of the two it is.
    pub fn dialect(&self) -> Dialect {
        match self.0.engine {
            Engine::Sqlite(_) => Dialect::Sqlite,
            Engine::Postgres(_) => Dialect::Postgres,
        }
    }

    /// The settings it was opened with.
    pub fn settings(&self) -> &DatabaseSettings {
        &self.0.settings
    }

    /// A connection for one statement outside of any transaction; on SQLite it can only read.
    ///
    /// # Errors
    /// When no connection becomes free in time, or none can be made.
    pub async fn connection(&self) -> Result<Connection<'static>, sqlx::Error> {
        Ok(match &self.0.engine {
            Engine::Sqlite(sqlite) => Connection::Sqlite(sqlite.readers.acquire().await?.into()),
            Engine::Postgres(postgres) => Connection::Postgres(postgres.acquire().await?.into()),
        })
    }

    /// Nothing depends on it here; see [`Tx::failed`].
    #[doc(hidden)]
    pub fn failed(&self, _error: &sqlx::Error) {}

    /// Begins a transaction that may write. On SQLite there is one at a time: keep it short, and
    /// prefer [`Committer::transact`](crate::Committer::transact), which shares its commit with
    /// others.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when it does not begin within the configured time.
    pub async fn begin(&self) -> Result<Tx, StoreError> {
        match &self.0.engine {
            Engine::Sqlite(sqlite) => {
                Ok(Tx::sqlite(sqlite.writer.begin_with("BEGIN IMMEDIATE").await?))
            }
            Engine::Postgres(postgres) => postgres.begin().await,
        }
    }

    /// Changes whenever something was committed through this process, and soon after others have. For
    /// those who wait for new rows; of what others commit on PostgreSQL, only a look tells for sure.
    pub fn commits(&self) -> watch::Receiver<u64> {
        self.0.commits.subscribe()
    }

    pub(crate) fn heard_of_commits(&self) -> &Commits {
        &self.0.commits
    }

    /// A connection of its own to the PostgreSQL server, for notifications.
    ///
    /// # Errors
    /// When the server does not answer, or there is none.
    pub(crate) async fn listener(&self) -> Result<PgListener, StoreError> {
        match &self.0.engine {
            Engine::Sqlite(_) => Err(StoreError::Failed("it is no server".to_owned())),
            Engine::Postgres(postgres) => {
                let patience = self.0.settings.acquire_timeout;
                let pool = PoolOptions::new()
                    .max_connections(1)
                    .acquire_timeout(patience)
                    .max_lifetime(None)
                    .idle_timeout(None)
                    .connect_lazy_with(postgres.options()?);
                Ok(PgListener::connect_with(&pool).await?)
            }
        }
    }

    pub(crate) fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    /// Closes all connections; those in use when they come back.
    pub async fn close(&self) {
        match &self.0.engine {
            Engine::Sqlite(sqlite) => sqlite.close().await,
            Engine::Postgres(postgres) => postgres.close().await,
        }
        let claim = self.0.claim.as_ref();
        let held = claim.and_then(|it| it.lock().unwrap_or_else(PoisonError::into_inner).take());
        if let Some(held) = held {
            held.release();
        }
    }

    /// The pool that migrations run on: SQLite's writer. PostgreSQL's need a connection without
    /// time limits, see [`Database::unlimited_connection`].
    pub(crate) fn sqlite_writer(&self) -> Option<&SqlitePool> {
        match &self.0.engine {
            Engine::Sqlite(sqlite) => Some(&sqlite.writer),
            Engine::Postgres(_) => None,
        }
    }

    /// What reads while views are made anew, for as long as it takes. A transaction of a process that
    /// was paused is ended by PostgreSQL: what it may still see is not cleaned up.
    pub(crate) async fn apart(&self) -> Result<Apart, StoreError> {
        let patience = self.0.settings.acquire_timeout;
        Ok(match &self.0.engine {
            Engine::Sqlite(sqlite) => {
                let options = SqliteConnectOptions::clone(&sqlite.readers.connect_options());
                let pool = PoolOptions::new().max_connections(1).acquire_timeout(patience);
                Apart::Sqlite(pool.connect_with(options).await?)
            }
            Engine::Postgres(postgres) => {
                let limit = [("idle_in_transaction_session_timeout", PAUSED)];
                let options = postgres.options()?.options(limit);
                let pool = PoolOptions::new().max_connections(1).acquire_timeout(patience);
                Apart::Postgres(pool.connect_with(options).await?)
            }
        })
    }

    /// A connection of its own to the PostgreSQL schema, on which statements may take as long as
    /// they take. They wait for locks no longer than others do: whoever comes later would wait, too.
    ///
    /// # Errors
    /// When the server does not answer, or there is none.
    pub(crate) async fn unlimited_connection(&self) -> Result<PgConnection, StoreError> {
        match &self.0.engine {
            Engine::Sqlite(_) => Err(StoreError::Failed("it is no server".to_owned())),
            Engine::Postgres(postgres) => {
                let limit = self.0.settings.lock_timeout.as_millis().to_string();
                Ok(postgres.options()?.options([("lock_timeout", limit)]).connect().await?)
            }
        }
    }
}

/// The statements of these files that run on both databases.
pub(crate) use health::STATEMENTS;

/// The name becomes a file's and a schema's.
pub(crate) fn check_name(name: &str) -> Result<(), StoreError> {
    let is_plain = |character: char| character.is_ascii_lowercase() || character == '_';
    if !name.is_empty() && name.chars().all(is_plain) {
        return Ok(());
    }
    Err(StoreError::Failed(format!(
        "\"{name}\" cannot name a database; use lowercase letters and underscores"
    )))
}
