//! Stops a service at a certain point of a story: what it has just recorded is on disk, and nobody
//! has heard of it yet. There it can be let go on, or be crashed.

use std::time::Duration;

use store::{CommitObserver, RecordedSummary};
use tokio::sync::watch;

use crate::house::House;

/// By then nobody works on a request of before any more, and what was left is taken up.
const A_WHILE: Duration = Duration::from_secs(61);

/// Stands open until a story closes it.
#[derive(Clone)]
pub struct Gate(watch::Sender<State>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum State {
    Open,
    /// Holds the service that records this next.
    Waiting(Point),
    /// Holds the node with this name.
    Holding(String),
}

/// The service and the type of the event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Point {
    /// Who records it.
    pub service: &'static str,
    /// What is recorded.
    pub event: &'static str,
}

impl Point {
    fn is_among(self, events: &[RecordedSummary]) -> bool {
        events.iter().any(|it| it.database == self.service && it.event_type == self.event)
    }
}

impl Gate {
    /// An open one.
    pub fn new() -> Self {
        Self(watch::Sender::new(State::Open))
    }

    /// What tells the gate of everything that the node with this name records.
    pub fn observer(&self, node: &str) -> CommitObserver {
        let (gate, node) = (self.clone(), node.to_owned());
        CommitObserver::new(move |events| {
            let gate = gate.clone();
            let is_held = gate.0.send_if_modified(|state| match *state {
                State::Waiting(point) if point.is_among(events) => {
                    *state = State::Holding(node.clone());
                    true
                }
                _ => false,
            });
            Box::pin(async move {
                if is_held {
                    gate.is_open().await;
                }
            })
        })
    }

    /// Holds whoever comes to the point next.
    pub fn close_at(&self, point: Point) {
        self.0.send_replace(State::Waiting(point));
    }

    /// Waits until somebody is held: the node's name.
    pub async fn holds(&self) -> String {
        let mut states = self.0.subscribe();
        let held = states.wait_for(|state| matches!(state, State::Holding(_))).await;
        let State::Holding(node) = &*held.expect("this gate sends") else {
            unreachable!("it was waited for");
        };
        node.clone()
    }

    async fn is_open(&self) {
        let mut states = self.0.subscribe();
        let _there_is_a_sender = states.wait_for(|state| *state == State::Open).await;
    }

    /// Lets everybody through.
    pub fn open(&self) {
        self.0.send_replace(State::Open);
    }
}

impl House {
    /// Crashes the node that comes to the point at which the gate is closed, and starts it again a
    /// while later.
    pub async fn crash_whoever_is_held(&self) {
        let name = self.gate.holds().await;
        let held = self.sandbox.nodes().iter().find(|node| node.name() == name);
        let node = held.expect("a node of this house is held");
        node.crash().await;
        self.gate.open();
        self.pass(A_WHILE);
        node.restart().await;
    }
}
