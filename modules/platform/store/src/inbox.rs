//! What a consumer keeps in its own database about one publisher's events: how far it has come, and
//! the events it could not take.
//!
//! Those form a queue for each key. The first of a queue is tried again when it is due, unless it
//! is dead; the others wait. So one event's trouble holds back the events about the same thing and
//! no others, and taking away the first of a queue, whoever does it, sets the next one going.

use std::collections::HashSet;

use runtime::Timestamp;
use serde::Serialize;
use serde_json::Value;
use uuid::Uuid;

use crate::{
    At, Database, DeadLetter, DeadLetterState, Json, Partition, Passed, Position, Sql, StoreError,
    Tx,
    dead_letters::{Row, select},
};

/// The statements of this file.
pub(crate) const STATEMENTS: &[(&str, Sql)] =
    crate::statements![POSITION, ADVANCE, BLOCKED, RUNNABLE, NEXT_DUE, COUNT, PARK, SETTLE, FAIL];

const POSITION: &str = "SELECT txn, seq FROM consumers WHERE consumer = $1 AND publisher = $2";
const ADVANCE: &str = "INSERT INTO consumers (consumer, publisher, txn, seq) \
     VALUES ($1, $2, $3, $4) ON CONFLICT (consumer, publisher) \
     DO UPDATE SET txn = excluded.txn, seq = excluded.seq \
     WHERE consumers.txn = $5 AND consumers.seq = $6";
const BLOCKED: Sql = crate::sql!(
    "SELECT DISTINCT d.key FROM ",
    rows("$3", key uuid),
    " CROSS JOIN dead_letters d WHERE d.consumer = $1 AND d.publisher = $2 AND d.key = given.key",
);
const RUNNABLE: &str = select!(
    "WHERE d.consumer = $1 AND d.publisher = $2 AND d.state <> 'dead' AND d.due <= $3 \
     AND NOT EXISTS (SELECT 1 FROM dead_letters e WHERE e.consumer = d.consumer \
     AND e.publisher = d.publisher AND e.key = d.key AND (e.txn, e.seq) < (d.txn, d.seq)) \
     ORDER BY d.txn, d.seq LIMIT $4"
);
const NEXT_DUE: &str = "SELECT min(due) FROM dead_letters \
     WHERE consumer = $1 AND publisher = $2 AND state = 'retrying'";
const COUNT: &str = "SELECT count(*), coalesce(sum(CASE WHEN state = 'dead' THEN 1 ELSE 0 END), 0) \
     FROM dead_letters WHERE consumer = $1 AND publisher = $2";
/// Nothing of a log is put aside twice. What is not in one may come twice.
const PARK: Sql = crate::sql!(
    "INSERT INTO dead_letters (id, consumer, publisher, key, txn, seq, type, event, state, \
     attempts, error, due, parked_at) SELECT id, $2, $3, key, txn, seq, type, event, state, \
     attempts, error, due, parked_at FROM ",
    rows("$1",
        id uuid, key uuid, txn bigint, seq bigint, type text, event json, state text,
        attempts bigint, error text, due instant, parked_at instant),
    " WHERE true ON CONFLICT (consumer, publisher, txn, seq) DO NOTHING",
);
const SETTLE: &str = "DELETE FROM dead_letters WHERE id = $1";
const FAIL: &str = "UPDATE dead_letters SET state = $2, attempts = $3, error = $4, due = $5 \
     WHERE id = $1";

/// One consumer's side of one publisher's feed. Only whoever holds the consumer's lease writes it.
#[derive(Debug, Clone)]
pub struct Inbox {
    consumer: String,
    publisher: String,
}

/// An event to put aside.
#[derive(Debug, Clone, PartialEq)]
pub struct Parked {
    /// The dead letter's identity, UUID version 7.
    pub id: Uuid,
    /// What the event is about.
    pub key: Uuid,
    /// Where it stands in the publisher's log.
    pub position: Position,
    /// The event's full name.
    pub event_type: String,
    /// The event with its envelope.
    pub event: Value,
    /// How it fares.
    pub fate: Fate,
    /// When it is put aside.
    pub at: Timestamp,
}

