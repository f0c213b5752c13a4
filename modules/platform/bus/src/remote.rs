//! Feeds between processes: `POST /internal/{publisher}/feed`, which answers when there is
//! something to tell or the wait is over.

use std::{sync::Arc, time::Duration};

use axum::{
    Json, Router,
    body::{Body, to_bytes},
    extract::Request,
    http::StatusCode,
    response::IntoResponse,
    routing::post,
};
use runtime::{
    Boot, Context, ContractError, DEFAULT_DEADLINE, Fault, HttpClient, HttpMethod, Ids,
    InternalServer, Method, Module, Principal, Random, Refusal, TraceContext, Unrecognised,
    async_trait,
};
use serde::{Deserialize, Serialize};
use store::Position;
use tokio::time::Instant;
use utoipa::ToSchema;

use crate::{
    Entry, Envelope, Page, Query, Source, SourceError,
    settings::{LARGEST_BATCH, LONGEST_WAIT},
};

pub(crate) const FEED: Method = Method { name: "feed", idempotent: true };
/// A query is a few names and numbers.
const QUERY_LIMIT: usize = 64 * 1024;

/// A [`Query`] on the wire.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
struct WireQuery {
    types: Vec<String>,
    after: WirePosition,
    limit: u32,
    wait_ms: u64,
}

/// A [`Page`] on the wire.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
struct WirePage {
    entries: Vec<WireEntry>,
    reached: WirePosition,
    behind: u64,
}

#[derive(Debug, Serialize, Deserialize, ToSchema)]
struct WireEntry {
    position: WirePosition,
    event: Envelope,
}

#[derive(Debug, Clone, Copy, Serialize, Deserialize, ToSchema)]
struct WirePosition {
    txn: i64,
    seq: i64,
}

impl From<Position> for WirePosition {
    fn from(position: Position) -> Self {
        Self { txn: position.txn, seq: position.seq }
    }
}

impl From<WirePosition> for Position {
    fn from(position: WirePosition) -> Self {
        Self { txn: position.txn, seq: position.seq }
    }
}

impl From<Page> for WirePage {
    fn from(page: Page) -> Self {
        let entries = page
            .entries
            .into_iter()
            .map(|entry| WireEntry { position: entry.position.into(), event: entry.envelope });
        Self { entries: entries.collect(), reached: page.reached.into(), behind: page.behind }
    }
}

impl From<WirePage> for Page {
    fn from(page: WirePage) -> Self {
        let entries = page
            .entries
            .into_iter()
            .map(|entry| Entry { position: entry.position.into(), envelope: entry.event });
        Self { entries: entries.collect(), reached: page.reached.into(), behind: page.behind }
    }
}

/// Serves `feed` as `method` of `publisher` to the modules that consume its events.
pub(crate) fn routes(
    boot: &Boot,
    method: Method,
    publisher: &'static str,
    feed: Arc<dyn Source>,
) -> Router {
    let serving = Arc::new(Serving {
        publisher,
        feed,
        server: boot.internal_server(),
        modules: boot.modules(),
        published: boot.module().publishes,
    });
    let handler = move |request: Request| {
        let serving = Arc::clone(&serving);
        async move {
            match serving.answer(request).await {
                Ok(page) => Json(WirePage::from(page)).into_response(),
                Err(refusal) => refusal.into_response(),
            }
        }
    };
    Router::new().route(&format!("/internal/{publisher}/{}", method.name), post(handler))
}

struct Serving {
    publisher: &'static str,
    feed: Arc<dyn Source>,
    server: InternalServer,
    modules: &'static [&'static Module],
    published: &'static [&'static str],
}

impl Serving {
    async fn answer(&self, request: Request) -> Result<Page, Refusal> {
        let (head, body) = request.into_parts();
        let caller = self.server.authorise(self.publisher, FEED.name, &head.headers).await?;
        let query = read(body).await?;
        self.check(&caller, &query)?;
        let query = Query {
            types: query.types,
            after: query.after.into(),
            limit: query.limit.min(LARGEST_BATCH),
            wait: Duration::from_millis(query.wait_ms).min(LONGEST_WAIT),
        };
        self.feed.read(&query).await.map_err(|error| match error {
            SourceError::Unavailable(reason) => {
                Refusal::new(StatusCode::SERVICE_UNAVAILABLE, reason)
            }
            SourceError::Refused(reason) => Refusal::new(StatusCode::FORBIDDEN, reason),
        })
    }

