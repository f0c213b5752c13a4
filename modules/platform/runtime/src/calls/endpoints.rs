//! Where the replicas of a service are, and whom to ask first.
//!
//! What is about one aggregate goes to one replica as long as that one answers, whoever asks: its
//! group commits then find all commands of the aggregate in one place, and no version races. The
//! preference is a rendezvous hash, so that a replica that goes takes only its own aggregates along.
//! It is a preference and nothing else: every replica can do everything.

mod health;
mod names;
mod rank;

use std::{
    cmp::Reverse,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use http::HeaderValue;
use reqwest::Url;
use tokio::time::Instant;

pub(super) use self::health::describe_metrics;
pub use self::{health::Attempt, rank::RoutingKey};
use self::{health::Health, names::Place, rank::Label};

/// For so long a replica may answer nothing that it was asked until others are preferred.
const SILENCE: Duration = Duration::from_secs(2);

/// The replicas of one service. Cheap to clone; clones share what they learn.
#[derive(Clone)]
pub struct Endpoints(Arc<Shared>);

struct Shared {
    service: &'static str,
    places: Vec<Place>,
    turn: AtomicUsize,
}

/// Why a service cannot be called.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidEndpoint {
    /// It has no address.
    #[error("service {service} has no internal address; set peers.{service}.internal")]
    Missing {
        /// The service.
        service: &'static str,
    },
    /// Its address is of another kind.
    #[error("the internal address of service {service} is not an http or https one: {url}")]
    NotHttp {
        /// The service.
        service: &'static str,
        /// The address.
        url: Url,
    },
}

impl Endpoints {
    /// The replicas of `service`, which have their listeners at `urls`. A name that stands for
    /// several addresses stands for several replicas (`http` only: a certificate is for a name).
    pub fn new(service: &'static str, urls: &[Url]) -> Result<Self, InvalidEndpoint> {
        if urls.is_empty() {
            return Err(InvalidEndpoint::Missing { service });
        }
        if let Some(url) = urls.iter().find(|url| !matches!(url.scheme(), "http" | "https")) {
            return Err(InvalidEndpoint::NotHttp { service, url: url.clone() });
        }
        let places = urls.iter().enumerate().map(|(at, url)| Place::new(service, at, url));
        let shared = Shared { service, places: places.collect(), turn: AtomicUsize::new(0) };
        Ok(Self(Arc::new(shared)))
    }

    /// The service.
    pub fn service(&self) -> &'static str {
        self.0.service
    }

    /// All replicas, in the order in which to try them: those that answer first, of them the one
    /// that `key` prefers; without a key each in turn.
    pub async fn ranked(&self, key: Option<RoutingKey>) -> Vec<Endpoint> {
        let mut known = Vec::with_capacity(self.0.places.len());
        for place in &self.0.places {
            known.extend(place.endpoints().await);
        }
        if known.len() < 2 {
            return known;
        }
        if let Some(key) = key {
            known.sort_by_cached_key(|it| Reverse(key.score(it.0.label)));
        } else {
            let turn = self.0.turn.fetch_add(1, Ordering::Relaxed) % known.len();
            known.rotate_left(turn);
        }
        let now = Instant::now();
        known.sort_by_cached_key(|endpoint| endpoint.0.health.away_until(now));
        known
    }
}

impl std::fmt::Debug for Endpoints {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Endpoints({})", self.0.service)
    }
}

/// One replica of a service. Cheap to clone.
#[derive(Clone)]
pub struct Endpoint(Arc<Replica>);

struct Replica {
    base: Url,
    /// The name that `base` has an address of.
    host: Option<HeaderValue>,
    label: Label,
    health: Health,
}

impl Endpoint {
    fn new(service: &'static str, base: Url, host: Option<HeaderValue>, label: Label) -> Self {
        let health = Health::new(service, base.as_str());
        Self(Arc::new(Replica { base, host, label, health }))
    }

    /// The base URL of its listener.
    pub fn base(&self) -> &Url {
        &self.0.base
    }

    /// The `Host` to send where the base URL has an address in place of the name.
    pub fn host(&self) -> Option<&HeaderValue> {
        self.0.host.as_ref()
    }

    /// Whether it is believed to answer.
    pub fn is_available(&self) -> bool {
        self.0.health.away_until(Instant::now()).is_none()
    }

    /// Something is about to be sent to it, which may take `patience` to answer although nothing is
    /// wrong. The attempt is told what becomes of it.
    pub fn attempt(&self, patience: Duration) -> Attempt {
        Attempt::new(self, patience)
    }
}

impl std::fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Endpoint({})", self.0.base)
    }
}

impl PartialEq for Endpoint {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Eq for Endpoint {}