/// How an event fares that was put aside.
#[derive(Debug, Clone, PartialEq)]
pub enum Fate {
    /// It waits behind an earlier one with its key.
    Waiting,
    /// It failed and is tried again.
    Retrying {
        /// How often it was tried.
        attempts: u32,
        /// What went wrong.
        error: String,
        /// When it is tried again.
        due: Timestamp,
    },
    /// It failed for good.
    Dead {
        /// How often it was tried.
        attempts: u32,
        /// What went wrong.
        error: String,
    },
}

impl Fate {
    fn state(&self) -> DeadLetterState {
        match self {
            Self::Waiting => DeadLetterState::Waiting,
            Self::Retrying { .. } => DeadLetterState::Retrying,
            Self::Dead { .. } => DeadLetterState::Dead,
        }
    }

    fn attempts(&self) -> u32 {
        match self {
            Self::Waiting => 0,
            Self::Retrying { attempts, .. } | Self::Dead { attempts, .. } => *attempts,
        }
    }

    fn error(&self) -> Option<&str> {
        match self {
            Self::Waiting => None,
            Self::Retrying { error, .. } | Self::Dead { error, .. } => Some(error),
        }
    }

    fn due(&self, now: Timestamp) -> At {
        match self {
            Self::Retrying { due, .. } => At(*due),
            Self::Waiting | Self::Dead { .. } => At(now),
        }
    }
}

#[derive(Serialize)]
struct NewRow<'a> {
    id: Uuid,
    key: Uuid,
    txn: i64,
    seq: i64,
    r#type: &'a str,
    event: &'a Value,
    state: &'static str,
    attempts: u32,
    error: Option<&'a str>,
    due: At,
    parked_at: At,
}

impl<'a> From<&'a Parked> for NewRow<'a> {
    fn from(parked: &'a Parked) -> Self {
        Self {
            id: parked.id,
            key: parked.key,
            txn: parked.position.txn,
            seq: parked.position.seq,
            r#type: &parked.event_type,
            event: &parked.event,
            state: parked.fate.state().as_str(),
            attempts: parked.fate.attempts(),
            error: parked.fate.error(),
            due: parked.fate.due(parked.at),
            parked_at: At(parked.at),
        }
    }
}

#[derive(Serialize)]
struct KeyRow {
    key: Uuid,
}

/// How many events a consumer has put aside.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Aside {
    /// All of them.
    pub events: u64,
    /// Those about which somebody must decide.
    pub dead: u64,
}

impl Inbox {
    /// That of `consumer` for the events of `publisher`.
    pub fn new(consumer: impl Into<String>, publisher: impl Into<String>) -> Self {
        Self { consumer: consumer.into(), publisher: publisher.into() }
    }

