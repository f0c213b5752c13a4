//! Events as the log has them.

use runtime::Timestamp;
use serde_json::Value;
use sqlx::FromRow;
use uuid::Uuid;

use crate::{Aggregate, At, StoreError};

/// Where an event stands in its database's log. Later ones are greater, and an event comes after
/// those that its writer knew of. Made of the transaction and the position in it, because
/// PostgreSQL makes positions visible out of order.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Default,
    serde::Serialize,
    serde::Deserialize,
)]
pub struct Position {
    /// The transaction's id; 0 on SQLite, which writes one after the other.
    pub txn: i64,
    /// The place among all events.
    pub seq: i64,
}

impl Position {
    /// Before the first event.
    pub const START: Self = Self { txn: 0, seq: 0 };
}

/// A committed event and what is known about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recorded<E> {
    /// Its identity, UUID version 7.
    pub id: Uuid,
    /// The aggregate it happened to.
    pub stream: Uuid,
    /// Its number in the stream, from 1.
    pub version: u64,
    /// Where it stands in the log.
    pub position: Position,
    /// What happened.
    pub event: E,
    /// When it was recorded.
    pub recorded_at: Timestamp,
    /// Who was behind it: `user:<id>`, `service:<name>` or `anonymous`.
    pub actor: String,
    /// What ties together everything that one request caused.
    pub correlation_id: String,
    /// The event that caused it, if one did.
    pub causation_id: Option<Uuid>,
    /// The W3C trace it was recorded in.
    pub traceparent: String,
}

/// A row of the log, before anybody has looked into it. Statements that read it select
/// `events.*` or these columns by name.
#[derive(Debug, Clone, PartialEq, FromRow)]
pub struct RawRecorded {
    /// See [`Position::seq`].
    #[sqlx(rename = "position")]
    pub seq: i64,
    /// See [`Position::txn`].
    pub txn: i64,
    /// See [`Recorded::id`].
    pub id: Uuid,
    /// The aggregate's kind: [`Aggregate::NAME`].
    pub category: String,
    /// See [`Recorded::stream`].
    pub stream: Uuid,
    /// See [`Recorded::version`].
    #[sqlx(try_from = "i64")]
    pub version: u64,
    /// The event's type.
    #[sqlx(rename = "type")]
    pub event_type: String,
    /// The version of the schema it was written with.
    #[sqlx(try_from = "i64")]
    pub schema_version: u16,
    /// The event as JSON, its type inside.
    pub payload: Value,
    /// See [`Recorded::recorded_at`].
    pub recorded_at: At,
    /// See [`Recorded::actor`].
    pub actor: String,
    /// See [`Recorded::correlation_id`].
    pub correlation_id: String,
    /// See [`Recorded::causation_id`].
    pub causation_id: Option<Uuid>,
    /// See [`Recorded::traceparent`].
    pub traceparent: String,
}

impl RawRecorded {
    /// Where it stands in the log.
    pub fn position(&self) -> Position {
        Position { txn: self.txn, seq: self.seq }
    }

    /// The event as `A` understands it, brought to the present schema.
    ///
    /// # Errors
    /// [`StoreError::Corrupt`] when `A` does not understand it: it was written by a newer build, or
    /// [`Aggregate::upcast`] misses a step. It names the event and quotes nothing of it, since what
    /// people confided must not get into log lines.
    pub fn decode<A: Aggregate>(self) -> Result<Recorded<A::Event>, StoreError> {
        let position = self.position();
        let present = if self.schema_version < A::EVENT_SCHEMA {
            A::upcast(&self.event_type, self.schema_version, self.payload)
        } else {
            self.payload
        };
        let event = serde_json::from_value(present).map_err(|_quotes_the_value| {
            StoreError::Corrupt(format!(
                "event {} of {} {} ({}, schema {}) is none that this build knows",
                self.version, self.category, self.stream, self.event_type, self.schema_version
            ))
        })?;
        Ok(Recorded {
            id: self.id,
            stream: self.stream,
            version: self.version,
            position,
            event,
            recorded_at: self.recorded_at.0,
            actor: self.actor,
            correlation_id: self.correlation_id,
            causation_id: self.causation_id,
            traceparent: self.traceparent,
        })
    }
}
