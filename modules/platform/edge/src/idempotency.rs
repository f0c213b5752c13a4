//! `Idempotency-Key`: a request that is repeated is answered with the first one's outcome.
//!
//! A route is marked with [`idempotent`] or [`optionally_idempotent`], and a service lays its
//! [`Idempotency`] around its routes. The key is claimed before the handler runs. A handler whose
//! command has an effect passes its [`IdempotencyKey`] to `store::Execution::answer`, which stores
//! the answer in the effect's transaction; whatever else a handler answers is stored here, or the
//! key is given back when the request may be executed again: nothing happened, or nobody knows.

use std::{ops::Deref, panic::AssertUnwindSafe, sync::Arc, time::Duration};

use aws_lc_rs::hmac;
use axum::{
    Extension, Router,
    body::{Body, Bytes, to_bytes},
    extract::{
        FromRequest, FromRequestParts, OptionalFromRequestParts, OriginalUri, Request, State,
    },
    http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header, request},
    middleware::{Next, from_fn_with_state},
    response::{IntoResponse, Response},
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use futures_util::FutureExt;
use runtime::{Boot, Context};
use sha2::{Digest, Sha256};
use store::{Answer, Claim, Committer, StoreError};
use tokio::time::Instant;
use utoipa::openapi::{
    Object, RefOr, Required,
    path::{Parameter, ParameterBuilder, ParameterIn},
    schema::{ObjectBuilder, Type},
};
use utoipa_axum::router::UtoipaMethodRouter;
use uuid::{Builder, Uuid};

use crate::{
    Problem,
    answer::{AlreadyStored, respond},
    authorize::unauthenticated,
    extract::unreadable,
    problem::Occurrence,
    problems,
};

/// The request header that tells a repeated request from a second one.
pub const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");

/// The response header that says `true` when the answer is that of an earlier request.
pub const IDEMPOTENT_REPLAYED: HeaderName = HeaderName::from_static("idempotent-replayed");

/// How long keys are remembered. The answers of that time are replayed.
const RETENTION: Duration = Duration::from_hours(24);
/// How often keys that are older are forgotten.
const PURGE_INTERVAL: Duration = Duration::from_hours(1);
/// How long storing an answer or giving back a key may take, whatever the request has used up.
const SETTLING_LIMIT: Duration = Duration::from_secs(5);
/// How long purging may take.
const PURGE_LIMIT: Duration = Duration::from_mins(1);

const IN_FLIGHT_RETRY: Duration = Duration::from_secs(1);

const LONGEST_KEY: usize = 255;
/// Of those who have not logged in.
const SHORTEST_ANONYMOUS_KEY: usize = 16;

/// What is kept of a response beside status and body.
const KEPT_HEADERS: [HeaderName; 3] = [header::CONTENT_TYPE, header::LOCATION, header::ETAG];

/// The idempotency keys of one service. Cheap to clone.
#[derive(Clone)]
pub struct Idempotency(store::Idempotency);

impl Idempotency {
    /// The keys in the committer's database. Who uses this purges them.
    pub fn new(committer: &Committer) -> Self {
        Self(store::Idempotency::new(committer))
    }

    /// The keys in the committer's database. Those older than a day are forgotten from time to
    /// time.
    pub fn start(boot: &Boot, committer: &Committer) -> Self {
        let keys = Self::new(committer);
        let (purged, clock, cx) = (keys.clone(), boot.clock(), boot.context());
        boot.spawn("purge idempotency keys", |stop| async move {
            loop {
                if let Err(error) = purged.purge(&cx, clock.now()).await {
                    tracing::warn!(%error, "old idempotency keys could not be forgotten");
                }
                let next = clock.now() + PURGE_INTERVAL;
                tokio::select! {
                    () = stop.cancelled() => return,
                    () = clock.sleep_until(next) => {}
                }
            }
        });
        keys
    }

