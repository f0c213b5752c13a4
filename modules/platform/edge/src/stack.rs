//! The public HTTP stack: what surrounds every public route, whatever service it belongs to.
//!
//! From the outside in: `observe` (request id, trace, metrics, the access log, what every response
//! has in common), CORS, `guard` (limits, deadline, authentication, work that outlives its client).

mod body;
mod guard;
mod observe;
mod place;

use std::{sync::Arc, time::Duration};

use axum::{
    Router,
    extract::DefaultBodyLimit,
    http::{HeaderName, HeaderValue, Method, header},
    middleware::from_fn_with_state,
};
use cache::Cache;
use runtime::{Clock, Ids, PublicInputs, Random, StartError, Tasks};
use tower_http::cors::{AllowOrigin, CorsLayer};

use self::place::Places;
use crate::{
    Authenticator, EdgeSettings, IDEMPOTENCY_KEY, IDEMPOTENT_REPLAYED, Problem, docs, openapi,
    problems, token::TokenKeys,
};

/// The header that names a request, in both directions.
pub const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// The W3C header that says which trace a request belongs to.
const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");

/// How long a browser may remember what CORS allows.
const PREFLIGHT_LIFETIME: Duration = Duration::from_hours(1);

/// Lays the stack around the public routes of a process, for `runtime::Launch::public_stack`, and
/// adds the documentation of what the process serves: of its own modules, or of all when it hosts
/// the gateway.
pub fn public_stack(routes: Router, inputs: &PublicInputs) -> Result<Router, StartError> {
    let is_gateway = inputs.hosted().iter().any(|module| module.name == runtime::GATEWAY);
    let served = if is_gateway { inputs.modules() } else { inputs.hosted() };
    let document = openapi::merge(served);
    let documented = routes.merge(docs(&document));
    let token_uses = openapi::token_uses(&document);
    let paged = openapi::paged(&document);
    let cache = inputs.extension::<Cache>();
    if let Some(cache) = &cache {
        start_cache(cache, inputs)?;
    }
    let parts = Parts {
        settings: inputs.settings(),
        cache,
        keys: inputs.client::<dyn TokenKeys>(),
        clock: inputs.clock(),
        random: inputs.random(),
        ids: inputs.ids(),
        tasks: inputs.tasks(),
        token_use: Box::new(move |method, route| {
            token_uses.get(&documented_as(method, route)).copied().unwrap_or(TokenUse::None)
        }),
        gives_pages: Box::new(move |method, route| paged.contains(&documented_as(method, route))),
    };
    Ok(lay_around(documented, parts))
}

fn start_cache(cache: &Arc<Cache>, inputs: &PublicInputs) -> Result<(), StartError> {
    cache.start(&inputs.tasks(), &inputs.clock(), &inputs.random())?;
    if cache.is_shared() {
        let asked = Arc::clone(cache);
        inputs.standing("cache", move || Box::pin(std::future::ready(asked.standing())));
    }
    Ok(())
}

fn documented_as(method: &Method, route: &str) -> (Method, String) {
    let method = if method == Method::HEAD { &Method::GET } else { method };
    (method.clone(), route.to_owned())
}

/// What the stack works with. One for each process.
pub struct Parts {
    /// `[edge]`.
    pub settings: EdgeSettings,
    /// Who gives out the keys that verify access tokens. Without, tokens are not looked at and
    /// everyone is anonymous.
    pub keys: Option<Arc<dyn TokenKeys>>,
    /// Knows whose sessions have ended. Without, access tokens are good until they expire.
    pub cache: Option<Arc<Cache>>,
    /// The time by which tokens expire.
    pub clock: Arc<dyn Clock>,
    /// Chance for new traces.
    pub random: Arc<dyn Random>,
    /// New request ids.
    pub ids: Ids,
    /// Where requests are worked on, so that work outlives a client that leaves, and a stop waits
    /// for it.
    pub tasks: Tasks,
    /// What operations do with an access token.
    pub token_use: FindTokenUse,
    /// Whether operations give pages, and so take `limit` and `cursor`.
    pub gives_pages: FindGivesPages,
}

/// Whether an operation, given as its method and route, gives pages.
pub type FindGivesPages = Box<dyn Fn(&Method, &str) -> bool + Send + Sync>;

/// What an operation, given as its method and route, does with an access token.
pub type FindTokenUse = Box<dyn Fn(&Method, &str) -> TokenUse + Send + Sync>;

/// What an operation does with an access token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TokenUse {
    /// It takes none. Everyone is anonymous to it, and a token that came along is no reason to
    /// refuse: whoever refreshes a session sends an expired one.
    None,
    /// It answers everyone, and more to those who have one.
    Welcome,
    /// It has nothing to say to those who have none, not even what is wrong with their request.
    Needed,
}

/// What is said at a path that no route has.
const NOTHING_HERE: &str = "nothing is at this path; /docs and /openapi.json tell what there is";

struct Stack {
    settings: EdgeSettings,
    authenticator: Option<Authenticator>,
    random: Arc<dyn Random>,
    ids: Ids,
    tasks: Tasks,
    token_use: FindTokenUse,
    gives_pages: FindGivesPages,
    places: Places,
}

/// Lays the stack around `routes`. Handlers find a `runtime::Context` in their request.
pub fn lay_around(routes: Router, parts: Parts) -> Router {
    let Parts { settings, keys, cache, clock, random, ids, tasks, token_use, gives_pages } = parts;
    let cors = cors(&settings);
    let stack = Arc::new(Stack {
        authenticator: keys.map(|keys| Authenticator::new(keys, cache, clock, tasks.clone())),
        places: Places::new(settings.max_in_flight),
        settings,
        random,
        ids,
        tasks,
        token_use,
        gives_pages,
    });
    let guarded = routes
        .fallback(|| async { Problem::not_found().detail(NOTHING_HERE) })
        .method_not_allowed_fallback(|| async { Problem::new(&problems::METHOD_NOT_ALLOWED) })
        .layer(DefaultBodyLimit::disable())
        .layer(from_fn_with_state(Arc::clone(&stack), guard::guard));
    let shared = match cors {
        Some(cors) => guarded.layer(cors),
        None => guarded,
    };
    shared.layer(from_fn_with_state(stack, observe::observe))
}

fn cors(settings: &EdgeSettings) -> Option<CorsLayer> {
    let origins: Vec<HeaderValue> =
        settings.cors_origins.iter().filter_map(|origin| origin.parse().ok()).collect();
    if origins.is_empty() {
        return None;
    }
    let methods = [Method::GET, Method::POST, Method::PUT, Method::PATCH, Method::DELETE];
    let may_send = [
        header::AUTHORIZATION,
        header::CONTENT_TYPE,
        header::IF_MATCH,
        header::IF_NONE_MATCH,
        IDEMPOTENCY_KEY,
        REQUEST_ID,
        TRACEPARENT,
    ];
    let may_read = [
        header::ETAG,
        header::LOCATION,
        header::RETRY_AFTER,
        header::WWW_AUTHENTICATE,
        IDEMPOTENT_REPLAYED,
        REQUEST_ID,
    ];
    let layer = CorsLayer::new()
        .allow_origin(AllowOrigin::list(origins))
        .allow_methods(methods)
        .allow_headers(may_send)
        .expose_headers(may_read)
        .max_age(PREFLIGHT_LIFETIME);
    Some(layer)
}
