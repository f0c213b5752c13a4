//! What a consumer keeps in its own database about the partitions of a publisher's topic: how far
//! it has come in each.
//!
//! Beside the offset stands the place in the publisher's log of the last event that was passed, by
//! which a message is recognised that has been there before, and one before which others are
//! missing. A row moves only from where its writer believes it to be, so that two owners of one
//! partition cannot both take the same event.
//!
//! Nor can a process that reads the feed and one that reads partitions, as there are while the
//! setting is changed: whoever moves on sees to it that the other way is where it was believed to
//! be, and stays there until the transaction ends. Each locks first how far the feed was read, then
//! the partitions.

use sqlx::FromRow;
use uuid::Uuid;

use crate::{Database, Position, Sql, StoreError, Tx};

/// The statements of this file.
pub(crate) const STATEMENTS: &[(&str, Sql)] =
    crate::statements![READ, KEEP, KEEP_FEED, CLAIM_FEED, ADVANCE];

macro_rules! read {
    () => {
        "SELECT partition_count, partition, topic, next_offset, txn, seq FROM partitions \
         WHERE consumer = $1 AND publisher = $2 ORDER BY partition_count, partition"
    };
}
macro_rules! feed {
    () => {
        "SELECT txn, seq FROM consumers WHERE consumer = $1 AND publisher = $2"
    };
}

const READ: &str = read!();
/// PostgreSQL refuses it when others have moved them, and has others wait who want to. SQLite has
/// one writer.
const KEEP: Sql = Sql::new(read!(), concat!(read!(), " FOR SHARE"));
const KEEP_FEED: Sql = Sql::new(feed!(), concat!(feed!(), " FOR SHARE"));
/// For who writes a partition's first row: nobody can lock a row that is not there yet, so this
/// stands in the way of whoever reads the feed.
const CLAIM_FEED: &str = "INSERT INTO consumers (consumer, publisher, txn, seq) \
     VALUES ($1, $2, $3, $4) ON CONFLICT (consumer, publisher) DO UPDATE SET txn = consumers.txn \
     RETURNING txn, seq";
const ADVANCE: &str = "INSERT INTO partitions (consumer, publisher, partition_count, partition, \
     topic, next_offset, txn, seq) VALUES ($1, $2, $3, $4, $5, $6, $7, $8) \
     ON CONFLICT (consumer, publisher, partition_count, partition) DO UPDATE SET \
     topic = excluded.topic, next_offset = excluded.next_offset, txn = excluded.txn, \
     seq = excluded.seq \
     WHERE partitions.next_offset = $9 AND partitions.txn = $10 AND partitions.seq = $11";

/// The partition in which events with this key are, of a topic that has `count`: FNV-1a, 64 bits,
/// of the key's sixteen bytes, its halves combined by exclusive or, modulo `count`. It never
/// changes: keys would move, and with them the order of their events be lost.
pub fn partition_of(key: Uuid, count: u32) -> u32 {
    let hash = key
        .as_bytes()
        .iter()
        .fold(FNV_OFFSET, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(FNV_PRIME));
    u32::try_from((hash ^ (hash >> 32)) % u64::from(count.max(1))).unwrap_or(0)
}

const FNV_OFFSET: u64 = 0xcbf2_9ce4_8422_2325;
const FNV_PRIME: u64 = 0x0000_0100_0000_01b3;

/// How far a consumer has come in a partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mark {
    /// The offset of the message that comes next.
    pub next_offset: i64,
    /// Where the last event that was passed stands in the publisher's log.
    pub last: Position,
}

/// One partition of a publisher's topic, from one consumer's side.
#[derive(Debug, Clone)]
pub struct Partition {
    /// Who reads.
    pub consumer: String,
    /// Whose events these are.
    pub publisher: String,
    /// The topic.
    pub topic: String,
    /// How many partitions the topic has.
    pub count: u32,
    /// Which one this is, from 0.
    pub number: u32,
}

