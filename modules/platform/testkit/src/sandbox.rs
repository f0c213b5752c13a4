//! Real nodes for one test: a monolith, a split, or any grouping, on either database. In the test's
//! own process they are quick and share a clock that the test moves; as processes of their own they
//! can be killed for good.

mod node;
mod plan;

use std::{
    fs,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::Duration,
};

use futures_util::future::join_all;
use runtime::{Config, KeyPair, KeyPlaces, Launch, Module, SectionSpec, SystemRandom};
use tempfile::TempDir;
use tokio::runtime::{Handle, RuntimeFlavor};

use crate::{Client, TestClock, postgres};

pub use node::Node;
use node::{Origin, Recipe};
use plan::{Plan, Replicas};

/// How long nodes may take to become ready. Long, for machines that do much else.
const START_PATIENCE: Duration = Duration::from_secs(90);

/// How long the last check may take when a sandbox goes.
const CHECK_PATIENCE: Duration = Duration::from_secs(30);

/// To PostgreSQL, of each service: nine services and many tests share one server.
const CONNECTIONS: &str = "4";

/// How a process is put together. A test starts what `main` starts.
#[derive(Clone, Copy)]
pub struct Composition {
    /// Every service.
    pub modules: &'static [&'static Module],
    /// Tables of the configuration beside those of the runtime and of the modules.
    pub sections: &'static [SectionSpec],
    /// Puts everything around the modules that a process has around them.
    pub launch: fn(Config) -> Launch,
}

/// Which database the services keep their state in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Storage {
    /// A file for each service.
    Sqlite,
    /// A schema for each service, in a database of the sandbox's own on the private server.
    Postgres,
}

/// Which services share a node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Shape {
    /// All on one.
    Monolith,
    /// One each, the gateway too.
    Split,
    /// As listed; every service is in exactly one group.
    Groups(Vec<Vec<&'static str>>),
}

/// A sandbox that is being described.
#[must_use = "a sandbox starts with `start`"]
pub struct Builder {
    composition: Composition,
    storage: Storage,
    shape: Shape,
    replicas: Replicas,
    clock: TestClock,
    binary: Option<PathBuf>,
    settings: Vec<(String, String)>,
    key_directories: Vec<String>,
    service_keys: bool,
    adjust: Arc<Adjust>,
}

/// Changes how a node of the test's process is put together.
type Adjust = dyn Fn(&str, Launch) -> Launch + Send + Sync;

impl Builder {
    /// On this database; SQLite when nothing is said.
    pub fn database(mut self, storage: Storage) -> Self {
        self.storage = storage;
        self
    }

    /// In this shape; a monolith when nothing is said.
    pub fn shape(mut self, shape: Shape) -> Self {
        self.shape = shape;
        self
    }

    /// With so many nodes of each group, for databases on a server; one when nothing is said.
    pub fn replicas(mut self, replicas: usize) -> Self {
        self.replicas.usual = replicas;
        self
    }

    /// With so many nodes of the group that `service` is in.
    pub fn replicas_of(mut self, service: &'static str, replicas: usize) -> Self {
        self.replicas.of.push((service, replicas));
        self
    }

    /// With this clock; one that runs from now when nothing is said.
    pub fn clock(mut self, clock: TestClock) -> Self {
        self.clock = clock;
        self
    }

    /// With a key of the configuration, such as `orders.payment_time`, on every node.
    pub fn setting(mut self, key: &str, value: impl Into<String>) -> Self {
        self.settings.push((key.to_owned(), value.into()));
        self
    }

    /// With a directory that holds a new Ed25519 key, under this key of the configuration, such as
    /// `identity.signing_keys_dir`.
    pub fn signing_key(mut self, key: &str) -> Self {
        self.key_directories.push(key.to_owned());
        self
    }

    /// With every node of the test's process put together as `adjust` says, which is told the node's
    /// name, each time it starts; such as with an extension.
    pub fn adjusted(
        mut self,
        adjust: impl Fn(&str, Launch) -> Launch + Send + Sync + 'static,
    ) -> Self {
        self.adjust = Arc::new(adjust);
        self
    }

    /// With keys with which services know each other, of which no node makes any where databases are
    /// on a server.
    pub fn service_keys(mut self) -> Self {
        self.service_keys = true;
        self
    }

