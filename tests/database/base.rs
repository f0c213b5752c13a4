//! A service's database without the service, on SQLite and on PostgreSQL.

use boxoffice::registry::MODULES;
use runtime::{Config, Migrations, Module, SectionSpec, Sources};
use store::{
    DatabaseSettings,
    sqlx::{
        AssertSqlSafe, Connection as _, Executor as _, PgConnection, SqlSafeStr as _,
        SqliteConnection, sqlite::SqliteConnectOptions,
    },
};
use tempfile::TempDir;
use testkit::postgres;

/// The modules that have a database, and its schema.
pub(crate) fn schemas() -> impl Iterator<Item = (&'static Module, &'static dyn Migrations)> {
    MODULES.iter().filter_map(|module| Some((*module, module.schema?)))
}

pub(crate) fn schema(service: &str) -> &'static dyn Migrations {
    let found = schemas().find(|(module, _)| module.name == service);
    found.unwrap_or_else(|| panic!("no service is called {service}")).1
}

/// Where the databases of a test are.
pub(crate) struct Place {
    pub(crate) config: Config,
    url: Option<String>,
    directory: TempDir,
}

impl Place {
    pub(crate) fn sqlite() -> Self {
        Self::at(None)
    }

    pub(crate) async fn postgres() -> Self {
        Self::at(Some(postgres::fresh_database().await.as_str().to_owned()))
    }

    fn at(url: Option<String>) -> Self {
        let directory = tempfile::tempdir().expect("a directory can be made");
        let sources = Sources::new()
            .set("test", "node.data_dir", directory.path().display().to_string())
            .set("test", "database.url", url.clone().unwrap_or_default());
        let config = Config::load([SectionSpec::of::<DatabaseSettings>()], sources)
            .expect("the settings are right");
        Self { config, url, directory }
    }

    /// Brings the service's schema to `version` of its own steps.
    pub(crate) async fn migrate_to(&self, service: &str, version: i64) {
        let schema = schema(service);
        schema.up(&self.config).await.expect("the migrations run");
        let steps = schema.status(&self.config).await.expect("the database answers");
        let later = steps.iter().filter(|it| it.set == service && it.version > version).count();
        let later = u32::try_from(later).expect("a few");
        schema.down(&self.config, later).await.expect("the steps can be taken back");
    }

    pub(crate) async fn connect(&self, service: &str) -> Base {
        if let Some(url) = &self.url {
            let mut connection = PgConnection::connect(url).await.expect("the server answers");
            let path = AssertSqlSafe(format!("SET search_path = {service}"));
            connection.execute(path).await.expect("the schema is there");
            return Base::Postgres(connection);
        }
        let file = self.directory.path().join(format!("{service}.db"));
        let options = SqliteConnectOptions::new().filename(file);
        Base::Sqlite(SqliteConnection::connect_with(&options).await.expect("the file is there"))
    }
}

/// A connection to it.
pub(crate) enum Base {
    Sqlite(SqliteConnection),
    Postgres(PgConnection),
}

impl Base {
    /// Whether the database understands the statement, and why not.
    pub(crate) async fn prepare(&mut self, statement: &str) -> Result<(), String> {
        let text = AssertSqlSafe(statement.to_owned()).into_sql_str();
        match self {
            Self::Sqlite(connection) => connection.prepare(text).await.map(drop),
            Self::Postgres(connection) => connection.prepare(text).await.map(drop),
        }
        .map_err(|error| error.to_string())
    }

    pub(crate) async fn execute(&mut self, statement: &str) {
        let text = AssertSqlSafe(statement.to_owned());
        let done = match self {
            Self::Sqlite(connection) => connection.execute(text).await.map(drop),
            Self::Postgres(connection) => connection.execute(text).await.map(drop),
        };
        done.unwrap_or_else(|error| panic!("{statement}: {error}"));
    }

    /// The first column of every row, which is text.
    pub(crate) async fn texts(&mut self, statement: &str) -> Vec<Option<String>> {
        let text = AssertSqlSafe(statement.to_owned());
        let rows = match self {
            Self::Sqlite(connection) => store::sqlx::query_scalar(text).fetch_all(connection).await,
            Self::Postgres(connection) => {
                store::sqlx::query_scalar(text).fetch_all(connection).await
            }
        };
        rows.unwrap_or_else(|error| panic!("{statement}: {error}"))
    }

    /// An identifier as it is written in a statement.
    pub(crate) fn id(&self, number: u128) -> String {
        match self {
            Self::Sqlite(_) => format!("x'{number:032x}'"),
            Self::Postgres(_) => format!("'{number:032x}'::uuid"),
        }
    }

    /// An instant as it is written in a statement: seconds after the start of 2026.
    pub(crate) fn at(&self, seconds: i64) -> String {
        const START: i64 = 1_767_225_600;
        match self {
            Self::Sqlite(_) => format!("{}", (START + seconds) * 1_000_000),
            Self::Postgres(_) => format!("to_timestamp({})", START + seconds),
        }
    }
}
