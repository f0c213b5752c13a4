//! Tickets and scans as lists and their readers see them.

use runtime::{Timestamp, async_trait};
use serde::{Deserialize, Serialize};
use sqlx::FromRow;
use store::{Change, Database, Json, Sql, StoreError, Tx, View};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::domain::{Admission, Event, Issue, OrderTickets, RefusalReason, Ticket};

const UPSERT_TICKETS: Sql = store::sql!(
    "INSERT INTO tickets (ticket_id, order_id, event_id, organizer_id, holder_id, content) \
     SELECT ticket_id, order_id, event_id, organizer_id, holder_id, content FROM ",
    rows(
        "$1",
        ticket_id uuid,
        order_id uuid,
        event_id uuid,
        organizer_id uuid,
        holder_id uuid,
        content json
    ),
    " WHERE true ON CONFLICT (ticket_id) DO UPDATE SET content = excluded.content",
);

const INSERT_SCANS: Sql = store::sql!(
    "INSERT INTO scans (scan_id, event_id, content) SELECT scan_id, event_id, content FROM ",
    rows("$1", scan_id uuid, event_id uuid, content json),
    " WHERE true ON CONFLICT (scan_id) DO NOTHING",
);

const FIND: &str =
    "SELECT order_id, organizer_id, holder_id, content FROM tickets WHERE ticket_id = $1";

/// Lists the tickets whose column `$whose` is `$1`.
macro_rules! list_tickets {
    ($whose:literal) => {
        concat!(
            "SELECT order_id, organizer_id, holder_id, content FROM tickets WHERE ",
            $whose,
            " = $1 AND (order_id = $2 OR $2 IS NULL) AND ticket_id > $3 ORDER BY ticket_id LIMIT $4"
        )
    };
}

const LIST_OF_HOLDER: &str = list_tickets!("holder_id");
const LIST_OF_EVENT: &str = list_tickets!("event_id");

const ORGANIZER_OF_EVENT: &str = "SELECT organizer_id FROM tickets WHERE event_id = $1 LIMIT 1";

const LIST_SCANS: &str = "SELECT scan_id, content FROM scans \
     WHERE event_id = $1 AND scan_id < $2 ORDER BY scan_id DESC LIMIT $3";

/// Every statement of this service, for the test that prepares them.
#[cfg(test)]
pub(crate) const STATEMENTS: &[(&str, Sql)] = store::statements![
    UPSERT_TICKETS,
    INSERT_SCANS,
    FIND,
    LIST_OF_HOLDER,
    LIST_OF_EVENT,
    ORGANIZER_OF_EVENT,
    LIST_SCANS
];

/// A ticket.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[schema(as = Ticket, example = json!({
    "id": "01980e4c-8f5c-7b1e-a7c4-51d2f2a5f001",
    "order_id": "01980e4c-8f5c-7b1e-a7c4-51d2f2a5e001",
    "event_id": "01980e4c-8f5c-7b1e-a7c4-51d2f2a5c003",
    "event_name": "Quartet by the river",
    "venue_name": "Boathouse",
    "starts_at": "2027-06-18T18:00:00Z",
    "time_zone": "Europe/Berlin",
    "ticket_type_id": "01980e4c-8f5c-7b1e-a7c4-51d2f2a5c004",
    "ticket_type_name": "Stalls",
    "holder_id": "01980e4c-8f5c-7b1e-a7c4-51d2f2a5a001",
    "state": "valid",
    "issued_at": "2027-05-02T10:01:00Z",
}))]
pub(crate) struct TicketResource {
    pub(crate) id: Uuid,
    pub(crate) order_id: Uuid,
    pub(crate) event_id: Uuid,
    pub(crate) event_name: String,
    pub(crate) venue_name: String,
    pub(crate) starts_at: Timestamp,
    /// The IANA name of the venue's time zone.
    pub(crate) time_zone: String,
    pub(crate) ticket_type_id: Uuid,
    pub(crate) ticket_type_name: String,
    pub(crate) holder_id: Uuid,
    pub(crate) state: TicketState,
    pub(crate) issued_at: Timestamp,
    /// When and where its bearer was let in, once that has happened.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) admission: Option<Admission>,
    /// Which of the codes it ever had is the good one.
    #[schema(ignore)]
    pub(crate) serial: u32,
}

