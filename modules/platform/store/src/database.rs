//! A service's database: how it is reached, on SQLite and on PostgreSQL, and whether it works.
//!
//! What runs on it is in [`mod@crate::sql`] and [`crate::tx`]; its schema in [`mod@crate::schema`].

use std::{
    collections::HashMap,
    mem,
    path::Path,
    str::FromStr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use sqlx::{
    ConnectOptions, Connection as _, PgConnection, PgPool, SqliteConnection, SqlitePool,
    pool::PoolOptions,
    postgres::PgConnectOptions,
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqliteSynchronous},
};
use tokio::{sync::watch, time::Instant};

use crate::{
    Connection, StoreError, Tx,
    files::{self, Claim},
    idempotency::InFlight,
    replay::Apart,
    settings::DatabaseSettings,
    tail::Tail,
    timers::Desk,
};

/// SQLite's write-ahead log is carried over into the file after so many pages. What many commits
/// change is then carried over once.
const WAL_PAGES: &str = "4000";
/// Memory in which each connection to a SQLite file keeps pages, in KiB with a minus. The one that
/// writes needs more than those that read.
const WRITER_CACHE: &str = "-4096";
const READER_CACHE: &str = "-1024";
/// SQLite's write-ahead log is cut back to this many bytes after a checkpoint.
const WAL_LIMIT: &str = "67108864";
/// A PostgreSQL connection that was idle for longer is tested before it is used.
const TRUSTED_IDLE: Duration = Duration::from_secs(1);
/// A commit that takes longer is worth a line in the log.
const LONG_COMMIT: Duration = Duration::from_secs(1);
/// Between two attempts to begin a transaction on a server that drops connections.
const BEGIN_PAUSE: Duration = Duration::from_millis(50);

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
    commits: watch::Sender<u64>,
    health: Mutex<Health>,
}

enum Engine {
    Sqlite { writer: SqlitePool, readers: SqlitePool },
    Postgres { pool: PgPool },
}

#[derive(Default)]
struct Health {
    /// Why the last commit failed, if it did because of the database.
    trouble: Option<String>,
    /// Since when a commit has been under way.
    committing_since: Option<Instant>,
}

