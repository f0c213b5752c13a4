//! Who is behind a request: reads `Authorization`, verifies the token, keeps identity's keys, and
//! knows whose sessions have ended.
//!
//! What a caller may do is decided in `authorize.rs` and by the services.

use std::{
    sync::{Arc, PoisonError, RwLock},
    time::Duration,
};

use arc_swap::ArcSwap;
use axum::http::{HeaderMap, HeaderValue, header};
use cache::{Bearer, Cache};
use runtime::{Clock, Context, Principal, Tasks, Timestamp};
use tokio::time::Instant;

use crate::{
    Problem, problems,
    token::{AccessClaims, KeyRing, TokenFault, TokenKeys, TokenKeysRequest},
    verified::VerifyingRing,
};

/// How often identity is asked for its keys at most, whatever tokens come in.
const SHORTEST_BETWEEN_FETCHES: Duration = Duration::from_secs(1);
/// After this time the keys are fetched again, so that one that was taken back is forgotten.
const KEYS_ARE_FRESH_FOR: Duration = Duration::from_mins(5);
/// How long identity may take to answer.
const FETCH_LIMIT: Duration = Duration::from_secs(2);

/// Verifies access tokens. One for each process; cheap to clone.
///
/// It keeps the keys it knows for as long as identity is away: tokens signed with them go on
/// working. Only a token with an unknown key cannot be judged then, and is answered with
/// [`problems::SERVICE_UNAVAILABLE`].
#[derive(Clone)]
pub struct Authenticator(Arc<Inner>);

struct Inner {
    keys: Arc<dyn TokenKeys>,
    cache: Option<Arc<Cache>>,
    clock: Arc<dyn Clock>,
    tasks: Tasks,
    ring: ArcSwap<VerifyingRing>,
    fetched: RwLock<Fetched>,
    fetching: tokio::sync::Mutex<()>,
}

/// When the keys were last asked for, and last had, by the clock.
#[derive(Clone, Copy, Default)]
struct Fetched {
    tried: Option<Timestamp>,
    had: Option<Timestamp>,
}

/// What a request's `Authorization` header says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Identified {
    /// There is none.
    Nobody,
    /// A good access token.
    User(AccessClaims),
}

impl Authenticator {
    /// Verifies with the keys that `keys` gives out, at the time `clock` tells, and refuses tokens
    /// of sessions that have ended, as far as `cache` knows. Keys that grow old are fetched anew by
    /// a task of `tasks`, while requests go on with the old ones.
    pub fn new(
        keys: Arc<dyn TokenKeys>,
        cache: Option<Arc<Cache>>,
        clock: Arc<dyn Clock>,
        tasks: Tasks,
    ) -> Self {
        Self(Arc::new(Inner {
            keys,
            cache,
            clock,
            tasks,
            ring: ArcSwap::default(),
            fetched: RwLock::default(),
            fetching: tokio::sync::Mutex::default(),
        }))
    }

    /// The claims of `token`. A problem when it is not a good access token, or when that cannot be
    /// told at the moment.
    pub async fn verify(&self, cx: &Context, token: &str) -> Result<AccessClaims, Problem> {
        if let Some(answer) = self.0.judge(token) {
            self.refresh_old_keys(cx);
            return answer;
        }
        let was_fetched = self.0.fetch_unless_recent(cx).await;
        match self.0.judge(token) {
            Some(answer) => answer,
            None if was_fetched => Err(refused("the token was signed with an unknown key")),
            None => Err(Problem::unavailable("the keys that verify access tokens cannot be had")),
        }
    }

    pub(crate) async fn identify(
        &self,
        cx: &Context,
        headers: &HeaderMap,
    ) -> Result<Identified, Problem> {
        let mut values = headers.get_all(header::AUTHORIZATION).iter();
        let Some(value) = values.next() else { return Ok(Identified::Nobody) };
        if values.next().is_some() {
            return Err(refused("there is more than one Authorization header"));
        }
        let token = bearer(value)
            .ok_or_else(|| refused("the Authorization header is not `Bearer <token>`"))?;
        Ok(Identified::User(self.verify(cx, token).await?))
    }

