//! Calls to another process: a stack of `tower` services over one `reqwest` client.
//!
//! From the outside in: metrics, deadline, retry, sign, send. A retry budget belongs to the retry;
//! circuit breaker, concurrency limit and balance over endpoints belong between retry and sign.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context as Waker, Poll},
    time::Duration,
};

use bytes::{Bytes, BytesMut};
use futures_util::future::BoxFuture;
use http::{HeaderMap, HeaderValue, StatusCode, header};
use reqwest::Url;
use tokio::time::Instant;
use tower::{
    Layer, Service, ServiceBuilder, ServiceExt,
    retry::{Policy, RetryLayer},
    util::BoxCloneSyncService,
};
use tracing::Instrument;

use super::{
    Callee,
    metrics::{Meter, Transport},
    token::{ServiceTokens, Signer},
    wire::{self, REPLY_LIMIT},
};
use crate::{Context, ContractError, Fault, Message, Method, Random};

/// A connection that takes longer than this is not coming.
const CONNECT_LIMIT: Duration = Duration::from_secs(1);
/// An unused connection is closed after this time, before the callee does.
const IDLE_LIMIT: Duration = Duration::from_secs(20);
/// How often a call is sent at most.
const ATTEMPTS: u32 = 3;
/// The longest pause before the first repetition; it doubles with each one.
const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

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
}

impl Outbound {
    /// Calls that are signed with `tokens` and take the jitter of their retries from `random`.
    pub fn new(tokens: Arc<ServiceTokens>, random: Arc<dyn Random>) -> reqwest::Result<Self> {
        Ok(Self { client: client_builder().build()?, tokens, random })
    }

    /// The calls of the service `caller` to the service `callee`, which has its internal listeners
    /// at `endpoints`.
    pub fn client(
        &self,
        caller: &'static str,
        callee: &'static str,
        endpoints: &[Url],
    ) -> Result<HttpClient, InvalidEndpoint> {
        if endpoints.is_empty() {
            return Err(InvalidEndpoint::Missing { service: callee });
        }
        if let Some(url) = endpoints.iter().find(|url| !matches!(url.scheme(), "http" | "https")) {
            return Err(InvalidEndpoint::NotHttp { service: callee, url: url.clone() });
        }
        let stack = ServiceBuilder::new()
            .layer(DeadlineLayer)
            .layer(RetryLayer::new(RetrySafe::new(Arc::clone(&self.random))))
            .layer(SignLayer(Arc::new(Signer::new(Arc::clone(&self.tokens), caller, callee))))
            .service(Send { client: self.client.clone(), random: Arc::clone(&self.random) });
        Ok(HttpClient {
            callee,
            endpoints: endpoints.into(),
            turn: Arc::default(),
            stack: BoxCloneSyncService::new(stack),
        })
    }
}

impl std::fmt::Debug for Outbound {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Outbound")
    }
}

/// Why a service cannot be called.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidEndpoint {
    /// It has no address.
    #[error("service {service} has no internal address; set peers.{service}.internal")]
    Missing {
        /// The service.
        service: &'static str,
    },
    /// Its address is of another kind.
    #[error("the internal address of service {service} is not an http or https one: {url}")]
    NotHttp {
        /// The service.
        service: &'static str,
        /// The address.
        url: Url,
    },
}

