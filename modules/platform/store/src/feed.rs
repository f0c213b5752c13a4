//! Feeds: the log as its readers see it, event after event, missing none.

use std::time::Duration;

use tokio::time::{Instant, timeout};

use crate::{Database, Dialect, Position, RawRecorded, Sql, StoreError};

/// How soon a reader on PostgreSQL looks again for events that are there, but behind a transaction
/// in flight. Twice as long each time.
const FIRST_LOOK: Duration = Duration::from_millis(4);
const LONGEST_LOOK: Duration = Duration::from_millis(100);

/// The statements of this file.
pub(crate) const STATEMENTS: &[(&str, Sql)] = crate::statements![READ, HEAD, LAST];

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

/// The transaction of the last event, and one that is yet to come.
const LAST: Sql = Sql::new(
    "SELECT txn, txn + 1 FROM events ORDER BY txn DESC, position DESC LIMIT 1",
    "SELECT txn, pg_snapshot_xmax(pg_current_snapshot())::text::bigint FROM events \
     ORDER BY txn DESC, position DESC LIMIT 1",
);

/// Makes sure that the log was written where it is. PostgreSQL's transaction ids are the server's: a
/// log that was restored from another server's dump may bring along ids that this one has yet to
/// give, and no feed would show an event for as long.
///
/// # Errors
/// [`StoreError::Failed`] when it was not, with what to do; or when the database does not answer.
pub(crate) async fn expect_own_transactions(database: &Database) -> Result<(), StoreError> {
    let last: Option<(i64, i64)> = crate::fetch_optional!(database, (i64, i64), LAST).await?;
    let Some((last, next)) = last.filter(|(last, next)| last >= next) else { return Ok(()) };
    Err(StoreError::Failed(format!(
        "the last event of {} was written by transaction {last}, and this PostgreSQL server has only \
         come to {next}: it was restored from another server's dump, and consumers would be told \
         nothing until the server gets there; before anything is started, let it get there with {}",
        database.name(),
        passing(last)
    )))
}

/// What a server does to give no transaction an id up to `last` any more.
fn passing(last: i64) -> String {
    format!(
        "DO $$ BEGIN WHILE pg_current_xact_id()::text::bigint <= {last} LOOP COMMIT; END LOOP; END $$"
    )
}

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

#[cfg(test)]
mod tests {
    use sqlx::AssertSqlSafe;
    use testkit::postgres;

    use super::*;
    use crate::{DatabaseSettings, Schema};

    static NOTHING_MORE: Schema =
        Schema::new("restored", sqlx::migrate::Migrator::DEFAULT, sqlx::migrate::Migrator::DEFAULT);
    const RESTORED: &str = "INSERT INTO events (id, category, stream, version, type, \
         schema_version, payload, recorded_at, actor, correlation_id, traceparent, txn) \
         SELECT gen_random_uuid(), 'mail', gen_random_uuid(), 1, 'sent', 1, '{}', now(), '', '', '', \
         pg_snapshot_xmax(pg_current_snapshot())::text::bigint + 20000";

    #[tokio::test]
    async fn a_log_of_another_server_is_refused_until_this_one_has_caught_up() {
        let url = postgres::fresh_database().await;
        let settings =
            DatabaseSettings { url: url.as_str().to_owned().into(), ..DatabaseSettings::default() };
        let directory = tempfile::tempdir().unwrap();
        let database =
            Database::connect(&settings, NOTHING_MORE.name(), directory.path()).await.unwrap();
        NOTHING_MORE.up_on(&database).await.unwrap();
        assert_eq!(expect_own_transactions(&database).await, Ok(()));

        let mut connection = database.unlimited_connection().await.unwrap();
        sqlx::raw_sql(RESTORED).execute(&mut connection).await.unwrap();
        let refused = expect_own_transactions(&database).await.unwrap_err().to_string();
        assert!(refused.contains("another server's dump"), "{refused}");

        let (_, advice) = refused.split_once("with ").unwrap();
        sqlx::raw_sql(AssertSqlSafe(advice.to_owned())).execute(&mut connection).await.unwrap();
        assert_eq!(expect_own_transactions(&database).await, Ok(()));
        let told = Feed::of_everything(&database).read(Position::START, 10).await.unwrap();
        assert_eq!(told.events.len(), 1);
    }
}
