//! What orders does when payments' events arrive: it takes in what became of the money. The order
//! then wakes by its timer, which is part of the same commit, and goes on.

use std::sync::Arc;

use bus::{Delivered, Handler, HandlerError};
use contracts::payments::PaymentEvent;
use runtime::async_trait;
use store::Work;

use crate::{domain::Command, saga::Purchases};

/// Takes in what became of payments.
pub(crate) struct FollowPayments(pub(crate) Arc<Purchases>);

#[async_trait]
impl Handler<PaymentEvent> for FollowPayments {
    async fn handle(
        &self,
        work: &mut Work<'_>,
        delivered: &Delivered<PaymentEvent>,
    ) -> Result<(), HandlerError> {
        let (purchases, at) = (&self.0, self.0.clock.now());
        let (order_id, command) = match delivered.event {
            PaymentEvent::PaymentSettled { order_id, payment_id, amount, .. } => {
                (order_id, Command::RecordPayment { payment_id, amount, at })
            }
            PaymentEvent::PaymentRefunded { order_id, whole: true, .. } => {
                (order_id, Command::RecordRefund { at })
            }
            PaymentEvent::PaymentRefunded { .. }
            | PaymentEvent::PaymentDeclined { .. }
            | PaymentEvent::RefundFailed { .. }
            | PaymentEvent::Unknown => return Ok(()),
        };
        work.execute(&purchases.orders, order_id, command).await?;
        Ok(())
    }
}
