//! How dead letters are shown, by the endpoints and by the command.

use runtime::{Timestamp, TraceContext};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use store::{DeadLetter, DeadLetterState, Discarded};
use utoipa::ToSchema;
use uuid::Uuid;

/// What becomes of a dead letter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = DeadLetterState)]
pub enum DeadLetterStateName {
    /// It is tried again by itself.
    Retrying,
    /// It was tried often enough; somebody must decide.
    Dead,
    /// It waits behind an earlier event about the same thing.
    Waiting,
    /// Somebody decided that it never takes effect.
    Discarded,
}

impl From<DeadLetterState> for DeadLetterStateName {
    fn from(state: DeadLetterState) -> Self {
        match state {
            DeadLetterState::Retrying => Self::Retrying,
            DeadLetterState::Dead => Self::Dead,
            DeadLetterState::Waiting => Self::Waiting,
            DeadLetterState::Discarded => Self::Discarded,
        }
    }
}

impl From<DeadLetterStateName> for DeadLetterState {
    fn from(name: DeadLetterStateName) -> Self {
        match name {
            DeadLetterStateName::Retrying => Self::Retrying,
            DeadLetterStateName::Dead => Self::Dead,
            DeadLetterStateName::Waiting => Self::Waiting,
            DeadLetterStateName::Discarded => Self::Discarded,
        }
    }
}

/// An event that a consumer could not take in.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(as = DeadLetter, example = json!({
    "id": "01980e4c-8f5c-7b1e-a7c4-51d2f2a5d001",
    "state": "dead",
    "consumer": "orders",
    "publisher": "payments",
    "type": "payments.payment_settled",
    "key": "01980e4c-8f5c-7b1e-a7c4-51d2f2a5e001",
    "attempts": 5,
    "error": "the order has no such payment",
    "waiting": 2,
    "parked_at": "2027-05-02T10:01:00Z",
    "event_id": "01980e4c-8f5c-7b1e-a7c4-51d2f2a5d000",
    "correlation_id": "01980e4c-8f5c-7b1e-a7c4-51d2f2a5c0de",
    "trace_id": "4bf92f3577b34da6a3ce929d0e0e4736",
}))]
pub struct DeadLetterResource {
    /// Its identity as a dead letter, the same until it has taken effect or was discarded.
    pub id: Uuid,
    /// What becomes of it.
    pub state: DeadLetterStateName,
    /// Who could not take it in: the name under which the service remembers how far it has come.
    pub consumer: String,
    /// The service that published it.
    pub publisher: String,
    /// What happened.
    #[serde(rename = "type")]
    #[schema(rename = "type")]
    pub event_type: String,
    /// What the event is about: an order, say. Later events about the same wait behind it.
    pub key: Uuid,
    /// How often it was tried since it was put aside, or since it was last retried.
    pub attempts: u32,
    /// What went wrong the last time; absent where it was not tried.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// When it is tried next; absent unless it is `retrying`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_attempt_at: Option<Timestamp>,
    /// How many later events about the same thing wait behind it.
    pub waiting: u64,
    /// When it was put aside.
    pub parked_at: Timestamp,
    /// The event's own id.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub event_id: Option<Uuid>,
    /// What ties together everything that one request caused: its `x-request-id`. Log lines have it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub correlation_id: Option<String>,
    /// The trace in which it was recorded.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trace_id: Option<String>,
    /// Who threw it away; absent unless it is `discarded`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub discarded: Option<DiscardedResource>,
}

/// Why an event never takes effect.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = DiscardedLetter)]
pub struct DiscardedResource {
    /// Why, in the words of whoever decided it.
    pub reason: String,
    /// Who: `user:<id>`, or `operator:<name>` where the command was used.
    pub by: String,
    /// When.
    pub at: Timestamp,
}

/// A dead letter with the event itself.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(as = DeadLetterDetails)]
pub struct DeadLetterDetails {
    /// What lists show of it.
    #[serde(flatten)]
    pub letter: DeadLetterResource,
    /// Where the event stands in the publisher's log.
    pub position: LogPosition,
    /// The event as it arrived, with its envelope.
    #[schema(value_type = Object)]
    pub event: Value,
}

/// A place in a service's log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
pub struct LogPosition {
    /// The transaction; 0 on SQLite.
    pub txn: i64,
    /// The place among all events of the log.
    pub seq: i64,
}

impl From<DeadLetter> for DeadLetterResource {
    fn from(letter: DeadLetter) -> Self {
        let word = |name: &str| letter.event.get(name).and_then(Value::as_str);
        let event_id = word("id").and_then(|id| id.parse().ok());
        let correlation_id = word("correlation_id").map(str::to_owned);
        let trace_id = word("traceparent").and_then(TraceContext::parse);
        let is_retrying = letter.state == DeadLetterState::Retrying;
        Self {
            id: letter.id,
            state: letter.state.into(),
            consumer: letter.consumer,
            publisher: letter.publisher,
            event_type: letter.event_type,
            key: letter.key,
            attempts: letter.attempts,
            error: letter.error,
            next_attempt_at: is_retrying.then_some(letter.due),
            waiting: letter.waiting,
            parked_at: letter.parked_at,
            event_id,
            correlation_id,
            trace_id: trace_id.map(|trace| trace.trace_id()),
            discarded: letter.discarded.map(DiscardedResource::from),
        }
    }
}

impl From<Discarded> for DiscardedResource {
    fn from(Discarded { reason, by, at }: Discarded) -> Self {
        Self { reason, by, at }
    }
}

impl From<DeadLetter> for DeadLetterDetails {
    fn from(letter: DeadLetter) -> Self {
        let position = LogPosition { txn: letter.position.txn, seq: letter.position.seq };
        let event = letter.event.clone();
        Self { letter: letter.into(), position, event }
    }
}
