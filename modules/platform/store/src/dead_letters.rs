//! Events that a consumer could not take, for the people who decide about them.
//!
//! How they get here and what consumers do with them is in [`crate::inbox`]; how they are written
//! in the database is in `rows.rs`.

mod rows;

use std::sync::Arc;

use runtime::{Clock, Timestamp};
use serde_json::Value;
use uuid::Uuid;

pub(crate) use self::rows::STATEMENTS;
use self::rows::{
    CONSUMERS, DISCARDED, DiscardedRow, FIRST, KEEP, LIST, LIST_DISCARDED, RETRY, RETRY_ALL, SHOW,
    TAKE_OUT,
};
pub(crate) use self::rows::{Row, select};
use crate::{At, Database, Position, StoreError};

/// How often a decision is written again because somebody else, such as the consumer, was faster.
const TRIES: u32 = 8;

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
    /// When it is tried next, if it is.
    pub due: Timestamp,
    /// When it was put aside.
    pub parked_at: Timestamp,
    /// How many later events with its key wait behind it.
    pub waiting: u64,
    /// Who threw it away, when and why, if somebody did.
    pub discarded: Option<Discarded>,
}

/// Why an event never takes effect.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Discarded {
    /// Why.
    pub reason: String,
    /// Who decided it: `user:<id>`, or how whoever gave the command calls himself.
    pub by: String,
    /// When.
    pub at: Timestamp,
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
    /// Somebody decided that it never takes effect.
    Discarded,
}

impl DeadLetterState {
    const ALL: [Self; 4] = [Self::Retrying, Self::Dead, Self::Waiting, Self::Discarded];

    /// How the database writes it.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Retrying => "retrying",
            Self::Dead => "dead",
            Self::Waiting => "waiting",
            Self::Discarded => "discarded",
        }
    }

    fn parse(text: &str) -> Result<Self, StoreError> {
        Self::ALL
            .into_iter()
            .find(|state| state.as_str() == text)
            .ok_or_else(|| StoreError::Corrupt(format!("no dead letter is in state \"{text}\"")))
    }
}

/// Which dead letters are wanted: those that fulfil every condition.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct WantedLetters {
    /// Of this consumer; of every one when empty.
    pub consumer: String,
    /// Events of this publisher; of every one when empty.
    pub publisher: String,
    /// In this state; dead or retrying when absent.
    pub state: Option<DeadLetterState>,
}

/// Why what was decided about a dead letter was not done.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum LetterError {
    /// There is none: there never was, or it has taken effect meanwhile.
    #[error("there is no such dead letter, or it has taken effect meanwhile")]
    Unknown,
    /// It waits for its turn.
    #[error("it waits behind an earlier event with the same key")]
    Waiting {
        /// The dead letter that is in front, about which must be decided first. Absent when its turn
        /// has just come, so that it is tried by itself.
        behind: Option<Uuid>,
    },
    /// Somebody has thrown it away.
    #[error("it was discarded before")]
    Discarded(Box<DeadLetter>),
    /// The database does not answer; what was decided was not done.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<sqlx::Error> for LetterError {
    fn from(error: sqlx::Error) -> Self {
        Self::Store(error.into())
    }
}

/// Writes a decision, again where somebody else changed the same rows.
macro_rules! against_others {
    ($once:expr) => {{
        let mut tries = 1;
        loop {
            match $once.await {
                Err(LetterError::Store(StoreError::Contended(_))) if tries < TRIES => tries += 1,
                decided => break decided,
            }
        }
    }};
}

