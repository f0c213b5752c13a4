//! An HTTP client whose failures show what was sent and what came back.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use futures_util::future::BoxFuture;
use reqwest::{Method, StatusCode, header::HeaderMap};
use runtime::{Random, SystemRandom};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Value, json};

/// Longer than any deadline of the server's, so that its answer is what a test sees.
const PATIENCE: Duration = Duration::from_mins(1);

/// Speaks to one base URL, as one person or as nobody. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Client {
    http: reqwest::Client,
    base: String,
    token: Option<String>,
    keys: Arc<Keys>,
}

impl Client {
    /// Speaks to `base`, such as `http://127.0.0.1:8080`, as nobody.
    ///
    /// # Panics
    /// When the machine cannot speak HTTP at all.
    #[expect(clippy::disallowed_methods, reason = "a test is a client, not a service")]
    pub fn new(base: impl Into<String>) -> Self {
        let http = reqwest::Client::builder().timeout(PATIENCE).no_proxy().build();
        Self {
            http: http.unwrap_or_else(|error| panic!("cannot make an HTTP client: {error}")),
            base: base.into(),
            token: None,
            keys: Arc::new(Keys::new()),
        }
    }

    /// The same client with an access token.
    #[must_use]
    pub fn with_token(&self, token: impl Into<String>) -> Self {
        Self { token: Some(token.into()), ..self.clone() }
    }

    /// The same client speaking to another base URL.
    #[must_use]
    pub fn at(&self, base: impl Into<String>) -> Self {
        Self { base: base.into(), ..self.clone() }
    }

    /// Makes an account at `/v1/auth/register` and logs in: a client that speaks as the person.
    ///
    /// # Panics
    /// When the account is refused.
    pub async fn register(&self, email: &str, password: &str) -> Self {
        let account = json!({ "email": email, "password": password, "name": email });
        let _account = self.post("/v1/auth/register", &account).await.expect(201);
        self.log_in(email, password).await
    }

    /// Logs in at `/v1/auth/login`: a client that speaks as the person.
    ///
    /// # Panics
    /// When the person is refused.
    pub async fn log_in(&self, email: &str, password: &str) -> Self {
        let credentials = json!({ "email": email, "password": password });
        let reply = self.post("/v1/auth/login", &credentials).await.expect(200);
        let Some(token) = reply.value()["access_token"].as_str().map(str::to_owned) else {
            panic!("no access_token in {reply}");
        };
        self.with_token(token)
    }

    /// A `GET`.
    pub fn get(&self, path: &str) -> Request {
        self.request(Method::GET, path)
    }

    /// A `POST` with a JSON body and an idempotency key of its own.
    pub fn post(&self, path: &str, body: &impl Serialize) -> Request {
        self.request(Method::POST, path).json(body).key(&self.keys.next())
    }

    /// A `PUT` with a JSON body.
    pub fn put(&self, path: &str, body: &impl Serialize) -> Request {
        self.request(Method::PUT, path).json(body)
    }

    /// A `PATCH` with a JSON body.
    pub fn patch(&self, path: &str, body: &impl Serialize) -> Request {
        self.request(Method::PATCH, path).json(body)
    }

    /// A `DELETE`.
    pub fn delete(&self, path: &str) -> Request {
        self.request(Method::DELETE, path)
    }

    /// Any request; `path` begins with a slash.
    pub fn request(&self, method: Method, path: &str) -> Request {
        let title = format!("{method} {path}");
        let url = format!("{}{path}", self.base);
        let mut builder = self.http.request(method, url);
        if let Some(token) = &self.token {
            builder = builder.bearer_auth(token);
        }
        Request { title, builder, headers: HeaderMap::new() }
    }
}

/// Idempotency keys that no other client uses.
#[derive(Debug)]
struct Keys {
    prefix: String,
    next: AtomicU64,
}

impl Keys {
    fn new() -> Self {
        let random: &dyn Random = &SystemRandom::default();
        let prefix = format!("{:016x}", u64::from_be_bytes(random.bytes()));
        Self { prefix, next: AtomicU64::new(1) }
    }

    fn next(&self) -> String {
        format!("test-{}-{}", self.prefix, self.next.fetch_add(1, Ordering::Relaxed))
    }
}

/// A request that is sent when it is awaited.
#[derive(Debug)]
#[must_use = "a request is sent when it is awaited"]
pub struct Request {
    title: String,
    builder: reqwest::RequestBuilder,
    headers: HeaderMap,
}

