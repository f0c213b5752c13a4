//! What other services are told of events, out of what happened to them.

use contracts::catalog::{Capacity, CatalogEvent, Quota, TicketTypeCapacity};
use store::Recorded;

use crate::domain::event::{Fact, TicketType, supply};

/// The integration event that a fact about an event is to others; most facts are none.
pub(crate) fn announce(recorded: &Recorded<Fact>) -> Option<CatalogEvent> {
    let event_id = recorded.stream;
    match recorded.event.clone() {
        Fact::Published {
            organizer_id,
            name,
            starts_at,
            ticket_types,
            quotas,
            seating,
            ends_at,
            venue_name,
            time_zone,
        } => {
            let told = |ticket_type| published(ticket_type, quotas.as_deref());
            Some(CatalogEvent::EventPublished {
                event_id,
                organizer_id,
                name,
                starts_at,
                ticket_types: ticket_types.into_iter().map(told).collect(),
                quotas: quotas.clone().unwrap_or_default(),
                seating,
                ends_at,
                venue_name,
                time_zone,
            })
        }
        Fact::TicketTypeAdded { ticket_type, announced: true, supply }
        | Fact::TicketTypeChanged { ticket_type, announced: true, supply } => {
            Some(CatalogEvent::CapacityChanged { event_id, ticket_type: told(ticket_type, supply) })
        }
        Fact::QuotaSet { quota, announced: true } => {
            Some(CatalogEvent::QuotaChanged { event_id, quota })
        }
        Fact::QuotaRemoved { quota_id, announced: true } => {
            Some(CatalogEvent::QuotaRemoved { event_id, quota_id })
        }
        Fact::SalesOpened => Some(CatalogEvent::SalesOpened { event_id }),
        Fact::SalesClosed => Some(CatalogEvent::SalesClosed { event_id }),
        Fact::Cancelled { reason } => Some(CatalogEvent::EventCancelled { event_id, reason }),
        Fact::Drafted { .. }
        | Fact::Changed { .. }
        | Fact::Discarded
        | Fact::TicketTypeAdded { announced: false, .. }
        | Fact::TicketTypeChanged { announced: false, .. }
        | Fact::TicketTypeRemoved { .. }
        | Fact::QuotaSet { announced: false, .. }
        | Fact::QuotaRemoved { announced: false, .. } => None,
    }
}

fn published(ticket_type: TicketType, quotas: Option<&[Quota]>) -> TicketTypeCapacity {
    let id = ticket_type.id;
    told(ticket_type, quotas.map(|quotas| supply(quotas, id)))
}

/// `supply` is missing where the ticket type still had its capacity to itself.
fn told(ticket_type: TicketType, supply: Option<Capacity>) -> TicketTypeCapacity {
    let TicketType { id, offer } = ticket_type;
    let capacity = supply.or(offer.capacity).unwrap_or(Capacity::limited(0));
    TicketTypeCapacity {
        ticket_type_id: id,
        name: offer.name,
        capacity,
        quotas_told: supply.is_some(),
        sales_from: offer.sales_from,
        sales_until: offer.sales_until,
        min_per_order: offer.min_per_order,
        max_per_order: offer.max_per_order,
        sections: offer.sections,
    }
}
