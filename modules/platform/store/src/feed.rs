//! Feeds: the log as its readers see it, event after event, missing none.

use std::time::Duration;

use tokio::time::{Instant, timeout};

use crate::{Database, Dialect, Position, RawRecorded, Sql, StoreError};

/// How soon a reader on PostgreSQL looks again for events that are there, but behind a transaction
/// in flight. Twice as long each time.
const FIRST_LOOK: Duration = Duration::from_millis(4);
const LONGEST_LOOK: Duration = Duration::from_millis(100);

/// The statements of this file.
pub(crate) const STATEMENTS: &[(&str, Sql)] = crate::statements![READ, HEAD];

/// On PostgreSQL a row becomes visible when its transaction commits, which may be after rows with
/// higher positions did. Below the horizon, the oldest transaction still in flight, nothing can
/// appear any more.
const READ: Sql = Sql::new(
    "SELECT position, txn, id, category, stream, version, type, schema_version, payload, \
     recorded_at, actor, correlation_id, causation_id, traceparent FROM events \
     WHERE position > $2 AND txn >= $1 ORDER BY position LIMIT $3",
    "SELECT position, txn, id, category, stream, version, type, schema_version, payload, \
     recorded_at, actor, correlation_id, causation_id, traceparent FROM events \
     WHERE (txn, position) > ($1, $2) \
     AND txn < pg_snapshot_xmin(pg_current_snapshot())::text::bigint \
     ORDER BY txn, position LIMIT $3",
);
const HEAD: &str = "SELECT txn, position FROM events ORDER BY txn DESC, position DESC LIMIT 1";

/// A stretch of a log.
#[derive(Debug, Clone, PartialEq)]
pub struct Page {
    /// The events of the categories that were asked for, in the order of their positions.
    pub events: Vec<RawRecorded>,
    /// How far the log was read. What comes after this was not looked at.
    pub reached: Position,
    /// Whether the log was read to its end, as far as it can be read now.
    pub is_end: bool,
}

/// A database's committed events. Cheap to clone.
///
/// On PostgreSQL transaction ids are those of the whole cluster. So a transaction that has written
/// in any of its databases and stays open holds back what committed after it began, until it ends;
/// and a dump that is restored into another cluster brings along ids that the other one has yet to
/// reach.
#[derive(Clone)]
pub struct Feed {
    database: Database,
    /// `None`: all.
    categories: Option<Vec<&'static str>>,
}

impl Feed {
    /// The events of the aggregates whose names are `categories`.
    pub fn new(database: &Database, categories: impl Into<Vec<&'static str>>) -> Self {
        Self { database: database.clone(), categories: Some(categories.into()) }
    }

    /// The events of all aggregates.
    pub fn of_everything(database: &Database) -> Self {
        Self { database: database.clone(), categories: None }
    }

    /// What comes after `after`, from at most `limit` entries of the log. Never steps over a
    /// transaction in flight: what it will add comes after what was read.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn read(&self, after: Position, limit: u32) -> Result<Page, StoreError> {
        let is_wanted = |row: &RawRecorded| {
            let categories = self.categories.as_ref();
            categories.is_none_or(|wanted| wanted.contains(&row.category.as_str()))
        };
        let most = usize::try_from(limit).unwrap_or(usize::MAX);
        let remembered = self.database.tail().and_then(|tail| tail.read(after, most, is_wanted));
        if let Some((events, reached, is_end)) = remembered {
            return Ok(Page { events, reached, is_end });
        }
        let rows: Vec<RawRecorded> = crate::fetch_all!(
            &self.database,
            RawRecorded,
            READ,
            after.txn,
            after.seq,
            i64::from(limit)
        )
        .await?;
        let reached = rows.last().map_or(after, RawRecorded::position);
        let is_end = u32::try_from(rows.len()).is_ok_and(|read| read < limit);
        let events = rows.into_iter().filter(is_wanted).collect();
        Ok(Page { events, reached, is_end })
    }

    /// As [`Feed::read`], but waits up to `patience` for the log to grow when there is nothing to
    /// read. Sees at once what this process commits, and soon what others do.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn wait(
        &self,
        after: Position,
        limit: u32,
        patience: Duration,
    ) -> Result<Page, StoreError> {
        let give_up = Instant::now() + patience;
        let mut commits = self.database.commits();
        let mut look = FIRST_LOOK;
        loop {
            commits.mark_unchanged();
            let page = self.read(after, limit).await?;
            let left = give_up.saturating_duration_since(Instant::now());
            if page.reached != after || left.is_zero() {
                return Ok(page);
            }
            let nap = match self.database.dialect() {
                Dialect::Sqlite => left,
                Dialect::Postgres if self.head().await?.is_some_and(|head| head > after) => {
                    let nap = look;
                    look = (look * 2).min(LONGEST_LOOK);
                    nap
                }
                Dialect::Postgres => self.database.heard_of_commits().look(),
            };
            let _woken_or_not = timeout(nap.min(left), commits.changed()).await;
        }
    }

    /// The position of the last event, committed however lately. `None` when there is none.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn head(&self) -> Result<Option<Position>, StoreError> {
        let last: Option<(i64, i64)> =
            crate::fetch_optional!(&self.database, (i64, i64), HEAD).await?;
        Ok(last.map(|(txn, seq)| Position { txn, seq }))
    }
}
