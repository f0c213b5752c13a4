//! A private Apache Kafka: one broker for each test process, and a prefix of topics for each test.
//!
//! The broker is its own controller (`KRaft`), is started on first use, keeps its log in a temporary
//! folder and ends with the test process, as PostgreSQL does. It runs from the jars that
//! `scripts/kafka.sh` fetches.

mod guarded;
mod messages;

use std::{
    env,
    ffi::{OsStr, OsString},
    fs,
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::atomic::{AtomicU32, Ordering},
};

use tokio::sync::OnceCell;

use crate::{
    Port,
    server::{Recipe, Server},
};

pub use guarded::{Door, GuardedKafka};

/// Names brokers to use instead of a private one: `host:port,host:port`. Topics that tests leave there
/// begin with `boxoffice-test-…`.
const BROKERS_VARIABLE: &str = "BOXOFFICE_TEST_KAFKA_BROKERS";

/// The jars that make a broker, one a line, each after its checksum; paths as in a Maven repository.
const PINS: &str = include_str!("../../../../scripts/kafka.sha256");

/// Small and quick to start, since many tests each have one.
const JAVA_OPTIONS: [&str; 7] = [
    "-Xmx256m",
    "-XX:+UseSerialGC",
    "-XX:TieredStopAtLevel=1",
    "-Xshare:auto",
    "-XX:-UsePerfData",
    "-Djava.awt.headless=true",
    "-Dorg.slf4j.simpleLogger.showDateTime=true",
];

/// What a broker's folder of data has to hold before its first start, in place of a run of
/// `kafka-storage format`. Ids are 128 bits in base 64.
const META: &str = "version=1\ncluster.id=Ym94b2ZmaWNlLXRlc3RzMQ\nnode.id=1\n\
                    directory.id=Ym94b2ZmaWNlLWRhdGEtMQ\n";

/// Where a test has Kafka for itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KafkaPlace {
    /// Where to connect: `host:port`, or several with commas between them.
    pub brokers: String,
    /// What the name of every topic and consumer group begins with that this test makes; no other
    /// test has it.
    pub prefix: String,
}

/// A place on the broker of this test process, or on those that the environment names, that no other
/// test uses.
///
/// # Panics
/// When there is no broker and none can be started; the message says what to install.
pub async fn fresh() -> KafkaPlace {
    static SHARED: OnceCell<Shared> = OnceCell::const_new();
    static NEXT: AtomicU32 = AtomicU32::new(1);

    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    let shared = SHARED.get_or_init(find_or_start).await;
    let prefix = format!("boxoffice-test-{}-{number}", std::process::id());
    KafkaPlace { brokers: shared.brokers.clone(), prefix }
}

/// A broker of the test's own, to stop, start and pause, and the place on it. It keeps its log when it
/// stops, and also when it crashes.
///
/// # Panics
/// When it cannot be started; the message says what to install.
pub async fn private() -> (KafkaPlace, Server) {
    private_at(Port::reserve(), None).await
}

/// A broker as [`private`], at `port`, that sends its clients to `advertised` where it is given.
///
/// # Panics
/// As [`private`].
pub async fn private_at(port: Port, advertised: Option<SocketAddr>) -> (KafkaPlace, Server) {
    let (brokers, server) = start_open(port, advertised).await;
    (KafkaPlace { brokers, prefix: "boxoffice-test".to_owned() }, server)
}

/// What all tests of a process share.
struct Shared {
    brokers: String,
    /// Ends with the process.
    _server: Option<Server>,
}

#[expect(
    clippy::disallowed_methods,
    reason = "a test process has no configuration but its environment"
)]
async fn find_or_start() -> Shared {
    if let Ok(brokers) = env::var(BROKERS_VARIABLE) {
        return Shared { brokers, _server: None };
    }
    let (brokers, server) = start_open(Port::reserve(), None).await;
    Shared { brokers, _server: Some(server) }
}

/// Where a broker listens.
struct Listeners {
    clients: Port,
    controller: Port,
    /// Apart from the clients, for the broker's own and for whoever administers it.
    inside: Option<Port>,
}

impl Listeners {
    /// The settings of a broker that clients reach at `brokers`.
    fn settings(&self, brokers: &str) -> String {
        let (clients, controller) = (self.clients.address(), self.controller.address());
        let inside = self.inside.as_ref().map(|port| format!("INSIDE://{},", port.address()));
        let inside = inside.unwrap_or_default();
        format!(
            "controller.quorum.voters=1@{controller}\n\
             listeners=CLIENTS://{clients},{inside}CONTROLLER://{controller}\n\
             advertised.listeners={inside}CLIENTS://{brokers}\n"
        )
    }
}

