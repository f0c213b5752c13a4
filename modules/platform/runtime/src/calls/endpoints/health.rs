//! Whether a replica answers. One that does not is left out for a while, then tried with one call;
//! the pauses grow while it stays away.

use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use metrics::Gauge;
use tokio::time::Instant;

use super::{Endpoint, SILENCE};

/// For how long a replica is left out first; the time doubles with each trial that fails.
const FIRST_PAUSE: Duration = Duration::from_millis(500);
const LONGEST_PAUSE: Duration = Duration::from_secs(15);

const LEFT_OUT: &str = "boxoffice_replicas_left_out";

/// Tells the metrics recorder what this file's metrics mean.
pub(in crate::calls) fn describe_metrics() {
    metrics::describe_gauge!(
        LEFT_OUT,
        metrics::Unit::Count,
        "Replicas of a service that do not answer this process and are asked last, by service"
    );
}

/// What is known of a replica by what became of the requests to it.
pub(super) struct Health {
    service: &'static str,
    address: String,
    left_out: Gauge,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// Requests that wait for their answer.
    waiting: usize,
    /// When an answer was due; since then nothing was answered.
    due: Option<Instant>,
    /// Trials that failed since the last answer.
    failures: u32,
    /// Until when it is left out.
    out_until: Option<Instant>,
}

impl State {
    fn is_silent(&self, now: Instant) -> bool {
        self.due.is_some_and(|due| now.saturating_duration_since(due) >= SILENCE)
    }

    fn pause(&self) -> Duration {
        let doubled = FIRST_PAUSE.saturating_mul(1 << self.failures.saturating_sub(1).min(10));
        doubled.min(LONGEST_PAUSE)
    }
}

impl Health {
    pub(super) fn new(service: &'static str, address: &str) -> Self {
        Self {
            service,
            address: address.trim_end_matches('/').to_owned(),
            left_out: metrics::gauge!(LEFT_OUT, "service" => service),
            state: Mutex::default(),
        }
    }

    /// Until when others are preferred, at most. `None` for a replica that answers, and for one
    /// that is due for a trial.
    pub(super) fn away_until(&self, now: Instant) -> Option<Instant> {
        let state = self.state();
        let left_out = state.out_until.filter(|until| *until > now);
        left_out.or_else(|| state.is_silent(now).then_some(now))
    }

    /// A request is sent whose answer need not come before `patience` is over.
    fn begin(&self, patience: Duration) {
        let now = Instant::now();
        let mut state = self.state();
        state.waiting += 1;
        let due = now + patience;
        state.due = Some(state.due.map_or(due, |earlier| earlier.min(due)));
        if state.failures > 0 {
            // This is the trial; the others go elsewhere until it is over.
            state.out_until = Some(due + state.pause());
        }
    }

    fn answered(&self) {
        let mut state = self.state();
        state.waiting = state.waiting.saturating_sub(1);
        state.due = None;
        state.out_until = None;
        let was_away = std::mem::take(&mut state.failures) > 0;
        drop(state);
        if was_away {
            self.left_out.decrement(1.0);
            tracing::info!(service = self.service, at = self.address, "a replica answers again");
        }
    }

    fn ended(&self, failure: Option<&str>) {
        let now = Instant::now();
        let mut state = self.state();
        let failure = failure.or_else(|| state.is_silent(now).then_some("it does not answer"));
        state.waiting = state.waiting.saturating_sub(1);
        if state.waiting == 0 {
            state.due = None;
        }
        let Some(reason) = failure else { return };
        state.failures = state.failures.saturating_add(1);
        state.out_until = Some(now + state.pause());
        let is_news = state.failures == 1;
        drop(state);
        if is_news {
            self.left_out.increment(1.0);
            let (service, at) = (self.service, &self.address);
            tracing::warn!(service, at, reason, "a replica is left out for a while");
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Health {
    fn drop(&mut self) {
        if self.state().failures > 0 {
            self.left_out.decrement(1.0);
        }
    }
}

/// A request on its way to a replica. Dropped, it was given up: that is a failure of the replica
/// when it has answered nothing else for a while.
pub struct Attempt {
    endpoint: Endpoint,
    is_over: bool,
}

impl Attempt {
    pub(super) fn new(endpoint: &Endpoint, patience: Duration) -> Self {
        endpoint.0.health.begin(patience);
        Self { endpoint: endpoint.clone(), is_over: false }
    }

    /// The replica has answered, whatever the answer is.
    pub fn answered(mut self) {
        self.is_over = true;
        self.endpoint.0.health.answered();
    }

    /// There was no connection.
    pub fn not_connected(mut self, reason: &str) {
        self.is_over = true;
        self.endpoint.0.health.ended(Some(reason));
    }

    /// Waits until the replica has been silent for so long that another one should be asked.
    pub async fn silent(&self) {
        loop {
            let due = self.endpoint.0.health.state().due;
            let until = due.unwrap_or_else(Instant::now) + SILENCE;
            tokio::time::sleep_until(until).await;
            if self.endpoint.0.health.state().is_silent(Instant::now()) {
                return;
            }
        }
    }
}

impl std::fmt::Debug for Attempt {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Attempt({:?})", self.endpoint)
    }
}

impl Drop for Attempt {
    fn drop(&mut self) {
        if !self.is_over {
            self.endpoint.0.health.ended(None);
        }
    }
}
