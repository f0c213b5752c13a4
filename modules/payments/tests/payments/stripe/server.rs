//! A local server that answers as Stripe does: its endpoints, its idempotency keys, its errors; and
//! that fails as it is told.

use std::{
    collections::{HashMap, VecDeque},
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard},
};

use axum::{
    Router,
    body::Bytes,
    extract::State,
    http::{HeaderMap, Method, StatusCode, Uri},
    response::{IntoResponse, Response},
};
use serde_json::{Value, json};
use tokio::{net::TcpListener, sync::Notify, task::JoinSet};

use super::ledger::{Fields, Ledger, Reply};

pub(crate) const SECRET_KEY: &str = "sk_test_house";

const IDEMPOTENCY_ERROR: &str = include_str!("shapes/idempotency_error.json");
const API_ERROR: &str = include_str!("shapes/api_error.json");

/// How a request fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Failing {
    /// 500, and nothing was done.
    Before,
    /// 500, although it was done.
    After,
    /// No answer, and nothing was done.
    SilentBefore,
    /// No answer, although it was done.
    SilentAfter,
    /// 429.
    TooMany,
    /// Something that is not Stripe's answered.
    Garbage,
}

/// A request that came.
#[derive(Debug, Clone)]
pub(crate) struct Seen {
    pub(crate) path: String,
    pub(crate) key: Option<String>,
}

#[derive(Default)]
struct Inner {
    ledger: Ledger,
    /// What was answered under each key, and to what.
    keys: HashMap<String, (String, Reply)>,
    /// How the next requests to paths that end so fail.
    failing: HashMap<&'static str, VecDeque<Failing>>,
    /// The path whose next reading waits, and for what.
    held: Option<(String, Arc<Notify>)>,
    seen: Vec<Seen>,
}

/// Stripe.
pub(crate) struct Stripe {
    inner: Arc<Mutex<Inner>>,
    address: SocketAddr,
    serving: JoinSet<()>,
}

fn lock(inner: &Mutex<Inner>) -> MutexGuard<'_, Inner> {
    inner.lock().expect("no test has panicked with it")
}

impl Stripe {
    pub(crate) async fn start(now: i64) -> Self {
        let inner = Arc::new(Mutex::new(Inner::default()));
        lock(&inner).ledger.now = now;
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let mut stripe = Self { inner, address, serving: JoinSet::new() };
        stripe.serve(listener);
        stripe
    }