impl Partition {
    /// Notes that the consumer has come from `from` (`None`: it has not begun) to `to`. `false` when
    /// it was not at `from`, or the feed was read beyond `feed`: then roll back, for what is done
    /// here may have been done already.
    ///
    /// # Errors
    /// When a statement fails.
    pub async fn advance(
        &self,
        tx: &mut Tx,
        feed: Position,
        from: Option<Mark>,
        to: Mark,
    ) -> Result<bool, sqlx::Error> {
        if self.feed(tx, from.is_none()).await? != feed {
            return Ok(false);
        }
        let from = from.unwrap_or(Mark { next_offset: -1, last: Position { txn: -1, seq: -1 } });
        let moved = crate::execute!(
            tx,
            ADVANCE,
            &self.consumer,
            &self.publisher,
            i64::from(self.count),
            i64::from(self.number),
            &self.topic,
            to.next_offset,
            to.last.txn,
            to.last.seq,
            from.next_offset,
            from.last.txn,
            from.last.seq
        )
        .await?;
        Ok(moved > 0)
    }

    /// How far the feed was read, and will have been until the transaction ends.
    async fn feed(&self, tx: &mut Tx, is_first: bool) -> Result<Position, sqlx::Error> {
        let (consumer, publisher) = (self.consumer.as_str(), self.publisher.as_str());
        let mut kept: Option<(i64, i64)> = None;
        if !is_first {
            kept = crate::fetch_optional!(tx, (i64, i64), KEEP_FEED, consumer, publisher).await?;
        }
        let (txn, seq) = if let Some(kept) = kept {
            kept
        } else {
            let Position { txn, seq } = Position::START;
            crate::fetch_one!(tx, (i64, i64), CLAIM_FEED, consumer, publisher, txn, seq).await?
        };
        Ok(Position { txn, seq })
    }
}

/// All that a consumer has passed of one publisher's events, by whatever way they came.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Passed {
    feed: Position,
    rows: Vec<Row>,
}

#[derive(Debug, Clone, PartialEq, Eq, FromRow)]
struct Row {
    #[sqlx(try_from = "i64")]
    partition_count: u32,
    #[sqlx(try_from = "i64")]
    partition: u32,
    topic: String,
    next_offset: i64,
    txn: i64,
    seq: i64,
}

impl Row {
    fn last(&self) -> Position {
        Position { txn: self.txn, seq: self.seq }
    }
}

impl Passed {
    /// Reads what is stored of `consumer` and `publisher`; `feed` is how far the feed was read.
    ///
    /// # Errors
    /// When the database does not answer.
    pub(crate) async fn read(
        database: &Database,
        consumer: &str,
        publisher: &str,
        feed: Position,
    ) -> Result<Self, StoreError> {
        let rows = crate::fetch_all!(database, Row, READ, consumer, publisher).await?;
        Ok(Self { feed, rows })
    }

    /// Whether this is still all that came by partitions; it will have been until the transaction
    /// ends.
    pub(crate) async fn is_all(
        &self,
        tx: &mut Tx,
        consumer: &str,
        publisher: &str,
    ) -> Result<bool, sqlx::Error> {
        let rows: Vec<Row> = crate::fetch_all!(tx, Row, KEEP, consumer, publisher).await?;
        Ok(rows == self.rows)
    }

    /// Whether the event at `position` about `key` was passed.
    pub fn contains(&self, key: Uuid, position: Position) -> bool {
        position <= self.feed
            || self.rows.iter().any(|row| {
                position <= row.last() && partition_of(key, row.partition_count) == row.partition
            })
    }

    /// How far the feed was read. All events up to there were passed.
    pub fn feed(&self) -> Position {
        self.feed
    }

    /// All events up to here were passed, by whatever way they came. Of partitions it is the one that
    /// is farthest behind; one of which nothing came is not among them.
    pub fn reached(&self) -> Position {
        let behind = |count: u32| {
            let rows = self.rows.iter().filter(|row| row.partition_count == count);
            rows.map(Row::last).min()
        };
        let counts = self.rows.iter().map(|row| row.partition_count);
        counts.filter_map(behind).max().map_or(self.feed, |reached| reached.max(self.feed))
    }

    /// Whether something has come by partitions.
    pub fn has_partitions(&self) -> bool {
        !self.rows.is_empty()
    }

    /// Whether nothing that belongs into a partition was passed, by whatever way.
    pub fn is_new(&self, partition: &Partition) -> bool {
        let is_another =
            |row: &Row| row.partition_count == partition.count && row.partition != partition.number;
        self.feed == Position::START && self.rows.iter().all(is_another)
    }

