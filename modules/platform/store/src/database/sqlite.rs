//! How a SQLite file is opened: one connection that writes, and some that read.

use std::path::Path;

use sqlx::{
    ConnectOptions as _, Connection as _, SqliteConnection, SqlitePool,
    pool::PoolOptions,
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqliteSynchronous},
};

use crate::{StoreError, files, settings::DatabaseSettings};

/// SQLite's write-ahead log is carried over into the file after so many pages. What many commits
/// change is then carried over once.
const WAL_PAGES: &str = "4000";
/// Memory in which each connection to a SQLite file keeps pages, in KiB with a minus. The one that
/// writes needs more than those that read.
const WRITER_CACHE: &str = "-4096";
const READER_CACHE: &str = "-1024";
/// SQLite's write-ahead log is cut back to this many bytes after a checkpoint.
const WAL_LIMIT: &str = "67108864";
const CHANGE_NOTHING: &str = "BEGIN IMMEDIATE; ROLLBACK";

/// The connections to a file.
pub(super) struct Sqlite {
    pub(super) writer: SqlitePool,
    pub(super) readers: SqlitePool,
}

impl Sqlite {
    /// Closes them.
    pub(super) async fn close(&self) {
        self.readers.close().await;
        self.writer.close().await;
    }
}

pub(super) async fn open(
    settings: &DatabaseSettings,
    name: &str,
    data_dir: &Path,
) -> Result<Sqlite, StoreError> {
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
    Ok(Sqlite { writer, readers })
}
