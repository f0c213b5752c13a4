//! What other services are told of payments, out of what happened to them.

use contracts::payments::PaymentEvent;
use runtime::Timestamp;
use store::Recorded;
use uuid::Uuid;

use crate::domain::{Event, RefundTold};

/// The integration event that a domain event is to others; most are none.
pub(crate) fn announce(recorded: &Recorded<Event>) -> Option<PaymentEvent> {
    let order_id = recorded.stream;
    match &recorded.event {
        Event::Settled { payment_id, amount, at, .. } => Some(PaymentEvent::PaymentSettled {
            order_id,
            payment_id: *payment_id,
            amount: *amount,
            settled_at: *at,
        }),
        Event::AttemptDeclined { payment_id, reason, .. } => {
            let reason = reason.in_words().to_owned();
            Some(PaymentEvent::PaymentDeclined { order_id, payment_id: *payment_id, reason })
        }
        Event::RefundDone { told: Some(told), at, .. } => Some(refunded(order_id, told, *at)),
        Event::RefundDone { of_surplus: false, payment_id, amount, at, .. } => {
            Some(PaymentEvent::PaymentRefunded {
                order_id,
                payment_id: *payment_id,
                amount: *amount,
                refunded_at: *at,
                refund_id: None,
                requested_refund_id: None,
                total_refunded: None,
                whole: true,
            })
        }
        Event::ExternalRefund { refund, told, at, .. } if refund.counts => {
            Some(refunded(order_id, told, *at))
        }
        Event::ExternalRefund { told, .. } => {
            let reason = "the payment provider called it off".to_owned();
            Some(failed(order_id, told, reason, false))
        }
        Event::RefundFailed { reason, told, .. } => {
            told.as_ref().map(|told| failed(order_id, told, reason.clone(), true))
        }
        Event::RefundCancelled { reason, told, .. } => {
            told.as_ref().map(|told| failed(order_id, told, reason.clone(), false))
        }
        Event::Opened { .. }
        | Event::Closed { .. }
        | Event::AttemptBegun { .. }
        | Event::AttemptPending { .. }
        | Event::ActionRequired { .. }
        | Event::AttemptCancelled { .. }
        | Event::AttemptConfirmed { .. }
        | Event::SurplusReceived { .. }
        | Event::RefundDone { .. }
        | Event::RefundBegun { .. }
        | Event::RefundInTransit { .. } => None,
    }
}

fn refunded(order_id: Uuid, told: &RefundTold, refunded_at: Timestamp) -> PaymentEvent {
    PaymentEvent::PaymentRefunded {
        order_id,
        payment_id: told.payment_id,
        amount: told.amount,
        refunded_at,
        refund_id: Some(told.refund_id),
        requested_refund_id: told.requested,
        total_refunded: Some(told.total),
        whole: told.whole,
    }
}

fn failed(order_id: Uuid, told: &RefundTold, reason: String, will_retry: bool) -> PaymentEvent {
    let RefundTold { payment_id, refund_id, requested, amount, total, .. } = *told;
    PaymentEvent::RefundFailed {
        order_id,
        payment_id,
        refund_id,
        amount,
        reason,
        will_retry,
        requested_refund_id: requested,
        total_refunded: Some(total),
    }
}