    #[expect(clippy::disallowed_methods, reason = "it stands for a service that is not ours")]
    fn serve(&mut self, listener: TcpListener) {
        let routes = Router::new().fallback(answer).with_state(Arc::clone(&self.inner));
        self.serving.spawn(async move { axum::serve(listener, routes).await.unwrap() });
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Nobody answers at its address any more.
    pub(crate) async fn go_down(&mut self) {
        self.serving.shutdown().await;
    }

    pub(crate) async fn come_back(&mut self) {
        let listener = TcpListener::bind(self.address).await.unwrap();
        self.serve(listener);
    }

    /// Has the next request to a path with this end fail.
    pub(crate) fn fail(&self, end: &'static str, failing: Failing) {
        lock(&self.inner).failing.entry(end).or_default().push_back(failing);
    }

    /// Has the next reading of this path wait to be notified.
    pub(crate) fn hold(&self, path: &str) -> Arc<Notify> {
        let held = Arc::new(Notify::new());
        lock(&self.inner).held = Some((path.to_owned(), Arc::clone(&held)));
        held
    }

    /// Looks into what it keeps, or changes it.
    pub(crate) fn with<T>(&self, look: impl FnOnce(&mut Ledger) -> T) -> T {
        look(&mut lock(&self.inner).ledger)
    }

    /// The requests that came.
    pub(crate) fn seen(&self) -> Vec<Seen> {
        lock(&self.inner).seen.clone()
    }

    /// Forgets every idempotency key, as it does after a day.
    pub(crate) fn forget_keys(&self) {
        lock(&self.inner).keys.clear();
    }
}

async fn answer(
    State(inner): State<Arc<Mutex<Inner>>>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let path = uri.path().to_owned();
    let text = |name: &str| headers.get(name).and_then(|it| it.to_str().ok()).map(str::to_owned);
    let key = text("idempotency-key");
    lock(&inner).seen.push(Seen { path: path.clone(), key: key.clone() });
    if text("authorization").as_deref() != Some(&format!("Bearer {SECRET_KEY}")) {
        let body = json!({"error": {"type": "invalid_request_error", "message": "no such key"}});
        return respond(&(401, body), false);
    }
    assert!(text("stripe-version").is_some(), "the version of the API is said");
    if method == Method::GET {
        let held = lock(&inner).held.take_if(|(held, _)| *held == path);
        if let Some((_, held)) = held {
            held.notified().await;
        }
        let query = form(uri.query().unwrap_or_default()).into_iter().collect();
        let failing = next_failure(&inner, &path);
        if failing == Some(Failing::SilentBefore) {
            return std::future::pending().await;
        }
        if failing.is_some() {
            return respond(&(500, api_error()), false);
        }
        return respond(&read(&lock(&inner), &path, &query), false);
    }
    assert_eq!(text("content-type").as_deref(), Some("application/x-www-form-urlencoded"));
    let key = key.expect("every POST has an idempotency key");
    let sent = format!("{path}?{}", String::from_utf8_lossy(&body));
    if let Some((first, reply)) = lock(&inner).keys.get(&key) {
        if *first != sent {
            return respond(&(400, shape(IDEMPOTENCY_ERROR)), false);
        }
        return respond(reply, true);
    }
    let failing = next_failure(&inner, &path);
    let reply = match failing {
        Some(Failing::TooMany) => return respond(&(429, api_error()), false),
        Some(Failing::SilentBefore) => return std::future::pending().await,
        Some(Failing::Garbage) => {
            return (StatusCode::BAD_GATEWAY, "<html>bad gateway</html>").into_response();
        }
        Some(Failing::Before) => (500, api_error()),
        Some(Failing::After | Failing::SilentAfter) | None => {
            write(&mut lock(&inner), &path, &form(&String::from_utf8_lossy(&body)))
        }
    };
    let stored = if failing == Some(Failing::After) { (500, api_error()) } else { reply };
    lock(&inner).keys.insert(key, (sent, stored.clone()));
    if failing == Some(Failing::SilentAfter) {
        return std::future::pending().await;
    }
    respond(&stored, false)
}

fn next_failure(inner: &Mutex<Inner>, path: &str) -> Option<Failing> {
    let mut inner = lock(inner);
    let (_, failing) = inner.failing.iter_mut().find(|(end, _)| path.ends_with(**end))?;
    failing.pop_front()
}

fn read(inner: &Inner, path: &str, query: &HashMap<String, String>) -> Reply {
    match path.strip_prefix("/v1/payment_intents/") {
        Some(id) => inner.ledger.intent(id),
        None => inner.ledger.list(path, query),
    }
}

fn write(inner: &mut Inner, path: &str, fields: &Fields) -> Reply {
    let ledger = &mut inner.ledger;
    let parts: Vec<&str> = path.trim_start_matches("/v1/").split('/').collect();
    match parts.as_slice() {
        ["payment_intents"] => ledger.create_intent(fields),
        ["payment_intents", id, "confirm"] => ledger.confirm_intent(id, fields),
        ["payment_intents", id, "cancel"] => ledger.cancel_intent(id),
        ["refunds"] => ledger.create_refund(fields),
        _ => (404, json!({"error": {"type": "invalid_request_error"}})),
    }
}

fn form(text: &str) -> Fields {
    form_urlencoded::parse(text.as_bytes()).into_owned().collect()
}

fn shape(text: &str) -> Value {
    serde_json::from_str(text).expect("the recorded shape is JSON")
}

fn api_error() -> Value {
    shape(API_ERROR)
}

fn respond((status, body): &Reply, is_replayed: bool) -> Response {
    let status = StatusCode::from_u16(*status).unwrap();
    let mut response = (status, axum::Json(body)).into_response();
    let headers = response.headers_mut();
    headers.insert("request-id", "req_1".parse().unwrap());
    if is_replayed {
        headers.insert("idempotent-replayed", "true".parse().unwrap());
    }
    response
}
