//! Schemas and their migrations: the tables that every service has, then the service's own.

use std::{collections::BTreeSet, path::Path, time::Duration};

use runtime::{
    Config, Migration, Migrations, StartError, Statement, TakenBack, async_trait, pause,
};
use sqlx::{
    Connection as _, PgConnection, SqliteConnection,
    migrate::{Migrate, MigrateError, Migrator},
};
use tokio::time::{Instant, sleep_until};

use crate::{
    Connection, Database, DatabaseSettings, Dialect, Sql, StoreError,
    files::{Claim, database_file},
    peek::Peek,
    sql,
};

/// How long connections that were closed a moment ago may be there still at the server.
const LEAVING: Duration = Duration::from_secs(2);
/// How often to look whether they have gone.
const LOOK: Duration = Duration::from_millis(50);
/// Under which name the store's own steps are listed.
const STORE_SET: &str = "store";
const STORE_TABLE: &str = "_store_migrations";
const SERVICE_TABLE: &str = "_migrations";

static STORE_SQLITE: Migrator = sqlx::migrate!("migrations/sqlite");
static STORE_POSTGRES: Migrator = sqlx::migrate!("migrations/postgres");

/// A service's schema: its migrations for both databases, one folder each. Make it with
/// [`schema!`](crate::schema!).
#[derive(Debug)]
pub struct Schema {
    name: &'static str,
    sqlite: Migrator,
    postgres: Migrator,
    statements: Named,
}

