//! What other services are told of tickets, out of what happened to them.

use contracts::tickets::TicketEvent;
use store::Recorded;

use crate::domain::Event;

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
        Event::Admitted { ticket_id, event_id, admission } => Some(TicketEvent::TicketAdmitted {
            order_id,
            ticket_id,
            event_id,
            admitted_at: admission.at,
        }),
        Event::ScanRefused { .. } => None,
    }
}
