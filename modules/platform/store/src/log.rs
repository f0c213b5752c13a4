//! The statements on the log and what is written with it. All take sets.

use std::collections::HashMap;

use serde::Serialize;
use serde_json::Value;
use sqlx::FromRow;
use uuid::Uuid;

use crate::{
    Aggregate, At, Connection, Database, Json, Position, RawRecorded, Sql, StoreError, Tx,
    timers::Cause,
};

/// A stream to read, from after the version `known`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Wanted {
    pub(crate) category: &'static str,
    pub(crate) stream: Uuid,
    pub(crate) known: u64,
}

impl Wanted {
    pub(crate) fn of<A: Aggregate>(stream: Uuid, known: u64) -> Self {
        Self { category: A::NAME, stream, known }
    }
}

/// An aggregate's state, stored to shorten loading.
#[derive(Debug, Clone, PartialEq, FromRow, Serialize)]
pub(crate) struct SnapshotRow {
    pub(crate) category: String,
    pub(crate) stream: Uuid,
    #[sqlx(try_from = "i64")]
    pub(crate) version: u64,
    #[sqlx(try_from = "i64")]
    pub(crate) state_schema: u16,
    pub(crate) state: Json<Value>,
}

/// An event on its way into the log.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct NewEvent {
    /// Its place among those that are written at once.
    pub(crate) ordinal: usize,
    pub(crate) id: Uuid,
    pub(crate) category: &'static str,
    pub(crate) stream: Uuid,
    pub(crate) version: u64,
    #[serde(rename = "type")]
    pub(crate) event_type: String,
    pub(crate) schema_version: u16,
    pub(crate) payload: Value,
    pub(crate) recorded_at: At,
    pub(crate) actor: String,
    pub(crate) correlation_id: String,
    pub(crate) causation_id: Option<Uuid>,
    pub(crate) traceparent: String,
}

impl NewEvent {
    /// As it is read from the log.
    pub(crate) fn placed(self, places: &HashMap<Uuid, Position>) -> Option<RawRecorded> {
        let Position { txn, seq } = *places.get(&self.id)?;
        Some(RawRecorded {
            seq,
            txn,
            id: self.id,
            category: self.category.to_owned(),
            stream: self.stream,
            version: self.version,
            event_type: self.event_type,
            schema_version: self.schema_version,
            payload: self.payload,
            recorded_at: self.recorded_at,
            actor: self.actor,
            correlation_id: self.correlation_id,
            causation_id: self.causation_id,
            traceparent: self.traceparent,
        })
    }
}

/// A timer that is set; an earlier one of the stream is replaced.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct TimerRow {
    pub(crate) category: &'static str,
    pub(crate) stream: Uuid,
    pub(crate) due: At,
    /// Who has claimed it already, if anybody has.
    pub(crate) claimed_by: Option<Uuid>,
    /// How often it was claimed.
    pub(crate) attempts: u32,
    /// Why it is set, when it is claimed.
    #[serde(skip)]
    pub(crate) cause: Option<Cause>,
}

/// A stream that wants to be woken no more.
#[derive(Debug, Clone, Copy, Serialize)]
pub(crate) struct TimerGone {
    pub(crate) stream: Uuid,
}

/// The statements of this file.
pub(crate) const STATEMENTS: &[(&str, Sql)] = crate::statements![
    EXISTS,
    READ_EVENTS,
    READ_SNAPSHOTS,
    APPEND,
    SET_TIMERS,
    CLEAR_TIMERS,
    WRITE_SNAPSHOTS,
];