impl Request {
    /// With a header. It takes the place of one of the same name.
    ///
    /// # Panics
    /// When it is no header.
    pub fn header(mut self, name: &'static str, value: &str) -> Self {
        let Ok(parsed) = value.parse() else { panic!("{value:?} cannot be the header {name}") };
        self.headers.insert(name, parsed);
        self
    }

    /// With this `Idempotency-Key`.
    pub fn key(self, key: &str) -> Self {
        self.header("idempotency-key", key)
    }

    /// Without an `Idempotency-Key`.
    pub fn without_key(mut self) -> Self {
        self.headers.remove("idempotency-key");
        self
    }

    /// With this `If-Match`.
    pub fn if_match(self, etag: &str) -> Self {
        self.header("if-match", etag)
    }

    /// With a JSON body.
    pub fn json(mut self, body: &impl Serialize) -> Self {
        self.builder = self.builder.json(body);
        self
    }

    /// With a body of any kind, such as one that is not JSON.
    pub fn body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.builder = self.builder.body(body.into());
        self
    }

    /// Sends it. An error is one of the connection; every answer is a [`Reply`].
    pub async fn send(self) -> Result<Reply, reqwest::Error> {
        let response = self.builder.headers(self.headers).send().await?;
        let (status, headers) = (response.status(), response.headers().clone());
        let body = response.bytes().await?.to_vec();
        Ok(Reply { title: self.title, status, headers, body })
    }
}

/// Awaiting a request panics when no answer comes; use [`Request::send`] where that may be.
impl IntoFuture for Request {
    type Output = Reply;
    type IntoFuture = BoxFuture<'static, Reply>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async move {
            let title = self.title.clone();
            self.send().await.unwrap_or_else(|error| panic!("{title}: no answer: {error:?}"))
        })
    }
}

/// What came back.
#[derive(Debug, Clone)]
pub struct Reply {
    title: String,
    status: StatusCode,
    headers: HeaderMap,
    body: Vec<u8>,
}

impl Reply {
    /// The status.
    pub fn status(&self) -> StatusCode {
        self.status
    }

    /// This reply, when it has the status.
    ///
    /// # Panics
    /// When it has another one; the message shows the reply.
    #[track_caller]
    #[must_use]
    pub fn expect(self, status: u16) -> Self {
        assert_eq!(self.status.as_u16(), status, "{self}");
        self
    }

    /// This reply, when it is the problem: its status, the last segment of its type, and the
    /// media type of problems.
    ///
    /// # Panics
    /// When it is anything else; the message shows the reply.
    #[track_caller]
    #[must_use]
    pub fn expect_problem(self, status: u16, slug: &str) -> Self {
        assert_eq!(self.status.as_u16(), status, "{self}");
        assert_eq!(self.header("content-type"), Some("application/problem+json"), "{self}");
        let problem = self.value();
        let name = problem["type"].as_str().and_then(|it| it.rsplit('/').next());
        assert_eq!(name, Some(slug), "{self}");
        self
    }

    /// A header, when it is there and is text.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// The `ETag`.
    ///
    /// # Panics
    /// When there is none.
    #[track_caller]
    pub fn etag(&self) -> String {
        match self.header("etag") {
            Some(etag) => etag.to_owned(),
            None => panic!("no ETag in {self}"),
        }
    }

    /// The body.
    pub fn bytes(&self) -> &[u8] {
        &self.body
    }

    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The body as any JSON.
    ///
    /// # Panics
    /// When it is none.
    #[track_caller]
    pub fn value(&self) -> Value {
        self.json()
    }

    /// The body as JSON of a certain kind.
    ///
    /// # Panics
    /// When it is none of that kind.
    #[track_caller]
    pub fn json<T: DeserializeOwned>(&self) -> T {
        match serde_json::from_slice(&self.body) {
            Ok(value) => value,
            Err(error) => panic!("{error} in {self}"),
        }
    }

    /// A text field of the JSON body, such as an id.
    ///
    /// # Panics
    /// When there is none.
    #[track_caller]
    pub fn field(&self, name: &str) -> String {
        match self.value()[name].as_str() {
            Some(text) => text.to_owned(),
            None => panic!("no text field {name:?} in {self}"),
        }
    }
}

/// What was asked, the status and the body, for messages of tests.
impl fmt::Display for Reply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let body = serde_json::from_slice::<Value>(&self.body)
            .and_then(|value| serde_json::to_string_pretty(&value))
            .unwrap_or_else(|_| self.text());
        write!(f, "{} -> {}\n{body}", self.title, self.status)
    }
}