    /// A caller gets the events that the registry says it consumes. Asking for others is refused,
    /// not ignored: a newer build of the caller would miss them for good. Events that this build
    /// does not publish cannot be missed.
    fn check(&self, caller: &str, query: &WireQuery) -> Result<(), Refusal> {
        let consumes = self
            .modules
            .iter()
            .find(|module| module.name == caller)
            .map_or(&[][..], |module| module.consumes);
        match forbidden(&query.types, self.published, consumes) {
            None => Ok(()),
            Some(name) => Err(Refusal::new(
                StatusCode::FORBIDDEN,
                format!("{caller} may not read {name}; list it under what {caller} consumes"),
            )),
        }
    }
}

/// The first of `wanted` that is published and not for this caller.
fn forbidden<'a>(wanted: &'a [String], published: &[&str], consumes: &[&str]) -> Option<&'a str> {
    let is_forbidden = |name: &&str| published.contains(name) && !consumes.contains(name);
    wanted.iter().map(String::as_str).find(is_forbidden)
}

async fn read(body: Body) -> Result<WireQuery, Refusal> {
    let bad_request = |reason: String| Refusal::new(StatusCode::BAD_REQUEST, reason);
    let bytes = to_bytes(body, QUERY_LIMIT)
        .await
        .map_err(|error| bad_request(format!("the query did not arrive: {error}")))?;
    serde_json::from_slice(&bytes).map_err(|error| bad_request(format!("no query: {error}")))
}

/// What a call to a feed can end with besides a page.
#[derive(Debug, thiserror::Error, Serialize, Deserialize, ToSchema)]
#[serde(tag = "code", rename_all = "snake_case")]
enum FeedError {
    #[error(transparent)]
    #[serde(skip)]
    Fault(#[from] Fault),
    #[error("{0}")]
    #[serde(untagged)]
    Unrecognised(Unrecognised),
}

impl ContractError for FeedError {}

/// The feed of a publisher in another process.
pub(crate) struct RemoteFeed {
    feed: HttpMethod,
    module: &'static str,
    ids: Ids,
    random: Arc<dyn Random>,
}

impl RemoteFeed {
    pub(crate) fn new(boot: &Boot, method: &'static Method, publisher: &HttpClient) -> Self {
        Self {
            feed: publisher.method(method),
            module: boot.module().name,
            ids: boot.ids(),
            random: boot.random(),
        }
    }

    fn context(&self, wait: Duration) -> Context {
        let principal = Principal::Service { name: self.module.to_owned() };
        let deadline = Instant::now() + wait + DEFAULT_DEADLINE;
        let trace = TraceContext::start(self.random.as_ref());
        Context::new(principal, deadline, self.ids.next().to_string(), trace)
    }
}

#[async_trait]
impl Source for RemoteFeed {
    async fn read(&self, query: &Query) -> Result<Page, SourceError> {
        let wire = WireQuery {
            types: query.types.clone(),
            after: query.after.into(),
            limit: query.limit,
            wait_ms: u64::try_from(query.wait.as_millis()).unwrap_or(u64::MAX),
        };
        let answer: Result<WirePage, FeedError> =
            self.feed.call_patiently(&self.context(query.wait), query.wait, wire).await;
        answer.map(Page::from).map_err(|error| SourceError::Unavailable(error.to_string()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_caller_reads_what_it_consumes_and_no_more() {
        let published = ["orders.order_confirmed", "orders.order_cancelled"];
        let consumes = ["orders.order_confirmed"];
        let asked = |name: &str| forbidden(&[name.to_owned()], &published, &consumes).is_some();
        assert!(!asked("orders.order_confirmed"));
        assert!(asked("orders.order_cancelled"));
        assert!(!asked("orders.order_split"), "this build does not publish it");
    }
}
