//! What other services are told of orders, out of what happened to them.

use contracts::orders::OrderEvent;
use store::Recorded;

use crate::domain::Event;

/// The integration event that a domain event is to others; most are none.
pub(crate) fn announce(recorded: &Recorded<Event>) -> Option<OrderEvent> {
    let order_id = recorded.stream;
    match recorded.event.clone() {
        Event::PlacesConfirmed { terms, at } => Some(OrderEvent::OrderConfirmed {
            order_id,
            order_code: terms.order_code,
            event_id: terms.event_id,
            event_name: terms.event_name,
            organizer_id: terms.organizer_id,
            buyer_id: terms.buyer_id,
            items: terms.items,
            total: terms.total,
            confirmed_at: at,
        }),
        Event::Ended { confirmed: Some(terms), .. } => Some(OrderEvent::OrderCancelled {
            order_id,
            event_id: terms.event_id,
            organizer_id: terms.organizer_id,
            buyer_id: terms.buyer_id,
            items: terms.items,
            total: terms.total,
        }),
        Event::Placed { .. }
        | Event::PlacesHeld { .. }
        | Event::PaymentOpened { .. }
        | Event::PaymentReceived { .. }
        | Event::TicketsIssued { .. }
        | Event::Refused { .. }
        | Event::CalledOff { .. }
        | Event::PaymentClosed { .. }
        | Event::TicketsVoided { .. }
        | Event::MoneyReturned { .. }
        | Event::PlacesReleased { .. }
        | Event::Ended { confirmed: None, .. } => None,
    }
}
