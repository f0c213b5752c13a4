//! Views that are made from what other services tell: what of it a consumer has taken in, at one
//! moment of its database.

use std::collections::HashSet;

use runtime::async_trait;
use uuid::Uuid;

use crate::{Connection, Position, Sql, StoreError, Tx, partition_of};

/// The statements of this file.
pub(crate) const STATEMENTS: &[(&str, Sql)] = crate::statements![FEED, PARTITIONS, ASIDE];

const FEED: &str = "SELECT txn, seq FROM consumers WHERE consumer = $1 AND publisher = $2";
const PARTITIONS: &str = "SELECT partition_count, partition, txn, seq FROM partitions \
     WHERE consumer = $1 AND publisher = $2";
const ASIDE: &str = "SELECT txn, seq FROM dead_letters WHERE consumer = $1 AND publisher = $2 \
     UNION ALL SELECT txn, seq FROM discarded_letters WHERE consumer = $1 AND publisher = $2";

/// What a view that others' events make is made from.
#[async_trait]
pub trait Retelling: Send {
    /// About how many events there are.
    ///
    /// # Errors
    /// When a publisher's database does not answer.
    async fn total(&mut self) -> Result<u64, StoreError>;

    /// Learns what has been taken in, as the consumer's own database has it at this moment.
    ///
    /// # Errors
    /// When the database does not answer.
    async fn learn(&mut self, live: &mut Connection<'_>) -> Result<(), StoreError>;

    /// Reads on, and says how many events are to be written that the consumer is known to have taken
    /// in; `None` when nothing is left to be read.
    ///
    /// # Errors
    /// When a publisher's database does not answer.
    async fn read(&mut self) -> Result<Option<u64>, StoreError>;

    /// Writes what was read.
    ///
    /// # Errors
    /// When a statement fails.
    async fn write(&mut self, tx: &mut Tx) -> Result<(), StoreError>;
}

/// What a consumer has taken in of one publisher's events, by whatever way they came: without those
/// that were put aside or thrown away.
#[derive(Debug, Clone, Default)]
pub struct Taken {
    feed: Position,
    partitions: Vec<(u32, u32, Position)>,
    aside: HashSet<Position>,
}

impl Taken {
    /// As the consumer's database has it.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn read(
        live: &mut Connection<'_>,
        consumer: &str,
        publisher: &str,
    ) -> Result<Self, StoreError> {
        let place = |(txn, seq): (i64, i64)| Position { txn, seq };
        let feed: Option<(i64, i64)> =
            crate::fetch_optional!(&mut *live, (i64, i64), FEED, consumer, publisher).await?;
        let rows: Vec<(i64, i64, i64, i64)> =
            crate::fetch_all!(&mut *live, (i64, i64, i64, i64), PARTITIONS, consumer, publisher)
                .await?;
        let aside: Vec<(i64, i64)> =
            crate::fetch_all!(&mut *live, (i64, i64), ASIDE, consumer, publisher).await?;
        let number = |number: i64| u32::try_from(number).unwrap_or_default();
        let partitions = rows.into_iter().map(|(count, partition, txn, seq)| {
            (number(count), number(partition), place((txn, seq)))
        });
        Ok(Self {
            feed: feed.map(place).unwrap_or_default(),
            partitions: partitions.collect(),
            aside: aside.into_iter().map(place).collect(),
        })
    }

    /// Whether the event at `position` about `key` has taken effect.
    pub fn contains(&self, key: Uuid, position: Position) -> bool {
        if self.aside.contains(&position) {
            return false;
        }
        position <= self.feed
            || self.partitions.iter().any(|(count, partition, last)| {
                position <= *last && partition_of(key, *count) == *partition
            })
    }
}