/// What a ticket is worth.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum TicketState {
    /// It lets its bearer in.
    Valid,
    /// It has let its bearer in.
    Admitted,
    /// It is worthless.
    Voided,
}

impl TicketResource {
    fn of(order_id: Uuid, issue: &Issue, ticket: &Ticket, is_void: bool) -> Self {
        let state = match &ticket.admission {
            _ if is_void => TicketState::Voided,
            Some(_) => TicketState::Admitted,
            None => TicketState::Valid,
        };
        let admission = ticket.admission.as_ref();
        Self {
            id: ticket.id,
            order_id,
            event_id: issue.event_id,
            event_name: issue.event_name.clone(),
            venue_name: issue.venue_name.clone(),
            starts_at: issue.starts_at,
            time_zone: issue.time_zone.clone(),
            ticket_type_id: ticket.position.ticket_type_id,
            ticket_type_name: ticket.position.ticket_type_name.clone(),
            holder_id: issue.holder_id,
            state,
            issued_at: issue.issued_at,
            admission: admission.map(|admission| Admission { nonce: None, ..admission.clone() }),
            serial: ticket.serial,
        }
    }
}

/// One look at a ticket at a door.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[schema(as = CheckIn, example = json!({
    "ticket_id": "01980e4c-8f5c-7b1e-a7c4-51d2f2a5f001",
    "at": "2027-06-18T17:30:00Z",
    "entrance": "north",
    "by": "user:01980e4c-8f5c-7b1e-a7c4-51d2f2a5a009",
}))]
pub(crate) struct ScanResource {
    ticket_id: Uuid,
    at: Timestamp,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    entrance: Option<String>,
    /// Who scanned.
    by: String,
    /// Why the bearer was not let in; absent when he was.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    refused: Option<RefusalReason>,
}

#[derive(Debug, Serialize)]
struct TicketWritten {
    ticket_id: Uuid,
    order_id: Uuid,
    event_id: Uuid,
    organizer_id: Uuid,
    holder_id: Uuid,
    content: TicketResource,
}

#[derive(Debug, Serialize)]
struct ScanWritten {
    scan_id: Uuid,
    event_id: Uuid,
    content: ScanResource,
}

/// Keeps the tables of tickets and scans.
pub(crate) struct TicketTables;

