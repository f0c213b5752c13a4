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

#[cfg(test)]
mod tests {
    use super::*;

    const COUNT: u32 = 3;

    fn at(seq: i64) -> Position {
        Position { txn: 1, seq }
    }

    /// A key of that partition of so many.
    fn key_in(partition: u32, count: u32) -> Uuid {
        let mut keys = (0..100).map(Uuid::from_u128);
        keys.find(|key| partition_of(*key, count) == partition).expect("keys spread")
    }

    #[test]
    fn each_partition_has_been_passed_as_far_as_it_says_itself() {
        let partitions = vec![(COUNT, 0, at(10)), (COUNT, 1, at(20))];
        let taken = Taken { partitions, ..Taken::default() };
        let keys = [0, 1, 2].map(|partition| key_in(partition, COUNT));
        let reached = |seq| keys.map(|key| taken.contains(key, at(seq)));
        assert_eq!(reached(1), [true, true, false], "nothing of the third was read");
        assert_eq!(reached(10), [true, true, false]);
        assert_eq!(reached(11), [false, true, false]);
        assert_eq!(reached(21), [false, false, false]);
    }

    #[test]
    fn what_the_feed_brought_before_the_partitions_did_is_of_all_keys() {
        let taken =
            Taken { feed: at(5), partitions: vec![(COUNT, 0, at(10))], aside: HashSet::new() };
        let keys = [0, 1].map(|partition| key_in(partition, COUNT));
        let reached = |seq| keys.map(|key| taken.contains(key, at(seq)));
        assert_eq!(reached(5), [true, true]);
        assert_eq!(reached(6), [true, false]);
        assert_eq!(reached(11), [false, false]);
    }

    #[test]
    fn what_was_put_aside_is_not_taken_in_whatever_was_passed_since() {
        let key = key_in(0, COUNT);
        let aside = HashSet::from([at(3), at(8)]);
        let taken = Taken { feed: at(5), partitions: vec![(COUNT, 0, at(10))], aside };
        let passed = (1..=10).filter(|seq| taken.contains(key, at(*seq))).collect::<Vec<_>>();
        assert_eq!(passed, [1, 2, 4, 5, 6, 7, 9, 10]);
    }

    #[test]
    fn a_topic_that_was_made_anew_with_more_partitions_is_passed_as_both_say() {
        let mut keys = (0..100).map(Uuid::from_u128);
        let key =
            keys.find(|key| partition_of(*key, COUNT) == 0 && partition_of(*key, COUNT + 1) == 1);
        let key = key.expect("keys spread");
        let partitions = vec![(COUNT, 0, at(10)), (COUNT + 1, 1, at(20)), (COUNT + 1, 0, at(30))];
        let taken = Taken { partitions, ..Taken::default() };
        assert!(taken.contains(key, at(20)));
        assert!(!taken.contains(key, at(21)), "the partition of its number in the other layout");
    }
}
