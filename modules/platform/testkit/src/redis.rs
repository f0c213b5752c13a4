//! A private Redis: one server for each test process, and a database and key prefix for each test.
//!
//! The server is started on first use and ends with the test process, as PostgreSQL does. It keeps
//! nothing on disk.

use std::{
    env,
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
    sync::atomic::{AtomicU32, Ordering},
};

use runtime::{Random, SystemRandom};
use tokio::sync::OnceCell;

use crate::{
    Port, certificates,
    server::{Recipe, Server},
};

/// Names a server to use instead of a private one: `redis://:password@host:port/0`. What tests leave
/// there begins with `boxoffice-test-…`.
const SERVER_VARIABLE: &str = "BOXOFFICE_TEST_REDIS_URL";

/// The server's program; Debian and most others have it on the PATH.
const PROGRAM: &str = "redis-server";

/// Databases of a private server. A test process that wants more gets one that another test has had;
/// their prefixes differ all the same.
const DATABASES: u32 = 1024;

/// Where a test has Redis for itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RedisPlace {
    /// The address with the password: `redis://:password@host:port/database`.
    pub url: String,
    /// What every key begins with that this test writes; no other test has it.
    pub prefix: String,
}

/// A place on the server of this test process, or on the one that the environment names, that no
/// other test uses.
///
/// # Panics
/// When there is no server and none can be started; the message says what to install.
pub async fn fresh() -> RedisPlace {
    static SHARED: OnceCell<Shared> = OnceCell::const_new();
    static NEXT: AtomicU32 = AtomicU32::new(1);

    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    let prefix = format!("boxoffice-test-{}-{number}:", std::process::id());
    let url = match SHARED.get_or_init(find_or_start).await {
        Shared::Named(url) => url.clone(),
        Shared::Private { base, .. } => format!("{base}/{}", number % DATABASES),
    };
    RedisPlace { url, prefix }
}

/// A server of the test's own, to stop, start and pause, and the place on it. It forgets everything
/// when it stops.
///
/// # Panics
/// When it cannot be started; the message says what to install.
pub async fn private() -> (RedisPlace, Server) {
    place_on(start(Wire::Clear).await)
}

/// As [`private`], over TLS alone; the certificate is for `localhost`.
///
/// # Panics
/// As [`private`].
pub async fn encrypted() -> (RedisPlace, Server) {
    place_on(start(Wire::Encrypted).await)
}

fn place_on((base, server): (String, Server)) -> (RedisPlace, Server) {
    (RedisPlace { url: format!("{base}/0"), prefix: "boxoffice-test:".to_owned() }, server)
}

/// How a server is reached.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Wire {
    Clear,
    Encrypted,
}

/// What all tests of a process share.
enum Shared {
    /// A server that the environment names.
    Named(String),
    /// One of our own, which ends with the process.
    Private { base: String, _server: Box<Server> },
}

#[expect(
    clippy::disallowed_methods,
    reason = "a test process has no configuration but its environment"
)]
async fn find_or_start() -> Shared {
    if let Ok(url) = env::var(SERVER_VARIABLE) {
        return Shared::Named(url);
    }
    let (base, server) = start(Wire::Clear).await;
    Shared::Private { base, _server: Box::new(server) }
}