const EXISTS: &str = "SELECT version FROM events WHERE category = $1 AND stream = $2 LIMIT 1";
// What follows keeps both databases from reading the whole table: `CROSS JOIN` SQLite, and `OFFSET 0`
// PostgreSQL, which keeps the plans that it made when there was next to nothing in it.
const READ_EVENTS: Sql = Sql::new(
    crate::__sql!(sqlite []
        "SELECT e.position, e.txn, e.id, e.category, e.stream, e.version, e.type, \
         e.schema_version, e.payload, e.recorded_at, e.actor, e.correlation_id, e.causation_id, \
         e.traceparent FROM "
        rows("$1", category text, stream uuid, known bigint)
        " CROSS JOIN events e WHERE e.category = given.category AND e.stream = given.stream \
         AND e.version > given.known ORDER BY e.category, e.stream, e.version"
    ),
    crate::__sql!(postgres []
        "SELECT e.position, e.txn, e.id, e.category, e.stream, e.version, e.type, \
         e.schema_version, e.payload, e.recorded_at, e.actor, e.correlation_id, e.causation_id, \
         e.traceparent FROM "
        rows("$1", category text, stream uuid, known bigint)
        " CROSS JOIN LATERAL (SELECT * FROM events l WHERE l.category = given.category \
         AND l.stream = given.stream AND l.version > given.known ORDER BY l.version OFFSET 0) e \
         ORDER BY e.category, e.stream, e.version"
    ),
);
const READ_SNAPSHOTS: Sql = Sql::new(
    crate::__sql!(sqlite []
        "SELECT s.category, s.stream, s.version, s.state_schema, s.state FROM "
        rows("$1", category text, stream uuid)
        " CROSS JOIN snapshots s WHERE s.category = given.category AND s.stream = given.stream"
    ),
    crate::__sql!(postgres []
        "SELECT s.category, s.stream, s.version, s.state_schema, s.state FROM "
        rows("$1", category text, stream uuid)
        " CROSS JOIN LATERAL (SELECT * FROM snapshots l WHERE l.category = given.category \
         AND l.stream = given.stream OFFSET 0) s"
    ),
);
const APPEND: Sql = crate::sql!(
    "INSERT INTO events (id, category, stream, version, type, schema_version, payload, \
     recorded_at, actor, correlation_id, causation_id, traceparent) \
     SELECT id, category, stream, version, type, schema_version, payload, recorded_at, actor, \
     correlation_id, causation_id, traceparent FROM ",
    rows("$1",
        ordinal bigint, id uuid, category text, stream uuid, version bigint, type text,
        schema_version bigint, payload json, recorded_at instant, actor text,
        correlation_id text, causation_id uuid, traceparent text),
    " ORDER BY ordinal RETURNING id, txn, position",
);
const SET_TIMERS: Sql = crate::sql!(
    "INSERT INTO timers (category, stream, due, claimed_by, attempts) \
     SELECT category, stream, due, claimed_by, attempts FROM ",
    rows("$1", category text, stream uuid, due instant, claimed_by uuid, attempts bigint),
    " WHERE true ON CONFLICT (category, stream) DO UPDATE SET due = excluded.due, \
     attempts = CASE WHEN timers.claimed_by IS NULL THEN excluded.attempts ELSE 0 END, \
     claimed_by = coalesce(timers.claimed_by, excluded.claimed_by)",
);
const CLEAR_TIMERS: Sql = crate::sql!(
    "DELETE FROM timers WHERE category = $2 AND stream IN (SELECT stream FROM ",
    rows("$1", stream uuid),
    ")",
);
const WRITE_SNAPSHOTS: Sql = crate::sql!(
    "INSERT INTO snapshots (category, stream, version, state_schema, state) \
     SELECT category, stream, version, state_schema, state FROM ",
    rows("$1", category text, stream uuid, version bigint, state_schema bigint, state json),
    " WHERE true ON CONFLICT (category, stream) DO UPDATE SET version = excluded.version, \
     state_schema = excluded.state_schema, state = excluded.state",
);

/// Whether anything has ever happened to it.
pub(crate) async fn exists<A: Aggregate>(
    database: &Database,
    stream: Uuid,
) -> Result<bool, StoreError> {
    let first = crate::fetch_optional!(database, (i64,), EXISTS, A::NAME, stream).await?;
    Ok(first.is_some())
}

/// Each stream's events in order.
pub(crate) async fn read_events(
    on: &mut Connection<'_>,
    wanted: &[Wanted],
) -> Result<Vec<RawRecorded>, StoreError> {
    Ok(crate::fetch_all!(on, RawRecorded, READ_EVENTS, Json(wanted)).await?)
}

pub(crate) async fn read_snapshots(
    on: &mut Connection<'_>,
    wanted: &[Wanted],
) -> Result<Vec<SnapshotRow>, StoreError> {
    Ok(crate::fetch_all!(on, SnapshotRow, READ_SNAPSHOTS, Json(wanted)).await?)
}

/// Where each event got to.
pub(crate) async fn append(
    tx: &mut Tx,
    events: &[NewEvent],
) -> Result<HashMap<Uuid, Position>, sqlx::Error> {
    let placed: Vec<(Uuid, i64, i64)> =
        crate::fetch_all!(tx, (Uuid, i64, i64), APPEND, Json(events)).await?;
    Ok(placed.into_iter().map(|(id, txn, seq)| (id, Position { txn, seq })).collect())
}

pub(crate) async fn set_timers(tx: &mut Tx, timers: &[TimerRow]) -> Result<(), StoreError> {
    crate::execute!(tx, SET_TIMERS, Json(timers)).await?;
    Ok(())
}

/// Clears the timers of streams of one category: a row value in the `IN` would keep SQLite from
/// searching by stream.
pub(crate) async fn clear_timers(
    tx: &mut Tx,
    category: &'static str,
    streams: &[TimerGone],
) -> Result<(), StoreError> {
    crate::execute!(tx, CLEAR_TIMERS, Json(streams), category).await?;
    Ok(())
}

pub(crate) async fn write_snapshots(
    tx: &mut Tx,
    snapshots: &[SnapshotRow],
) -> Result<(), StoreError> {
    crate::execute!(tx, WRITE_SNAPSHOTS, Json(snapshots)).await?;
    Ok(())
}
