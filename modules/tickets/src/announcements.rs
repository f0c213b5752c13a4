//! What other services are told of tickets, out of what happened to them.

use contracts::tickets::{ScanKind, TicketEvent};
use store::Recorded;
use uuid::Uuid;

use crate::domain::{order::Event, scan::Passage};

/// The integration event that a domain event is to others; some are none.
pub(crate) fn announce(recorded: &Recorded<Event>) -> Option<TicketEvent> {
    let order_id = recorded.stream;
    match recorded.event.clone() {
        Event::Issued { issue, tickets } => Some(TicketEvent::TicketsIssued {
            order_id,
            event_id: issue.event_id,
            holder_id: issue.holder_id,
            ticket_ids: tickets.into_iter().map(|ticket| ticket.id).collect(),
        }),
        Event::Voided { event_id, ticket_ids, .. } => {
            Some(TicketEvent::TicketsVoided { order_id, event_id: event_id?, ticket_ids })
        }
        Event::Admitted { ticket_id, event_id, admission, .. } => {
            Some(TicketEvent::TicketAdmitted {
                order_id,
                ticket_id,
                event_id,
                admitted_at: admission.at,
                list_id: list_of(&admission, event_id),
            })
        }
        Event::Left { ticket_id, event_id, exit } => Some(TicketEvent::TicketScanned {
            order_id,
            ticket_id,
            event_id,
            list_id: list_of(&exit, event_id),
            kind: ScanKind::Exit,
            result: "ok".to_owned(),
            at: exit.at,
        }),
        Event::ScanRefused { scan, refusal, event_id, door_event_id } => {
            let event_id = event_id?;
            Some(TicketEvent::TicketScanned {
                order_id,
                ticket_id: scan.ticket_id,
                event_id,
                list_id: list_of(&scan.passage, door_event_id.unwrap_or(event_id)),
                kind: scan.kind,
                result: refusal.reason.as_str().to_owned(),
                at: scan.passage.at,
            })
        }
        Event::Transferred { ticket_id, event_id, transfer, .. } => {
            let (from, to) = (transfer.from, transfer.to);
            Some(TicketEvent::TicketTransferred { order_id, ticket_id, event_id, from, to })
        }
        Event::Blocked { .. }
        | Event::Unblocked { .. }
        | Event::TransferOffered { .. }
        | Event::TransferWithdrawn { .. } => None,
    }
}

/// Before there were lists every event had one, with the event's id.
fn list_of(passage: &Passage, event_id: Uuid) -> Uuid {
    passage.list_id.unwrap_or(event_id)
}
