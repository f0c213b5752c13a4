//! Where views are made anew: empty tables of their names and shapes, which nobody else sees, beside
//! the service's database.
//!
//! On PostgreSQL they are temporary tables of one session, which sees nothing else by name, and which
//! the server ends when nothing is heard of it in the midst of a transaction: a command that somebody
//! paused would hold back the feeds of the whole cluster, or all who write the view. On SQLite they
//! are in a file of their own, `<service>.rebuild.db`, whose connection knows the service's, as
//! `live`, only while rows are corrected; for a check, which corrects nothing, in memory. Neither gets in the way of who writes the service's tables,
//! and a view's statements, which name tables only, do not find those. A rebuild that was interrupted
//! leaves that file at most; the next one takes it away.

use std::path::{Path, PathBuf};

use sqlx::{
    AssertSqlSafe, PgPool, SqlitePool,
    pool::PoolOptions,
    postgres::PgConnectOptions,
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqliteSynchronous},
};

use super::table::{Table, quoted, run};
use crate::{Connection, Database, StoreError, Tx, files::Claim, replay::Apart};

/// Memory in which SQLite keeps pages of what is made anew, in KiB with a minus.
const CACHE: &str = "-65536";
/// How long SQLite waits until nobody else writes.
const PATIENCE: std::time::Duration = std::time::Duration::from_secs(10);

const ATTACH: &str = "ATTACH DATABASE $1 AS live";
const KEEP_LIVE_DURABLE: &str = "PRAGMA live.synchronous = FULL";
const DETACH: &str = "DETACH DATABASE live";
const CLAIM: &str = "SELECT pg_try_advisory_lock(hashtextextended($1, 0))";
/// What is made anew need not survive anything.
const HURRY: &str = "SET synchronous_commit = off; SET temp_buffers = '64MB'";
/// What is shown does. Who waits for us waits no longer than commands wait for their locks, and for a
/// statement that turns out to take long not much longer.
const BE_BRIEF: &str = "SET LOCAL synchronous_commit = on; SET LOCAL lock_timeout = '1s'; \
     SET LOCAL statement_timeout = '10s'";
/// How long PostgreSQL waits for the next statement of a transaction that writes.
const SILENCE: &str = "5s";

/// Empty tables beside the real ones, and the ways to both.
pub(crate) struct Shadow {
    /// Reads the service's database.
    live: Apart,
    /// Writes what is made anew, and corrects what is shown.
    made: Apart,
    schema: String,
    pub(crate) tables: Vec<Table>,
    file: Option<File>,
}

/// On SQLite.
struct File {
    /// Where what is made anew is.
    made: PathBuf,
    /// Where the service's database is.
    live: PathBuf,
    claim: Claim,
}

