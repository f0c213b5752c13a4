//! Stops a service at a certain point of a story: what it has just recorded is on disk, and nobody
//! has heard of it yet. There it can be let go on, or be crashed.

use store::{CommitObserver, RecordedSummary};
use tokio::sync::watch;

/// Stands open until a story closes it.
#[derive(Clone)]
pub struct Gate(watch::Sender<State>);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Open,
    /// Holds the service that records this next.
    Waiting(Point),
    Holding,
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

    /// What tells the gate of everything that is recorded.
    pub fn observer(&self) -> CommitObserver {
        let gate = self.clone();
        CommitObserver::new(move |events| {
            let gate = gate.clone();
            let is_held = gate.0.send_if_modified(|state| match *state {
                State::Waiting(point) if point.is_among(events) => {
                    *state = State::Holding;
                    true
                }
                _ => false,
            });
            Box::pin(async move {
                if is_held {
                    gate.is(State::Open).await;
                }
            })
        })
    }

    /// Holds whoever comes to the point next.
    pub fn close_at(&self, point: Point) {
        self.0.send_replace(State::Waiting(point));
    }

    /// Waits until somebody is held.
    pub async fn holds(&self) {
        self.is(State::Holding).await;
    }

    async fn is(&self, wanted: State) {
        let mut states = self.0.subscribe();
        let _there_is_a_sender = states.wait_for(|state| *state == wanted).await;
    }

    /// Lets everybody through.
    pub fn open(&self) {
        self.0.send_replace(State::Open);
    }
}
