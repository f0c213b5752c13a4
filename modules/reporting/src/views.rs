//! What reports are made of, and how far it goes.

pub(crate) mod audit;
pub(crate) mod ledger;
pub(crate) mod orders;
pub(crate) mod sums;

use runtime::Timestamp;
use sqlx::FromRow;
use store::{At, Database, Inbox, Json, Position, Sql, StoreError, Tx};
use uuid::Uuid;

use self::ledger::Asked;
use crate::domain::{TicketTypeCounts, Total};

/// Later than anything happens, and an instant that both databases can keep.
const LATEST: Timestamp = Timestamp::constant(253_000_000_000, 0);

/// Every statement of this service.
pub(crate) const STATEMENTS: &[&[(&str, Sql)]] =
    &[OWN, ledger::STATEMENTS, orders::STATEMENTS, audit::STATEMENTS, sums::STATEMENTS];

const OWN: &[(&str, Sql)] = store::statements![
    NOTE_EVENT,
    NOTE_ADMISSION,
    NOTE_PROGRESS,
    FIND_EVENT,
    LIST_EVENTS,
    ADMITTED,
    PROGRESS,
];

const NOTE_EVENT: &str = "INSERT INTO reported_events (event_id, organizer_id, name) \
     VALUES ($1, $2, $3) ON CONFLICT (event_id) DO UPDATE SET name = excluded.name";

const NOTE_ADMISSION: &str = "INSERT INTO admissions (ticket_id, event_id, admitted_at) \
     VALUES ($1, $2, $3) ON CONFLICT (ticket_id) DO NOTHING";

/// An event that had to wait is older than what was taken in meanwhile.
const NOTE_PROGRESS: &str = "INSERT INTO sources (publisher, as_of, taken_at) VALUES ($1, $2, $3) \
     ON CONFLICT (publisher) DO UPDATE SET as_of = excluded.as_of, taken_at = excluded.taken_at \
     WHERE excluded.as_of >= sources.as_of";

const FIND_EVENT: &str =
    "SELECT event_id, organizer_id, name FROM reported_events WHERE event_id = $1";

const LIST_EVENTS: &str = "SELECT event_id, organizer_id, name FROM reported_events \
     WHERE organizer_id = $1 AND event_id < $2 ORDER BY event_id DESC LIMIT $3";

const ADMITTED: Sql = store::sql!(
    "SELECT admissions.event_id, COUNT(*) AS admitted FROM ",
    rows("$1", event_id uuid),
    " CROSS JOIN admissions WHERE admissions.event_id = given.event_id \
     GROUP BY admissions.event_id",
);

const PROGRESS: &str = "SELECT as_of, taken_at FROM sources WHERE publisher = $1";

/// A ticket whose holder was let in.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Admission {
    pub(crate) ticket_id: Uuid,
    pub(crate) event_id: Uuid,
    pub(crate) admitted_at: Timestamp,
}

pub(crate) async fn note_event(
    tx: &mut Tx,
    event_id: Uuid,
    organizer_id: Uuid,
    name: &str,
) -> Result<(), sqlx::Error> {
    store::execute!(tx, NOTE_EVENT, event_id, organizer_id, name).await?;
    Ok(())
}

pub(crate) async fn note_admission(tx: &mut Tx, admission: Admission) -> Result<(), sqlx::Error> {
    let Admission { ticket_id, event_id, admitted_at } = admission;
    store::execute!(tx, NOTE_ADMISSION, ticket_id, event_id, At(admitted_at)).await?;
    Ok(())
}

/// What `publisher` told of `as_of` was taken in at `taken_at`.
pub(crate) async fn note_progress(
    tx: &mut Tx,
    publisher: &'static str,
    as_of: Timestamp,
    taken_at: Timestamp,
) -> Result<(), sqlx::Error> {
    store::execute!(tx, NOTE_PROGRESS, publisher, At(as_of), At(taken_at)).await?;
    Ok(())
}

/// An event that something was sold of.
#[derive(Debug, Clone, PartialEq, Eq, FromRow)]
pub(crate) struct ReportedEvent {
    pub(crate) event_id: Uuid,
    pub(crate) organizer_id: Uuid,
    pub(crate) name: String,
}

/// The event; `None` when nothing of it was sold.
pub(crate) async fn find_event(
    database: &Database,
    event_id: Uuid,
) -> Result<Option<ReportedEvent>, StoreError> {
    Ok(store::fetch_optional!(database, ReportedEvent, FIND_EVENT, event_id).await?)
}

