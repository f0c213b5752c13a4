//! How a relay stands, as readiness and metrics tell it.

use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::Instant,
};

use metrics::{Counter, Gauge, counter, gauge};
use rdkafka::Statistics;
use runtime::Standing;
use serde_json::json;
use store::Position;

use super::{
    client::is_connected,
    trouble::{News, Trouble},
};
use crate::measures::{PUBLISHED, RELAY_ACTIVE, RELAY_LAG, RELAY_POSITION};

/// What is said when brokers have had something for a while, and do not say that they keep it.
pub(super) const UNACKNOWLEDGED: &str = "the brokers do not acknowledge what was sent to them";

/// How one relay stands in this process.
pub(crate) struct RelayStanding {
    topic: String,
    published: Counter,
    lag: Gauge,
    position: Gauge,
    active: Gauge,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// Whether it is this process that publishes.
    is_active: bool,
    /// Why nothing is published.
    problem: Trouble,
    is_connected: bool,
    /// Whether brokers have yet to acknowledge something.
    is_waiting: bool,
    reached: Position,
    behind: u64,
}

impl RelayStanding {
    pub(super) fn new(topic: String) -> Self {
        let labels = [("topic", topic.clone())];
        Self {
            published: counter!(PUBLISHED, &labels),
            lag: gauge!(RELAY_LAG, &labels),
            position: gauge!(RELAY_POSITION, &labels),
            active: gauge!(RELAY_ACTIVE, &labels),
            topic,
            state: Mutex::default(),
        }
    }

    pub(super) fn topic(&self) -> &str {
        &self.topic
    }

    /// What is told at `/readyz`. That events cannot be published is no reason not to record them.
    pub(crate) fn report(&self) -> Standing {
        let state = self.state();
        let is_cut_off = state.is_waiting && !state.is_connected;
        let problem = match state.problem.reason() {
            _ if !state.is_active => None,
            // Which says why they do not acknowledge anything, too.
            None | Some(UNACKNOWLEDGED) if is_cut_off => Some("no Kafka broker answers"),
            problem => problem,
        };
        let degraded =
            problem.map(|problem| format!("{}: nothing is published: {problem}", self.topic));
        let details = json!({
            "topic": self.topic,
            "active": state.is_active,
            "connected": state.is_connected,
            "published_to": { "txn": state.reached.txn, "seq": state.reached.seq },
            "behind": state.behind,
        });
        Standing { degraded, details }
    }

    pub(super) fn active(&self, is_active: bool) {
        let mut state = self.state();
        (state.is_active, state.is_waiting, state.problem) = (is_active, false, Trouble::default());
        self.active.set(if is_active { 1.0 } else { 0.0 });
        let topic = self.topic.as_str();
        if is_active {
            tracing::info!(topic, "publishes events");
        } else {
            state.is_connected = false;
        }
    }

    pub(super) fn problem(&self, problem: Option<String>) {
        let mut state = self.state();
        let topic = self.topic.as_str();
        match state.problem.note(problem, Instant::now()) {
            News::Nothing => {}
            News::Lasts => {
                let reason = state.problem.reason();
                tracing::warn!(topic, reason, "events cannot be published");
            }
            News::Over => tracing::info!(topic, "events are published again"),
        }
    }

    /// Brokers have yet to acknowledge something; with what comes behind it so much of the log
    /// remains.
    pub(super) fn waits(&self, behind: u64) {
        let mut state = self.state();
        state.is_waiting = true;
        self.remains(&mut state, behind);
    }

    /// Brokers have acknowledged all that was sent.
    pub(super) fn published(&self, events: usize, reached: Position, behind: u64) {
        self.published.increment(u64::try_from(events).unwrap_or(u64::MAX));
        self.position.set(f64::from(u32::try_from(reached.seq).unwrap_or(u32::MAX)));
        let mut state = self.state();
        (state.is_waiting, state.reached) = (false, reached);
        self.remains(&mut state, behind);
    }

    fn remains(&self, state: &mut State, behind: u64) {
        state.behind = behind;
        self.lag.set(f64::from(u32::try_from(behind).unwrap_or(u32::MAX)));
    }

    /// Takes in what librdkafka tells.
    pub(super) fn heard(&self, statistics: &Statistics) {
        let is_connected = is_connected(statistics);
        let mut state = self.state();
        if state.is_waiting && state.is_connected && !is_connected {
            let topic = self.topic.as_str();
            tracing::warn!(topic, "no Kafka broker answers; the log keeps what is to be published");
        }
        state.is_connected = is_connected;
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
