//! Calls to another process: a stack of `tower` services over one `reqwest` client.
//!
//! From the outside in: metrics, deadline, retry, sign, send to the replica that comes first.

mod deadline;
mod retry;
mod send;
mod sign;

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use bytes::Bytes;
use reqwest::Url;
use tokio::time::Instant;
use tower::{ServiceBuilder, ServiceExt as _, retry::RetryLayer, util::BoxCloneSyncService};
use tracing::Instrument;

use self::{deadline::DeadlineLayer, retry::RetrySafe, send::Transmit, sign::SignLayer};
use super::{
    Callee,
    endpoints::{Endpoint, Endpoints, InvalidEndpoint, RoutingKey},
    metrics::{Meter, Transport},
    token::{ServiceTokens, Signer},
};
use crate::{Context, ContractError, Fault, Message, Method, Random};

/// A connection that takes longer than this is not coming.
const CONNECT_LIMIT: Duration = Duration::from_secs(1);
/// An unused connection is closed after this time, before the callee does.
const IDLE_LIMIT: Duration = Duration::from_secs(20);

/// A client for HTTP that is no contract: forwarding, foreign services. Follows no redirects, uses
/// no proxy, gives up connecting after a second. Build one and keep it: it holds the connections.
/// Every request made with it needs a time limit.
pub fn web_client() -> reqwest::Result<reqwest::Client> {
    client_builder().build()
}

#[expect(clippy::disallowed_methods, reason = "the one home of the HTTP client")]
fn client_builder() -> reqwest::ClientBuilder {
    reqwest::Client::builder()
        .connect_timeout(CONNECT_LIMIT)
        .pool_idle_timeout(IDLE_LIMIT)
        .tcp_nodelay(true)
        .redirect(reqwest::redirect::Policy::none())
        .no_proxy()
        .no_gzip()
}

/// Calls from the services that are hosted here to those that are not. One a process. Cheap to
/// clone.
#[derive(Clone)]
pub struct Outbound {
    client: reqwest::Client,
    tokens: Arc<ServiceTokens>,
    random: Arc<dyn Random>,
    /// What one caller finds out about a callee's replicas helps all.
    known: Arc<Mutex<HashMap<Whereabouts, Endpoints>>>,
}

/// A service and where it is.
type Whereabouts = (&'static str, Vec<Url>);

impl Outbound {
    /// Calls that are signed with `tokens` and take the jitter of their retries from `random`.
    pub fn new(tokens: Arc<ServiceTokens>, random: Arc<dyn Random>) -> reqwest::Result<Self> {
        Ok(Self { client: client_builder().build()?, tokens, random, known: Arc::default() })
    }

    /// The calls of the service `caller` to the service `callee`, whose replicas have their internal
    /// listeners at `urls`.
    pub fn client(
        &self,
        caller: &'static str,
        callee: &'static str,
        urls: &[Url],
    ) -> Result<HttpClient, InvalidEndpoint> {
        let endpoints = self.endpoints(callee, urls)?;
        let stack = ServiceBuilder::new()
            .layer(DeadlineLayer)
            .layer(RetryLayer::new(RetrySafe::new(Arc::clone(&self.random))))
            .layer(SignLayer(Arc::new(Signer::new(Arc::clone(&self.tokens), caller, callee))))
            .service(Transmit { client: self.client.clone(), random: Arc::clone(&self.random) });
        Ok(HttpClient { callee, endpoints, stack: BoxCloneSyncService::new(stack) })
    }

    fn endpoints(&self, callee: &'static str, urls: &[Url]) -> Result<Endpoints, InvalidEndpoint> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let whereabouts = (callee, urls.to_vec());
        if let Some(endpoints) = known.get(&whereabouts) {
            return Ok(endpoints.clone());
        }
        let endpoints = Endpoints::new(callee, urls)?;
        known.insert(whereabouts, endpoints.clone());
        Ok(endpoints)
    }
}

impl std::fmt::Debug for Outbound {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Outbound")
    }
}

/// One service's calls to another, in another process. Cheap to clone.
#[derive(Clone)]
pub struct HttpClient {
    callee: &'static str,
    endpoints: Endpoints,
    stack: Stack,
}

type Stack = BoxCloneSyncService<Outgoing, Incoming, Fault>;

impl HttpClient {
    /// The service that is called.
    pub fn callee(&self) -> &'static str {
        self.callee
    }

    /// One method of the callee, with its metrics. For what is no contract's as well, such as a
    /// feed of events.
    pub fn method(&self, method: &'static Method) -> HttpMethod {
        HttpMethod {
            route: Arc::new(Route {
                callee: Callee { service: self.callee, method: method.name },
                idempotent: method.idempotent,
                endpoints: self.endpoints.clone(),
            }),
            meter: Arc::new(Meter::new(self.callee, method.name, Transport::Http)),
            stack: self.stack.clone(),
        }
    }
}

impl std::fmt::Debug for HttpClient {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "HttpClient({})", self.callee)
    }
}

/// One method of a service in another process.
#[derive(Clone)]
pub struct HttpMethod {
    route: Arc<Route>,
    meter: Arc<Meter>,
    stack: Stack,
}

