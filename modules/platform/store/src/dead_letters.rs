//! Events that a consumer could not take, for the people who decide about them.
//!
//! How they get here and what consumers do with them is in [`crate::inbox`].

use std::sync::Arc;

use runtime::{Clock, Timestamp};
use serde_json::Value;
use sqlx::FromRow;
use uuid::Uuid;

use crate::{At, Database, Position, StoreError};

/// The statements of this file, for the test that prepares them.
#[cfg(test)]
pub(crate) const STATEMENTS: &[(&str, crate::Sql)] = crate::statements![LIST, SHOW, RETRY, DISCARD];

/// The columns of [`DeadLetter`].
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

const LIST: &str = select!("WHERE d.state <> 'waiting' AND d.id > $1 ORDER BY d.id LIMIT $2");
const SHOW: &str = select!("WHERE d.id = $1");
const RETRY: &str = "UPDATE dead_letters SET state = 'retrying', attempts = 0, due = $2 \
     WHERE id = $1 AND state <> 'waiting'";
const DISCARD: &str = "DELETE FROM dead_letters WHERE id = $1";

/// An event that a consumer could not take.
#[derive(Debug, Clone, PartialEq)]
pub struct DeadLetter {
    /// Its identity as a dead letter, UUID version 7; later ones are greater.
    pub id: Uuid,
    /// Who could not take it.
    pub consumer: String,
    /// Who published it.
    pub publisher: String,
    /// What the event is about. Later events about the same wait behind it.
    pub key: Uuid,
    /// Where it stands in the publisher's log.
    pub position: Position,
    /// The event's full name, such as `orders.order_confirmed`.
    pub event_type: String,
    /// The event as it arrived, with its envelope: identity, time, correlation, trace, payload.
    pub event: Value,
    /// What becomes of it.
    pub state: DeadLetterState,
    /// How often it was tried.
    pub attempts: u32,
    /// What went wrong the last time.
    pub error: Option<String>,
    /// When it is tried next, unless it is dead.
    pub due: Timestamp,
    /// When it was put aside.
    pub parked_at: Timestamp,
    /// How many later events with its key wait behind it.
    pub waiting: u64,
}

/// What becomes of a [`DeadLetter`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeadLetterState {
    /// It is tried again by itself.
    Retrying,
    /// It was tried often enough; somebody must decide.
    Dead,
    /// It waits behind an earlier event with the same key.
    Waiting,
}

impl DeadLetterState {
    /// How the database writes it.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Retrying => "retrying",
            Self::Dead => "dead",
            Self::Waiting => "waiting",
        }
    }

    fn parse(text: &str) -> Result<Self, StoreError> {
        [Self::Retrying, Self::Dead, Self::Waiting]
            .into_iter()
            .find(|state| state.as_str() == text)
            .ok_or_else(|| StoreError::Corrupt(format!("no dead letter is in state \"{text}\"")))
    }
}

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
        })
    }
}

/// The dead letters of one service, for its API and its command. What is decided here is done by
/// the consumer, wherever it runs: at once in the same process, within a second in another.
#[derive(Clone)]
pub struct DeadLetters {
    database: Database,
    clock: Arc<dyn Clock>,
}

impl DeadLetters {
    /// Those in `database`.
    pub fn new(database: &Database, clock: Arc<dyn Clock>) -> Self {
        Self { database: database.clone(), clock }
    }

    /// Those that are dead or still retried, oldest first: at most `limit` that come after `after`.
    /// Events that wait behind them are only counted.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn list(
        &self,
        after: Option<Uuid>,
        limit: u32,
    ) -> Result<Vec<DeadLetter>, StoreError> {
        let after = after.unwrap_or(Uuid::nil());
        let rows: Vec<Row> =
            crate::fetch_all!(&self.database, Row, LIST, after, i64::from(limit)).await?;
        rows.into_iter().map(DeadLetter::try_from).collect()
    }

    /// One of them, also one that waits. `None` when there is none with this `id`.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn show(&self, id: Uuid) -> Result<Option<DeadLetter>, StoreError> {
        let row: Option<Row> = crate::fetch_optional!(&self.database, Row, SHOW, id).await?;
        row.map(DeadLetter::try_from).transpose()
    }

    /// Has the consumer try it again, with as many attempts as a new event gets; once it succeeds,
    /// those that wait behind it follow in order. `false` when there is none with this `id`, or it
    /// waits behind another one.
    ///
    /// # Errors
    /// When the database does not answer; then nothing happened.
    pub async fn retry(&self, id: Uuid) -> Result<bool, StoreError> {
        let mut tx = self.database.begin().await?;
        let changed = crate::execute!(&mut tx, RETRY, id, At(self.clock.now())).await?;
        self.commit(tx, changed).await
    }

    /// Throws the event away: it never takes effect, and those that wait behind it follow. `false`
    /// when there is none with this `id`.
    ///
    /// # Errors
    /// When the database does not answer; then nothing happened.
    pub async fn discard(&self, id: Uuid) -> Result<bool, StoreError> {
        let mut tx = self.database.begin().await?;
        let changed = crate::execute!(&mut tx, DISCARD, id).await?;
        self.commit(tx, changed).await
    }

    async fn commit(&self, tx: crate::Tx, changed: u64) -> Result<bool, StoreError> {
        tx.commit().await?;
        self.database.committed();
        Ok(changed > 0)
    }
}