/// Files in a broker's folder: names and contents.
type Files = Vec<(&'static str, String)>;

/// The address at which clients look for a broker that lets everybody in, and the server.
async fn start_open(clients: Port, advertised: Option<SocketAddr>) -> (String, Server) {
    let listeners = Listeners { clients, controller: Port::reserve(), inside: None };
    let brokers = advertised.unwrap_or_else(|| listeners.clients.address()).to_string();
    let settings = format!(
        "{}\
         listener.security.protocol.map=CLIENTS:PLAINTEXT,CONTROLLER:PLAINTEXT\n\
         inter.broker.listener.name=CLIENTS\n",
        listeners.settings(&brokers)
    );
    let server = start(listeners, settings, Files::new()).await;
    (brokers, server)
}

/// Starts a broker that has these settings beside the usual ones.
async fn start(listeners: Listeners, settings: String, files: Files) -> Server {
    let (java, class_path) = (java(), class_path());
    let recipe =
        Recipe { name: "Kafka", ready: "Kafka Server started", stop: "TERM", crash: "KILL" };
    let prepare = move |home: &Path| {
        let data = home.join("data");
        fs::create_dir(&data)
            .and_then(|()| fs::write(data.join("meta.properties"), META))
            .and_then(|()| {
                fs::write(home.join("server.properties"), SETTINGS.to_owned() + &settings)
            })
            .and_then(|()| {
                files.iter().try_for_each(|(name, text)| fs::write(home.join(name), text))
            })
            .map_err(|error| error.to_string())
    };
    Server::bring_up(recipe, prepare, move |program, home| {
        let _held = &listeners;
        program.with(|shell| {
            let broker = shell.arg(&java).args(JAVA_OPTIONS).arg("-cp").arg(&class_path);
            broker.args(["kafka.Kafka", "server.properties"]).current_dir(home)
        })
    })
    .await
}

/// Every broker's settings: one copy of everything, and little memory.
const SETTINGS: &str = "process.roles=broker,controller\n\
         node.id=1\n\
         log.dirs=data\n\
         controller.listener.names=CONTROLLER\n\
         auto.create.topics.enable=false\n\
         offsets.topic.replication.factor=1\n\
         offsets.topic.num.partitions=1\n\
         transaction.state.log.replication.factor=1\n\
         transaction.state.log.min.isr=1\n\
         transaction.state.log.num.partitions=1\n\
         share.coordinator.state.topic.replication.factor=1\n\
         share.coordinator.state.topic.min.isr=1\n\
         share.coordinator.state.topic.num.partitions=1\n\
         group.initial.rebalance.delay.ms=0\n\
         broker.session.timeout.ms=3000\n\
         broker.heartbeat.interval.ms=500\n\
         log.cleaner.dedupe.buffer.size=2097152\n\
         num.network.threads=2\n\
         num.io.threads=4\n";

/// The program that runs the jars: of `JAVA_HOME`, or on the PATH.
#[expect(clippy::disallowed_methods, reason = "where programs are is said by the environment")]
fn java() -> PathBuf {
    let home = env::var_os("JAVA_HOME").map(|home| Path::new(&home).join("bin"));
    let path = env::var_os("PATH").unwrap_or_default();
    let folders = home.into_iter().chain(env::split_paths(&path));
    let found = folders.map(|folder| folder.join("java")).find(|java| java.is_file());
    found.unwrap_or_else(|| {
        panic!(
            "this test needs Java 17 or newer to run Kafka, and java is neither on the PATH nor in \
             JAVA_HOME: install it (Debian, Ubuntu: apt-get install openjdk-17-jre-headless) or \
             name brokers in {BROKERS_VARIABLE}"
        )
    })
}

/// The jars, which must all be there.
fn class_path() -> OsString {
    let folder = folder();
    let jars: Vec<PathBuf> = jars().map(|jar| folder.join(jar)).collect();
    if let Some(missing) = jars.iter().find(|jar| !jar.is_file()) {
        panic!(
            "this test needs Apache Kafka, and {} is not there: run scripts/kafka.sh, which fetches \
             it, or name brokers in {BROKERS_VARIABLE}",
            missing.display()
        )
    }
    let separator = OsStr::new(":");
    jars.iter().map(|jar| jar.as_os_str()).collect::<Vec<_>>().join(separator)
}

/// Where `scripts/kafka.sh` keeps the jars.
#[expect(clippy::disallowed_methods, reason = "where caches are is said by the environment")]
fn folder() -> PathBuf {
    let cache = env::var_os("XDG_CACHE_HOME").filter(|it| !it.is_empty()).map(PathBuf::from);
    let cache =
        cache.unwrap_or_else(|| Path::new(&env::var_os("HOME").unwrap_or_default()).join(".cache"));
    cache.join("boxoffice-test").join(format!("kafka-{}", version()))
}

fn jars() -> impl Iterator<Item = &'static str> {
    PINS.lines().filter_map(|line| line.split_whitespace().nth(1))
}

/// Of the broker: the folder of its own jar.
fn version() -> &'static str {
    let path = jars().find(|jar| jar.starts_with("org/apache/kafka/kafka_"));
    path.and_then(|jar| jar.rsplit('/').nth(1)).unwrap_or("unknown")
}

#[cfg(test)]
mod tests {
    use tokio::net::TcpStream;

    use super::*;

    #[tokio::test]
    async fn each_test_has_a_prefix_of_its_own_on_one_broker() {
        let (one, other) = (fresh().await, fresh().await);
        assert_ne!(one.prefix, other.prefix);
        assert_eq!(one.brokers, other.brokers);
    }

    #[tokio::test]
    async fn a_private_broker_is_stopped_and_killed_and_started_in_the_same_place() {
        let (place, server) = private().await;
        let connect = || TcpStream::connect(&place.brokers);
        connect().await.unwrap();
        server.stop().await;
        assert_eq!(connect().await.unwrap_err().kind(), std::io::ErrorKind::ConnectionRefused);
        server.start().await;
        connect().await.unwrap();
        server.crash().await;
        assert!(connect().await.is_err());
        server.start().await;
        connect().await.unwrap();
    }

    #[test]
    fn the_version_is_that_of_the_pinned_jar() {
        assert!(version().split('.').count() == 3, "{}", version());
    }
}