/// What came of a transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fate {
    Committed,
    RolledBack,
    Unknown,
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
            open_file(settings, name, data_dir).await?
        } else {
            open_schema(settings, name).await?
        };
        Ok(Self(Arc::new(Inner {
            name: name.to_owned(),
            engine,
            claim: None,
            tail: Tail::default(),
            desks: Mutex::default(),
            in_flight: InFlight::default(),
            settings: settings.clone(),
            commits: watch::Sender::new(0),
            health: Mutex::default(),
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
            Engine::Sqlite { .. } => Dialect::Sqlite,
            Engine::Postgres { .. } => Dialect::Postgres,
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
            Engine::Sqlite { readers, .. } => Connection::Sqlite(readers.acquire().await?.into()),
            Engine::Postgres { pool } => Connection::Postgres(pool.acquire().await?.into()),
        })
    }

    /// Begins a transaction that may write. On SQLite there is one at a time: keep it short, and
    /// prefer [`Committer::transact`](crate::Committer::transact), which shares its commit with
    /// others.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when it does not begin within the configured time.
    pub async fn begin(&self) -> Result<Tx, StoreError> {
        let give_up = Instant::now() + self.0.settings.acquire_timeout;
        loop {
            match self.begin_uninterrupted().await {
                Err(StoreError::Unavailable(_)) if self.is_worth_another_try(give_up) => {
                    tokio::time::sleep_until(Instant::now() + BEGIN_PAUSE).await;
                }
                begun => return begun,
            }
        }
    }

    /// A server that was restarted leaves broken connections in the pool; each attempt removes one.
    fn is_worth_another_try(&self, give_up: Instant) -> bool {
        self.dialect() == Dialect::Postgres && Instant::now() < give_up
    }

    /// On PostgreSQL, a `begin` that is cancelled leaves its connection inside a transaction in the
    /// pool, so it runs where nobody cancels it. On SQLite the pool looks at what comes back.
    #[expect(clippy::disallowed_methods, reason = "awaited at once; ends by itself when cancelled")]
    async fn begin_uninterrupted(&self) -> Result<Tx, StoreError> {
        let pool = match &self.0.engine {
            Engine::Sqlite { writer, .. } => {
                return Ok(Tx::sqlite(writer.begin_with("BEGIN IMMEDIATE").await?));
            }
            Engine::Postgres { pool } => pool.clone(),
        };
        let begun = tokio::spawn(async move {
            pool.begin_with("BEGIN ISOLATION LEVEL REPEATABLE READ").await.map(Tx::postgres)
        });
        match begun.await {
            Ok(begun) => Ok(begun?),
            Err(stopped) => Err(StoreError::Unavailable(format!("beginning stopped: {stopped}"))),
        }
    }

    /// Changes whenever something was committed through this process. For those who wait for new
    /// rows; on PostgreSQL other processes commit too, and only a look tells.
    pub fn commits(&self) -> watch::Receiver<u64> {
        self.0.commits.subscribe()
    }

    /// Whether the database can be read and written. For readiness: cheap while all is well; after
    /// a commit failed it writes to see whether the trouble is over.
    ///
    /// # Errors
    /// What is wrong, in words.
    pub async fn check(&self) -> Result<(), String> {
        if let Some(since) = self.health().committing_since {
            let taken = since.elapsed();
            if taken > self.0.settings.job_timeout {
                return Err(format!("a commit has been under way for {} s", taken.as_secs()));
            }
        }
        let trouble = self.health().trouble.clone();
        let probed = if trouble.is_some() { self.probe_writing().await } else { self.ping().await };
        match (probed, trouble) {
            (Ok(()), _) => {
                if self.health().trouble.take().is_some() {
                    tracing::info!(database = self.name(), "it can be written again");
                }
                Ok(())
            }
            (Err(now), Some(before)) => Err(format!("{now} (a commit failed before: {before})")),
            (Err(now), None) => Err(now.to_string()),
        }
    }

    async fn ping(&self) -> Result<(), StoreError> {
        crate::fetch_one!(self, (i64,), PING).await?;
        Ok(())
    }

    /// Grows the database by some pages and gives them back, which a full disk does not allow.
    async fn probe_writing(&self) -> Result<(), StoreError> {
        let mut tx = self.begin().await?;
        if let Err(error) = crate::execute!(&mut tx, FILL_PROBE, " ".repeat(PROBE_SIZE)).await {
            tx.rollback().await?;
            return Err(error.into());
        }
        tx.commit().await?;
        let mut tx = self.begin().await?;
        crate::execute!(&mut tx, EMPTY_PROBE).await?;
        tx.commit().await
    }

    pub(crate) fn committing(&self) {
        self.health().committing_since = Some(Instant::now());
    }

    pub(crate) fn committed(&self) {
        let before = mem::take(&mut *self.health());
        if before.trouble.is_some() {
            tracing::info!(database = self.name(), "commits go through again");
        }
        if let Some(taken) = before.committing_since.map(|since| since.elapsed())
            && taken > LONG_COMMIT
        {
            let milliseconds = u64::try_from(taken.as_millis()).unwrap_or(u64::MAX);
            tracing::warn!(database = self.name(), milliseconds, "a commit took long");
        }
        self.0.commits.send_modify(|count| *count += 1);
    }

    /// `error` is `None` when only a job failed.
    pub(crate) fn commit_failed(&self, error: Option<&StoreError>) {
        let mut health = self.health();
        health.committing_since = None;
        let Some(error) = error.filter(|error| error.is_about_the_database()) else {
            return;
        };
        if health.trouble.is_none() {
            tracing::error!(database = self.name(), %error, "commits do not go through");
        }
        health.trouble = Some(error.to_string());
    }

    /// Asks a PostgreSQL server what came of a transaction whose commit was not confirmed.
    pub(crate) async fn fate_of(&self, txn: i64) -> Fate {
        let give_up = Instant::now() + self.0.settings.acquire_timeout;
        while Instant::now() < give_up {
            let Engine::Postgres { pool } = &self.0.engine else {
                return Fate::RolledBack;
            };
            let asked: Result<Option<String>, _> =
                sqlx::query_scalar(FATE).bind(txn.to_string()).fetch_one(pool).await;
            match asked.as_ref().map(Option::as_deref) {
                Ok(Some("committed")) => return Fate::Committed,
                Ok(Some("aborted")) => return Fate::RolledBack,
                Ok(Some("in progress")) | Err(_) => {
                    tokio::time::sleep_until(Instant::now() + BEGIN_PAUSE).await;
                }
                Ok(_) => return Fate::Unknown,
            }
        }
        Fate::Unknown
    }

    pub(crate) fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    fn health(&self) -> MutexGuard<'_, Health> {
        self.0.health.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Closes all connections; those in use when they come back.
    pub async fn close(&self) {
        match &self.0.engine {
            Engine::Sqlite { writer, readers } => {
                readers.close().await;
                writer.close().await;
            }
            Engine::Postgres { pool } => pool.close().await,
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
            Engine::Sqlite { writer, .. } => Some(writer),
            Engine::Postgres { .. } => None,
        }
    }

    /// What a check that replays the log works on: it sees what everybody sees, and writes nothing
    /// but temporary tables, which stay in memory.
    pub(crate) async fn apart(&self) -> Result<Apart, StoreError> {
        let patience = self.0.settings.acquire_timeout;
        Ok(match &self.0.engine {
            Engine::Sqlite { readers, .. } => {
                let options = SqliteConnectOptions::clone(&readers.connect_options());
                let pool = PoolOptions::new().max_connections(1).acquire_timeout(patience);
                Apart::Sqlite(pool.connect_with(options.pragma("temp_store", "MEMORY")).await?)
            }
            Engine::Postgres { .. } => {
                let options = postgres_options(&self.0.settings, self.name())?
                    .options([("search_path", self.name())]);
                let pool = PoolOptions::new().max_connections(1).acquire_timeout(patience);
                Apart::Postgres(pool.connect_with(options).await?)
            }
        })
    }

    /// A connection of its own to the PostgreSQL schema, on which statements may take as long as
    /// they take.
    pub(crate) async fn unlimited_connection(&self) -> Result<PgConnection, StoreError> {
        let options = postgres_options(&self.0.settings, self.name())?
            .options([("search_path", self.name())]);
        Ok(options.connect().await?)
    }
}