    /// Lays the keys around a service's routes. Only those that are marked use them.
    pub fn around<S: Clone + Send + Sync + 'static>(&self, routes: Router<S>) -> Router<S> {
        routes.layer(Extension(self.clone()))
    }

    /// Forgets the keys that were claimed more than a day before `now`, and says how many.
    pub async fn purge(&self, cx: &Context, now: runtime::Timestamp) -> Result<u64, StoreError> {
        self.0.forget(&with_time(cx, PURGE_LIMIT), now - RETENTION).await
    }

    /// Stores the answer, unless the effect's transaction has stored one already.
    async fn store(&self, cx: &Context, key: &IdempotencyKey, answer: &Answer) {
        match self.0.store_answer(&with_time(cx, SETTLING_LIMIT), key, answer).await {
            Ok(()) | Err(StoreError::NotClaimed(_)) => {}
            Err(error) => tracing::warn!(%error, "an answer could not be stored under its key"),
        }
    }

    async fn release(&self, cx: &Context, key: &IdempotencyKey) {
        if let Err(error) = self.0.release(&with_time(cx, SETTLING_LIMIT), key).await {
            tracing::warn!(%error, "an idempotency key could not be given back");
        }
    }
}

/// The key that the request has claimed, for `store::Execution::answer`. A handler's argument on
/// routes marked [`idempotent`]; as `Option` on those marked [`optionally_idempotent`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IdempotencyKey(store::IdempotencyKey);

impl IdempotencyKey {
    /// The key as it is stored: by its hash.
    fn stored(scope: String, text: &str) -> Self {
        let key = URL_SAFE_NO_PAD.encode(Sha256::digest(text.as_bytes()));
        Self(store::IdempotencyKey { scope, key })
    }

    /// An identifier that follows from the key, for what its request creates: a request that is
    /// repeated after a crash creates the same thing again, not another.
    pub fn id(&self) -> Uuid {
        let store::IdempotencyKey { scope, key } = &self.0;
        let digest = Sha256::digest(format!("{scope}\0{key}"));
        let bytes = digest.first_chunk().copied().unwrap_or_default();
        Builder::from_custom_bytes(bytes).into_uuid()
    }
}

impl Deref for IdempotencyKey {
    type Target = store::IdempotencyKey;

    fn deref(&self) -> &Self::Target {
        &self.0
    }
}

impl<S: Sync> FromRequestParts<S> for IdempotencyKey {
    type Rejection = Problem;

    async fn from_request_parts(
        parts: &mut request::Parts,
        _state: &S,
    ) -> Result<Self, Self::Rejection> {
        parts.extensions.get().cloned().ok_or_else(|| {
            Problem::internal("a handler takes an idempotency key, but its route claims none")
        })
    }
}

impl<S: Sync> OptionalFromRequestParts<S> for IdempotencyKey {
    type Rejection = Problem;

    async fn from_request_parts(
        parts: &mut request::Parts,
        _state: &S,
    ) -> Result<Option<Self>, Self::Rejection> {
        Ok(parts.extensions.get().cloned())
    }
}

/// Marks the `POST` of a route: it needs an `Idempotency-Key`, and a caller who has logged in, and
/// has one effect and one answer for each key. The description gains the header.
///
/// `Routes::new().routes(edge::idempotent(routes!(place, list)))`; other methods are left alone.
pub fn idempotent<S>(routes: UtoipaMethodRouter<S>) -> UtoipaMethodRouter<S>
where
    S: Clone + Send + Sync + 'static,
{
    mark(routes, Need::Required)
}

/// As [`idempotent`], but a request may come without a key, and is then simply executed.
pub fn optionally_idempotent<S>(routes: UtoipaMethodRouter<S>) -> UtoipaMethodRouter<S>
where
    S: Clone + Send + Sync + 'static,
{
    mark(routes, Need::Optional)
}

