//! Making the acquaintance of services that are hosted elsewhere: a process is not ready until
//! each service it calls has answered it once, and accepted its token. What happens to a peer
//! later does not matter here.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use axum::Router;
use serde::{Deserialize, Serialize};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use utoipa::ToSchema;

use crate::{
    Addresses, Context, ContractError, Fault, HttpClient, HttpMethod, Ids, InternalServer, Method,
    Principal, Random, TraceContext, Unrecognised,
};

const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(2);
const PATIENCE: Duration = Duration::from_secs(2);
/// How long nobody need hear of it: processes that start together wait for each other for a moment.
const QUIET: Duration = Duration::from_secs(2);

/// The call that asks whether a service is there. No method of a contract can have this name.
pub(crate) const IS_UP: Method = Method { name: "is-up", idempotent: true };

#[derive(Debug, Serialize, Deserialize, ToSchema)]
struct AreYouUp {}

#[derive(Debug, Serialize, Deserialize, ToSchema)]
struct IAmUp {}

#[derive(Debug, thiserror::Error, Serialize, Deserialize, ToSchema)]
#[serde(tag = "code", rename_all = "snake_case")]
enum IsUpError {
    #[error(transparent)]
    #[serde(skip)]
    Fault(#[from] Fault),
    #[error("{0}")]
    #[serde(untagged)]
    Unrecognised(Unrecognised),
}

impl ContractError for IsUpError {}

/// Lets those who require `service` ask whether it has started.
pub(crate) fn router(service: &'static str, server: &InternalServer) -> Router {
    server.method(service, &IS_UP, |_, AreYouUp {}| async { Ok::<_, IsUpError>(IAmUp {}) })
}

/// Whether a service that is hosted elsewhere was reached yet, and if not, why.
#[derive(Clone)]
pub(crate) struct Acquaintance {
    caller: &'static str,
    service: &'static str,
    addresses: Addresses,
    is_up: HttpMethod,
    failure: Arc<Mutex<Option<String>>>,
}

impl Acquaintance {
    /// `caller` has not asked for the service of `client` yet, which has its internal
    /// listeners at `addresses`.
    pub(crate) fn new(caller: &'static str, client: &HttpClient, addresses: Addresses) -> Self {
        Self {
            caller,
            service: client.callee(),
            addresses,
            is_up: client.method(&IS_UP),
            failure: Arc::new(Mutex::new(Some("not asked yet".to_owned()))),
        }
    }

    /// What `/readyz` says.
    pub(crate) fn check(&self) -> Result<(), String> {
        let failure = self.failure.lock().unwrap_or_else(PoisonError::into_inner);
        match failure.as_deref() {
            None => Ok(()),
            Some(why) => Err(format!("waiting for {} at {} ({why})", self.service, self.addresses)),
        }
    }

    /// Asks until the service answers or `stop` says so.
    pub(crate) async fn make(self, random: Arc<dyn Random>, ids: Ids, stop: CancellationToken) {
        let mut longest = FIRST_PAUSE;
        let begun = Instant::now();
        let mut told = None;
        loop {
            let cx = self.context(random.as_ref(), &ids);
            let Some(answer) = stop.run_until_cancelled(self.ask(&cx)).await else { return };
            let (peer, at) = (self.service, &self.addresses);
            match answer {
                Ok(()) => {
                    tracing::info!(module = self.caller, peer, %at, "peer reached");
                    self.learn(None);
                    return;
                }
                Err(why) => {
                    tracing::debug!(module = self.caller, peer, %at, why, "peer not reached");
                    if begun.elapsed() >= QUIET && told.as_ref() != Some(&why) {
                        tracing::warn!(module = self.caller, peer, %at, why, "waiting for a peer");
                        told = Some(why.clone());
                    }
                    self.learn(Some(why));
                }
            }
            let pause = longest.mul_f64(random.fraction());
            let _ = tokio::time::timeout(pause, stop.cancelled()).await;
            longest = (longest * 2).min(LONGEST_PAUSE);
        }
    }

    async fn ask(&self, cx: &Context) -> Result<(), String> {
        let answer: Result<IAmUp, IsUpError> = self.is_up.call(cx, AreYouUp {}).await;
        match answer {
            Ok(IAmUp {}) => Ok(()),
            Err(IsUpError::Fault(fault)) => Err(fault.reason().to_owned()),
            Err(error @ IsUpError::Unrecognised(_)) => Err(error.to_string()),
        }
    }

    fn context(&self, random: &dyn Random, ids: &Ids) -> Context {
        let principal = Principal::Service { name: self.caller.to_owned() };
        let trace = TraceContext::start(random);
        Context::new(principal, Instant::now() + PATIENCE, ids.next().to_string(), trace)
    }

    fn learn(&self, failure: Option<String>) {
        *self.failure.lock().unwrap_or_else(PoisonError::into_inner) = failure;
    }
}
