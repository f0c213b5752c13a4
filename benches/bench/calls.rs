//! A contract called in process and over HTTP, beside a bare call of a trait object and a bare echo
//! from reqwest to axum.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use axum::{Json, Router, routing::post};
use runtime::{
    AllowList, Context, Contract, ContractError, Fault, InternalServer, KeyPlaces, LocalCalls,
    Needed, Outbound, Principal, ServiceTokens, SystemClock, SystemRandom, Tasks, TraceContext,
    Unrecognised, service,
};
use serde::{Deserialize, Serialize};
use tokio::net::TcpListener;
use utoipa::ToSchema;

use crate::figures::{Effort, Table, each, median, ratio};

/// Says what it hears.
#[service("echo")]
pub trait Echo {
    /// Says it again.
    #[idempotent]
    async fn say(&self, cx: &Context, request: Words) -> Result<Words, EchoError>;
}

/// What is said.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Words {
    /// The words.
    pub words: String,
}

/// Why nothing was said.
#[derive(Debug, thiserror::Error, Serialize, Deserialize, ToSchema)]
#[serde(tag = "code", rename_all = "snake_case")]
pub enum EchoError {
    /// The call itself failed.
    #[error(transparent)]
    #[serde(skip)]
    Fault(#[from] Fault),
    /// An error of a newer echo.
    #[error("{0}")]
    #[serde(untagged)]
    Unrecognised(Unrecognised),
}
impl ContractError for EchoError {}

struct Wall;

#[runtime::async_trait]
impl Echo for Wall {
    async fn say(&self, _cx: &Context, request: Words) -> Result<Words, EchoError> {
        Ok(request)
    }
}

const CALLER_REQUIRES: &[Needed] = &[Needed::of::<dyn Echo>(&["say"])];

fn words() -> Words {
    Words { words: "a ticket to the winter concert".to_owned() }
}

fn context() -> Context {
    let deadline = tokio::time::Instant::now() + Duration::from_mins(5);
    let trace = TraceContext::start(&SystemRandom::default());
    Context::new(Principal::Anonymous, deadline, "bench", trace)
}

/// Rounds in which what is compared takes turns, so that what else the machine does meets all alike.
const ROUNDS: u32 = 20;

/// The time of one call of `echo`.
async fn time(echo: &dyn Echo, calls: u32) -> Duration {
    let cx = context();
    let begun = Instant::now();
    for _ in 0..calls {
        echo.say(&cx, words()).await.expect("it echoes");
    }
    each(begun.elapsed(), calls)
}

#[expect(clippy::disallowed_methods, reason = "the bare server that calls are measured against")]
async fn serve(routes: Router) -> reqwest::Url {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
    let address = listener.local_addr().expect("it has an address");
    drop(tokio::spawn(async move { axum::serve(listener, routes).await }));
    reqwest::Url::parse(&format!("http://{address}")).expect("an address is a URL")
}

/// An echo without any of what a contract brings.
struct BareEcho {
    client: reqwest::Client,
    url: reqwest::Url,
}

impl BareEcho {
    async fn open() -> Self {
        let routes =
            Router::new().route("/", post(|Json(heard): Json<Words>| async { Json(heard) }));
        let client = runtime::web_client().expect("an HTTP client");
        Self { client, url: serve(routes).await }
    }

    async fn say(&self, words: &Words) -> Words {
        let reply = self.client.post(self.url.clone()).json(words).send().await;
        reply.expect("it answers").json().await.expect("it echoes")
    }

    /// The time of one.
    async fn time(&self, calls: u32) -> Duration {
        let begun = Instant::now();
        for _ in 0..calls {
            self.say(&words()).await;
        }
        each(begun.elapsed(), calls)
    }
}

/// What was measured in each round.
#[derive(Default)]
struct Times(Vec<Duration>);

impl Times {
    fn median(&self) -> Duration {
        let mut times = self.0.clone();
        times.sort();
        times[times.len() / 2]
    }

    /// The median of what each round says.
    fn ratio_to(&self, known: &Self) -> f64 {
        let ratios = self.0.iter().zip(&known.0).map(|(ours, known)| ratio(*ours, *known));
        median(ratios.collect())
    }
}

/// Each way to call, beside what it is measured against.
pub async fn measure(effort: Effort) -> Table {
    let keys = tempfile::tempdir().expect("a directory");
    let places = KeyPlaces {
        private_dir: keys.path().to_owned(),
        public_dir: keys.path().to_owned(),
        issuer: "bench".to_owned(),
        generate: true,
    };
    let random = Arc::new(SystemRandom::default());
    let tokens = ServiceTokens::open(&places, ["caller", "echo"], Arc::new(SystemClock), &*random);
    let tokens = Arc::new(tokens.expect("keys are made"));
    let mut allowed = AllowList::new();
    allowed.allow("caller", "echo", "say");
    let tasks = Tasks::new();
    let server = InternalServer::new(Arc::clone(&tokens), allowed, tasks.clone(), random.clone());
    let url = serve(<dyn Echo>::router(Arc::new(Wall), server)).await;
    let outbound = Outbound::new(tokens, random).expect("an HTTP client");
    let client = outbound.client("caller", "echo", std::slice::from_ref(&url));
    let remote = <dyn Echo>::http(client.expect("the address is one"));
    let local =
        <dyn Echo>::local(Arc::new(Wall), LocalCalls::new(tasks).of("caller", CALLER_REQUIRES));
    let bare: Arc<dyn Echo> = Arc::new(Wall);

    let bare_echo = BareEcho::open().await;

    let (mut bare_calls, mut local_calls) = (Times::default(), Times::default());
    let (mut bare_echoes, mut http_calls) = (Times::default(), Times::default());
    let (locally, over_http) =
        (effort.local_calls.div_ceil(ROUNDS), effort.http_calls.div_ceil(ROUNDS));
    // The first round opens connections and fetches tokens; nothing of it is kept.
    for round in 0..=ROUNDS {
        let times = [
            time(bare.as_ref(), locally).await,
            time(local.as_ref(), locally).await,
            bare_echo.time(over_http).await,
            time(remote.as_ref(), over_http).await,
        ];
        if round > 0 {
            let kept = [&mut bare_calls, &mut local_calls, &mut bare_echoes, &mut http_calls];
            for (kept, taken) in kept.into_iter().zip(times) {
                kept.0.push(taken);
            }
        }
    }
    let mut table = Table::new("calls", &["", "each", "beside"]);
    let mut row = |what: &str, taken: &Times, beside: String| {
        table.row([what.to_owned(), format!("{:.2?}", taken.median()), beside].into());
    };
    row("a bare call of a trait object", &bare_calls, String::new());
    let times = format!("{:.1} times the bare call", local_calls.ratio_to(&bare_calls));
    row("a call of a contract in process", &local_calls, times);
    row("a bare echo, reqwest to axum, JSON both ways", &bare_echoes, String::new());
    let times = format!("{:.2} times the bare echo", http_calls.ratio_to(&bare_echoes));
    row("a call of a contract over HTTP, signed", &http_calls, times);
    table
}