/// Statements with their names, file by file, as [`statements!`](crate::statements) gives them.
type Named = &'static [&'static [(&'static str, Sql)]];

/// The schema of the service that is named, from `migrations/sqlite` and `migrations/postgres` of
/// the crate that says this: `static SCHEMA: store::Schema = store::schema!("orders");`. Each step
/// is a pair of files, `0001_orders.up.sql` and `0001_orders.down.sql`. The service's statements
/// follow, for the tests that judge them: `store::schema!("orders", &[views::STATEMENTS])`.
#[macro_export]
macro_rules! schema {
    ($name:literal, $statements:expr) => {
        $crate::Schema::with_statements(
            $name,
            $crate::sqlx::migrate!("migrations/sqlite"),
            $crate::sqlx::migrate!("migrations/postgres"),
            $statements,
        )
    };
}

impl Schema {
    /// The schema of the service `name`, of whose statements nothing is said.
    pub const fn new(name: &'static str, sqlite: Migrator, postgres: Migrator) -> Self {
        Self { name, sqlite, postgres, statements: &[] }
    }

    /// The schema of the service `name`, and the statements that it runs.
    pub const fn with_statements(
        name: &'static str,
        sqlite: Migrator,
        postgres: Migrator,
        statements: Named,
    ) -> Self {
        Self { name, sqlite, postgres, statements }
    }

    /// The service's name, and so its database's.
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// Applies what is missing, the store's own steps first, and answers with what that was.
    /// Safe to run in several processes at once on PostgreSQL. Steps of a newer build stay as they
    /// are.
    ///
    /// # Errors
    /// When the database does not answer, a step fails (it is taken back as a whole), or a step that
    /// was applied has another text now.
    pub async fn up_on(&self, database: &Database) -> Result<Vec<Migration>, StoreError> {
        let mut connection = Migrating::open(database).await?;
        let missing = self.missing(&mut connection).await?;
        for set in self.sets(database.dialect()) {
            connection.up(&set).await?;
        }
        connection.close().await?;
        Ok(missing)
    }

    /// Takes back the last `steps` of the service's own steps, newest first, and answers with them.
    ///
    /// # Errors
    /// As [`Schema::up_on`].
    pub async fn down_on(
        &self,
        database: &Database,
        steps: u32,
    ) -> Result<Vec<Migration>, StoreError> {
        let [_, service] = self.sets(database.dialect());
        let mut connection = Migrating::open(database).await?;
        let gone = connection.down(&service, steps).await?;
        connection.close().await?;
        Ok(gone)
    }

    /// Takes back everything, the store's own tables too. All data is lost.
    ///
    /// # Errors
    /// As [`Schema::up_on`].
    pub async fn remove_from(&self, database: &Database) -> Result<Vec<Migration>, StoreError> {
        let [store, service] = self.sets(database.dialect());
        let mut connection = Migrating::open(database).await?;
        let mut gone = connection.down(&service, u32::MAX).await?;
        gone.extend(connection.down(&store, u32::MAX).await?);
        connection.close().await?;
        Ok(gone)
    }

    /// Every step, in the order in which they are applied, and whether it was.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn status_on(&self, database: &Database) -> Result<Vec<Migration>, StoreError> {
        let mut connection = Migrating::open(database).await?;
        let mut steps = Vec::new();
        for set in self.sets(database.dialect()) {
            steps.extend(connection.status(&set).await?);
        }
        connection.close().await?;
        Ok(steps)
    }

    async fn missing(&self, connection: &mut Migrating) -> Result<Vec<Migration>, StoreError> {
        let mut missing = Vec::new();
        for set in self.sets(connection.dialect()) {
            let steps = connection.status(&set).await?;
            missing.extend(steps.into_iter().filter(|step| !step.applied));
        }
        for step in &mut missing {
            step.applied = true;
        }
        Ok(missing)
    }

    fn sets(&self, dialect: Dialect) -> [Set<'_>; 2] {
        let (store, service) = match dialect {
            Dialect::Sqlite => (&STORE_SQLITE, &self.sqlite),
            Dialect::Postgres => (&STORE_POSTGRES, &self.postgres),
        };
        [Set::new(STORE_SET, STORE_TABLE, store), Set::new(self.name, SERVICE_TABLE, service)]
    }

    /// Steps back would fail a process that works on them.
    async fn refuse_while_served(
        &self,
        settings: &DatabaseSettings,
        data_dir: &Path,
    ) -> Result<(), StartError> {
        let mut peek = Peek::open(settings, self.name, data_dir).await?;
        let give_up = Instant::now() + LEAVING;
        let mut others = peek.others(self.name).await?;
        while others > 0 && Instant::now() < give_up {
            pause(LOOK).await;
            others = peek.others(self.name).await?;
        }
        peek.close().await?;
        if others == 0 {
            return Ok(());
        }
        Err(StartError::new(format!(
            "another process uses the database of {} ({others} connections are open); stop every \
             process that hosts {0} first",
            self.name
        )))
    }

    async fn take_back_and_tell(
        &self,
        database: &Database,
        steps: u32,
    ) -> Result<TakenBack, StoreError> {
        let before = tables(database).await?;
        let steps = self.down_on(database, steps).await?;
        let after = tables(database).await?;
        Ok(TakenBack { steps, tables: before.difference(&after).cloned().collect() })
    }

    /// The database, where it has all the steps that this build knows. Makes none.
    ///
    /// # Errors
    /// When it has not, or does not answer.
    pub async fn connect_current(&self, config: &Config) -> Result<Database, StartError> {
        let steps = self.status(config).await?;
        if !steps.iter().any(|step| step.applied) {
            let settings: DatabaseSettings = config.section();
            return Err(StartError::new(format!(
                "there is no database of {} in {}; give the same flags, configuration and \
                 environment as `boxoffice serve` has, in its directory",
                self.name,
                settings.place(&config.node().data_dir)
            )));
        }
        if let Some(missing) = steps.iter().find(|step| !step.applied) {
            return Err(StartError::new(format!(
                "the database of {} lacks step {} of {} ({}); run `boxoffice migrate up` first",
                self.name, missing.version, missing.set, missing.description
            )));
        }
        Ok(self.connect(config).await?)
    }

    async fn connect(&self, config: &Config) -> Result<Database, StoreError> {
        let settings: DatabaseSettings = config.section();
        let data_dir = config.node().data_dir;
        Database::connect(&settings, self.name, Path::new(&data_dir)).await
    }
}

/// For the command line, which has no running service.
#[async_trait]
impl Migrations for Schema {
    fn statements(&self) -> Vec<Statement> {
        let all = sql::OWN.iter().chain(self.statements).copied().flatten();
        all.map(|(name, sql)| Statement {
            name: (*name).to_owned(),
            sqlite: sql.sqlite().to_owned(),
            postgres: sql.postgres().to_owned(),
        })
        .collect()
    }

    async fn status(&self, config: &Config) -> Result<Vec<Migration>, StartError> {
        let settings: DatabaseSettings = config.section();
        let dialect = settings.dialect();
        let mut peek = Peek::open(&settings, self.name, &config.node().data_dir).await?;
        let mut steps = Vec::new();
        for set in self.sets(dialect) {
            let applied = peek.applied(set.table).await?;
            steps.extend(set.migrations(&applied));
        }
        peek.close().await?;
        Ok(steps)
    }

    async fn up(&self, config: &Config) -> Result<Vec<Migration>, StartError> {
        let database = self.connect(config).await?;
        let applied = self.up_on(&database).await;
        database.close().await;
        Ok(applied?)
    }

    async fn down(&self, config: &Config, steps: u32) -> Result<TakenBack, StartError> {
        let settings: DatabaseSettings = config.section();
        let data_dir = config.node().data_dir;
        let claim = match settings.dialect() {
            Dialect::Sqlite if !database_file(&data_dir, self.name).exists() => {
                return Ok(TakenBack::default());
            }
            Dialect::Sqlite => Some(Claim::take(self.name, &data_dir).await?),
            Dialect::Postgres => {
                self.refuse_while_served(&settings, &data_dir).await?;
                None
            }
        };
        let database = self.connect(config).await?.keeping(claim);
        let taken_back = self.take_back_and_tell(&database, steps).await;
        database.close().await;
        Ok(taken_back?)
    }
}

/// Steps that are applied in a row and remembered in one table.
struct Set<'s> {
    name: &'s str,
    table: &'static str,
    migrator: Migrator,
}