    /// As processes of their own, started from `binary` (`env!("CARGO_BIN_EXE_boxoffice")`). They
    /// go by the machine's clock.
    pub fn processes(mut self, binary: impl Into<PathBuf>) -> Self {
        self.binary = Some(binary.into());
        self
    }

    /// Starts all nodes and waits until all are ready.
    ///
    /// # Panics
    /// When a node cannot start or does not become ready; the message says which and why.
    pub async fn start(mut self) -> Sandbox {
        write_logs_if_asked();
        let home = tempfile::Builder::new()
            .prefix("boxoffice-sandbox-")
            .tempdir()
            .unwrap_or_else(|error| panic!("cannot make a temporary directory: {error}"));
        for key in std::mem::take(&mut self.key_directories) {
            let directory = home.path().join("keys").join(key.replace('.', "-"));
            write_signing_key(&directory);
            self.settings.push((key, directory.display().to_string()));
        }
        if self.storage == Storage::Postgres {
            let database = postgres::fresh_database().await;
            self = self
                .service_keys()
                .setting("database.url", database.as_str())
                .setting("database.postgres_connections", CONNECTIONS);
        }
        if self.service_keys {
            self.settings.extend(write_service_keys(self.composition.modules, home.path()));
        }
        let plan = Plan::new(self.composition.modules, &self.shape);
        let nodes: Vec<Node> = plan
            .into_sites(home.path(), &self.settings, &self.replicas)
            .into_iter()
            .map(|site| {
                let origin = match &self.binary {
                    Some(binary) => Origin::Binary(binary.clone()),
                    None => Origin::Composition(Recipe {
                        composition: self.composition,
                        clock: self.clock.clone(),
                        adjust: Arc::clone(&self.adjust),
                    }),
                };
                Node::new(site, origin)
            })
            .collect();
        let sandbox = Sandbox { nodes, clock: self.clock, home, clients: AtomicUsize::new(0) };
        join_all(sandbox.nodes.iter().map(Node::launch)).await;
        sandbox.ready().await;
        sandbox
    }
}

/// Nodes that run until this is dropped.
pub struct Sandbox {
    nodes: Vec<Node>,
    clock: TestClock,
    home: TempDir,
    /// How many clients there were; they begin at one entrance after the other.
    clients: AtomicUsize,
}

impl Sandbox {
    /// Describes a sandbox; [`Builder::start`] starts it.
    pub fn builder(composition: Composition) -> Builder {
        Builder {
            composition,
            storage: Storage::Sqlite,
            shape: Shape::Monolith,
            replicas: Replicas { usual: 1, of: Vec::new() },
            clock: TestClock::running(),
            binary: None,
            settings: Vec::new(),
            key_directories: Vec::new(),
            service_keys: false,
            adjust: Arc::new(|_, launch| launch),
        }
    }

    /// Waits until every node is ready.
    ///
    /// # Panics
    /// When one is not in time; the message says which and why.
    pub async fn ready(&self) {
        join_all(self.nodes.iter().map(Node::ready)).await;
    }

    /// Where clients may begin: each node that hosts the gateway; the first one where none does.
    pub fn public_urls(&self) -> Vec<String> {
        let gateways: Vec<&Node> = self.nodes_of(runtime::GATEWAY).collect();
        let entrances =
            if gateways.is_empty() { self.nodes.iter().take(1).collect() } else { gateways };
        entrances.into_iter().map(Node::public_url).collect()
    }

    /// The first of [`Sandbox::public_urls`].
    pub fn public_url(&self) -> String {
        self.public_urls().into_iter().next().unwrap_or_default()
    }

    /// A client that speaks as nobody to one of [`Sandbox::public_urls`]: to the next one each time.
    pub fn client(&self) -> Client {
        let urls = self.public_urls();
        let turn = self.clients.fetch_add(1, Ordering::Relaxed);
        Client::new(urls[turn % urls.len()].clone())
    }

    /// The clock that nodes in the test's process go by.
    pub fn clock(&self) -> &TestClock {
        &self.clock
    }

    /// The node that hosts `service`, the first one of its replicas.
    ///
    /// # Panics
    /// When none does.
    #[track_caller]
    pub fn node(&self, service: &str) -> &Node {
        let Some(node) = self.nodes_of(service).next() else {
            panic!("no node of this sandbox hosts {service}");
        };
        node
    }