/// Where one method's calls go.
struct Route {
    callee: Callee,
    idempotent: bool,
    endpoints: Endpoints,
}

impl Route {
    fn url_at(&self, base: &Url) -> Option<Url> {
        let mut url = base.clone();
        let path = ["internal", self.callee.service, self.callee.method];
        url.path_segments_mut().ok()?.pop_if_empty().extend(path);
        Some(url)
    }
}

impl HttpMethod {
    /// Sends `request` to any replica and waits for the answer until the deadline of `cx`.
    pub async fn call<Request, Reply, E>(&self, cx: &Context, request: Request) -> Result<Reply, E>
    where
        Request: Message,
        Reply: Message,
        E: ContractError,
    {
        self.call_as(self.outgoing(cx), request).await
    }

    /// As [`HttpMethod::call`], but all that has the same `key` goes to the same replica, if that
    /// one answers.
    pub async fn call_for<Request, Reply, E>(
        &self,
        cx: &Context,
        key: RoutingKey,
        request: Request,
    ) -> Result<Reply, E>
    where
        Request: Message,
        Reply: Message,
        E: ContractError,
    {
        self.call_as(Outgoing { key: Some(key), ..self.outgoing(cx) }, request).await
    }

    /// As [`HttpMethod::call`], but a replica may take `patience` to answer until it is thought to
    /// be away.
    pub async fn call_patiently<Request, Reply, E>(
        &self,
        cx: &Context,
        patience: Duration,
        request: Request,
    ) -> Result<Reply, E>
    where
        Request: Message,
        Reply: Message,
        E: ContractError,
    {
        self.call_as(Outgoing { patience, ..self.outgoing(cx) }, request).await
    }

    fn outgoing(&self, cx: &Context) -> Outgoing {
        Outgoing::new(Arc::clone(&self.route), cx.clone())
    }

    async fn call_as<Request, Reply, E>(&self, call: Outgoing, request: Request) -> Result<Reply, E>
    where
        Request: Message,
        Reply: Message,
        E: ContractError,
    {
        let began = Instant::now();
        let body = serde_json::to_vec(&request);
        drop(request);
        let outcome = self.send(call, body).await;
        self.meter.count(began, &outcome);
        outcome.unwrap_or_else(|fault| Err(E::from(fault)))
    }

    async fn send<Reply, E>(
        &self,
        call: Outgoing,
        body: serde_json::Result<Vec<u8>>,
    ) -> Result<Result<Reply, E>, Fault>
    where
        Reply: Message,
        E: ContractError,
    {
        let callee = self.route.callee;
        let body = body
            .map_err(|error| callee.not_sent(format!("the request is no JSON: {error}")))?
            .into();
        let call = Outgoing { body, ..call };
        let span = tracing::debug_span!(
            "call",
            service = callee.service,
            method = callee.method,
            transport = "http",
            trace_id = %call.cx.trace().trace_id(),
            correlation_id = call.cx.correlation_id(),
        );
        let undecodable = |error: serde_json::Error| {
            callee.failed(format!("its reply is not what the contract says: {error}"))
        };
        match self.stack.clone().oneshot(call).instrument(span).await? {
            Incoming::Reply(json) => serde_json::from_slice(&json).map(Ok).map_err(undecodable),
            Incoming::Error(json) => serde_json::from_slice(&json).map(Err).map_err(undecodable),
        }
    }
}

impl std::fmt::Debug for HttpMethod {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "HttpMethod({:?})", self.route.callee)
    }
}

/// A call on its way through the stack. Its clones are the same call, sent again.
#[derive(Clone)]
struct Outgoing {
    route: Arc<Route>,
    cx: Context,
    key: Option<RoutingKey>,
    patience: Duration,
    body: Bytes,
    /// The replicas that it was sent to.
    asked: Arc<Mutex<Vec<Endpoint>>>,
}

impl Outgoing {
    fn new(route: Arc<Route>, cx: Context) -> Self {
        let (key, patience, body) = (None, Duration::ZERO, Bytes::new());
        Self { route, cx, key, patience, body, asked: Arc::default() }
    }

    /// The callee's replicas, best first. Of those that are believed to answer, the ones that were
    /// asked already come last.
    async fn replicas(&self) -> Vec<Endpoint> {
        let mut replicas = self.route.endpoints.ranked(self.key).await;
        let asked = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
        if !asked.is_empty() {
            replicas.sort_by_cached_key(|it| (!it.is_available(), asked.contains(it)));
        }
        replicas
    }

    fn note(&self, replica: &Endpoint) {
        self.asked.lock().unwrap_or_else(PoisonError::into_inner).push(replica.clone());
    }

    /// Whether another replica may be asked while this one still owes an answer. Once is enough:
    /// what takes long anywhere must come to its end somewhere.
    fn may_be_given_up(&self) -> bool {
        let asked = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
        self.route.idempotent && asked.len() <= 1
    }
}

/// What the contract's own code answered, as JSON.
enum Incoming {
    Reply(Bytes),
    Error(Bytes),
}