    fn refresh_old_keys(&self, cx: &Context) {
        if !self.0.keys_are_old() || self.0.fetching.try_lock().is_err() {
            return;
        }
        let (inner, cx) = (Arc::clone(&self.0), cx.clone());
        drop(self.0.tasks.spawn(async move { inner.fetch_unless_recent(&cx).await }));
    }
}

impl Inner {
    /// What the keys at hand say of `token`; `None` when its key is not among them.
    fn judge(&self, token: &str) -> Option<Result<AccessClaims, Problem>> {
        let now = self.clock.now();
        match self.ring.load().verify(token, now) {
            Ok(claims) if self.has_ended(&claims, now) => Some(Err(refused(
                "the session that the access token belongs to has ended; log in again",
            ))),
            Ok(claims) => Some(Ok(claims)),
            Err(TokenFault::UnknownKey) => None,
            Err(TokenFault::Invalid) => Some(Err(refused("the access token is not valid"))),
            Err(TokenFault::Expired) => Some(Err(expired())),
            Err(TokenFault::Early) => Some(Err(refused("the access token is not good yet"))),
        }
    }

    fn has_ended(&self, claims: &AccessClaims, now: Timestamp) -> bool {
        let Some(cache) = &self.cache else { return false };
        let AccessClaims { sub: account, sid: session, epoch, .. } = *claims;
        cache.is_revoked(Bearer { account, session, epoch }, now)
    }

    /// Fetches the keys, unless that was tried a moment ago. Whether the last try succeeded.
    async fn fetch_unless_recent(&self, cx: &Context) -> bool {
        let _one_at_a_time = self.fetching.lock().await;
        let last = self.fetched();
        if self.is_within(SHORTEST_BETWEEN_FETCHES, last.tried) {
            return last.had == last.tried;
        }
        let limited =
            cx.with_principal(Principal::Anonymous).with_deadline(Instant::now() + FETCH_LIMIT);
        let answer = self.keys.token_keys(&limited, TokenKeysRequest {}).await;
        let now = self.clock.now();
        let had = match answer {
            Ok(set) => {
                self.ring.store(Arc::new(VerifyingRing::new(KeyRing::new(&set))));
                Some(now)
            }
            Err(error) => {
                tracing::warn!(%error, "identity's keys could not be fetched; the known ones stay");
                last.had
            }
        };
        *self.fetched.write().unwrap_or_else(PoisonError::into_inner) =
            Fetched { tried: Some(now), had };
        had == Some(now)
    }

    fn keys_are_old(&self) -> bool {
        let Fetched { tried, had } = self.fetched();
        !self.is_within(KEYS_ARE_FRESH_FOR, had) && !self.is_within(SHORTEST_BETWEEN_FETCHES, tried)
    }

    /// Whether `then` is no further than `span` from now. A clock that was set back does not make
    /// the keys fresh for ever.
    fn is_within(&self, span: Duration, then: Option<Timestamp>) -> bool {
        then.is_some_and(|then| self.clock.now().duration_since(then).unsigned_abs() < span)
    }

    fn fetched(&self) -> Fetched {
        *self.fetched.read().unwrap_or_else(PoisonError::into_inner)
    }
}

fn bearer(value: &HeaderValue) -> Option<&str> {
    let (scheme, token) = value.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then_some(token.trim())
}

fn refused(detail: &str) -> Problem {
    Problem::new(&problems::UNAUTHENTICATED).detail(detail).header(
        header::WWW_AUTHENTICATE,
        HeaderValue::from_static(r#"Bearer error="invalid_token""#),
    )
}

fn expired() -> Problem {
    Problem::new(&problems::TOKEN_EXPIRED).header(
        header::WWW_AUTHENTICATE,
        HeaderValue::from_static(
            r#"Bearer error="invalid_token", error_description="the access token has expired""#,
        ),
    )
}
