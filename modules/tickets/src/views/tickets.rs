//! Tickets, as their holders and the people at the doors read them.

use contracts::{seating::Seat, tickets::TicketState};
use runtime::Timestamp;
use serde::{Deserialize, Serialize};
use sqlx::FromRow;
use store::{Change, Database, Json, Sql, StoreError, Tx};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::domain::{
    OrderTickets,
    order::{Event, Issue, Ticket},
};

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
    " WHERE true ON CONFLICT (ticket_id) \
     DO UPDATE SET content = excluded.content, holder_id = excluded.holder_id",
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

pub(super) const STATEMENTS: &[(&str, Sql)] =
    store::statements![UPSERT_TICKETS, FIND, LIST_OF_HOLDER, LIST_OF_EVENT, ORGANIZER_OF_EVENT];

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
    "position": 1,
    "seat": {"section": "Stalls", "row": "A", "number": "12"},
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
    /// The position in the order, from 1; absent where the order numbered none.
    #[serde(skip_serializing_if = "is_zero", default)]
    pub(crate) position: u32,
    /// Absent in general admission.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) seat: Option<Seat>,
    /// When it begins to be good; absent when it is from the beginning.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) valid_from: Option<Timestamp>,
    /// When it ceases to be good; absent when it never does.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) valid_until: Option<Timestamp>,
    /// Who has it now.
    pub(crate) holder_id: Uuid,
    pub(crate) state: TicketState,
    pub(crate) issued_at: Timestamp,
    /// When and where its bearer was first let in, once that has happened.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) admission: Option<Entry>,
    /// Why it lets nobody in, while it is blocked.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) blocked: Option<Block>,
    /// Until when somebody can accept it, while its holder is passing it on.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) transfer_expires_at: Option<Timestamp>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_zero(number: &u32) -> bool {
    *number == 0
}

/// Somebody was let in.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub(crate) struct Entry {
    /// When.
    pub(crate) at: Timestamp,
    /// Where.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) entrance: Option<String>,
}

/// Why and since when a ticket lets nobody in.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub(crate) struct Block {
    /// Since when.
    pub(crate) at: Timestamp,
    /// Why, for whoever stands at the door.
    pub(crate) reason: String,
    /// Whether its money did not come, or was taken back.
    pub(crate) unpaid: bool,
}

/// How one check-in list has seen a ticket.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Use {
    pub(crate) list_id: Uuid,
    /// The last entry.
    pub(crate) entry: Entry,
    /// Whether its bearer has not left since.
    pub(crate) is_inside: bool,
}

/// A ticket as it is kept: what is shown of it, and what doors need to know.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct TicketContent {
    #[serde(flatten)]
    pub(crate) shown: TicketResource,
    /// Which of the codes it ever had is the good one.
    pub(crate) serial: u32,
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub(crate) uses: Vec<Use>,
}

impl TicketResource {
    pub(crate) fn of(order_id: Uuid, issue: &Issue, ticket: &Ticket) -> Self {
        let entry = ticket.first_entry();
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
            position: ticket.position.position,
            seat: ticket.position.seat.clone(),
            valid_from: ticket.position.valid_from,
            valid_until: ticket.position.valid_until,
            holder_id: ticket.holder_id.unwrap_or(issue.holder_id),
            state: ticket.state(),
            issued_at: issue.issued_at,
            admission: entry.map(|entry| Entry { at: entry.at, entrance: entry.entrance.clone() }),
            blocked: ticket.blocked.as_ref().map(|blocking| Block {
                at: blocking.at,
                reason: blocking.reason.clone(),
                unpaid: blocking.unpaid,
            }),
            transfer_expires_at: ticket.offer.as_ref().map(|offer| offer.expires_at),
        }
    }
}

/// The last entry of the holder on each list, and whether an exit came after it.
fn uses(ticket: &Ticket, event_id: Uuid) -> Vec<Use> {
    use contracts::tickets::ScanKind;

    let mut uses: Vec<Use> = Vec::new();
    for passed in ticket.passed.iter().filter(|passed| passed.counts()) {
        let list_id = passed.passage.list_id.unwrap_or(event_id);
        let known = uses.iter_mut().find(|known| known.list_id == list_id);
        match (passed.kind, known) {
            (ScanKind::Exit, Some(known)) => known.is_inside = false,
            (ScanKind::Exit, None) => {}
            (ScanKind::Entry, known) => {
                let passage = &passed.passage;
                let entry = Entry { at: passage.at, entrance: passage.entrance.clone() };
                match known {
                    Some(known) => (known.entry, known.is_inside) = (entry, true),
                    None => uses.push(Use { list_id, entry, is_inside: true }),
                }
            }
        }
    }
    uses
}

#[derive(Debug, Serialize)]
struct TicketWritten {
    ticket_id: Uuid,
    order_id: Uuid,
    event_id: Uuid,
    organizer_id: Uuid,
    holder_id: Uuid,
    content: TicketContent,
}

/// Writes the tickets that have changed.
pub(super) async fn write(
    tx: &mut Tx,
    changes: &[Change<'_, OrderTickets>],
) -> Result<(), sqlx::Error> {
    let tickets: Vec<TicketWritten> = changes.iter().flat_map(changed).collect();
    if !tickets.is_empty() {
        store::execute!(tx, UPSERT_TICKETS, Json(&tickets)).await?;
    }
    Ok(())
}

fn changed(change: &Change<'_, OrderTickets>) -> Vec<TicketWritten> {
    let Some(issue) = &change.state.issue else { return Vec::new() };
    let is_touched =
        |ticket: &&Ticket| change.events.iter().any(|recorded| touches(&recorded.event, ticket.id));
    let touched = change.state.tickets.iter().filter(is_touched);
    touched
        .map(|ticket| TicketWritten {
            ticket_id: ticket.id,
            order_id: change.id,
            event_id: issue.event_id,
            organizer_id: issue.organizer_id,
            holder_id: ticket.holder_id.unwrap_or(issue.holder_id),
            content: TicketContent {
                shown: TicketResource::of(change.id, issue, ticket),
                serial: ticket.serial,
                uses: uses(ticket, issue.event_id),
            },
        })
        .collect()
}

fn touches(event: &Event, id: Uuid) -> bool {
    match event {
        Event::Issued { .. } => true,
        Event::Voided { ticket_ids, .. } => ticket_ids.contains(&id),
        Event::Admitted { ticket_id, .. }
        | Event::Left { ticket_id, .. }
        | Event::Blocked { ticket_id, .. }
        | Event::Unblocked { ticket_id, .. }
        | Event::TransferOffered { ticket_id, .. }
        | Event::TransferWithdrawn { ticket_id, .. }
        | Event::Transferred { ticket_id, .. } => *ticket_id == id,
        Event::ScanRefused { .. } => false,
    }
}

/// A ticket of a list.
#[derive(Debug, FromRow)]
pub(crate) struct TicketRow {
    pub(crate) order_id: Uuid,
    pub(crate) organizer_id: Uuid,
    pub(crate) holder_id: Uuid,
    pub(crate) content: Json<TicketContent>,
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
