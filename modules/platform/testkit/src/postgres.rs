//! A private PostgreSQL: one server for each test process, one database for each test.
//!
//! The server is started on first use, in a temporary directory, and it ends with the test process
//! however that ends.

use std::{
    env,
    ffi::OsStr,
    fmt, fs, io,
    os::unix::{
        fs::{MetadataExt, OpenOptionsExt, chown},
        process::CommandExt,
    },
    path::{Path, PathBuf},
    process::Command,
    sync::atomic::{AtomicU32, Ordering},
};

use runtime::{Random, SystemRandom};
use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection};
use tokio::sync::OnceCell;

use crate::{
    Port,
    server::{Recipe, Server},
};

mod standby;

pub use standby::standby_of;

/// Names a server to use instead of a private one: `postgres://user:password@host:port/database`,
/// with the right to create databases. What tests leave there is named `boxoffice_test_…`.
const SERVER_VARIABLE: &str = "BOXOFFICE_TEST_POSTGRES_URL";

/// Debian keeps the server's programs out of the PATH, in a folder for each major version.
const DEBIAN_VERSIONS: &str = "/usr/lib/postgresql";

/// Where a test's own database is. Shown, it is the whole address with the password, for
/// `database.url`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PostgresUrl(String);

impl PostgresUrl {
    /// The address: `postgres://user:password@host:port/database`.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for PostgresUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A new, empty database that no other test uses.
///
/// # Panics
/// When there is no server and none can be started; the message says what to install.
pub async fn fresh_database() -> PostgresUrl {
    static SHARED: OnceCell<(Place, Option<Server>)> = OnceCell::const_new();
    static NEXT: AtomicU32 = AtomicU32::new(1);

    let (place, _) = SHARED.get_or_init(find_or_start).await;
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    place.create(&format!("boxoffice_test_{}_{number}", std::process::id())).await
}

/// A server of the test's own, to stop, start and pause, and a database on it.
///
/// # Panics
/// When it cannot be started; the message says what to install.
pub async fn private() -> (PostgresUrl, Server) {
    private_with(Extra::default()).await
}

/// What a private server has beside the usual.
#[derive(Debug, Default)]
pub struct Extra {
    /// Settings, as in `postgresql.conf`: names and values.
    pub settings: Vec<(&'static str, String)>,
    /// Files in the server's folder, to be named in settings: names and contents. Only the server's
    /// account can read them.
    pub files: Vec<(&'static str, String)>,
}

/// As [`private`], with something beside the usual.
///
/// # Panics
/// As [`private`].
pub async fn private_with(extra: Extra) -> (PostgresUrl, Server) {
    let (place, server) = start(extra).await;
    (place.create("boxoffice").await, server)
}

/// A server as it is reached.
struct Place {
    /// The server's address up to the slash before the database.
    base: String,
    /// What follows the database: `?…` or nothing.
    parameters: String,
}

impl Place {
    /// A server that somebody named.
    fn parse(url: &str) -> Result<Self, String> {
        let (address, parameters) = url.split_at(url.find('?').unwrap_or(url.len()));
        let base = match address.split_once("://") {
            Some((_, rest)) if rest.contains('/') => address.rsplit_once('/').map(|(base, _)| base),
            Some(_) => Some(address),
            None => None,
        };
        let base = base.ok_or_else(|| {
            format!(
                "{SERVER_VARIABLE} is no address like postgres://user:password@host:port/database"
            )
        })?;
        Ok(Self { base: base.to_owned(), parameters: parameters.to_owned() })
    }

    fn url(&self, database: &str) -> String {
        format!("{}/{database}{}", self.base, self.parameters)
    }

    async fn create(&self, database: &str) -> PostgresUrl {
        let created = async {
            let mut connection = PgConnection::connect(&self.url("postgres")).await?;
            let create = AssertSqlSafe(format!("CREATE DATABASE {database}"));
            connection.execute(create).await?;
            connection.close().await
        };
        if let Err(error) = created.await {
            panic!("cannot create the test's database {database}: {error}");
        }
        PostgresUrl(self.url(database))
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "a test process has no configuration but its environment"
)]
async fn find_or_start() -> (Place, Option<Server>) {
    if let Ok(url) = env::var(SERVER_VARIABLE) {
        let place = Place::parse(&url).unwrap_or_else(|reason| panic!("{reason}"));
        return (place, None);
    }
    let (place, server) = start(Extra::default()).await;
    (place, Some(server))
}

#[expect(clippy::disallowed_methods, reason = "where programs are is said by the environment")]
fn search_path() -> Option<std::ffi::OsString> {
    env::var_os("PATH")
}

async fn start(extra: Extra) -> (Place, Server) {
    let programs = programs(search_path().as_deref(), Path::new(DEBIAN_VERSIONS))
        .unwrap_or_else(|reason| panic!("{reason}"));
    let account = account().unwrap_or_else(|error| panic!("cannot tell who runs tests: {error}"));
    let port = Port::reserve();
    let address = port.address();
    let random: &dyn Random = &SystemRandom::default();
    let password = format!("{:032x}", u128::from_be_bytes(random.bytes()));
    let place = Place {
        base: format!("postgres://boxoffice:{password}@{address}"),
        parameters: "?sslmode=disable".to_owned(),
    };
    let initdb = programs.join("initdb");
    let prepare = move |home: &Path| {
        prepare(home, &initdb, account.as_ref(), &password, &extra.files)
            .map_err(|error| format!("{}: {error}", initdb.display()))
    };
    let server = bring_up(&programs, account, port, extra.settings, prepare).await;
    (place, server)
}

/// Runs the server that `prepare` puts into `home/data`.
async fn bring_up(
    programs: &Path,
    account: Option<Account>,
    port: Port,
    more_settings: Vec<(&'static str, String)>,
    prepare: impl FnOnce(&Path) -> Result<(), String> + Send + 'static,
) -> Server {
    let recipe = Recipe {
        name: "PostgreSQL",
        // A standby goes on: "read-only connections".
        ready: "database system is ready to accept",
        stop: "INT",
        crash: "QUIT",
    };
    let postgres = programs.join("postgres");
    let address = port.address();
    let settings: Vec<String> = [
        ("port", address.port().to_string()),
        ("listen_addresses", address.ip().to_string()),
        ("max_connections", "800".to_owned()),
    ]
    .into_iter()
    .chain(more_settings)
    .map(|(name, value)| format!("{name}={value}"))
    .collect();
    Server::bring_up(recipe, prepare, move |program, home| {
        let _held = &port;
        program.with(|shell| {
            let run = shell.arg(&postgres).arg("-D").arg(home.join("data")).arg("-k").arg(home);
            for setting in &settings {
                run.args(["-c", setting]);
            }
            become_account(run.current_dir(home), account.as_ref())
        })
    })
    .await
}

/// Makes an empty installation in `home/data`, and files beside it.
fn prepare(
    home: &Path,
    initdb: &Path,
    account: Option<&Account>,
    password: &str,
    files: &[(&str, String)],
) -> io::Result<()> {
    let give = |path: &Path| match account {
        Some(account) => chown(path, Some(account.user), Some(account.group)),
        None => Ok(()),
    };
    give(home)?;
    for (name, contents) in files.iter().chain([&("password", password.to_owned())]) {
        let path = home.join(name);
        let mut options = fs::OpenOptions::new();
        let mut file = options.create_new(true).write(true).mode(0o600).open(&path)?;
        io::Write::write_all(&mut file, contents.as_bytes())?;
        give(&path)?;
    }
    let mut command = Command::new(initdb);
    command
        .arg("--pgdata")
        .arg(home.join("data"))
        .arg("--pwfile")
        .arg(home.join("password"))
        .args(["--username", "boxoffice", "--auth", "password"])
        .args(["--encoding", "UTF8", "--locale", "C", "--no-sync"])
        .current_dir(home);
    let output = become_account(&mut command, account).output()?;
    if output.status.success() {
        return Ok(());
    }
    Err(io::Error::other(String::from_utf8_lossy(&output.stderr).into_owned()))
}

fn become_account<'a>(command: &'a mut Command, account: Option<&Account>) -> &'a mut Command {
    match account {
        Some(account) => command.uid(account.user).gid(account.group),
        None => command,
    }
}

/// The folder that holds `initdb`, `pg_ctl` and `postgres`; the newest of those that Debian keeps.
fn programs(path: Option<&OsStr>, versions: &Path) -> Result<PathBuf, String> {
    let mut debian: Vec<(u32, PathBuf)> = fs::read_dir(versions)
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| {
            let version = entry.file_name().to_str()?.parse().ok()?;
            Some((version, entry.path().join("bin")))
        })
        .collect();
    debian.sort_unstable_by(|one, other| other.cmp(one));

