//! A gateway that runs, and services behind it: sound ones, and ones that misbehave.

use std::{net::SocketAddr, time::Duration};

use axum::Router;
use edge::{EdgeSettings, ProblemType};
use reqwest::{Client, Method, RequestBuilder, Response};
use runtime::{Config, Launch, Module, RunningNode, SectionSpec, Sources};
use serde_json::Value;
use tempfile::TempDir;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    task::JoinSet,
};

/// A problem that only the service behind the gateway has.
static SOLD_OUT: ProblemType = ProblemType {
    slug: "sold-out",
    status: 409,
    title: "Sold out",
    meaning: "There are no places left.",
    what_to_do: "Come earlier.",
};

/// The service behind the gateway, as the registry knows it. It never runs in the gateway's process.
static ORDERS: Module = Module {
    name: "orders",
    about: "the purchase",
    prefixes: &["/v1/orders", "/.well-known/orders.json"],
    provides: &[],
    requires: &[],
    publishes: &[],
    consumes: &[],
    settings: None,
    schema: None,
    views: None,
    openapi: || edge::openapi::describe("orders", edge::Routes::<()>::new(), &[&SOLD_OUT]),
    start: |_| Box::pin(std::future::ready(Ok(()))),
};

static MODULES: &[&Module] = &[&gateway::MODULE, &ORDERS];

/// Longer than anything that works takes.
const PATIENCE: Duration = Duration::from_secs(30);

/// A gateway in front of one service.
pub struct World {
    node: RunningNode,
    client: Client,
    _service: JoinSet<()>,
    _data: TempDir,
}

impl World {
    /// In front of a service with these routes.
    pub async fn before(routes: Router) -> Self {
        Self::with("", routes).await
    }

    /// With further settings, as TOML.
    pub async fn with(settings: &str, routes: Router) -> Self {
        let (socket, address) = listen().await;
        let mut service = JoinSet::new();
        service.spawn(serve(socket, routes));
        Self::ready(settings, address, service).await
    }

    /// In front of a service that says this to whoever asks, and then does as told.
    pub async fn before_words(settings: &str, words: &'static str, afterwards: Afterwards) -> Self {
        let (socket, address) = listen().await;
        let mut service = JoinSet::new();
        service.spawn(say(socket, words, afterwards));
        Self::ready(settings, address, service).await
    }

    /// In front of an address where nobody listens.
    pub async fn before_nobody(address: SocketAddr) -> Self {
        Self::launch("", &[address], JoinSet::new()).await
    }

    /// In front of several replicas of the service.
    pub async fn before_replicas(replicas: impl IntoIterator<Item = Replica>) -> Self {
        let (mut addresses, mut service) = (Vec::new(), JoinSet::new());
        for replica in replicas {
            let (socket, address) = listen().await;
            addresses.push(address);
            match replica {
                Replica::Serves(routes) => drop(service.spawn(serve(socket, routes))),
                Replica::Says(words, then) => drop(service.spawn(say(socket, words, then))),
                Replica::IsAway => {}
            }
        }
        let world = Self::launch("", &addresses, service).await;
        world.node.ready().await;
        world
    }

    /// Why it does not take requests yet.
    pub async fn reasons(&self) -> Vec<String> {
        self.node.readiness().await.reasons
    }

    async fn ready(settings: &str, address: SocketAddr, service: JoinSet<()>) -> Self {
        let world = Self::launch(settings, &[address], service).await;
        world.node.ready().await;
        world
    }

    async fn launch(settings: &str, addresses: &[SocketAddr], service: JoinSet<()>) -> Self {
        let urls: Vec<String> = addresses.iter().map(|it| format!("http://{it}")).collect();
        let data = tempfile::tempdir().unwrap();
        let basis = format!(
            "node.services = ['gateway']\nnode.data_dir = '{}'\npublic.address = '127.0.0.1:0'\n\
             internal.address = '127.0.0.1:0'\nadmin.address = '127.0.0.1:0'\n\
             peers.orders.public = {urls:?}",
            data.path().display()
        );
        let sections = [gateway::MODULE.settings.unwrap(), SectionSpec::of::<EdgeSettings>()];
        let sources = Sources::new().toml("basis", &basis).toml("test", settings);
        let config = Config::load(sections, sources).unwrap();
        let launch = Launch::new(config, MODULES).public_stack(edge::public_stack);
        let node = launch.start().await.unwrap();
        let client = runtime::web_client().unwrap();
        Self { node, client, _service: service, _data: data }
    }

    pub fn request(&self, method: Method, path: &str) -> RequestBuilder {
        let url = format!("http://{}{path}", self.node.public_addr());
        self.client.request(method, url).timeout(PATIENCE)
    }

    pub async fn get(&self, path: &str) -> Response {
        self.request(Method::GET, path).send().await.unwrap()
    }

    pub fn post(&self, path: &str) -> RequestBuilder {
        self.request(Method::POST, path)
    }

    /// Says this on a connection of its own; what the gateway says until it closes.
    pub async fn say(&self, words: &str) -> String {
        let mut connection = TcpStream::connect(self.node.public_addr()).await.unwrap();
        connection.write_all(words.as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        tokio::time::timeout(PATIENCE, connection.read_to_end(&mut answer)).await.unwrap().unwrap();
        String::from_utf8(answer).unwrap()
    }

    /// Stops the gateway politely.
    pub async fn stop(self) {
        tokio::time::timeout(PATIENCE, self.node.stop()).await.expect("the gateway stops in time");
    }

    /// Says this on a connection of its own and hangs up.
    pub async fn say_and_leave(&self, words: &str) {
        let mut connection = TcpStream::connect(self.node.public_addr()).await.unwrap();
        connection.write_all(words.as_bytes()).await.unwrap();
    }
}

/// What stands at one of a service's addresses.
pub enum Replica {
    Serves(Router),
    Says(&'static str, Afterwards),
    IsAway,
}

/// What a service does when it has said its words.
#[derive(Debug, Clone, Copy)]
pub enum Afterwards {
    HangsUp,
    KeepsSilent,
}

/// The slug of the problem that a response is; its status, media type and request id are checked.
pub async fn problem(response: Response, status: u16) -> Value {
    let headers = response.headers().clone();
    assert_eq!(response.status().as_u16(), status, "{headers:?}");
    assert_eq!(headers["content-type"], "application/problem+json");
    let body: Value = serde_json::from_slice(&response.bytes().await.unwrap()).unwrap();
    assert_eq!(body["status"], status);
    assert_eq!(body["request_id"], headers["x-request-id"].to_str().unwrap());
    body
}

async fn listen() -> (TcpListener, SocketAddr) {
    let socket = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = socket.local_addr().unwrap();
    (socket, address)
}

#[expect(clippy::disallowed_methods, reason = "the service's own deadlines are not tested here")]
async fn serve(socket: TcpListener, routes: Router) {
    axum::serve(socket, routes).await.unwrap();
}

async fn say(socket: TcpListener, words: &'static str, afterwards: Afterwards) {
    let mut kept = Vec::new();
    'next: loop {
        let (mut connection, _) = socket.accept().await.unwrap();
        let mut asked = Vec::new();
        while !asked.ends_with(b"\r\n\r\n") {
            // Whoever only wants to know whether somebody is here says nothing.
            let Ok(byte) = connection.read_u8().await else { continue 'next };
            asked.push(byte);
        }
        connection.write_all(words.as_bytes()).await.unwrap();
        match afterwards {
            Afterwards::HangsUp => drop(connection),
            Afterwards::KeepsSilent => kept.push(connection),
        }
    }
}
