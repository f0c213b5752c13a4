//! Where views are made anew: empty tables of their names and shapes, which nobody else sees, beside
//! the service's database.
//!
//! On PostgreSQL they are temporary tables of one session, which sees nothing else by name. On SQLite
//! they are in a file of their own, `<service>.rebuild.db`, whose connection knows the service's, as
//! `live`, only while rows are corrected. Neither gets in the way of who writes the service's tables,
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
/// What is shown does. Who waits for us waits no longer than commands wait for their locks.
const BE_BRIEF: &str = "SET LOCAL synchronous_commit = on; SET LOCAL lock_timeout = '1s'";

/// Empty tables beside the real ones, and the ways to both.
pub(super) struct Shadow {
    /// Reads the service's database.
    live: Apart,
    /// Writes what is made anew, and corrects what is shown.
    made: Apart,
    schema: String,
    pub(super) tables: Vec<Table>,
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
            Apart::Postgres(pool) => (Apart::Postgres(session(pool, database.name()).await?), None),
        };
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
    pub(super) async fn live(&self) -> Result<Connection<'static>, StoreError> {
        Ok(self.live.connection().await?)
    }

    /// The service's database, as it is at the first statement. Only reads: nobody waits for it.
    pub(super) async fn moment(&self) -> Result<Tx, StoreError> {
        self.live.begin().await
    }

    /// What was made anew.
    pub(super) async fn made(&self) -> Result<Connection<'static>, StoreError> {
        Ok(self.made.connection().await?)
    }

    /// A transaction on what is made anew.
    pub(super) async fn write(&self) -> Result<Tx, StoreError> {
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
    pub(super) async fn analyze(&self) -> Result<(), StoreError> {
        if let Connection::Postgres(mut connection) = self.made.connection().await? {
            for table in &self.tables {
                let text = format!("ANALYZE pg_temp.{}", quoted(table.name));
                sqlx::raw_sql(AssertSqlSafe(text)).execute(&mut *connection).await?;
            }
        }
        Ok(())
    }

    /// Leaves nothing behind.
    pub(super) async fn close(self) {
        self.made.close().await;
        self.live.close().await;
        if let Some(File { made, claim, .. }) = self.file {
            remove(&made).await;
            claim.release();
        }
    }
}

async fn session(live: &PgPool, name: &str) -> Result<PgPool, StoreError> {
    let options = PgConnectOptions::clone(&live.connect_options());
    let pool: PgPool = PoolOptions::new()
        .max_connections(1)
        .idle_timeout(None)
        .max_lifetime(None)
        .test_before_acquire(false)
        .connect_with(options.options([("search_path", "pg_temp")]))
        .await?;
    let mut connection = pool.acquire().await?;
    let is_first: bool = sqlx::query_scalar(CLAIM)
        .bind(format!("boxoffice rebuild {name}"))
        .fetch_one(&mut *connection)
        .await?;
    if !is_first {
        return Err(another(name));
    }
    sqlx::raw_sql(HURRY).execute(&mut *connection).await?;
    drop(connection);
    Ok(pool)
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
    let pool: SqlitePool = PoolOptions::new()
        .max_connections(1)
        .idle_timeout(None)
        .max_lifetime(None)
        .test_before_acquire(false)
        .connect_with(options)
        .await?;
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