/// Its address up to the slash before the database, and the server.
async fn start(wire: Wire) -> (String, Server) {
    let program = program();
    let port = Port::reserve();
    let address = port.address();
    let random: &dyn Random = &SystemRandom::default();
    let password = format!("{:032x}", u128::from_be_bytes(random.bytes()));
    let base = match wire {
        Wire::Clear => format!("redis://:{password}@{address}"),
        Wire::Encrypted => format!("rediss://:{password}@localhost:{}", address.port()),
    };
    let recipe =
        Recipe { name: "Redis", ready: "Ready to accept connections", stop: "TERM", crash: "KILL" };
    let mut settings = vec![
        ("bind", address.ip().to_string()),
        ("requirepass", password),
        ("databases", DATABASES.to_string()),
        ("save", "\"\"".to_owned()),
        ("appendonly", "no".to_owned()),
        ("daemonize", "no".to_owned()),
    ];
    match wire {
        Wire::Clear => settings.push(("port", address.port().to_string())),
        Wire::Encrypted => settings.extend([
            ("port", "0".to_owned()),
            ("tls-port", address.port().to_string()),
            ("tls-cert-file", "server.pem".to_owned()),
            ("tls-key-file", "server-key.pem".to_owned()),
            ("tls-ca-cert-file", "ca.pem".to_owned()),
            ("tls-auth-clients", "no".to_owned()),
        ]),
    }
    let files = [
        ("server.pem", certificates::SERVER),
        ("server-key.pem", certificates::SERVER_KEY),
        ("ca.pem", certificates::AUTHORITY),
    ];
    let write_settings = move |home: &Path| {
        let lines = settings.iter().fold(String::new(), |mut lines, (key, value)| {
            let _infallible = writeln!(lines, "{key} {value}");
            lines
        });
        let files = files.iter().filter(|_| wire == Wire::Encrypted);
        files
            .chain([&("redis.conf", lines.as_str())])
            .try_for_each(|(name, text)| fs::write(home.join(name), text))
            .map_err(|error| error.to_string())
    };
    let server = Server::bring_up(recipe, write_settings, move |shell, home| {
        let _held = &port;
        shell.with(|shell| shell.arg(&program).arg(home.join("redis.conf")).current_dir(home))
    })
    .await;
    (base, server)
}

#[expect(clippy::disallowed_methods, reason = "where programs are is said by the environment")]
fn program() -> PathBuf {
    let folders = env::var_os("PATH").unwrap_or_default();
    let found =
        env::split_paths(&folders).map(|folder| folder.join(PROGRAM)).find(|it| it.is_file());
    found.unwrap_or_else(|| {
        panic!(
            "this test needs Redis, and {PROGRAM} is not on the PATH: install it (Debian, Ubuntu: \
             apt-get install redis-server) or name a server in {SERVER_VARIABLE}"
        )
    })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::{
        io::{AsyncReadExt as _, AsyncWriteExt as _},
        net::TcpStream,
    };

    use super::*;

    /// Says `lines` to Redis after the password, and yields what it answers to all.
    async fn ask(place: &RedisPlace, lines: &str) -> std::io::Result<String> {
        let (secret, rest) = place.url.strip_prefix("redis://:").unwrap().split_once('@').unwrap();
        let (address, database) = rest.split_once('/').unwrap();
        let mut stream = TcpStream::connect(address).await?;
        let said = format!("AUTH {secret}\r\nSELECT {database}\r\n{lines}\r\nQUIT\r\n");
        stream.write_all(said.as_bytes()).await?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await?;
        Ok(answer)
    }

    #[tokio::test]
    async fn each_test_has_a_place_of_its_own() {
        let (one, other) = (fresh().await, fresh().await);
        assert_ne!(one.prefix, other.prefix);
        assert_eq!(ask(&one, "SET seat taken").await.unwrap(), "+OK\r\n+OK\r\n+OK\r\n+OK\r\n");
        assert_eq!(ask(&other, "GET seat").await.unwrap(), "+OK\r\n+OK\r\n$-1\r\n+OK\r\n");
    }

    #[tokio::test]
    async fn a_private_server_is_stopped_and_started_in_the_same_place() {
        let (place, server) = private().await;
        server.stop().await;
        let refused = ask(&place, "PING").await.unwrap_err();
        assert_eq!(refused.kind(), std::io::ErrorKind::ConnectionRefused);
        server.start().await;
        assert!(ask(&place, "PING").await.unwrap().contains("PONG"));
        server.crash().await;
        assert!(ask(&place, "PING").await.is_err());
    }

    #[tokio::test]
    async fn a_server_that_is_paused_answers_nothing_until_it_goes_on() {
        let (place, server) = private().await;
        server.pause().await;
        let mut asking = Box::pin(ask(&place, "PING"));
        let moment = Duration::from_millis(100);
        assert!(tokio::time::timeout(moment, &mut asking).await.is_err());
        server.resume().await;
        let answer = tokio::time::timeout(Duration::from_secs(30), asking).await.unwrap();
        assert!(answer.unwrap().contains("PONG"));
    }
}
