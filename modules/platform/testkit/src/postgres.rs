//! A private PostgreSQL: one server for each test process, one database for each test.
//!
//! The server is started on first use, in a temporary directory, and it ends with the test process
//! however that ends: a shell watches a pipe that closes when the process is gone, then stops the
//! server and removes the directory.

use std::{
    env,
    ffi::OsStr,
    fmt, fs,
    io::{BufRead, BufReader, Read},
    net::TcpListener,
    os::unix::{
        fs::{MetadataExt, chown},
        process::CommandExt,
    },
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{
        OnceLock,
        atomic::{AtomicU32, Ordering},
    },
};

use runtime::{Random, SystemRandom};
use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection};

/// Names a server to use instead of a private one: `postgres://user:password@host:port/database`,
/// with the right to create databases. What tests leave there is named `boxoffice_test_…`.
const SERVER_VARIABLE: &str = "BOXOFFICE_TEST_POSTGRES_URL";

/// Debian keeps the server's programs out of the PATH, in a folder for each major version.
const DEBIAN_VERSIONS: &str = "/usr/lib/postgresql";

/// Another process may take the free port before the server does; then another one is tried.
const ATTEMPTS: u32 = 5;

/// Starts the server, says so, and stops it once standard input ends.
/// `$1`: the programs' folder, `$2`: the server's folder, `$3`: its port.
const SUPERVISE: &str = r#"
"$1/initdb" --pgdata "$2/data" --username boxoffice --pwfile "$2/password" --auth password \
    --encoding UTF8 --locale C --no-sync >"$2/log" 2>&1 &&
"$1/pg_ctl" start --wait --silent --pgdata "$2/data" --log "$2/log" \
    --options "-p $3 -k '$2' -c listen_addresses=127.0.0.1 -c max_connections=800" ||
{ cat "$2/log"; rm -rf "$2"; exit 1; }
echo started
cat >/dev/null
"$1/pg_ctl" stop --mode immediate --silent --pgdata "$2/data"
rm -rf "$2"
"#;

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
    static NEXT: AtomicU32 = AtomicU32::new(1);

    let server = server().await;
    let name =
        format!("boxoffice_test_{}_{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
    let created = async {
        let mut connection = PgConnection::connect(&server.url("postgres")).await?;
        let create = AssertSqlSafe(format!("CREATE DATABASE {name}"));
        connection.execute(create).await?;
        connection.close().await
    };
    if let Err(error) = created.await {
        panic!("cannot create the test's database {name}: {error}");
    }
    PostgresUrl(server.url(&name))
}

struct Server {
    /// The server's address up to the slash before the database.
    base: String,
    /// What follows the database: `?…` or nothing.
    parameters: String,
    /// Holds the pipe whose end tells the supervising shell to stop the server.
    _supervisor: Option<Child>,
}

impl Server {
    fn url(&self, database: &str) -> String {
        format!("{}/{database}{}", self.base, self.parameters)
    }
}

async fn server() -> &'static Server {
    static SERVER: OnceLock<Result<Server, String>> = OnceLock::new();

    let started = tokio::task::spawn_blocking(|| SERVER.get_or_init(find_or_start)).await;
    match started {
        Ok(Ok(server)) => server,
        Ok(Err(reason)) => panic!("{reason}"),
        Err(error) => panic!("starting PostgreSQL broke: {error}"),
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "a test process has no configuration but its environment"
)]
fn find_or_start() -> Result<Server, String> {
    match env::var(SERVER_VARIABLE) {
        Ok(url) => named_server(&url),
        Err(_) => {
            start_private(&programs(env::var_os("PATH").as_deref(), Path::new(DEBIAN_VERSIONS))?)
        }
    }
}