/// The statements of this file that run on both databases, for the test that prepares them.
#[cfg(test)]
pub(crate) const STATEMENTS: &[(&str, crate::Sql)] =
    crate::statements![PING, FILL_PROBE, EMPTY_PROBE];

const PROBE_SIZE: usize = 32 * 1024;
const CHANGE_NOTHING: &str = "BEGIN IMMEDIATE; ROLLBACK";
const PING: &str = "SELECT CAST(1 AS bigint)";
const FATE: &str = "SELECT pg_xact_status($1::text::xid8)";
const FILL_PROBE: &str = "INSERT INTO write_probe (id, filling) VALUES (1, $1) \
     ON CONFLICT (id) DO UPDATE SET filling = excluded.filling";
const EMPTY_PROBE: &str = "DELETE FROM write_probe";

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

async fn open_file(
    settings: &DatabaseSettings,
    name: &str,
    data_dir: &Path,
) -> Result<Engine, StoreError> {
    files::make_directory(data_dir).await?;
    let file = files::database_file(data_dir, name);
    let in_file = |error| files::not_opened(&file, error);
    let common = SqliteConnectOptions::new()
        .filename(&file)
        .foreign_keys(true)
        .busy_timeout(settings.lock_timeout)
        .disable_statement_logging();
    let writing = common
        .clone()
        .create_if_missing(true)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full)
        .pragma("cache_size", WRITER_CACHE)
        .pragma("wal_autocheckpoint", WAL_PAGES)
        .pragma("journal_size_limit", WAL_LIMIT);
    // The one writer stays; it also keeps the write-ahead log open for the readers.
    let writer = PoolOptions::new()
        .max_connections(1)
        .min_connections(1)
        .idle_timeout(None)
        .max_lifetime(None)
        .test_before_acquire(false)
        .acquire_timeout(settings.acquire_timeout)
        .after_release(|connection: &mut SqliteConnection, _| {
            Box::pin(async move {
                if !connection.is_in_transaction() {
                    return Ok(true);
                }
                // By then a rollback that was left behind has been tried. See `Tx::rollback`.
                connection.ping().await?;
                Ok(!connection.is_in_transaction())
            })
        })
        .connect_with(writing)
        .await
        .map_err(in_file)?;
    // SQLite opens what it may only read, and says so at the first change.
    let mut connection = writer.acquire().await.map_err(in_file)?;
    match sqlx::raw_sql(CHANGE_NOTHING).execute(&mut *connection).await {
        Err(error) if files::is_read_only(&error) => return Err(in_file(error)),
        _ => drop(connection),
    }
    let readers = PoolOptions::new()
        .max_connections(settings.sqlite_readers)
        .test_before_acquire(false)
        .acquire_timeout(settings.acquire_timeout)
        .connect_with(common.pragma("cache_size", READER_CACHE).read_only(true))
        .await
        .map_err(in_file)?;
    Ok(Engine::Sqlite { writer, readers })
}