    /// What is stored about a partition.
    pub fn mark(&self, partition: &Partition) -> Option<Mark> {
        let row = self.row(partition)?;
        Some(Mark { next_offset: row.next_offset, last: row.last() })
    }

    /// Where to begin to read a partition: the next message, if this is the topic that was read
    /// before; `None` for its beginning.
    pub fn next_offset(&self, partition: &Partition) -> Option<i64> {
        let row = self.row(partition).filter(|row| row.topic == partition.topic)?;
        Some(row.next_offset)
    }

    fn row(&self, partition: &Partition) -> Option<&Row> {
        self.rows
            .iter()
            .find(|row| row.partition_count == partition.count && row.partition == partition.number)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_partition_of_a_key_never_changes() {
        let keys = [
            "00000000-0000-0000-0000-000000000000",
            "019aa1f0-0000-7000-8000-000000000001",
            "019aa1f0-0000-7000-8000-000000000002",
            "ffffffff-ffff-ffff-ffff-ffffffffffff",
        ];
        let places = keys.map(|key| partition_of(key.parse().unwrap(), 12));
        assert_eq!(places, [0, 9, 8, 1]);
    }

    #[test]
    fn keys_are_spread_over_all_partitions() {
        let mut counts = [0_u32; 12];
        for key in 0..12_000_u128 {
            let place = partition_of(Uuid::from_u128(key << 64 | key), 12);
            counts[usize::try_from(place).unwrap()] += 1;
        }
        assert!(counts.iter().all(|count| (800..1_200).contains(count)), "{counts:?}");
    }

    fn passed() -> Passed {
        let row = |partition, seq| Row {
            partition_count: 2,
            partition,
            topic: "t".to_owned(),
            next_offset: 7,
            txn: 0,
            seq,
        };
        Passed { feed: Position { txn: 0, seq: 5 }, rows: vec![row(0, 20), row(1, 10)] }
    }

    #[test]
    fn what_came_by_the_feed_or_by_its_partition_was_passed() {
        let key = |partition| {
            let keys = (0..).map(Uuid::from_u128);
            keys.into_iter().find(|key| partition_of(*key, 2) == partition).unwrap()
        };
        let has = |key, seq| passed().contains(key, Position { txn: 0, seq });
        assert!(has(key(0), 20) && has(key(1), 10) && has(key(1), 5));
        assert!(!has(key(0), 21) && !has(key(1), 11));
    }

    #[test]
    fn a_partition_is_new_until_something_of_it_may_have_been_passed() {
        let inbox = crate::Inbox::new("ledger", "sales");
        let is_new =
            |passed: &Passed, count, number| passed.is_new(&inbox.partition("t", count, number));
        let by_partitions = Passed { feed: Position::START, ..passed() };
        assert!(is_new(&Passed::default(), 2, 0));
        assert!(is_new(
            &Passed { rows: vec![by_partitions.rows[0].clone()], ..by_partitions.clone() },
            2,
            1
        ));
        assert!(!is_new(&by_partitions, 2, 1), "it was begun");
        assert!(!is_new(&by_partitions, 3, 2), "its keys were in others");
        assert!(!is_new(&Passed { rows: Vec::new(), ..passed() }, 2, 0), "it came by the feed");
    }

    #[test]
    fn what_was_reached_is_where_the_last_partition_is_unless_the_feed_has_more() {
        let reached = |feed| Passed { feed: Position { txn: 0, seq: feed }, ..passed() }.reached();
        assert_eq!(reached(5).seq, 10);
        assert_eq!(reached(12).seq, 12);
        assert_eq!(Passed { rows: Vec::new(), ..passed() }.reached().seq, 5);
    }

    #[test]
    fn offsets_are_those_of_one_topic() {
        let partition = |topic: &str, count| Partition {
            consumer: String::new(),
            publisher: String::new(),
            topic: topic.to_owned(),
            count,
            number: 1,
        };
        assert_eq!(passed().next_offset(&partition("t", 2)), Some(7));
        assert_eq!(passed().next_offset(&partition("another", 2)), None);
        assert_eq!(passed().mark(&partition("another", 2)).unwrap().next_offset, 7);
        assert_eq!(passed().mark(&partition("t", 3)), None);
    }
}
