//! Whether the services behind the gateway can be reached at all.
//!
//! At its start the gateway waits until each was reached once. From then on one that is away is no
//! reason to take the gateway out of service, since the others can be reached only through it; when
//! none can be reached it is good for nothing, and says so.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use futures_util::future::join_all;
use runtime::{Endpoint, Endpoints};
use tokio::{net::TcpStream, time::timeout};

/// Shorter than what a check of readiness may take.
const PATIENCE: Duration = Duration::from_millis(800);

/// A service, and whether it was reached yet.
struct Neighbour {
    replicas: Endpoints,
    was_reached: AtomicBool,
}

/// The services behind the gateway. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Neighbours(Arc<Vec<Neighbour>>);

impl Neighbours {
    pub(crate) fn new(services: impl IntoIterator<Item = Endpoints>) -> Self {
        let strangers = services
            .into_iter()
            .map(|replicas| Neighbour { replicas, was_reached: AtomicBool::new(false) });
        Self(Arc::new(strangers.collect()))
    }

    /// What `/readyz` says: for whom the gateway waits.
    pub(crate) async fn check(&self) -> Result<(), String> {
        let answers = join_all(self.0.iter().map(Neighbour::reach)).await;
        if answers.is_empty() {
            return Ok(());
        }
        let is_anybody_there = answers.iter().any(Result::is_ok);
        let missing: Vec<String> = self
            .0
            .iter()
            .zip(answers)
            .filter(|(neighbour, _)| !is_anybody_there || !neighbour.was_reached())
            .filter_map(|(_, answer)| answer.err())
            .collect();
        if missing.is_empty() { Ok(()) } else { Err(format!("waiting for {}", missing.join(", "))) }
    }
}

impl Neighbour {
    fn was_reached(&self) -> bool {
        self.was_reached.load(Ordering::Relaxed)
    }

    /// Whether any of its replicas accepts a connection now; otherwise who it is, and why not.
    async fn reach(&self) -> Result<(), String> {
        let replicas = self.replicas.ranked(None).await;
        let answers = join_all(replicas.iter().map(connect)).await;
        if answers.iter().any(Result::is_ok) {
            self.was_reached.store(true, Ordering::Relaxed);
            return Ok(());
        }
        let reasons: Vec<String> = answers.into_iter().filter_map(Result::err).collect();
        Err(format!("{} at {}", self.replicas.service(), reasons.join(", ")))
    }
}

async fn connect(replica: &Endpoint) -> Result<(), String> {
    let base = replica.base();
    let host = base.host_str().unwrap_or_default().trim_matches(['[', ']']);
    let port = base.port_or_known_default().unwrap_or_default();
    let why = match timeout(PATIENCE, TcpStream::connect((host, port))).await {
        Ok(Ok(_)) => return Ok(()),
        Ok(Err(error)) => error.to_string(),
        Err(_) => "no answer in time".to_owned(),
    };
    Err(format!("{} ({why})", base.as_str().trim_end_matches('/')))
}