fn named_server(url: &str) -> Result<Server, String> {
    let (address, parameters) = url.split_at(url.find('?').unwrap_or(url.len()));
    let base = match address.split_once("://") {
        Some((_, rest)) if rest.contains('/') => address.rsplit_once('/').map(|(base, _)| base),
        Some(_) => Some(address),
        None => None,
    };
    let base = base.ok_or_else(|| {
        format!("{SERVER_VARIABLE} is no address like postgres://user:password@host:port/database")
    })?;
    Ok(Server { base: base.to_owned(), parameters: parameters.to_owned(), _supervisor: None })
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

fn start_private(programs: &Path) -> Result<Server, String> {
    let mut failures = Vec::new();
    for _ in 0..ATTEMPTS {
        match try_to_start(programs) {
            Ok(server) => return Ok(server),
            Err(failure) => failures.push(failure),
        }
    }
    Err(format!(
        "cannot start a private PostgreSQL with {}: {}",
        programs.display(),
        failures.join("; then: ")
    ))
}

fn try_to_start(programs: &Path) -> Result<Server, String> {
    let fault = |what: &str| {
        let what = what.to_owned();
        move |error: std::io::Error| format!("{what}: {error}")
    };
    let home = tempfile::Builder::new()
        .prefix("boxoffice-postgres-")
        .tempdir()
        .map_err(fault("cannot make a temporary directory"))?;
    let password = password();
    fs::write(home.path().join("password"), &password).map_err(fault("cannot write into it"))?;
    let port = TcpListener::bind(("127.0.0.1", 0))
        .and_then(|listener| listener.local_addr())
        .map_err(fault("cannot find a free port"))?
        .port();

    let mut supervisor = Command::new("sh");
    supervisor
        .args(["-c", SUPERVISE, "sh"])
        .arg(programs)
        .arg(home.path())
        .arg(port.to_string())
        .current_dir(home.path())
        .process_group(0)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::inherit());
    if let Some(account) = account_for(home.path()).map_err(fault("cannot look at it"))? {
        chown(home.path(), Some(account.user), Some(account.group))
            .and_then(|()| {
                chown(home.path().join("password"), Some(account.user), Some(account.group))
            })
            .map_err(fault("cannot give it to the server's account"))?;
        supervisor.uid(account.user).gid(account.group);
    }
    let mut child = supervisor.spawn().map_err(fault("cannot run sh"))?;
    // From here on the shell removes the directory.
    let _path = home.keep();

    let output = child.stdout.take().ok_or("the shell has no output")?;
    let mut lines = BufReader::new(output);
    let mut first = String::new();
    lines.read_line(&mut first).map_err(fault("cannot hear from the shell"))?;
    if first.trim_end() != "started" {
        let mut rest = String::new();
        let _incomplete = lines.read_to_string(&mut rest);
        let _status = child.wait();
        return Err(format!("{first}{rest}").trim_end().to_owned());
    }
    Ok(Server {
        base: format!("postgres://boxoffice:{password}@127.0.0.1:{port}"),
        parameters: "?sslmode=disable".to_owned(),
        _supervisor: Some(child),
    })
}

fn password() -> String {
    let random: &dyn Random = &SystemRandom::default();
    format!("{:032x}", u128::from_be_bytes(random.bytes()))
}

struct Account {
    user: u32,
    group: u32,
}

/// PostgreSQL refuses to run as root: then it runs as `postgres` or, failing that, `nobody`.
fn account_for(our_directory: &Path) -> std::io::Result<Option<Account>> {
    if fs::metadata(our_directory)?.uid() != 0 {
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

    #[test]
    fn the_server_named_in_the_environment_keeps_its_parameters() {
        let named = named_server("postgres://me:secret@db:5432/any?sslmode=require").unwrap();
        assert_eq!(named.url("mine"), "postgres://me:secret@db:5432/mine?sslmode=require");
        let without_database = named_server("postgres://me@db").unwrap();
        assert_eq!(without_database.url("mine"), "postgres://me@db/mine");
    }

    #[test]
    fn a_named_server_that_is_no_address_is_refused() {
        let refused = named_server("localhost").err().unwrap();
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
