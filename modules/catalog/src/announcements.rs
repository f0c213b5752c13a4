//! What other services are told of events, out of what happened to them.

use contracts::catalog::{CatalogEvent, TicketTypeCapacity};
use store::Recorded;

use crate::domain::event::{Fact, TicketType};

/// The integration event that a fact about an event is to others; most facts are none.
pub(crate) fn announce(recorded: &Recorded<Fact>) -> Option<CatalogEvent> {
    let event_id = recorded.stream;
    match recorded.event.clone() {
        Fact::Published { organizer_id, name, starts_at, ticket_types } => {
            let ticket_types = ticket_types.into_iter().map(capacity).collect();
            let published = CatalogEvent::EventPublished {
                event_id,
                organizer_id,
                name,
                starts_at,
                ticket_types,
                quotas: Vec::new(),
                seating: Vec::new(),
                ends_at: None,
                venue_name: String::new(),
                time_zone: String::new(),
            };
            Some(published)
        }
        Fact::TicketTypeAdded { ticket_type, announced: true }
        | Fact::TicketTypeChanged { ticket_type, announced: true } => {
            Some(CatalogEvent::CapacityChanged { event_id, ticket_type: capacity(ticket_type) })
        }
        Fact::SalesOpened => Some(CatalogEvent::SalesOpened { event_id }),
        Fact::SalesClosed => Some(CatalogEvent::SalesClosed { event_id }),
        Fact::Cancelled { reason } => Some(CatalogEvent::EventCancelled { event_id, reason }),
        Fact::Drafted { .. }
        | Fact::Changed { .. }
        | Fact::Discarded
        | Fact::TicketTypeAdded { announced: false, .. }
        | Fact::TicketTypeChanged { announced: false, .. }
        | Fact::TicketTypeRemoved { .. } => None,
    }
}

fn capacity(ticket_type: TicketType) -> TicketTypeCapacity {
    let TicketType { id, offer } = ticket_type;
    TicketTypeCapacity::of_its_own(id, &offer.name, offer.capacity)
}
