//! A contract whose implementation does as it is told, reachable both ways.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicI64, AtomicUsize, Ordering},
    },
    time::Duration,
};

use runtime::{
    AllowList, Clock, Context, Contract, ContractError, Fault, HttpClient, InternalServer,
    KeyPlaces, LocalCalls, Needed, Outbound, Principal, Random, Router, ServiceTokens, Tasks,
    Timestamp, TraceContext, Unrecognised, service,
};
use serde::{Deserialize, Serialize};
use tempfile::TempDir;
use tokio::{net::TcpListener, sync::Notify, task::JoinSet, time::Instant};
use utoipa::ToSchema;
use uuid::Uuid;

/// Does errands.
#[service("desk")]
pub trait Desk {
    /// Does an errand that may be done twice.
    /// Says what it did.
    #[idempotent]
    async fn repeat(&self, cx: &Context, request: Errand) -> Result<Report, DeskError>;

    /// Does an errand once.
    async fn once(&self, cx: &Context, request: Errand) -> Result<Report, DeskError>;

    /// Tells what arrived besides the request.
    async fn arrival(&self, cx: &Context, request: ()) -> Result<Arrival, DeskError>;

    /// Delivers a letter.
    #[routed_by(to)]
    async fn deliver(&self, cx: &Context, request: Letter) -> Result<(), DeskError>;

    /// Nobody may call this.
    async fn private(&self, cx: &Context, request: ()) -> Result<(), DeskError>;
}

/// What to do.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Errand {
    /// Answer with this.
    Say(String),
    /// Answer with [`DeskError::Closed`].
    Refuse,
    /// Answer with an error that no build knows.
    RefuseStrangely,
    /// Answer with a fault, as if a call of its own had got one.
    PassOnFault,
    /// Panic.
    Panic,
    /// Wait until the desk is told to go on.
    Wait,
}

/// A letter.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Letter {
    /// For whom.
    pub to: Uuid,
}

/// What was done.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Report {
    /// What was said.
    pub said: String,
    /// Remarks.
    pub remarks: Vec<Remark>,
}

/// A remark.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Remark {
    /// Its text.
    pub text: Option<String>,
}

/// What arrived besides the request.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Arrival {
    /// On whose behalf.
    pub actor: String,
    /// The correlation id.
    pub correlation_id: String,
    /// The cause.
    pub causation_id: Option<Uuid>,
    /// The trace.
    pub trace_id: String,
    /// What is left of the deadline.
    pub left_ms: u64,
}

/// Why not.
#[derive(Debug, Clone, PartialEq, thiserror::Error, Serialize, Deserialize, ToSchema)]
#[serde(tag = "code", rename_all = "snake_case")]
pub enum DeskError {
    /// Nobody is there.
    #[error("closed until {until}")]
    Closed {
        /// When it opens.
        until: u64,
    },
    /// The call itself failed.
    #[error(transparent)]
    #[serde(skip)]
    Fault(#[from] Fault),
    /// An error of a newer desk.
    #[error("{0}")]
    #[serde(untagged)]
    Unrecognised(Unrecognised),
}
impl ContractError for DeskError {}

impl DeskError {
    pub fn strange() -> Self {
        Self::Unrecognised(Unrecognised(serde_json::json!({ "code": "on_fire", "floor": 3 })))
    }

    pub fn fault(self) -> Fault {
        match self {
            Self::Fault(fault) => fault,
            other => panic!("not a fault: {other:?}"),
        }
    }
}

/// The implementation, and what it went through.
#[derive(Default)]
pub struct Clerk {
    begun: AtomicUsize,
    done: AtomicUsize,
    changed: Notify,
    go_on: Notify,
}

#[runtime::async_trait]
impl Desk for Clerk {
    async fn repeat(&self, cx: &Context, request: Errand) -> Result<Report, DeskError> {
        self.once(cx, request).await
    }

