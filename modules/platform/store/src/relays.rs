//! How far a service's log was published to a broker's topic.

use std::collections::BTreeMap;

use sqlx::FromRow;

use crate::{Database, Json, Position, StoreError, Tx};

/// The statements of this file.
pub(crate) const STATEMENTS: &[(&str, crate::Sql)] = crate::statements![READ, WRITE, RESET];

const READ: &str = "SELECT txn, seq, tails FROM relays \
     WHERE topic = $1 AND partition_count = $2";
const WRITE: &str = "INSERT INTO relays (topic, partition_count, txn, seq, tails) \
     VALUES ($1, $2, $3, $4, $5) ON CONFLICT (topic, partition_count) \
     DO UPDATE SET txn = excluded.txn, seq = excluded.seq, tails = excluded.tails \
     WHERE relays.txn = $6 AND relays.seq = $7";
const RESET: &str = "UPDATE relays SET txn = 0, seq = 0, tails = $3 \
     WHERE topic = $1 AND partition_count = $2";

/// How far a log was published to a topic.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RelayPosition {
    /// Everything up to here is with the broker.
    pub reached: Position,
    /// The last event in each partition that has one.
    pub tails: BTreeMap<u32, Position>,
}

#[derive(FromRow)]
struct Row {
    txn: i64,
    seq: i64,
    tails: Json<BTreeMap<u32, Position>>,
}

/// The publisher's side of a topic. Only whoever holds the relay's lease moves it on.
#[derive(Debug, Clone)]
pub struct RelayLog {
    topic: String,
    partitions: i64,
}

impl RelayLog {
    /// That of `topic`, as long as it has so many partitions. With another number it is another
    /// topic, in which there is nothing yet.
    pub fn new(topic: impl Into<String>, partitions: u32) -> Self {
        Self { topic: topic.into(), partitions: i64::from(partitions) }
    }

    /// How far the log was published; the beginning when nothing was.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn read(&self, database: &Database) -> Result<RelayPosition, StoreError> {
        let row: Option<Row> =
            crate::fetch_optional!(database, Row, READ, &self.topic, self.partitions).await?;
        Ok(row.map_or_else(RelayPosition::default, |row| RelayPosition {
            reached: Position { txn: row.txn, seq: row.seq },
            tails: row.tails.0,
        }))
    }

    /// Notes that the log was published from `from` to `to`. `false` when `from` is not what is
    /// stored: then roll back and read it again.
    ///
    /// # Errors
    /// When the statement fails.
    pub async fn advance(
        &self,
        tx: &mut Tx,
        from: Position,
        to: &RelayPosition,
    ) -> Result<bool, sqlx::Error> {
        let moved = crate::execute!(
            tx,
            WRITE,
            &self.topic,
            self.partitions,
            to.reached.txn,
            to.reached.seq,
            Json(&to.tails),
            from.txn,
            from.seq
        )
        .await?;
        Ok(moved > 0)
    }

    /// Has the whole log published again, from its beginning, by the relay when it next looks.
    /// Consumers pass over what they have taken. `false` when nothing was ever published.
    ///
    /// # Errors
    /// When the database does not answer; then nothing happened.
    pub async fn reset(&self, database: &Database) -> Result<bool, StoreError> {
        let mut tx = database.begin().await?;
        let nothing = Json(BTreeMap::<u32, Position>::new());
        let moved = crate::execute!(&mut tx, RESET, &self.topic, self.partitions, nothing).await?;
        tx.commit().await?;
        Ok(moved > 0)
    }
}