    /// The replicas that host `service`.
    pub fn nodes_of(&self, service: &str) -> impl Iterator<Item = &Node> {
        self.nodes.iter().filter(move |node| node.hosts(service))
    }

    /// All nodes.
    pub fn nodes(&self) -> &[Node] {
        &self.nodes
    }

    /// The data directory, which all nodes share.
    pub fn data_dir(&self) -> PathBuf {
        self.home.path().join("data")
    }

    /// Makes the standing check on every node that runs.
    ///
    /// # Panics
    /// When something is found, or a check cannot be made; the message lists what.
    pub async fn check(&self) {
        let wrong = self.wrongs().await;
        assert!(wrong.is_empty(), "the standing check found:\n{}", wrong.join("\n"));
    }

    async fn wrongs(&self) -> Vec<String> {
        join_all(self.nodes.iter().map(Node::wrongs)).await.concat()
    }

    /// Makes the standing check, and then stops all nodes politely, one after the other.
    ///
    /// # Panics
    /// As [`Sandbox::check`].
    pub async fn stop(self) {
        self.check().await;
        for node in self.nodes.iter().rev() {
            node.stop().await;
        }
    }
}

/// Makes the standing check, where the test has threads enough to wait for it. Of a test that fails it
/// tells what its processes have logged as errors instead.
impl Drop for Sandbox {
    #[expect(clippy::print_stderr, reason = "tests show what they print when they fail")]
    fn drop(&mut self) {
        if thread::panicking() {
            return eprint!("{}", logged_errors(self.home.path()));
        }
        let Ok(handle) = Handle::try_current() else { return };
        if handle.runtime_flavor() != RuntimeFlavor::MultiThread {
            return;
        }
        let checking = tokio::time::timeout(CHECK_PATIENCE, self.wrongs());
        let wrong = tokio::task::block_in_place(|| handle.block_on(checking)).unwrap_or_default();
        assert!(wrong.is_empty(), "the standing check found:\n{}", wrong.join("\n"));
    }
}

/// The errors in the logs of a folder, a line each.
fn logged_errors(folder: &Path) -> String {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let logs =
        entries.map(|entry| entry.path()).filter(|it| it.extension() == Some("log".as_ref()));
    let text: String = logs.filter_map(|log| fs::read_to_string(log).ok()).collect();
    text.split_inclusive('\n').filter(|line| line.contains(" ERROR ")).collect()
}

/// `BOXOFFICE_TEST_LOG=info,store=debug` shows what nodes in the test's process log.
#[expect(clippy::disallowed_methods, reason = "a test process has no other configuration")]
fn write_logs_if_asked() {
    if let Ok(filter) = std::env::var("BOXOFFICE_TEST_LOG") {
        let _every_test_of_the_process_tries =
            telemetry::init_logs(&filter, telemetry::Format::Text);
    }
}

/// Keys with which the services of nodes know each other: where databases are no files, no node
/// makes any.
fn write_service_keys(modules: &[&Module], home: &Path) -> [(String, String); 2] {
    let places = KeyPlaces {
        private_dir: home.join("keys").join("private"),
        public_dir: home.join("keys").join("public"),
        issuer: String::new(),
        generate: true,
    };
    for module in modules {
        if let Err(error) = places.make_pair(module.name, &SystemRandom::default()) {
            panic!("cannot make the keys of {}: {error}", module.name);
        }
    }
    [("private_keys_dir", places.private_dir), ("public_keys_dir", places.public_dir)]
        .map(|(key, directory)| (format!("service_auth.{key}"), directory.display().to_string()))
}

/// A new Ed25519 key in a file `test.pem`.
fn write_signing_key(directory: &Path) {
    let path = directory.join("test.pem");
    if let Err(error) = KeyPair::read_or_generate(&path, &SystemRandom::default()) {
        panic!("cannot write a signing key: {error}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_all_that_processes_have_logged_errors_are_told() {
        let folder = tempfile::tempdir().unwrap();
        let log = "orders | 10:00  INFO all is well\norders | 10:01 ERROR all is lost\n";
        fs::write(folder.path().join("orders.log"), log).unwrap();
        fs::write(folder.path().join("orders.toml"), "# no ERROR in here").unwrap();
        assert_eq!(logged_errors(folder.path()), "orders | 10:01 ERROR all is lost\n");
    }
}