impl<'s> Set<'s> {
    fn new(name: &'s str, table: &'static str, steps: &'s Migrator) -> Self {
        let mut migrator = Migrator::with_migrations(steps.iter().cloned().collect());
        migrator.dangerous_set_table_name(table);
        // The previous release starts on the schema of the next, for a rollback.
        migrator.set_ignore_missing(true);
        // `Migrating` holds a lock of its own, which no other service's steps wait for.
        migrator.set_locking(false);
        Self { name, table, migrator }
    }

    /// The steps forward, oldest first.
    fn steps(&self) -> impl DoubleEndedIterator<Item = (i64, &str)> {
        self.migrator
            .iter()
            .filter(|step| !step.migration_type.is_down_migration())
            .map(|step| (step.version, step.description.as_ref()))
    }

    /// Every step, and whether it is among those that were `applied`.
    fn migrations(&self, applied: &[i64]) -> Vec<Migration> {
        self.steps()
            .map(|(version, what)| self.migration(version, what, applied.contains(&version)))
            .collect()
    }

    fn migration(&self, version: i64, description: &str, applied: bool) -> Migration {
        Migration {
            set: self.name.to_owned(),
            version,
            description: description.to_owned(),
            applied,
        }
    }
}

const TABLES_SQLITE: &str = "SELECT name FROM sqlite_master WHERE type = 'table'";
const TABLES_POSTGRES: &str =
    "SELECT tablename::text FROM pg_catalog.pg_tables WHERE schemaname = $1";

async fn tables(database: &Database) -> Result<BTreeSet<String>, StoreError> {
    let names: Vec<String> = match database.connection().await? {
        Connection::Sqlite(mut connection) => {
            sqlx::query_scalar(TABLES_SQLITE).fetch_all(&mut *connection).await?
        }
        Connection::Postgres(mut connection) => {
            let asked = sqlx::query_scalar(TABLES_POSTGRES).bind(database.name());
            asked.fetch_all(&mut *connection).await?
        }
    };
    Ok(names.into_iter().collect())
}

/// Among other locks of the same database, those on schemas of services.
const LOCK: &str = "SELECT pg_try_advisory_lock(hashtextextended('boxoffice schema ' || $1, 0))";
const LOCK_PAUSE: Duration = Duration::from_millis(50);

/// One process at a time looks at a schema's steps and changes them. The lock goes with the
/// connection. Services do not wait for each other, and nobody waits unseen: a process that starts
/// tells in its readiness what it waits for.
async fn lock(connection: &mut PgConnection, database: &Database) -> Result<(), StoreError> {
    let give_up = Instant::now() + database.settings().acquire_timeout;
    loop {
        let is_ours: bool =
            sqlx::query_scalar(LOCK).bind(database.name()).fetch_one(&mut *connection).await?;
        if is_ours {
            return Ok(());
        }
        if Instant::now() >= give_up {
            return Err(StoreError::Unavailable(format!(
                "another process is changing the schema of {}",
                database.name()
            )));
        }
        sleep_until(Instant::now() + LOCK_PAUSE).await;
    }
}