/// The dead letters of one service, for its API and its command. What is decided here is done by
/// the consumer within a second, wherever it runs.
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

    /// Those that are wanted, oldest first: at most `limit` that come after `after`.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn list(
        &self,
        wanted: &WantedLetters,
        after: Option<Uuid>,
        limit: i64,
    ) -> Result<Vec<DeadLetter>, StoreError> {
        let WantedLetters { consumer, publisher, state } = wanted;
        let after = after.unwrap_or(Uuid::nil());
        if *state == Some(DeadLetterState::Discarded) {
            let rows: Vec<DiscardedRow> = crate::fetch_all!(
                &self.database,
                DiscardedRow,
                LIST_DISCARDED,
                after,
                consumer,
                publisher,
                limit
            )
            .await?;
            return Ok(rows.into_iter().map(DeadLetter::from).collect());
        }
        let state = state.map_or("", DeadLetterState::as_str);
        let rows: Vec<Row> =
            crate::fetch_all!(&self.database, Row, LIST, after, consumer, publisher, state, limit)
                .await?;
        rows.into_iter().map(DeadLetter::try_from).collect()
    }

    /// One of them, also one that waits or was discarded. `None` when there is none with this `id`.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn show(&self, id: Uuid) -> Result<Option<DeadLetter>, StoreError> {
        let row: Option<Row> = crate::fetch_optional!(&self.database, Row, SHOW, id).await?;
        match row {
            Some(row) => DeadLetter::try_from(row).map(Some),
            None => self.show_discarded(id).await,
        }
    }

    async fn show_discarded(&self, id: Uuid) -> Result<Option<DeadLetter>, StoreError> {
        let row: Option<DiscardedRow> =
            crate::fetch_optional!(&self.database, DiscardedRow, DISCARDED, id).await?;
        Ok(row.map(DeadLetter::from))
    }

    /// Has the consumer try it again, with as many attempts as a new event gets; once it succeeds,
    /// those that wait behind it follow in order. Answers with it as it is now.
    ///
    /// # Errors
    /// When there is none, it waits behind another one, or it was discarded.
    pub async fn retry(&self, id: Uuid) -> Result<DeadLetter, LetterError> {
        against_others!(self.retry_once(id))
    }

    async fn retry_once(&self, id: Uuid) -> Result<DeadLetter, LetterError> {
        let mut tx = self.database.begin().await?;
        if crate::execute!(&mut tx, RETRY, id, At(self.clock.now())).await? == 0 {
            tx.rollback().await?;
            return Err(self.why_not(id).await?);
        }
        let row = crate::fetch_one!(&mut tx, Row, SHOW, id).await?;
        self.commit(tx).await?;
        Ok(row.try_into()?)
    }

    async fn why_not(&self, id: Uuid) -> Result<LetterError, StoreError> {
        let Some(letter) = self.show(id).await? else { return Ok(LetterError::Unknown) };
        if letter.discarded.is_some() {
            return Ok(LetterError::Discarded(Box::new(letter)));
        }
        let first: Option<(Uuid,)> =
            crate::fetch_optional!(&self.database, (Uuid,), FIRST, id).await?;
        let behind = first.map(|(first,)| first).filter(|first| *first != id);
        Ok(LetterError::Waiting { behind })
    }

    /// As [`DeadLetters::retry`] with all of `consumer` that do not wait, of one publisher or, when
    /// that is empty, of all. Answers with how many.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn retry_all(&self, consumer: &str, publisher: &str) -> Result<u64, LetterError> {
        against_others!(self.retry_all_once(consumer, publisher))
    }

    async fn retry_all_once(&self, consumer: &str, publisher: &str) -> Result<u64, LetterError> {
        let mut tx = self.database.begin().await?;
        let now = At(self.clock.now());
        let retried = crate::execute!(&mut tx, RETRY_ALL, consumer, publisher, now).await?;
        self.commit(tx).await?;
        Ok(retried)
    }

    /// Who has taken in events here, and whose: each consumer with each publisher. Nobody else has
    /// dead letters.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn consumers(&self) -> Result<Vec<(String, String)>, StoreError> {
        Ok(crate::fetch_all!(&self.database, (String, String), CONSUMERS).await?)
    }

    /// Throws the event away for this `reason`: it never takes effect, and those that wait behind it
    /// follow. `by` says who decides it. It is kept as discarded, and answered with.
    ///
    /// # Errors
    /// When there is none, it waits behind another one, or it was discarded before; then the first
    /// reason stands.
    pub async fn discard(
        &self,
        id: Uuid,
        reason: &str,
        by: &str,
    ) -> Result<DeadLetter, LetterError> {
        against_others!(self.discard_once(id, reason, by))
    }

    async fn discard_once(
        &self,
        id: Uuid,
        reason: &str,
        by: &str,
    ) -> Result<DeadLetter, LetterError> {
        let mut tx = self.database.begin().await?;
        let now = At(self.clock.now());
        if crate::execute!(&mut tx, KEEP, id, reason, by, now).await? == 0 {
            tx.rollback().await?;
            return Err(self.why_not(id).await?);
        }
        crate::execute!(&mut tx, TAKE_OUT, id).await?;
        let row = crate::fetch_one!(&mut tx, DiscardedRow, DISCARDED, id).await?;
        self.commit(tx).await?;
        Ok(row.into())
    }

    async fn commit(&self, tx: crate::Tx) -> Result<(), StoreError> {
        tx.commit().await?;
        self.database.committed();
        Ok(())
    }
}