    async fn once(&self, _cx: &Context, request: Errand) -> Result<Report, DeskError> {
        self.begun.fetch_add(1, Ordering::SeqCst);
        self.changed.notify_waiters();
        let outcome = match request {
            Errand::Say(said) => {
                let remark = Remark { text: Some("done".to_owned()) };
                Ok(Report { said, remarks: vec![remark] })
            }
            Errand::Refuse => Err(DeskError::Closed { until: 9 }),
            Errand::RefuseStrangely => Err(DeskError::strange()),
            Errand::PassOnFault => Err(DeskError::Fault(Fault::NotSent {
                service: "archive",
                method: "look_up",
                reason: "no connection".to_owned(),
            })),
            Errand::Panic => panic!("the clerk fell over"),
            Errand::Wait => {
                self.go_on.notified().await;
                Ok(Report { said: "waited".to_owned(), remarks: Vec::new() })
            }
        };
        self.done.fetch_add(1, Ordering::SeqCst);
        self.changed.notify_waiters();
        outcome
    }

    async fn arrival(&self, cx: &Context, _request: ()) -> Result<Arrival, DeskError> {
        Ok(Arrival {
            actor: cx.principal().actor(),
            correlation_id: cx.correlation_id().to_owned(),
            causation_id: cx.causation_id(),
            trace_id: cx.trace().trace_id(),
            left_ms: u64::try_from(cx.remaining().as_millis()).unwrap(),
        })
    }

    async fn deliver(&self, _cx: &Context, _request: Letter) -> Result<(), DeskError> {
        Ok(())
    }

    async fn private(&self, _cx: &Context, _request: ()) -> Result<(), DeskError> {
        Ok(())
    }
}

impl Clerk {
    pub fn begun(&self) -> usize {
        self.begun.load(Ordering::SeqCst)
    }

    pub fn done(&self) -> usize {
        self.done.load(Ordering::SeqCst)
    }

    /// Lets one waiting errand go on, or the next that will wait.
    pub fn go_on(&self) {
        self.go_on.notify_one();
    }

    pub async fn until_begun(&self, count: usize) {
        self.until(|| self.begun() >= count).await;
    }

    pub async fn until_done(&self, count: usize) {
        self.until(|| self.done() >= count).await;
    }

    async fn until(&self, holds: impl Fn() -> bool) {
        let waiting = async {
            loop {
                let changed = self.changed.notified();
                tokio::pin!(changed);
                changed.as_mut().enable();
                if holds() {
                    return;
                }
                changed.await;
            }
        };
        let limit = Duration::from_secs(10);
        tokio::time::timeout(limit, waiting).await.expect("it happens within ten seconds");
    }
}

/// A clerk in this process, and the same one behind a listener.
pub struct Office {
    pub clerk: Arc<Clerk>,
    pub local: Arc<dyn Desk>,
    pub http: Arc<dyn Desk>,
    pub url: reqwest::Url,
    pub tokens: TokenOffice,
    _listener: JoinSet<()>,
}

impl Office {
    pub async fn open() -> Self {
        let tokens = TokenOffice::new(&["desk", "lobby", "stranger"]);
        let tasks = Tasks::new();
        let clerk = Arc::new(Clerk::default());
        let mut allowed = AllowList::new();
        for needed in LOBBY_REQUIRES {
            for method in needed.methods {
                allowed.allow("lobby", needed.service, method);
            }
        }
        let server =
            InternalServer::new(tokens.open(), allowed, tasks.clone(), Arc::new(FixedRandom(0)));
        let (url, listener) = serve(<dyn Desk>::router(clerk.clone(), server)).await;
        Self {
            local: <dyn Desk>::local(
                clerk.clone(),
                LocalCalls::new(tasks).of("lobby", LOBBY_REQUIRES),
            ),
            http: <dyn Desk>::http(tokens.client("lobby", std::slice::from_ref(&url))),
            clerk,
            url,
            tokens,
            _listener: listener,
        }
    }

