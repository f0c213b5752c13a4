//! Every integration event there is, as data: what `docs/events` is made of.

use runtime::{EventDescription, describe_events};

use crate::{
    catalog::CatalogEvent, identity::IdentityEvent, orders::OrderEvent, payments::PaymentEvent,
    tickets::TicketEvent,
};

/// The events of all services, publisher by publisher. The trails of changes are not among them:
/// they are the bus' own.
pub fn describe() -> Vec<EventDescription> {
    [
        describe_events::<CatalogEvent>(),
        describe_events::<IdentityEvent>(),
        describe_events::<OrderEvent>(),
        describe_events::<PaymentEvent>(),
        describe_events::<TicketEvent>(),
    ]
    .concat()
}