impl Shadow {
    /// To correct what is shown, which one process does at a time.
    ///
    /// # Errors
    /// When the database does not answer, there is no such table, or another process does.
    pub(super) async fn open(
        database: &Database,
        tables: &[&'static str],
    ) -> Result<Self, StoreError> {
        let live = database.apart().await?;
        let (made, file) = match &live {
            Apart::Sqlite(pool) => {
                let (pool, file) = beside(pool, database.name()).await?;
                (Apart::Sqlite(pool), Some(file))
            }
            Apart::Postgres(pool) => {
                let made = session(pool).await?;
                claim(&made, database.name()).await?;
                (Apart::Postgres(made), None)
            }
        };
        Self::fitted(database, tables, live, made, file).await
    }

    /// To compare and no more, which many may do at once.
    ///
    /// # Errors
    /// When the database does not answer, or there is no such table.
    pub(crate) async fn to_compare(
        database: &Database,
        tables: &[&'static str],
    ) -> Result<Self, StoreError> {
        let live = database.apart().await?;
        let made = match &live {
            Apart::Sqlite(_) => Apart::Sqlite(in_memory().await?),
            Apart::Postgres(pool) => Apart::Postgres(session(pool).await?),
        };
        Self::fitted(database, tables, live, made, None).await
    }

    async fn fitted(
        database: &Database,
        tables: &[&'static str],
        live: Apart,
        made: Apart,
        file: Option<File>,
    ) -> Result<Self, StoreError> {
        let mut described = Vec::new();
        for table in tables {
            let mut connection = live.connection().await?;
            described.push(Table::describe(&mut connection, database.name(), table).await?);
        }
        for text in described.iter().flat_map(|table| &table.create) {
            run(&mut made.connection().await?, text.clone()).await?;
        }
        let schema = database.name().to_owned();
        Ok(Self { live, made, schema, tables: described, file })
    }

    /// The service's database, as it is at each statement.
    pub(crate) async fn live(&self) -> Result<Connection<'static>, StoreError> {
        Ok(self.live.connection().await?)
    }

    /// The service's database, as it is at the first statement. Only reads: nobody waits for it.
    pub(crate) async fn moment(&self) -> Result<Tx, StoreError> {
        self.live.begin().await
    }

    /// What was made anew.
    pub(crate) async fn made(&self) -> Result<Connection<'static>, StoreError> {
        Ok(self.made.connection().await?)
    }

    /// A transaction on what is made anew.
    pub(crate) async fn write(&self) -> Result<Tx, StoreError> {
        self.made.begin_with("BEGIN", "BEGIN").await
    }

    /// A transaction that corrects what is shown. From here to its end nobody else changes it; all
    /// can read it.
    pub(super) async fn hold_writers(&self) -> Result<Tx, StoreError> {
        self.attach().await?;
        let mut tx = self.made.begin_with("BEGIN IMMEDIATE", "BEGIN").await?;
        if let Connection::Postgres(_) = tx.connection().await? {
            let tables = self
                .tables
                .iter()
                .map(|table| format!("{}.{}", quoted(&self.schema), quoted(table.name)));
            let tables = tables.collect::<Vec<_>>().join(", ");
            let lock = format!("{BE_BRIEF}; LOCK TABLE {tables} IN EXCLUSIVE MODE");
            run(&mut tx.connection().await?, lock).await?;
        }
        Ok(tx)
    }

    async fn attach(&self) -> Result<(), StoreError> {
        if let (Connection::Sqlite(mut connection), Some(file)) =
            (self.made.connection().await?, &self.file)
        {
            let live = file.live.to_string_lossy();
            // It may be so since an attempt before.
            let _is_attached = sqlx::raw_sql(DETACH).execute(&mut *connection).await;
            sqlx::query(ATTACH).bind(live).execute(&mut *connection).await?;
            sqlx::raw_sql(KEEP_LIVE_DURABLE).execute(&mut *connection).await?;
        }
        Ok(())
    }

    /// The transaction of [`Self::hold_writers`] has ended.
    pub(super) async fn let_go(&self) -> Result<(), StoreError> {
        if let Connection::Sqlite(mut connection) = self.made.connection().await? {
            sqlx::raw_sql(DETACH).execute(&mut *connection).await?;
        }
        Ok(())
    }

    /// Tells PostgreSQL how much there is by now, which it plans by.
    pub(crate) async fn analyze(&self) -> Result<(), StoreError> {
        if let Connection::Postgres(mut connection) = self.made.connection().await? {
            for table in &self.tables {
                let text = format!("ANALYZE pg_temp.{}", quoted(table.name));
                sqlx::raw_sql(AssertSqlSafe(text)).execute(&mut *connection).await?;
            }
        }
        Ok(())
    }

    /// Leaves nothing behind.
    pub(crate) async fn close(self) {
        self.made.close().await;
        self.live.close().await;
        if let Some(File { made, claim, .. }) = self.file {
            remove(&made).await;
            claim.release();
        }
    }
}

/// Nothing but temporary tables is found in it by name.
async fn session(live: &PgPool) -> Result<PgPool, StoreError> {
    let options = PgConnectOptions::clone(&live.connect_options())
        .options([("search_path", "pg_temp"), ("idle_in_transaction_session_timeout", SILENCE)]);
    let pool: PgPool = one_connection().connect_with(options).await?;
    let mut connection = pool.acquire().await?;
    sqlx::raw_sql(HURRY).execute(&mut *connection).await?;
    drop(connection);
    Ok(pool)
}

/// Until the session ends.
async fn claim(session: &PgPool, name: &str) -> Result<(), StoreError> {
    let mut connection = session.acquire().await?;
    let is_first: bool = sqlx::query_scalar(CLAIM)
        .bind(format!("boxoffice rebuild {name}"))
        .fetch_one(&mut *connection)
        .await?;
    if is_first { Ok(()) } else { Err(another(name)) }
}

/// What is made there is there as long as the connection.
fn one_connection<D: sqlx::Database>() -> PoolOptions<D> {
    PoolOptions::new()
        .max_connections(1)
        .idle_timeout(None)
        .max_lifetime(None)
        .test_before_acquire(false)
}

async fn in_memory() -> Result<SqlitePool, StoreError> {
    let options = SqliteConnectOptions::new()
        .in_memory(true)
        .journal_mode(SqliteJournalMode::Memory)
        .synchronous(SqliteSynchronous::Off)
        .foreign_keys(false);
    Ok(one_connection().connect_with(options).await?)
}

async fn beside(live: &SqlitePool, name: &str) -> Result<(SqlitePool, File), StoreError> {
    let live = live.connect_options().get_filename().to_owned();
    let directory = live.parent().unwrap_or(Path::new("."));
    let apart = format!("{name}.rebuild");
    let claim = Claim::take(&apart, directory).await.map_err(|error| match error {
        StoreError::Unavailable(_) => another(name),
        other => other,
    })?;
    let made = directory.join(format!("{apart}.db"));
    remove(&made).await;
    let options = SqliteConnectOptions::new()
        .filename(&made)
        .create_if_missing(true)
        .journal_mode(SqliteJournalMode::Memory)
        .synchronous(SqliteSynchronous::Off)
        .foreign_keys(false)
        .busy_timeout(PATIENCE)
        .pragma("cache_size", CACHE);
    let pool: SqlitePool = one_connection().connect_with(options).await?;
    Ok((pool, File { made, live, claim }))
}

/// The file, if it is there; what SQLite keeps beside it is in memory.
async fn remove(file: &Path) {
    match tokio::fs::remove_file(file).await {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            tracing::warn!(file = %file.display(), %error, "it stays behind");
        }
        _ => {}
    }
}

fn another(name: &str) -> StoreError {
    StoreError::Failed(format!(
        "views of {name} are being rebuilt by another process; wait until it is done"
    ))
}
