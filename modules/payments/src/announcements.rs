//! What other services are told of payments, out of what happened to them.

use contracts::payments::PaymentEvent;
use store::Recorded;

use crate::domain::Event;

/// The integration event that a domain event is to others; most are none.
pub(crate) fn announce(recorded: &Recorded<Event>) -> Option<PaymentEvent> {
    let order_id = recorded.stream;
    match recorded.event {
        Event::Settled { payment_id, amount, at, .. } => {
            Some(PaymentEvent::PaymentSettled { order_id, payment_id, amount, settled_at: at })
        }
        Event::AttemptDeclined { payment_id, reason, .. } => {
            let reason = reason.in_words().to_owned();
            Some(PaymentEvent::PaymentDeclined { order_id, payment_id, reason })
        }
        Event::RefundDone { payment_id, amount, at, .. } => Some(PaymentEvent::PaymentRefunded {
            order_id,
            payment_id,
            amount,
            refunded_at: at,
            refund_id: None,
            total_refunded: None,
            whole: true,
        }),
        Event::Opened { .. }
        | Event::Closed { .. }
        | Event::AttemptBegun { .. }
        | Event::AttemptPending { .. }
        | Event::ActionRequired { .. }
        | Event::AttemptCancelled { .. }
        | Event::AttemptConfirmed { .. }
        | Event::RefundBegun { .. }
        | Event::RefundInTransit { .. }
        | Event::RefundFailed { .. } => None,
    }
}