async fn open_schema(settings: &DatabaseSettings, name: &str) -> Result<Engine, StoreError> {
    let options = postgres_options(settings, name)?;
    let mut connection =
        match tokio::time::timeout(settings.acquire_timeout, options.connect()).await {
            Ok(connected) => connected?,
            Err(_) => {
                return Err(StoreError::Unavailable(format!(
                    "{}:{} did not answer in time",
                    options.get_host(),
                    options.get_port()
                )));
            }
        };
    create_schema(&mut connection, name).await?;
    connection.close().await?;

    let milliseconds = |limit: Duration| limit.as_millis().to_string();
    let limited = options.options([
        ("search_path", name.to_owned()),
        ("statement_timeout", milliseconds(settings.statement_timeout)),
        ("lock_timeout", milliseconds(settings.lock_timeout)),
        ("idle_in_transaction_session_timeout", milliseconds(settings.idle_in_transaction_timeout)),
    ]);
    let pool = PoolOptions::new()
        .max_connections(settings.postgres_connections)
        .acquire_timeout(settings.acquire_timeout)
        .test_before_acquire(false)
        .before_acquire(|connection: &mut PgConnection, meta| {
            Box::pin(
                async move { Ok(meta.idle_for < TRUSTED_IDLE || connection.ping().await.is_ok()) },
            )
        })
        .connect_with(limited)
        .await?;
    Ok(Engine::Postgres { pool })
}

pub(crate) fn postgres_options(
    settings: &DatabaseSettings,
    name: &str,
) -> Result<PgConnectOptions, StoreError> {
    // The parser's error could quote the URL, and with it the password.
    let options = PgConnectOptions::from_str(settings.url.expose()).map_err(|_| {
        StoreError::Failed(
            "database.url is no address; write postgres://user:password@host:5432/database"
                .to_owned(),
        )
    })?;
    Ok(options.application_name(&format!("boxoffice-{name}")).disable_statement_logging())
}

const FIND_SCHEMA: &str = "SELECT 1 FROM pg_namespace WHERE nspname = $1";

async fn create_schema(connection: &mut PgConnection, name: &str) -> Result<(), StoreError> {
    let found = sqlx::query(FIND_SCHEMA).bind(name).fetch_optional(&mut *connection).await?;
    if found.is_some() {
        return Ok(());
    }
    // `check_name` let only letters and underscores through.
    let create = sqlx::AssertSqlSafe(format!("CREATE SCHEMA IF NOT EXISTS \"{name}\""));
    match sqlx::query(create).execute(&mut *connection).await {
        Ok(_) => Ok(()),
        // Another process created it at the same moment.
        Err(sqlx::Error::Database(refusal)) if refusal.is_unique_violation() => Ok(()),
        Err(error) => Err(error.into()),
    }
}
