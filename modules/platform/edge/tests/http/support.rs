//! A real listener with the stack around the routes of a test, and a client for it.

use std::{
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use axum::Router;
use cache::{Cache, CacheSettings};
use edge::{
    EdgeSettings,
    stack::{self, Parts, TokenUse},
    token::{
        AccessClaims, TokenKey, TokenKeySet, TokenKeys, TokenKeysError, TokenKeysRequest,
        TokenSigner, new_private_key_pem,
    },
};
use reqwest::{Client, RequestBuilder, Response};
use runtime::{Clock, Context, Fault, Ids, Role, Tasks, async_trait, web_client};
use serde_json::Value;
use testkit::{SeededRandom, TestClock};
use tokio::{net::TcpListener, task::JoinSet};
use uuid::Uuid;

/// A public listener, as a process would have it.
pub struct Api {
    pub address: SocketAddr,
    pub clock: TestClock,
    pub identity: Arc<Identity>,
    pub cache: Arc<Cache>,
    client: Client,
    _server: JoinSet<()>,
}

impl Api {
    pub async fn start(routes: Router) -> Self {
        Self::with(routes, EdgeSettings::default()).await
    }

    pub async fn with(routes: Router, settings: EdgeSettings) -> Self {
        Self::at(TestClock::at("2026-11-20T19:00:00Z"), routes, settings).await
    }

    pub async fn at(clock: TestClock, routes: Router, settings: EdgeSettings) -> Self {
        let identity = Arc::new(Identity::new());
        let keys: Arc<dyn TokenKeys> = identity.clone();
        let random = Arc::new(SeededRandom::new(1));
        let cache = Arc::new(Cache::new(CacheSettings::default()));
        let parts = Parts {
            settings,
            keys: Some(keys),
            cache: Some(Arc::clone(&cache)),
            clock: Arc::new(clock.clone()),
            random: random.clone(),
            ids: Ids::new(Arc::new(clock.clone()), random),
            tasks: Tasks::new(),
            token_use: Box::new(|_, route| match route {
                "/open" => TokenUse::None,
                "/closed" => TokenUse::Needed,
                _ => TokenUse::Welcome,
            }),
            gives_pages: Box::new(|_, route| route == "/cities"),
        };
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let app = stack::lay_around(routes, parts);
        let mut server = JoinSet::new();
        server.spawn(serve(listener, app));
        Self { address, clock, identity, cache, client: web_client().unwrap(), _server: server }
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    pub fn get(&self, path: &str) -> RequestBuilder {
        self.client.get(self.url(path))
    }

    pub fn post(&self, path: &str) -> RequestBuilder {
        self.client.post(self.url(path))
    }

    pub fn request(&self, method: &str, path: &str) -> RequestBuilder {
        self.client.request(method.parse().unwrap(), self.url(path))
    }

    /// The claims of a token that is good for a quarter of an hour.
    pub fn claims(&self, user: Uuid, roles: &[Role]) -> AccessClaims {
        let lifetime = Duration::from_mins(15);
        let (session, token) = (Uuid::from_u128(7), Uuid::from_u128(8));
        AccessClaims::new(user, roles.to_vec(), session, token, self.clock.now(), lifetime)
    }

    pub fn token(&self, user: Uuid, roles: &[Role]) -> String {
        self.identity.signer().sign(&self.claims(user, roles)).unwrap()
    }
}

#[expect(clippy::disallowed_methods, reason = "the listener's own deadlines are not tested here")]
async fn serve(listener: TcpListener, app: Router) {
    axum::serve(listener, app).await.unwrap();
}

/// An identity service whose keys a test changes.
pub struct Identity {
    signer: Mutex<Arc<TokenSigner>>,
    given_out: Mutex<Vec<TokenKey>>,
    away: Mutex<bool>,
    asked: AtomicUsize,
}

impl Identity {
    fn new() -> Self {
        let signer = signer(1);
        let given_out = Mutex::new(vec![signer.public_key().clone()]);
        Self {
            signer: Mutex::new(Arc::new(signer)),
            given_out,
            away: Mutex::default(),
            asked: AtomicUsize::new(0),
        }
    }

    pub fn signer(&self) -> Arc<TokenSigner> {
        Arc::clone(&self.signer.lock().unwrap())
    }

    /// Signs with another key from now on, and gives out both.
    pub fn rotate(&self) {
        let next = signer(2);
        self.given_out.lock().unwrap().push(next.public_key().clone());
        *self.signer.lock().unwrap() = Arc::new(next);
    }

    pub fn takes_back_the_first_key(&self) {
        self.given_out.lock().unwrap().remove(0);
    }

    pub fn goes_away(&self) {
        *self.away.lock().unwrap() = true;
    }

    pub fn times_asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }
}

/// A signer with a key that follows from `seed`.
pub fn signer(seed: u64) -> TokenSigner {
    TokenSigner::from_pem(&new_private_key_pem(&SeededRandom::new(seed))).unwrap()
}

#[async_trait]
impl TokenKeys for Identity {
    async fn token_keys(
        &self,
        _cx: &Context,
        _request: TokenKeysRequest,
    ) -> Result<TokenKeySet, TokenKeysError> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        if *self.away.lock().unwrap() {
            let (service, method) = ("identity", "token_keys");
            return Err(Fault::NotSent { service, method, reason: "away".to_owned() }.into());
        }
        Ok(TokenKeySet { keys: self.given_out.lock().unwrap().clone() })
    }
}

/// What every problem must be: the right media type, a `type`, its status in the body too, the
/// path and the request's id. Gives the body.
pub async fn problem(response: Response, status: u16, slug: &str) -> Value {
    let answered = response.status();
    let media_type = response.headers()["content-type"].clone();
    let request_id = response.headers()["x-request-id"].to_str().unwrap().to_owned();
    let path = response.url().path().to_owned();
    let text = response.text().await.unwrap();
    assert_eq!(answered.as_u16(), status, "{text}");
    assert_eq!(media_type, "application/problem+json", "{text}");
    let body: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(body["type"], format!("/problems/{slug}"));
    assert_eq!(body["status"], status);
    assert_eq!(body["instance"], path);
    assert_eq!(body["request_id"], request_id);
    assert!(body["title"].is_string());
    body
}