/// As [`idempotent`], but the caller need not have logged in. Those who have not share one name, so
/// theirs must be keys that nobody guesses: at least 16 characters, better a random UUID.
pub fn idempotent_for_everybody<S>(routes: UtoipaMethodRouter<S>) -> UtoipaMethodRouter<S>
where
    S: Clone + Send + Sync + 'static,
{
    mark(routes, Need::RequiredOfEverybody)
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Need {
    Required,
    RequiredOfEverybody,
    Optional,
}

fn mark<S>(routes: UtoipaMethodRouter<S>, need: Need) -> UtoipaMethodRouter<S>
where
    S: Clone + Send + Sync + 'static,
{
    let (schemas, mut paths, methods) = routes;
    for operation in paths.paths.values_mut().filter_map(|item| item.post.as_mut()) {
        operation.parameters.get_or_insert_default().push(RefOr::T(described(need)));
    }
    (schemas, paths, methods.layer(from_fn_with_state(need, once)))
}

fn described(need: Need) -> Parameter {
    let schema: Object = ObjectBuilder::new()
        .schema_type(Type::String)
        .min_length(Some(1))
        .max_length(Some(LONGEST_KEY))
        .pattern(Some("^[!-~]+$"))
        .build();
    let required = if need == Need::Optional { Required::False } else { Required::True };
    ParameterBuilder::new()
        .name("Idempotency-Key")
        .parameter_in(ParameterIn::Header)
        .required(required)
        .description(Some(
            "Tells a repeated request from a second one: make up a new key for each thing you want \
             done (change the example), and send the same one when you repeat the request.",
        ))
        .schema(Some(schema))
        .example(Some("3f0d2c9e-7a51-4c55-9f0a-2b6b1f0d8c11".into()))
        .build()
}

/// Executes a request once for its key.
async fn once(State(need): State<Need>, request: Request, next: Next) -> Response {
    if request.method() != Method::POST {
        return next.run(request).await;
    }
    match claim(need, request).await {
        Ok(Turn::Execute(claimed, request)) => execute(claimed, request, next).await,
        Ok(Turn::WithoutKey(request)) => next.run(request).await,
        Ok(Turn::Replay(answer)) => replayed(answer),
        Err(problem) => problem.into_response(),
    }
}

/// What is to be done with a request.
enum Turn {
    Execute(Claimed, Request),
    WithoutKey(Request),
    Replay(Answer),
}

/// A request whose key is ours.
struct Claimed {
    keys: Idempotency,
    cx: Context,
    key: IdempotencyKey,
    path: String,
}

async fn claim(need: Need, request: Request) -> Result<Turn, Problem> {
    if need == Need::Optional && !request.headers().contains_key(IDEMPOTENCY_KEY) {
        return Ok(Turn::WithoutKey(request));
    }
    let (keys, cx) = surroundings(&request)?;
    // Anonymous callers share their keys, and so the answers of those whose key they guess.
    let is_anonymous = crate::user(&cx).is_err();
    if is_anonymous && need != Need::RequiredOfEverybody {
        return Err(unauthenticated());
    }
    let text = key_of(request.headers())?;
    if is_anonymous && text.len() < SHORTEST_ANONYMOUS_KEY {
        return Err(Problem::new(&problems::IDEMPOTENCY_KEY_MISSING)
            .detail("without an access token the key must have at least 16 characters"));
    }
    let path = path(&request);
    let (whole, hash) = hashed(request, &text).await?;
    let scope = format!("{} POST {path}", cx.principal().actor());
    let key = IdempotencyKey::stored(scope, &text);
    match keys.0.claim(&cx, &key, &hash).await? {
        Claim::Claimed => Ok(Turn::Execute(Claimed { keys, cx, key, path }, whole)),
        Claim::Replay(answer) => Ok(Turn::Replay(answer)),
        Claim::OtherBody => Err(Problem::new(&problems::IDEMPOTENCY_KEY_REUSED)),
        Claim::InFlight => {
            Err(Problem::new(&problems::IDEMPOTENCY_KEY_IN_FLIGHT).retry_after(IN_FLIGHT_RETRY))
        }
    }
}

fn key_of(headers: &HeaderMap) -> Result<String, Problem> {
    let missing = || Problem::new(&problems::IDEMPOTENCY_KEY_MISSING);
    let mut values = headers.get_all(IDEMPOTENCY_KEY).iter();
    let value = values.next().ok_or_else(missing)?;
    let text = value.as_bytes();
    let is_fit = (1..=LONGEST_KEY).contains(&text.len())
        && text.iter().all(u8::is_ascii_graphic)
        && values.next().is_none();
    match value.to_str() {
        Ok(key) if is_fit => Ok(key.to_owned()),
        _ => {
            Err(missing().detail("the key must be one value of 1 to 255 visible ASCII characters"))
        }
    }
}

fn surroundings(request: &Request) -> Result<(Idempotency, Context), Problem> {
    let extensions = request.extensions();
    let keys = extensions.get::<Idempotency>().cloned();
    let cx = extensions.get::<Context>().cloned();
    keys.zip(cx).ok_or_else(|| {
        Problem::internal("an idempotent route lies outside of Idempotency::around or of the stack")
    })
}

/// The whole path, also where routers are nested.
fn path(request: &Request) -> String {
    let original = request.extensions().get::<OriginalUri>();
    original.map_or(request.uri(), |OriginalUri(uri)| uri).path().to_owned()
}

/// The same request, and a hash of what it asks for: its query and its body.
///
/// Bodies can hold what must not be found out from the database, such as card numbers, which are
/// few enough to be tried one after the other. So the hash is keyed with what the client made up,
/// and that is not stored itself.
async fn hashed(request: Request, secret: &str) -> Result<(Request, String), Problem> {
    let (parts, body) = request.into_parts();
    let whole = Request::from_parts(parts.clone(), body);
    let bytes = Bytes::from_request(whole, &()).await.map_err(|fault| unreadable(&fault))?;
    let mut hash = hmac::Context::with_key(&hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes()));
    hash.update(parts.uri.query().unwrap_or_default().as_bytes());
    hash.update(&[0]);
    hash.update(&bytes);
    let text = URL_SAFE_NO_PAD.encode(hash.sign());
    Ok((Request::from_parts(parts, Body::from(bytes)), text))
}

