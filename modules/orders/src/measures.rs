//! What is measured of purchases: how many came to which state, and how long they took. Counted when
//! it is written; a commit that has to be written twice may count twice.

use std::time::Duration;

use contracts::orders::OrderState;
use metrics::Unit;
use runtime::async_trait;
use store::{Change, Tx, View};

use crate::domain::{Event, Order};

const ORDERS: &str = "boxoffice_orders_total";
const FULFILMENT: &str = "boxoffice_order_fulfilment_seconds";

/// Tells the metrics recorder what they mean.
pub(crate) fn describe() {
    metrics::describe_counter!(ORDERS, Unit::Count, "How many orders came to which state");
    metrics::describe_histogram!(
        FULFILMENT,
        Unit::Seconds,
        "How long orders took from being placed to having their tickets, the buyer's time to pay \
         included"
    );
}

/// Measures what goes into a view.
pub(crate) struct Measured<V>(pub(crate) V);

#[async_trait]
impl<V: View<Order>> View<Order> for Measured<V> {
    async fn apply(&self, tx: &mut Tx, changes: &[Change<'_, Order>]) -> Result<(), sqlx::Error> {
        self.0.apply(tx, changes).await
    }

    fn measure(&self, changes: &[Change<'_, Order>]) {
        for change in changes {
            for recorded in change.events {
                if let Some(state) = reached(change.state, &recorded.event) {
                    metrics::counter!(ORDERS, "state" => state.name()).increment(1);
                }
                if let Some(took) = fulfilment(change.state, &recorded.event) {
                    metrics::histogram!(FULFILMENT).record(took.as_secs_f64());
                }
            }
        }
    }
}

/// The state that an order came to by this event.
fn reached(order: &Order, event: &Event) -> Option<OrderState> {
    match event {
        Event::Placed { .. } => Some(OrderState::Placed),
        Event::PaymentOpened { .. } => Some(OrderState::Held),
        Event::PaymentReceived { .. } => Some(OrderState::Paid),
        Event::PlacesConfirmed { .. } => Some(OrderState::Confirmed),
        Event::TicketsIssued { .. } => Some(OrderState::Fulfilled),
        Event::CalledOff { .. } => Some(OrderState::CallingOff),
        Event::Ended { .. } => Some(order.state),
        _ => None,
    }
}

fn fulfilment(order: &Order, event: &Event) -> Option<Duration> {
    let Event::TicketsIssued { at, .. } = event else { return None };
    Duration::try_from(at.duration_since(order.placed_at?)).ok()
}