/// Up to `limit` events of the organizer, newest first, from the one after `after`.
pub(crate) async fn list_events(
    database: &Database,
    organizer_id: Uuid,
    after: Option<Uuid>,
    limit: i64,
) -> Result<Vec<ReportedEvent>, StoreError> {
    let before = after.unwrap_or(Uuid::max());
    let rows = store::fetch_all!(database, ReportedEvent, LIST_EVENTS, organizer_id, before, limit);
    Ok(rows.await?)
}

#[derive(Debug, FromRow)]
struct AdmittedRow {
    event_id: Uuid,
    admitted: i64,
}

/// What is known of some events.
pub(crate) struct Books {
    totals: Vec<(Uuid, Total)>,
    ticket_types: Vec<(Uuid, TicketTypeCounts)>,
    admitted: Vec<AdmittedRow>,
}

impl Books {
    /// Reads what is known of these events.
    pub(crate) async fn open(
        database: &Database,
        events: impl Iterator<Item = Uuid>,
    ) -> Result<Self, StoreError> {
        let asked: Vec<Asked> = events.map(|event_id| Asked { event_id }).collect();
        let admitted = store::fetch_all!(database, AdmittedRow, ADMITTED, Json(&asked)).await?;
        Ok(Self {
            totals: ledger::totals(database, &asked).await?,
            ticket_types: ledger::ticket_types(database, &asked).await?,
            admitted,
        })
    }

    /// The totals of one event, by currency.
    pub(crate) fn totals(&self, event_id: Uuid) -> Vec<Total> {
        let of_event = self.totals.iter().filter(|(id, _)| *id == event_id);
        of_event.map(|(_, total)| *total).collect()
    }

    /// The tickets of one event, by type.
    pub(crate) fn ticket_types(&self, event_id: Uuid) -> Vec<TicketTypeCounts> {
        let of_event = self.ticket_types.iter().filter(|(id, _)| *id == event_id);
        of_event.map(|(_, counts)| counts.clone()).collect()
    }

    /// How many were let in to one event.
    pub(crate) fn admitted(&self, event_id: Uuid) -> i64 {
        let of_event = self.admitted.iter().find(|row| row.event_id == event_id);
        of_event.map_or(0, |row| row.admitted)
    }
}

#[derive(Debug, FromRow)]
struct ProgressRow {
    as_of: At,
    taken_at: At,
}

/// How far the events of one publisher were taken in.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Progress {
    /// Everything up to here in the publisher's log was taken in.
    pub(crate) position: Position,
    /// When it happened, and when it was taken in; `None` before the first.
    pub(crate) newest: Option<(Timestamp, Timestamp)>,
    /// Events that could not be taken in, and those that wait behind them.
    pub(crate) aside: u64,
}

/// How far `consumer` has taken in the events of `publisher`.
pub(crate) async fn progress(
    database: &Database,
    consumer: &'static str,
    publisher: &'static str,
) -> Result<Progress, StoreError> {
    let inbox = Inbox::new(consumer, publisher);
    // The place first: what came up to there has left its time.
    let position = inbox.passed(database).await?.reached();
    let row = store::fetch_optional!(database, ProgressRow, PROGRESS, publisher).await?;
    Ok(Progress {
        position,
        newest: row.map(|row| (row.as_of.0, row.taken_at.0)),
        aside: inbox.aside(database).await?.events,
    })
}

#[cfg(test)]
mod tests {
    use store::DatabaseSettings;

    use super::*;

    async fn prepare_all_on(settings: DatabaseSettings) {
        let directory = tempfile::tempdir().expect("a directory can be made");
        let database = Database::connect(&settings, "reporting", directory.path()).await;
        let database = database.expect("the database answers");
        crate::SCHEMA.up_on(&database).await.expect("the migrations run");
        for statements in STATEMENTS {
            store::prepare_all(&database, statements).await.expect("every statement is understood");
        }
        crate::SCHEMA.down_on(&database, 4).await.expect("and can be taken back");
        database.close().await;
    }

    #[tokio::test]
    async fn sqlite_understands_every_statement() {
        prepare_all_on(DatabaseSettings::default()).await;
    }

    #[tokio::test]
    async fn postgres_understands_every_statement() {
        let url = testkit::postgres::fresh_database().await;
        let url = runtime::Secret::from(url.as_str().to_owned());
        prepare_all_on(DatabaseSettings { url, ..DatabaseSettings::default() }).await;
    }
}