async fn execute(claimed: Claimed, mut request: Request, next: Next) -> Response {
    request.extensions_mut().insert(claimed.key.clone());
    match AssertUnwindSafe(next.run(request)).catch_unwind().await {
        Ok(response) => claimed.settle(response).await,
        Err(panic) => {
            let response = Problem::new(&problems::INTERNAL).into_response();
            drop(claimed.settle(response).await);
            std::panic::resume_unwind(panic)
        }
    }
}

impl Claimed {
    /// Stores the response under the key, or gives the key back.
    async fn settle(self, response: Response) -> Response {
        if response.extensions().get::<AlreadyStored>().is_some() || is_about_the_key(&response) {
            return response;
        }
        if may_be_executed_again(response.status(), response.headers()) {
            self.keys.release(&self.cx, &self.key).await;
            return response;
        }
        let (parts, body) = self.in_place(response).into_parts();
        let Ok(bytes) = to_bytes(body, usize::MAX).await else {
            return Problem::internal("an answer ended before it was whole").into_response();
        };
        let stored = answer(parts.status, &parts.headers, &String::from_utf8_lossy(&bytes));
        self.keys.store(&self.cx, &self.key, &stored).await;
        Response::from_parts(parts, Body::from(bytes))
    }

    /// A problem says where it occurred, also when it is replayed.
    fn in_place(&self, response: Response) -> Response {
        let problem = response.extensions().get::<Arc<Problem>>().cloned();
        let occurrence = Occurrence { path: &self.path, request_id: self.cx.correlation_id() };
        problem.map_or(response, |it| Problem::clone(&it).respond(Some(&occurrence)))
    }
}

/// Whether the handler was too late: somebody else has answered under the key.
fn is_about_the_key(response: &Response) -> bool {
    let problem = response.extensions().get::<Arc<Problem>>();
    problem.is_some_and(|it| it.kind() == &problems::IDEMPOTENCY_KEY_IN_FLIGHT)
}

/// Refusals of the request itself, which a client mends and sends again; conflicts that pass, which
/// say so by `Retry-After`; 503, which says that nothing was executed; and 504, after which nobody
/// knows: what did take effect has stored its answer, which is replayed; of a request that is still on
/// its way and its repeat, one alone can store an answer, and only with it take effect.
fn may_be_executed_again(status: StatusCode, headers: &HeaderMap) -> bool {
    let may_be_mended = status.is_client_error()
        && ![StatusCode::CONFLICT, StatusCode::PAYMENT_REQUIRED, StatusCode::GONE]
            .contains(&status);
    let passes = status == StatusCode::CONFLICT && headers.contains_key(header::RETRY_AFTER);
    let is_open = [StatusCode::SERVICE_UNAVAILABLE, StatusCode::GATEWAY_TIMEOUT].contains(&status);
    may_be_mended || passes || is_open
}

fn answer(status: StatusCode, headers: &HeaderMap, body: &str) -> Answer {
    let kept = KEPT_HEADERS.iter().filter_map(|name| {
        let value = headers.get(name)?.to_str().ok()?;
        Some((name.as_str().to_owned(), value.to_owned()))
    });
    Answer { status: status.as_u16(), headers: kept.collect(), body: body.to_owned() }
}

fn replayed(answer: Answer) -> Response {
    let mut response = respond(answer);
    response.headers_mut().insert(IDEMPOTENT_REPLAYED, HeaderValue::from_static("true"));
    response
}

/// The same work with `limit` from now on, however little was left.
fn with_time(cx: &Context, limit: Duration) -> Context {
    let principal = cx.principal().clone();
    Context::new(principal, Instant::now() + limit, cx.correlation_id(), *cx.trace())
}