    /// The same clerk, both ways.
    pub fn ways(&self) -> [(&'static str, Arc<dyn Desk>); 2] {
        [("local", self.local.clone()), ("http", self.http.clone())]
    }
}

static LOBBY_REQUIRES: &[Needed] =
    &[Needed::of::<dyn Desk>(&["repeat", "once", "arrival", "deliver"])];

/// Serves `router` on a port of its own.
#[expect(clippy::disallowed_methods, reason = "no client here is slow on purpose")]
pub async fn serve(router: Router) -> (reqwest::Url, JoinSet<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap()).parse().unwrap();
    let mut tasks = JoinSet::new();
    tasks.spawn(async move { axum::serve(listener, router).await.unwrap() });
    (url, tasks)
}

/// Keys for a few services in a directory of their own, and a clock to judge tokens by.
pub struct TokenOffice {
    pub directory: Arc<TempDir>,
    pub services: &'static [&'static str],
    pub clock: Arc<SetClock>,
}

impl TokenOffice {
    pub fn new(services: &'static [&'static str]) -> Self {
        let directory = Arc::new(TempDir::new().unwrap());
        Self { directory, services, clock: Arc::new(SetClock::default()) }
    }

    /// The same keys and clock.
    pub fn twin(&self) -> Self {
        Self {
            directory: Arc::clone(&self.directory),
            services: self.services,
            clock: Arc::clone(&self.clock),
        }
    }

    pub fn places(&self) -> KeyPlaces {
        let directory = self.directory.path();
        KeyPlaces {
            private_dir: directory.join("private"),
            public_dir: directory.join("public"),
            issuer: "boxoffice".to_owned(),
            generate: true,
        }
    }

    /// What a process has that hosts all of the services.
    pub fn open(&self) -> Arc<ServiceTokens> {
        let services = self.services.iter().copied();
        let clock: Arc<dyn Clock> = self.clock.clone();
        let random = runtime::SystemRandom::default();
        Arc::new(ServiceTokens::open(&self.places(), services, clock, &random).unwrap())
    }

    pub fn client(&self, caller: &'static str, urls: &[reqwest::Url]) -> HttpClient {
        self.client_with(caller, urls, FixedRandom(0))
    }

    pub fn client_with(
        &self,
        caller: &'static str,
        urls: &[reqwest::Url],
        random: FixedRandom,
    ) -> HttpClient {
        let outbound = Outbound::new(self.open(), Arc::new(random)).unwrap();
        outbound.client(caller, "desk", urls).unwrap()
    }
}

/// Gives the same byte for ever: with 0, retries do not pause; with 255, they pause as long as
/// they may.
#[derive(Clone, Copy)]
pub struct FixedRandom(pub u8);

impl Random for FixedRandom {
    fn fill(&self, bytes: &mut [u8]) {
        bytes.fill(self.0);
    }
}

/// A clock that stands where it was put.
pub struct SetClock(AtomicI64);

impl Default for SetClock {
    fn default() -> Self {
        Self(AtomicI64::new(1_800_000_000))
    }
}

impl SetClock {
    pub fn seconds(&self) -> i64 {
        self.0.load(Ordering::SeqCst)
    }

    pub fn advance(&self, seconds: i64) {
        self.0.fetch_add(seconds, Ordering::SeqCst);
    }
}

impl Clock for SetClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_second(self.seconds()).unwrap()
    }
}

/// The context of a call that has time enough.
pub fn context() -> Context {
    context_for(Duration::from_secs(20))
}

pub fn context_for(time: Duration) -> Context {
    let trace = TraceContext::parse("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01");
    Context::new(Principal::Anonymous, Instant::now() + time, "corr-1", trace.unwrap())
}

pub fn say(words: &str) -> Errand {
    Errand::Say(words.to_owned())
}

/// What arrived at a peer, by header name.
pub type Headers = HashMap<String, String>;

/// A list that several tasks write.
pub type Seen<T> = Arc<Mutex<Vec<T>>>;