/// The connection that migrations run on.
enum Migrating {
    Sqlite(sqlx::pool::PoolConnection<sqlx::Sqlite>),
    Postgres(Box<PgConnection>),
}

impl Migrating {
    async fn open(database: &Database) -> Result<Self, StoreError> {
        if let Some(writer) = database.sqlite_writer() {
            return Ok(Self::Sqlite(writer.acquire().await?));
        }
        let mut connection = database.unlimited_connection().await?;
        lock(&mut connection, database).await?;
        Ok(Self::Postgres(Box::new(connection)))
    }

    fn dialect(&self) -> Dialect {
        match self {
            Self::Sqlite(_) => Dialect::Sqlite,
            Self::Postgres(_) => Dialect::Postgres,
        }
    }

    async fn up(&mut self, set: &Set<'_>) -> Result<(), StoreError> {
        let done = match self {
            Self::Sqlite(connection) => {
                set.migrator.run_direct(None, &mut **connection, false).await
            }
            Self::Postgres(connection) => {
                set.migrator.run_direct(None, &mut **connection, false).await
            }
        };
        done.map_err(|error| fault(set, error))
    }

    async fn down(&mut self, set: &Set<'_>, steps: u32) -> Result<Vec<Migration>, StoreError> {
        let applied = self.applied(set).await?;
        let going: Vec<Migration> = set
            .steps()
            .rev()
            .filter(|(version, _)| applied.contains(version))
            .take(usize::try_from(steps).unwrap_or(usize::MAX))
            .map(|(version, description)| set.migration(version, description, false))
            .collect();
        let Some(last) = going.last() else {
            return Ok(going);
        };
        let oldest = last.version;
        let done = match self {
            Self::Sqlite(connection) => {
                take_back::<SqliteConnection>(&mut **connection, set, &applied, oldest).await
            }
            Self::Postgres(connection) => {
                take_back::<PgConnection>(&mut **connection, set, &applied, oldest).await
            }
        };
        done.map_err(|error| fault(set, error))?;
        Ok(going)
    }

    async fn status(&mut self, set: &Set<'_>) -> Result<Vec<Migration>, StoreError> {
        Ok(set.migrations(&self.applied(set).await?))
    }

    async fn applied(&mut self, set: &Set<'_>) -> Result<Vec<i64>, StoreError> {
        match self {
            Self::Sqlite(connection) => {
                applied_on::<SqliteConnection>(&mut **connection, set).await
            }
            Self::Postgres(connection) => applied_on::<PgConnection>(&mut **connection, set).await,
        }
        .map_err(|error| fault(set, error))
    }

    async fn close(self) -> Result<(), StoreError> {
        if let Self::Postgres(connection) = self {
            connection.close().await?;
        }
        Ok(())
    }
}

async fn applied_on<C: Migrate>(
    connection: &mut C,
    set: &Set<'_>,
) -> Result<Vec<i64>, MigrateError> {
    connection.ensure_migrations_table(set.table).await?;
    let applied = connection.list_applied_migrations(set.table).await?;
    Ok(applied.into_iter().map(|step| step.version).collect())
}

/// Takes back the applied steps down to the version `oldest`.
async fn take_back<C: Migrate>(
    connection: &mut C,
    set: &Set<'_>,
    applied: &[i64],
    oldest: i64,
) -> Result<(), MigrateError> {
    let going = set.migrator.iter().rev().filter(|step| {
        step.migration_type.is_down_migration()
            && step.version >= oldest
            && applied.contains(&step.version)
    });
    for step in going {
        connection.revert(set.table, step).await?;
    }
    Ok(())
}

fn fault(set: &Set<'_>, error: MigrateError) -> StoreError {
    let name = set.name;
    match error {
        MigrateError::Execute(cause) => StoreError::from(cause),
        MigrateError::ExecuteMigration(cause, version) => {
            let step = |reason: String| format!("migration {version} of {name}: {reason}");
            match StoreError::from(cause) {
                StoreError::Unavailable(reason) => StoreError::Unavailable(step(reason)),
                StoreError::Contended(reason) => StoreError::Contended(step(reason)),
                other => StoreError::Failed(step(other.reason().to_owned())),
            }
        }
        MigrateError::VersionMismatch(version) => StoreError::Failed(format!(
            "migration {version} of {name} was applied with another text; restore its text and add \
             a new step instead"
        )),
        other => StoreError::Failed(format!("migrations of {name}: {other}")),
    }
}
