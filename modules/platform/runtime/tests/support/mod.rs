//! Small modules and clients for tests of whole processes.

use std::{net::SocketAddr, time::Duration};

use axum::http::StatusCode;
use runtime::{
    Config, Context, ContractError, Fault, Module, Sources, Unrecognised, async_trait, service,
    web_client,
};
use serde::{Deserialize, Serialize};
use tokio::net::TcpListener;
use utoipa::ToSchema;

/// Two numbers.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct Adds {
    pub left: i64,
    pub right: i64,
}

/// Their sum.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct Sum {
    pub sum: i64,
}

#[derive(Debug, thiserror::Error, Serialize, Deserialize, ToSchema)]
#[serde(tag = "code", rename_all = "snake_case")]
pub enum AddingError {
    #[error("too large")]
    TooLarge,
    #[error(transparent)]
    #[serde(skip)]
    Fault(#[from] Fault),
    #[error("{0}")]
    #[serde(untagged)]
    Unrecognised(Unrecognised),
}
impl ContractError for AddingError {}

/// Adds.
#[service("adder")]
pub trait Adding {
    /// Adds two numbers.
    #[idempotent]
    async fn add(&self, cx: &Context, request: Adds) -> Result<Sum, AddingError>;
}

pub struct Adder;

#[async_trait]
impl Adding for Adder {
    async fn add(&self, _cx: &Context, request: Adds) -> Result<Sum, AddingError> {
        let sum = request.left.checked_add(request.right).ok_or(AddingError::TooLarge)?;
        Ok(Sum { sum })
    }
}

/// A module that does nothing.
pub const PLAIN: Module = Module {
    name: "plain",
    about: "nothing",
    prefixes: &[],
    provides: &[],
    requires: &[],
    publishes: &[],
    consumes: &[],
    settings: None,
    schema: None,
    views: None,
    openapi: utoipa::openapi::OpenApi::default,
    start: |_| Box::pin(async { Ok(()) }),
};

/// Ports that the system chooses.
const PORTS: &str = "public.address = '127.0.0.1:0'\ninternal.address = '127.0.0.1:0'\n\
                     admin.address = '127.0.0.1:0'\n";

/// A configuration in TOML, on ports that the system chooses unless it says otherwise.
pub fn config(keys: &str) -> Config {
    let sources = Sources::new().toml("ports", PORTS).toml("test", keys);
    Config::load([], sources).expect("the configuration is sound")
}

pub async fn try_get(address: SocketAddr, path: &str) -> Result<(StatusCode, String), String> {
    let get = async {
        let url = format!("http://{address}{path}");
        let response = web_client()?.get(url).timeout(Duration::from_secs(10)).send().await?;
        let status = response.status();
        Ok::<_, reqwest::Error>((status, response.text().await?))
    };
    get.await.map_err(|error| error.to_string())
}

pub async fn get_text(address: SocketAddr, path: &str) -> String {
    try_get(address, path).await.expect("it answers").1
}

pub async fn get_status(address: SocketAddr, path: &str) -> StatusCode {
    try_get(address, path).await.expect("it answers").0
}

pub async fn get_json(address: SocketAddr, path: &str) -> (StatusCode, serde_json::Value) {
    let (status, text) = try_get(address, path).await.expect("it answers");
    (status, serde_json::from_str(&text).expect("it is JSON"))
}

/// An address that nobody listens on, for processes that cannot say which port they got yet.
pub async fn free_address() -> SocketAddr {
    let socket = TcpListener::bind("127.0.0.1:0").await.expect("there is a free port");
    socket.local_addr().expect("it has an address")
}

/// Waits until `condition` holds; ten seconds at most.
pub async fn until(condition: impl AsyncFn() -> bool) {
    let mut looks = tokio::time::interval(Duration::from_millis(5));
    let wait = async {
        while !condition().await {
            looks.tick().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), wait).await.expect("it becomes true in time");
}