    let on_path = path.into_iter().flat_map(env::split_paths);
    on_path
        .chain(debian.into_iter().map(|(_, folder)| folder))
        .find(|folder| {
            ["initdb", "pg_ctl", "postgres"].iter().all(|program| folder.join(program).is_file())
        })
        .ok_or_else(|| {
            format!(
                "this test needs PostgreSQL, and its programs initdb, pg_ctl and postgres are \
                 neither on the PATH nor under {}: install it (Debian, Ubuntu: apt-get install \
                 postgresql) or name a server in {SERVER_VARIABLE}",
                versions.display()
            )
        })
}

#[derive(Debug, Clone, Copy)]
struct Account {
    user: u32,
    group: u32,
}

/// PostgreSQL refuses to run as root: then it runs as `postgres` or, failing that, `nobody`.
fn account() -> io::Result<Option<Account>> {
    if tempfile::tempfile()?.metadata()?.uid() != 0 {
        return Ok(None);
    }
    let accounts = fs::read_to_string("/etc/passwd")?;
    Ok(["postgres", "nobody"].iter().find_map(|name| {
        accounts.lines().find_map(|line| {
            let fields: Vec<&str> = line.split(':').collect();
            let [account, _, user, group, ..] = fields.as_slice() else {
                return None;
            };
            let is_it = account == name;
            is_it.then_some(Account { user: user.parse().ok()?, group: group.parse().ok()? })
        })
    }))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn pretend_to_install(folder: &Path) {
        fs::create_dir_all(folder).unwrap();
        for program in ["initdb", "pg_ctl", "postgres"] {
            fs::write(folder.join(program), "").unwrap();
        }
    }

    async fn tables(url: &PostgresUrl) -> i64 {
        let mut connection = PgConnection::connect(url.as_str()).await.unwrap();
        sqlx::query_scalar("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'")
            .fetch_one(&mut connection)
            .await
            .unwrap()
    }

    #[tokio::test]
    async fn each_test_has_a_database_of_its_own() {
        let (one, other) = (fresh_database().await, fresh_database().await);
        let mut connection = PgConnection::connect(one.as_str()).await.unwrap();
        connection.execute("CREATE TABLE seats (id bigint)").await.unwrap();
        assert_eq!((tables(&one).await, tables(&other).await), (1, 0));
    }

    #[tokio::test]
    async fn a_private_server_keeps_what_was_committed_over_stops_and_crashes() {
        let (url, server) = private().await;
        let mut connection = PgConnection::connect(url.as_str()).await.unwrap();
        connection.execute("CREATE TABLE seats (id bigint)").await.unwrap();
        server.stop().await;
        assert!(connection.execute("SELECT 1").await.is_err());
        server.start().await;
        assert_eq!(tables(&url).await, 1);
        server.crash().await;
        assert!(PgConnection::connect(url.as_str()).await.is_err());
        server.start().await;
        assert_eq!(tables(&url).await, 1);
    }

    #[tokio::test]
    async fn connections_of_a_paused_server_answer_nothing_until_it_goes_on() {
        let (url, server) = private().await;
        let mut connection = PgConnection::connect(url.as_str()).await.unwrap();
        server.pause().await;
        let mut asking = Box::pin(connection.execute("SELECT 1"));
        assert!(tokio::time::timeout(Duration::from_millis(100), &mut asking).await.is_err());
        server.resume().await;
        tokio::time::timeout(Duration::from_secs(30), asking).await.unwrap().unwrap();
    }

    #[tokio::test]
    async fn a_private_server_may_have_settings_and_files_of_its_own() {
        let extra = Extra {
            settings: vec![("work_mem", "7MB".to_owned()), ("cluster_name", "stalls".to_owned())],
            files: vec![("server.key", "secret".to_owned())],
        };
        let (url, _server) = private_with(extra).await;
        let mut connection = PgConnection::connect(url.as_str()).await.unwrap();
        let set: (String, String) =
            sqlx::query_as("SELECT current_setting('work_mem'), current_setting('cluster_name')")
                .fetch_one(&mut connection)
                .await
                .unwrap();
        assert_eq!(set, ("7MB".to_owned(), "stalls".to_owned()));
    }

    #[test]
    fn the_server_named_in_the_environment_keeps_its_parameters() {
        let named = Place::parse("postgres://me:secret@db:5432/any?sslmode=require").unwrap();
        assert_eq!(named.url("mine"), "postgres://me:secret@db:5432/mine?sslmode=require");
        let without_database = Place::parse("postgres://me@db").unwrap();
        assert_eq!(without_database.url("mine"), "postgres://me@db/mine");
    }

    #[test]
    fn a_named_server_that_is_no_address_is_refused() {
        let refused = Place::parse("localhost").err().unwrap();
        assert!(refused.contains(SERVER_VARIABLE), "{refused}");
    }

    #[test]
    fn the_newest_version_is_used() {
        let versions = tempfile::tempdir().unwrap();
        for version in ["9", "17", "15"] {
            pretend_to_install(&versions.path().join(version).join("bin"));
        }
        assert_eq!(
            programs(None, versions.path()).unwrap(),
            versions.path().join("17").join("bin")
        );
    }

    #[test]
    fn a_machine_without_postgresql_is_told_what_to_install() {
        let nothing_here = tempfile::tempdir().unwrap();
        let missing = programs(None, nothing_here.path()).err().unwrap();
        assert!(missing.contains("apt-get install postgresql"), "{missing}");
    }
}
