//! Looks at which steps of a schema a database has, without changing anything: no directory, file,
//! schema or table is made, and nothing needs to be writable.

use std::path::Path;

use sqlx::{
    AssertSqlSafe, ConnectOptions as _, Connection as _, PgConnection, SqliteConnection,
    sqlite::SqliteConnectOptions,
};

use crate::{
    DatabaseSettings, StoreError,
    database::{Servers, check_name},
    files::{database_file, not_opened},
};

/// A database that is looked at.
pub(crate) enum Peek {
    /// There is none.
    Nothing,
    Sqlite(SqliteConnection),
    Postgres(Box<PgConnection>),
}

const HAS_TABLE_SQLITE: &str =
    "SELECT EXISTS (SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = $1)";
const HAS_TABLE_POSTGRES: &str = "SELECT to_regclass($1) IS NOT NULL";
const OTHERS: &str = "SELECT count(*) FROM pg_stat_activity \
     WHERE datname = current_database() AND application_name = $1 AND pid <> pg_backend_pid()";

impl Peek {
    pub(crate) async fn open(
        settings: &DatabaseSettings,
        name: &str,
        data_dir: &Path,
    ) -> Result<Self, StoreError> {
        check_name(name)?;
        if !settings.url.is_empty() {
            let (connection, _) = Servers::new(settings, name)?.connect().await?;
            return Ok(Self::Postgres(Box::new(connection)));
        }
        let file = database_file(data_dir, name);
        if !file.exists() {
            return Ok(Self::Nothing);
        }
        let mut log = file.clone().into_os_string();
        log.push("-wal");
        // Without a write-ahead log nobody has it open, and SQLite need not make files to share.
        let is_at_rest = !Path::new(&log).exists();
        let options = SqliteConnectOptions::new()
            .filename(&file)
            .read_only(true)
            .immutable(is_at_rest)
            .busy_timeout(settings.lock_timeout)
            .disable_statement_logging();
        options.connect().await.map(Self::Sqlite).map_err(|error| not_opened(&file, error))
    }

    /// The versions of the steps that `table` remembers; none without the table.
    pub(crate) async fn applied(&mut self, table: &str) -> Result<Vec<i64>, StoreError> {
        let versions = AssertSqlSafe(format!("SELECT version FROM {table} ORDER BY version"));
        Ok(match self {
            Self::Nothing => Vec::new(),
            Self::Sqlite(connection) => {
                let has: bool = sqlx::query_scalar(HAS_TABLE_SQLITE)
                    .bind(table)
                    .fetch_one(&mut *connection)
                    .await?;
                if !has {
                    return Ok(Vec::new());
                }
                sqlx::query_scalar(versions).fetch_all(connection).await?
            }
            Self::Postgres(connection) => {
                let has: bool = sqlx::query_scalar(HAS_TABLE_POSTGRES)
                    .bind(table)
                    .fetch_one(&mut **connection)
                    .await?;
                if !has {
                    return Ok(Vec::new());
                }
                sqlx::query_scalar(versions).fetch_all(&mut **connection).await?
            }
        })
    }

    /// How many connections others have to the service's schema on a server, by the name that each
    /// process gives itself there.
    pub(crate) async fn others(&mut self, name: &str) -> Result<i64, StoreError> {
        let Self::Postgres(connection) = self else { return Ok(0) };
        let application = format!("boxoffice-{name}");
        Ok(sqlx::query_scalar(OTHERS).bind(application).fetch_one(&mut **connection).await?)
    }

    pub(crate) async fn close(self) -> Result<(), StoreError> {
        match self {
            Self::Nothing => {}
            Self::Sqlite(connection) => connection.close().await?,
            Self::Postgres(connection) => connection.close().await?,
        }
        Ok(())
    }
}
