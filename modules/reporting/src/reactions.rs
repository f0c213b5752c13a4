//! What reporting does when other services' events arrive: it notes them. What is written and how
//! far was read are one commit, and the rows have the ids of what they tell of, so that nothing
//! counts twice.

use std::sync::Arc;

use bus::{Delivered, Handler, HandlerError};
use contracts::{orders::OrderEvent, tickets::TicketEvent};
use runtime::{Clock, IntegrationEvents, async_trait};
use store::Work;

use crate::{
    domain::tickets_of,
    views::{self, Admission, SoldOrder},
};

/// Notes what was sold and what was called off.
pub(crate) struct CountSales(pub(crate) Arc<dyn Clock>);

#[async_trait]
impl Handler<OrderEvent> for CountSales {
    async fn handle(
        &self,
        work: &mut Work<'_>,
        delivered: &Delivered<OrderEvent>,
    ) -> Result<(), HandlerError> {
        match &delivered.event {
            OrderEvent::OrderConfirmed {
                order_id,
                event_id,
                event_name,
                organizer_id,
                items,
                total,
                ..
            } => {
                views::note_event(work.tx(), *event_id, *organizer_id, event_name).await?;
                let order = SoldOrder {
                    order_id: *order_id,
                    event_id: *event_id,
                    total: *total,
                    tickets: tickets_of(items),
                };
                views::note_sale(work.tx(), order).await?;
            }
            // The order's confirmation came before, under the same key.
            OrderEvent::OrderCancelled { order_id, .. } => {
                views::note_cancellation(work.tx(), *order_id).await?;
            }
            OrderEvent::Unknown => {}
        }
        let publisher = OrderEvent::PUBLISHER;
        views::note_progress(work.tx(), publisher, delivered.at, self.0.now()).await?;
        Ok(())
    }
}

/// Notes who was let in.
pub(crate) struct CountAdmissions(pub(crate) Arc<dyn Clock>);

#[async_trait]
impl Handler<TicketEvent> for CountAdmissions {
    async fn handle(
        &self,
        work: &mut Work<'_>,
        delivered: &Delivered<TicketEvent>,
    ) -> Result<(), HandlerError> {
        if let TicketEvent::TicketAdmitted { ticket_id, event_id, admitted_at, .. } =
            delivered.event
        {
            let admission = Admission { ticket_id, event_id, admitted_at };
            views::note_admission(work.tx(), admission).await?;
        }
        let publisher = TicketEvent::PUBLISHER;
        views::note_progress(work.tx(), publisher, delivered.at, self.0.now()).await?;
        Ok(())
    }
}