/// One service's calls to another, in another process. Cheap to clone.
#[derive(Clone)]
pub struct HttpClient {
    callee: &'static str,
    endpoints: Arc<[Url]>,
    turn: Arc<AtomicUsize>,
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
        let urls = self.endpoints.iter().filter_map(|endpoint| {
            let mut url = endpoint.clone();
            let path = ["internal", self.callee, method.name];
            url.path_segments_mut().ok()?.pop_if_empty().extend(path);
            Some(url)
        });
        HttpMethod {
            route: Arc::new(Route {
                callee: Callee { service: self.callee, method: method.name },
                idempotent: method.idempotent,
                urls: urls.collect(),
                turn: Arc::clone(&self.turn),
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
    urls: Vec<Url>,
    turn: Arc<AtomicUsize>,
}

impl Route {
    fn next_url(&self) -> Option<Url> {
        let turn = self.turn.fetch_add(1, Ordering::Relaxed);
        self.urls.get(turn % self.urls.len().max(1)).cloned()
    }
}

impl HttpMethod {
    /// Sends `request` and waits for the answer until the deadline of `cx`.
    pub async fn call<Request, Reply, E>(&self, cx: &Context, request: Request) -> Result<Reply, E>
    where
        Request: Message,
        Reply: Message,
        E: ContractError,
    {
        let began = Instant::now();
        let body = serde_json::to_vec(&request);
        drop(request);
        let outcome = self.send(cx, body).await;
        self.meter.count(began, &outcome);
        outcome.unwrap_or_else(|fault| Err(E::from(fault)))
    }

    async fn send<Reply, E>(
        &self,
        cx: &Context,
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
        let call = Outgoing { route: Arc::clone(&self.route), cx: cx.clone(), body };
        let span = tracing::debug_span!(
            "call",
            service = callee.service,
            method = callee.method,
            transport = "http",
            trace_id = %cx.trace().trace_id(),
            correlation_id = cx.correlation_id(),
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

/// A call on its way through the stack.
#[derive(Clone)]
struct Outgoing {
    route: Arc<Route>,
    cx: Context,
    body: Bytes,
}

/// What the contract's own code answered, as JSON.
enum Incoming {
    Reply(Bytes),
    Error(Bytes),
}

/// Sends nothing when the deadline has passed, and waits no longer than it.
struct DeadlineLayer;

impl<S> Layer<S> for DeadlineLayer {
    type Service = Deadline<S>;

    fn layer(&self, inner: S) -> Deadline<S> {
        Deadline(inner)
    }
}

#[derive(Clone)]
struct Deadline<S>(S);

impl<S> Service<Outgoing> for Deadline<S>
where
    S: Service<Outgoing, Response = Incoming, Error = Fault, Future: std::marker::Send + 'static>,
{
    type Response = Incoming;
    type Error = Fault;
    type Future = BoxFuture<'static, Result<Incoming, Fault>>;

    fn poll_ready(&mut self, waker: &mut Waker<'_>) -> Poll<Result<(), Fault>> {
        self.0.poll_ready(waker)
    }

    fn call(&mut self, call: Outgoing) -> Self::Future {
        let callee = call.route.callee;
        let deadline = call.cx.deadline();
        if deadline <= Instant::now() {
            let fault = callee.not_sent("the deadline has passed");
            return Box::pin(std::future::ready(Err(fault)));
        }
        let answer = tokio::time::timeout_at(deadline, self.0.call(call));
        Box::pin(async move {
            answer.await.unwrap_or_else(|_| Err(callee.unknown("no answer within the deadline")))
        })
    }
}

/// Repeats what is safe to repeat, while there is time.
#[derive(Clone)]
struct RetrySafe {
    random: Arc<dyn Random>,
    sent: u32,
    /// What an earlier attempt left unknown. A later one that was not executed changes nothing
    /// about it.
    unknown: Option<Fault>,
}

impl RetrySafe {
    fn new(random: Arc<dyn Random>) -> Self {
        Self { random, sent: 1, unknown: None }
    }

    /// When to send the call again, if it is safe and there is time.
    fn next_attempt(&self, call: &Outgoing, fault: &Fault) -> Option<Instant> {
        let is_safe = match fault {
            Fault::NotSent { .. } => true,
            Fault::Unknown { .. } => call.route.idempotent,
            Fault::Failed { .. } => false,
        };
        if !is_safe || self.sent >= ATTEMPTS {
            return None;
        }
        let doubled = FIRST_PAUSE.saturating_mul(1 << (self.sent - 1));
        let pause = doubled.min(LONGEST_PAUSE).mul_f64(self.random.fraction());
        let again = Instant::now() + pause;
        (again < call.cx.deadline()).then_some(again)
    }
}

impl Policy<Outgoing, Incoming, Fault> for RetrySafe {
    type Future = tokio::time::Sleep;

    fn retry(
        &mut self,
        call: &mut Outgoing,
        outcome: &mut Result<Incoming, Fault>,
    ) -> Option<Self::Future> {
        let fault = outcome.as_ref().err()?;
        let Some(again) = self.next_attempt(call, fault) else {
            if fault.is_not_sent()
                && let Some(unknown) = self.unknown.take()
            {
                *outcome = Err(unknown);
            }
            return None;
        };
        tracing::debug!(%fault, "a call is sent again");
        if matches!(fault, Fault::Unknown { .. }) {
            self.unknown = Some(fault.clone());
        }
        self.sent += 1;
        Some(tokio::time::sleep_until(again))
    }

    fn clone_request(&mut self, call: &Outgoing) -> Option<Outgoing> {
        Some(call.clone())
    }
}

/// Adds the caller's token.
struct SignLayer(Arc<Signer>);

impl<S> Layer<S> for SignLayer {
    type Service = Sign<S>;

    fn layer(&self, inner: S) -> Sign<S> {
        Sign { signer: Arc::clone(&self.0), inner }
    }
}

#[derive(Clone)]
struct Sign<S> {
    signer: Arc<Signer>,
    inner: S,
}

/// A call with the caller's token.
struct SignedCall {
    call: Outgoing,
    bearer: HeaderValue,
}

impl<S> Service<Outgoing> for Sign<S>
where
    S: Service<SignedCall, Response = Incoming, Error = Fault, Future: std::marker::Send + 'static>,
{
    type Response = Incoming;
    type Error = Fault;
    type Future = BoxFuture<'static, Result<Incoming, Fault>>;

    fn poll_ready(&mut self, waker: &mut Waker<'_>) -> Poll<Result<(), Fault>> {
        self.inner.poll_ready(waker)
    }

    fn call(&mut self, call: Outgoing) -> Self::Future {
        match self.signer.bearer() {
            Ok(bearer) => Box::pin(self.inner.call(SignedCall { call, bearer })),
            Err(reason) => Box::pin(std::future::ready(Err(call.route.callee.not_sent(reason)))),
        }
    }
}

/// Sends a call to the callee and tells what became of it.
#[derive(Clone)]
struct Send {
    client: reqwest::Client,
    random: Arc<dyn Random>,
}

impl Service<SignedCall> for Send {
    type Response = Incoming;
    type Error = Fault;
    type Future = BoxFuture<'static, Result<Incoming, Fault>>;

    fn poll_ready(&mut self, _waker: &mut Waker<'_>) -> Poll<Result<(), Fault>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, signed: SignedCall) -> Self::Future {
        let client = self.client.clone();
        let SignedCall { call, bearer } = signed;
        let mut headers = wire::headers_of(&call.cx, self.random.as_ref());
        headers.insert(header::AUTHORIZATION, bearer);
        Box::pin(send(client, call, headers))
    }
}

async fn send(
    client: reqwest::Client,
    call: Outgoing,
    headers: HeaderMap,
) -> Result<Incoming, Fault> {
    let callee = call.route.callee;
    let url = call.route.next_url().ok_or_else(|| callee.not_sent("it has no address"))?;
    let sent = client.post(url).headers(headers).body(call.body).send().await;
    let response = sent.map_err(|error| {
        let reason = describe(&error);
        if error.is_connect() || error.is_builder() {
            callee.not_sent(reason)
        } else {
            callee.unknown(reason)
        }
    })?;
    let status = response.status();
    let not_executed = response.headers().contains_key(wire::NOT_EXECUTED);
    let is_error = response
        .headers()
        .get(wire::OUTCOME)
        .is_some_and(|outcome| outcome.as_bytes() == wire::OUTCOME_ERROR.as_bytes());
    let body = read(callee, response).await;
    if not_executed {
        return Err(callee.not_sent(refusal(status, body.as_deref().unwrap_or_default())));
    }
    match status {
        StatusCode::OK => Ok(Incoming::Reply(body?)),
        StatusCode::CONFLICT if is_error => Ok(Incoming::Error(body?)),
        StatusCode::INTERNAL_SERVER_ERROR => {
            Err(callee.failed(refusal(status, body.as_deref().unwrap_or_default())))
        }
        // Not ours, or ours after the deadline: whoever sent it, the call may have been executed.
        _ => Err(callee.unknown(refusal(status, body.as_deref().unwrap_or_default()))),
    }
}

async fn read(callee: Callee, mut response: reqwest::Response) -> Result<Bytes, Fault> {
    let mut body = BytesMut::new();
    loop {
        match response.chunk().await {
            Ok(Some(chunk)) if body.len() + chunk.len() > REPLY_LIMIT => {
                return Err(callee.failed(format!("its reply is larger than {REPLY_LIMIT} bytes")));
            }
            Ok(Some(chunk)) => body.extend_from_slice(&chunk),
            Ok(None) => return Ok(body.freeze()),
            Err(error) => return Err(callee.unknown(describe(&error))),
        }
    }
}

/// The reason in a reply that is not the contract's, when it is one of ours.
fn refusal(status: StatusCode, body: &[u8]) -> String {
    #[derive(serde::Deserialize)]
    struct Body {
        reason: String,
    }
    match serde_json::from_slice::<Body>(body) {
        Ok(Body { reason }) => reason,
        Err(_) => format!("it answered with status {}", status.as_u16()),
    }
}

/// The error and its causes on one line, without the address, which the peer's name stands for.
fn describe(error: &reqwest::Error) -> String {
    let mut line =
        if error.is_connect() { "no connection" } else { "the connection was lost" }.to_owned();
    let mut cause = std::error::Error::source(error);
    while let Some(inner) = cause {
        line = format!("{line}: {inner}");
        cause = inner.source();
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Principal, TraceContext};

    /// Gives the largest number, for the longest pause.
    struct Longest;

    impl Random for Longest {
        fn fill(&self, bytes: &mut [u8]) {
            bytes.fill(255);
        }
    }

    fn next_pause(sent: u32, left: Duration) -> Option<Duration> {
        let random: Arc<dyn Random> = Arc::new(Longest);
        let callee = Callee { service: "desk", method: "once" };
        let route = Route { callee, idempotent: false, urls: Vec::new(), turn: Arc::default() };
        let now = Instant::now();
        let trace = TraceContext::start(random.as_ref());
        let cx = Context::new(Principal::Anonymous, now + left, "corr-1", trace);
        let call = Outgoing { route: Arc::new(route), cx, body: Bytes::new() };
        let policy = RetrySafe { sent, ..RetrySafe::new(random) };
        policy.next_attempt(&call, &callee.not_sent("busy")).map(|again| again - now)
    }

    #[test]
    fn pauses_double_and_end_with_the_third_attempt() {
        let plenty = Duration::from_secs(10);
        assert!(next_pause(1, plenty).unwrap() >= Duration::from_millis(50));
        assert!(next_pause(2, plenty).unwrap() >= Duration::from_millis(100));
        assert_eq!(next_pause(3, plenty), None);
    }

    #[test]
    fn no_pause_reaches_past_the_deadline() {
        assert_eq!(next_pause(1, Duration::from_millis(49)), None);
        assert_eq!(next_pause(2, Duration::from_millis(99)), None);
    }
}