    /// How far the consumer has come; [`Position::START`] when it has not begun.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn position(&self, database: &Database) -> Result<Position, StoreError> {
        let found: Option<(i64, i64)> =
            crate::fetch_optional!(database, (i64, i64), POSITION, &self.consumer, &self.publisher)
                .await?;
        Ok(found.map_or(Position::START, |(txn, seq)| Position { txn, seq }))
    }

    /// All that the consumer has passed, by its feed and by partitions of topics.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn passed(&self, database: &Database) -> Result<Passed, StoreError> {
        let feed = self.position(database).await?;
        Passed::read(database, &self.consumer, &self.publisher, feed).await
    }

    /// One partition of a topic of the publisher's that has `count`.
    pub fn partition(&self, topic: &str, count: u32, number: u32) -> Partition {
        Partition {
            consumer: self.consumer.clone(),
            publisher: self.publisher.clone(),
            topic: topic.to_owned(),
            count,
            number,
        }
    }

    /// Notes that the consumer has come by the feed from `from` to `to`. `false` when it was not at
    /// `from`, or something has come by partitions since `passed` was read: then roll back, for what
    /// is done here may have been done already.
    ///
    /// # Errors
    /// When a statement fails.
    pub async fn advance(
        &self,
        tx: &mut Tx,
        passed: &Passed,
        from: Position,
        to: Position,
    ) -> Result<bool, sqlx::Error> {
        let moved = crate::execute!(
            tx,
            ADVANCE,
            &self.consumer,
            &self.publisher,
            to.txn,
            to.seq,
            from.txn,
            from.seq
        )
        .await?;
        Ok(moved > 0 && passed.is_all(tx, &self.consumer, &self.publisher).await?)
    }

    /// Those of `keys` of which an event was put aside.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn blocked(
        &self,
        database: &Database,
        keys: impl IntoIterator<Item = Uuid>,
    ) -> Result<HashSet<Uuid>, StoreError> {
        let keys: Vec<KeyRow> = keys.into_iter().map(|key| KeyRow { key }).collect();
        let found: Vec<(Uuid,)> = crate::fetch_all!(
            database,
            (Uuid,),
            BLOCKED,
            &self.consumer,
            &self.publisher,
            Json(&keys)
        )
        .await?;
        Ok(found.into_iter().map(|(key,)| key).collect())
    }

    /// The first of each queue that may be tried now, at most `limit`.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn runnable(
        &self,
        database: &Database,
        now: Timestamp,
        limit: u32,
    ) -> Result<Vec<DeadLetter>, StoreError> {
        let rows: Vec<Row> = crate::fetch_all!(
            database,
            Row,
            RUNNABLE,
            &self.consumer,
            &self.publisher,
            At(now),
            i64::from(limit)
        )
        .await?;
        rows.into_iter().map(DeadLetter::try_from).collect()
    }

    /// When the next event is tried again, if one is.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn next_due(&self, database: &Database) -> Result<Option<Timestamp>, StoreError> {
        let (due,): (Option<At>,) =
            crate::fetch_one!(database, (Option<At>,), NEXT_DUE, &self.consumer, &self.publisher)
                .await?;
        Ok(due.map(|at| at.0))
    }

    /// How many events were put aside.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn aside(&self, database: &Database) -> Result<Aside, StoreError> {
        let (events, dead): (i64, i64) =
            crate::fetch_one!(database, (i64, i64), COUNT, &self.consumer, &self.publisher).await?;
        let count = |number: i64| u64::try_from(number).unwrap_or(0);
        Ok(Aside { events: count(events), dead: count(dead) })
    }

    /// Puts events aside.
    ///
    /// # Errors
    /// When the statement fails.
    pub async fn park(&self, tx: &mut Tx, parked: &[Parked]) -> Result<(), sqlx::Error> {
        let rows: Vec<NewRow<'_>> = parked.iter().map(NewRow::from).collect();
        crate::execute!(tx, PARK, Json(&rows), &self.consumer, &self.publisher).await?;
        Ok(())
    }

    /// Takes the event `id` out of its queue, because it took effect in this transaction. `false`
    /// when it is not there any more: then roll back.
    ///
    /// # Errors
    /// When the statement fails.
    pub async fn settle(&self, tx: &mut Tx, id: Uuid) -> Result<bool, sqlx::Error> {
        Ok(crate::execute!(tx, SETTLE, id).await? > 0)
    }

    /// Notes how another attempt at the event `id` fared.
    ///
    /// # Errors
    /// When the statement fails.
    pub async fn fail(
        &self,
        tx: &mut Tx,
        id: Uuid,
        fate: &Fate,
        now: Timestamp,
    ) -> Result<(), sqlx::Error> {
        crate::execute!(
            tx,
            FAIL,
            id,
            fate.state().as_str(),
            i64::from(fate.attempts()),
            fate.error(),
            fate.due(now)
        )
        .await?;
        Ok(())
    }
}
