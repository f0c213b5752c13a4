//! Dead letters as the database has them: the statements, and the rows that they give.

use serde_json::Value;
use sqlx::FromRow;
use uuid::Uuid;

use super::{DeadLetter, DeadLetterState, Discarded};
use crate::{At, Position, StoreError};

/// The statements of this file.
pub(crate) const STATEMENTS: &[(&str, crate::Sql)] = crate::statements![
    LIST,
    SHOW,
    FIRST,
    RETRY,
    RETRY_ALL,
    KEEP,
    TAKE_OUT,
    LIST_DISCARDED,
    DISCARDED,
    CONSUMERS
];

/// The columns of a [`DeadLetter`] that was not discarded.
macro_rules! select {
    ($rest:literal) => {
        concat!(
            "SELECT d.id, d.consumer, d.publisher, d.key, d.txn, d.seq, d.type, d.event, d.state, \
             d.attempts, d.error, d.due, d.parked_at, (SELECT count(*) FROM dead_letters w \
             WHERE w.consumer = d.consumer AND w.publisher = d.publisher AND w.key = d.key \
             AND (w.txn, w.seq) > (d.txn, d.seq)) AS waiting FROM dead_letters d ",
            $rest
        )
    };
}
pub(crate) use select;

/// Without a state those about which somebody must decide, and those that are tried by themselves.
pub(super) const LIST: &str = select!(
    "WHERE d.id > $1 AND ($2 = '' OR d.consumer = $2) AND ($3 = '' OR d.publisher = $3) \
     AND (d.state = $4 OR ($4 = '' AND d.state <> 'waiting')) ORDER BY d.id LIMIT $5"
);
pub(super) const SHOW: &str = select!("WHERE d.id = $1");
/// The first of the queue that $1 is in.
pub(super) const FIRST: &str = "SELECT e.id FROM dead_letters d JOIN dead_letters e \
     ON e.consumer = d.consumer AND e.publisher = d.publisher AND e.key = d.key \
     WHERE d.id = $1 ORDER BY e.txn, e.seq LIMIT 1";
pub(super) const RETRY: &str = "UPDATE dead_letters SET state = 'retrying', attempts = 0, due = $2 \
     WHERE id = $1 AND state <> 'waiting'";
pub(super) const RETRY_ALL: &str = "UPDATE dead_letters \
     SET state = 'retrying', attempts = 0, due = $3 \
     WHERE consumer = $1 AND ($2 = '' OR publisher = $2) AND state <> 'waiting'";
/// What waits behind another one is left where it is. Without the last clause, PostgreSQL would tell
/// whoever is later that a row is there twice, and not that somebody else was faster.
pub(super) const KEEP: &str = "INSERT INTO discarded_letters (id, consumer, publisher, key, txn, \
     seq, type, event, attempts, error, parked_at, reason, discarded_by, discarded_at) \
     SELECT id, consumer, publisher, key, txn, seq, type, event, attempts, error, parked_at, \
     $2, $3, $4 FROM dead_letters d WHERE id = $1 AND (state <> 'waiting' OR NOT EXISTS \
     (SELECT 1 FROM dead_letters e WHERE e.consumer = d.consumer AND e.publisher = d.publisher \
     AND e.key = d.key AND (e.txn, e.seq) < (d.txn, d.seq))) ON CONFLICT (id) DO NOTHING";
pub(super) const TAKE_OUT: &str = "DELETE FROM dead_letters WHERE id = $1";

/// The columns of a [`DeadLetter`] that was discarded.
macro_rules! select_discarded {
    ($rest:literal) => {
        concat!(
            "SELECT id, consumer, publisher, key, txn, seq, type, event, attempts, error, \
             parked_at, reason, discarded_by, discarded_at FROM discarded_letters ",
            $rest
        )
    };
}

pub(super) const LIST_DISCARDED: &str = select_discarded!(
    "WHERE id > $1 AND ($2 = '' OR consumer = $2) AND ($3 = '' OR publisher = $3) \
     ORDER BY id LIMIT $4"
);
pub(super) const DISCARDED: &str = select_discarded!("WHERE id = $1");

pub(super) const CONSUMERS: &str =
    "SELECT consumer, publisher FROM consumers ORDER BY consumer, publisher";

#[derive(FromRow)]
pub(crate) struct Row {
    id: Uuid,
    consumer: String,
    publisher: String,
    key: Uuid,
    txn: i64,
    seq: i64,
    #[sqlx(rename = "type")]
    event_type: String,
    event: Value,
    state: String,
    #[sqlx(try_from = "i64")]
    attempts: u32,
    error: Option<String>,
    due: At,
    parked_at: At,
    #[sqlx(try_from = "i64")]
    waiting: u64,
}

impl TryFrom<Row> for DeadLetter {
    type Error = StoreError;

    fn try_from(row: Row) -> Result<Self, StoreError> {
        Ok(Self {
            id: row.id,
            consumer: row.consumer,
            publisher: row.publisher,
            key: row.key,
            position: Position { txn: row.txn, seq: row.seq },
            event_type: row.event_type,
            event: row.event,
            state: DeadLetterState::parse(&row.state)?,
            attempts: row.attempts,
            error: row.error,
            due: row.due.0,
            parked_at: row.parked_at.0,
            waiting: row.waiting,
            discarded: None,
        })
    }
}

#[derive(FromRow)]
pub(super) struct DiscardedRow {
    id: Uuid,
    consumer: String,
    publisher: String,
    key: Uuid,
    txn: i64,
    seq: i64,
    #[sqlx(rename = "type")]
    event_type: String,
    event: Value,
    #[sqlx(try_from = "i64")]
    attempts: u32,
    error: Option<String>,
    parked_at: At,
    reason: String,
    discarded_by: String,
    discarded_at: At,
}

impl From<DiscardedRow> for DeadLetter {
    fn from(row: DiscardedRow) -> Self {
        let at = row.discarded_at.0;
        Self {
            id: row.id,
            consumer: row.consumer,
            publisher: row.publisher,
            key: row.key,
            position: Position { txn: row.txn, seq: row.seq },
            event_type: row.event_type,
            event: row.event,
            state: DeadLetterState::Discarded,
            attempts: row.attempts,
            error: row.error,
            due: at,
            parked_at: row.parked_at.0,
            waiting: 0,
            discarded: Some(Discarded { reason: row.reason, by: row.discarded_by, at }),
        }
    }
}
