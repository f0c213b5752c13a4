//! What orders does when others' events arrive: it takes in what became of the money, and that an
//! event was cancelled. What follows is an errand that is run at once, and a timer, which is part of
//! the same commit, should the errand be lost.

use std::sync::Arc;

use bus::{Delivered, Handler, HandlerError};
use contracts::{catalog::CatalogEvent, payments::PaymentEvent};
use runtime::async_trait;
use store::Work;

use crate::{
    cancellation::CancellationCommand,
    domain::{Command, Refunded},
    errands::Errand,
    saga::Purchases,
};

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
            PaymentEvent::PaymentRefunded {
                order_id,
                refund_id,
                requested_refund_id: requested,
                amount,
                total_refunded: total,
                whole,
                ..
            } => {
                let refund = Refunded { refund_id, requested, amount, total, whole };
                (order_id, Command::RecordRefund { refund, at })
            }
            PaymentEvent::RefundFailed {
                order_id,
                refund_id,
                requested_refund_id: requested,
                total_refunded: total,
                will_retry,
                ..
            } => {
                let refused =
                    Command::RecordRefundRefused { refund_id, requested, total, will_retry, at };
                (order_id, refused)
            }
            PaymentEvent::PaymentDeclined { .. } | PaymentEvent::Unknown => return Ok(()),
        };
        purchases.books().carry_out(work, order_id, command).await?;
        purchases.errands.leave(work.cx(), Errand::Order(order_id));
        Ok(())
    }
}

/// Takes in that an event was cancelled.
pub(crate) struct FollowCatalog(pub(crate) Arc<Purchases>);

#[async_trait]
impl Handler<CatalogEvent> for FollowCatalog {
    async fn handle(
        &self,
        work: &mut Work<'_>,
        delivered: &Delivered<CatalogEvent>,
    ) -> Result<(), HandlerError> {
        let CatalogEvent::EventCancelled { event_id, reason } = &delivered.event else {
            return Ok(());
        };
        let (purchases, event_id) = (&self.0, *event_id);
        let begin =
            CancellationCommand::Begin { reason: reason.clone(), at: purchases.clock.now() };
        work.execute(&purchases.cancellations, event_id, begin).await?;
        purchases.errands.leave(work.cx(), Errand::CancelledEvent(event_id));
        Ok(())
    }
}