#[async_trait]
impl View<OrderTickets> for TicketTables {
    async fn apply(
        &self,
        tx: &mut Tx,
        changes: &[Change<'_, OrderTickets>],
    ) -> Result<(), sqlx::Error> {
        let tickets: Vec<TicketWritten> = changes.iter().flat_map(tickets_of).collect();
        if !tickets.is_empty() {
            store::execute!(tx, UPSERT_TICKETS, Json(&tickets)).await?;
        }
        let scans: Vec<ScanWritten> = changes.iter().flat_map(scans_of).collect();
        if !scans.is_empty() {
            store::execute!(tx, INSERT_SCANS, Json(&scans)).await?;
        }
        Ok(())
    }
}

/// The tickets that a change has touched.
fn tickets_of(change: &Change<'_, OrderTickets>) -> Vec<TicketWritten> {
    let Some(issue) = &change.state.issue else { return Vec::new() };
    let is_about_all = change
        .events
        .iter()
        .any(|recorded| matches!(recorded.event, Event::Issued { .. } | Event::Voided { .. }));
    let is_touched = |ticket: &&Ticket| {
        is_about_all
            || change.events.iter().any(|recorded| {
                matches!(recorded.event, Event::Admitted { ticket_id, .. } if ticket_id == ticket.id)
            })
    };
    let is_void = change.state.voided.is_some();
    let touched = change.state.tickets.iter().filter(is_touched);
    touched
        .map(|ticket| TicketWritten {
            ticket_id: ticket.id,
            order_id: change.id,
            event_id: issue.event_id,
            organizer_id: issue.organizer_id,
            holder_id: issue.holder_id,
            content: TicketResource::of(change.id, issue, ticket, is_void),
        })
        .collect()
}

fn scans_of(change: &Change<'_, OrderTickets>) -> Vec<ScanWritten> {
    let Some(issue) = &change.state.issue else { return Vec::new() };
    let scans = change.events.iter().filter_map(|recorded| {
        let by = recorded.actor.clone();
        let content = match &recorded.event {
            Event::Admitted { ticket_id, admission, .. } => ScanResource {
                ticket_id: *ticket_id,
                at: admission.at,
                entrance: admission.entrance.clone(),
                by,
                refused: None,
            },
            Event::ScanRefused { scan, reason } => ScanResource {
                ticket_id: scan.ticket_id,
                at: scan.at,
                entrance: scan.entrance.clone(),
                by,
                refused: Some(*reason),
            },
            Event::Issued { .. } | Event::Voided { .. } => return None,
        };
        Some(ScanWritten { scan_id: recorded.id, event_id: issue.event_id, content })
    });
    scans.collect()
}

/// A ticket of a list.
#[derive(Debug, FromRow)]
pub(crate) struct TicketRow {
    pub(crate) order_id: Uuid,
    pub(crate) organizer_id: Uuid,
    pub(crate) holder_id: Uuid,
    pub(crate) content: Json<TicketResource>,
}

/// A scan of a list.
#[derive(Debug, FromRow)]
pub(crate) struct ScanRow {
    pub(crate) scan_id: Uuid,
    pub(crate) content: Json<ScanResource>,
}

#[derive(Debug, FromRow)]
struct OrganizerRow {
    organizer_id: Uuid,
}

/// The ticket with this id.
pub(crate) async fn find(
    database: &Database,
    ticket_id: Uuid,
) -> Result<Option<TicketRow>, StoreError> {
    Ok(store::fetch_optional!(database, TicketRow, FIND, ticket_id).await?)
}

/// Whose tickets a list shows.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Whose {
    Holder(Uuid),
    Event(Uuid),
}

/// Up to `limit` tickets, only those of `order_id` when it is given, from the one after `after`.
pub(crate) async fn list(
    database: &Database,
    whose: Whose,
    order_id: Option<Uuid>,
    after: Option<Uuid>,
    limit: i64,
) -> Result<Vec<TicketRow>, StoreError> {
    let (statement, id) = match whose {
        Whose::Holder(id) => (LIST_OF_HOLDER, id),
        Whose::Event(id) => (LIST_OF_EVENT, id),
    };
    let after = after.unwrap_or(Uuid::nil());
    Ok(store::fetch_all!(database, TicketRow, statement, id, order_id, after, limit).await?)
}

/// Who runs the event; `None` as long as it has no tickets.
pub(crate) async fn organizer_of(
    database: &Database,
    event_id: Uuid,
) -> Result<Option<Uuid>, StoreError> {
    let row = store::fetch_optional!(database, OrganizerRow, ORGANIZER_OF_EVENT, event_id).await?;
    Ok(row.map(|row| row.organizer_id))
}

/// Up to `limit` scans at the doors of an event, newest first, from the one after `after`.
pub(crate) async fn scans(
    database: &Database,
    event_id: Uuid,
    after: Option<Uuid>,
    limit: i64,
) -> Result<Vec<ScanRow>, StoreError> {
    let after = after.unwrap_or(Uuid::max());
    Ok(store::fetch_all!(database, ScanRow, LIST_SCANS, event_id, after, limit).await?)
}

#[cfg(test)]
mod tests {
    use store::DatabaseSettings;

    use super::*;

    async fn prepare_all_on(settings: DatabaseSettings) {
        let directory = tempfile::tempdir().expect("a directory can be made");
        let database = Database::connect(&settings, "tickets", directory.path()).await;
        let database = database.expect("the database answers");
        crate::SCHEMA.up_on(&database).await.expect("the migrations run");
        store::prepare_all(&database, STATEMENTS).await.expect("every statement is understood");
        crate::SCHEMA.down_on(&database, 1).await.expect("and can be taken back");
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
