//! Making the acquaintance of services that are hosted elsewhere: a process is not ready until it
//! has reached each service it calls once. What happens to a peer later does not matter here.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use axum::{
    Router,
    http::{StatusCode, Uri},
    routing::get,
};
use reqwest::Url;
use tokio_util::sync::CancellationToken;

use crate::{Random, readiness::Readiness};

const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(2);
const PATIENCE: Duration = Duration::from_secs(2);

/// Whether a service that is hosted elsewhere was reached yet, and if not, why.
#[derive(Clone)]
pub(crate) struct Acquaintance {
    service: &'static str,
    url: Url,
    failure: Arc<Mutex<Option<String>>>,
}

impl Acquaintance {
    /// Nobody asked `service` yet, which has its internal listener at `url`.
    pub(crate) fn new(service: &'static str, url: &Url) -> Self {
        let failure = Arc::new(Mutex::new(Some("not tried yet".to_owned())));
        Self { service, url: url.clone(), failure }
    }

    /// What `/readyz` says.
    pub(crate) fn check(&self) -> Result<(), String> {
        let failure = self.failure.lock().unwrap_or_else(PoisonError::into_inner);
        match failure.as_deref() {
            None => Ok(()),
            Some(why) => Err(format!("waiting for {} at {} ({why})", self.service, self.address())),
        }
    }

    /// Tries until the service is reached or `stop` says so.
    pub(crate) async fn make(
        self,
        client: reqwest::Client,
        random: Arc<dyn Random>,
        stop: CancellationToken,
    ) {
        let mut longest = FIRST_PAUSE;
        while let Some(Err(why)) = stop.run_until_cancelled(self.reach(&client)).await {
            tracing::debug!(service = self.service, at = self.address(), why, "peer not reached");
            self.learn(Some(why));
            let pause = longest.mul_f64(random.fraction());
            let _ = tokio::time::timeout(pause, stop.cancelled()).await;
            longest = (longest * 2).min(LONGEST_PAUSE);
        }
        if !stop.is_cancelled() {
            tracing::info!(service = self.service, at = self.address(), "peer reached");
            self.learn(None);
        }
    }

    async fn reach(&self, client: &reqwest::Client) -> Result<(), String> {
        let url = format!("{}/services/{}", self.address(), self.service);
        let asked = client.get(url).timeout(PATIENCE).send().await;
        let response = asked.map_err(|error| reason(&error))?;
        match response.status() {
            StatusCode::OK => Ok(()),
            StatusCode::NOT_FOUND => Err("another process answers there".to_owned()),
            StatusCode::SERVICE_UNAVAILABLE => Err("it is starting".to_owned()),
            other => Err(format!("it answers {other}")),
        }
    }

    fn address(&self) -> &str {
        self.url.as_str().trim_end_matches('/')
    }

    fn learn(&self, failure: Option<String>) {
        *self.failure.lock().unwrap_or_else(PoisonError::into_inner) = failure;
    }
}

fn reason(error: &reqwest::Error) -> String {
    if error.is_timeout() {
        return format!("no answer within {PATIENCE:?}");
    }
    if error.is_connect() { "no connection".to_owned() } else { "the connection broke".to_owned() }
}

/// The other side: `GET /services/{service}` on the internal listener says whether the service is
/// hosted here (404 otherwise) and has started (503 otherwise).
pub(crate) fn router(hosted: Vec<&'static str>, readiness: &Arc<Readiness>) -> Router {
    let readiness = Arc::clone(readiness);
    let answer = async move |uri: Uri| {
        let service = uri.path().trim_start_matches("/services/");
        if !hosted.contains(&service) {
            return StatusCode::NOT_FOUND;
        }
        if readiness.has_started(service) {
            StatusCode::OK
        } else {
            StatusCode::SERVICE_UNAVAILABLE
        }
    };
    Router::new().route("/services/{service}", get(answer))
}
