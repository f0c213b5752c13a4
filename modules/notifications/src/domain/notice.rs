//! Who is told what when something happens to an order.

use contracts::{
    money::Money,
    orders::{CancellationCause, OrderEvent},
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

/// The kinds of mail there are. Each has a template.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema,
)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Kind {
    /// The order is paid, and here are its tickets.
    OrderConfirmation,
    /// The order was called off: its tickets are void, and the money goes back.
    OrderCancellation,
    /// Some tickets of the order were called off.
    PositionsCancellation,
    /// The event will not take place.
    EventCancellation,
    /// Money was given back, and the tickets stay as they are.
    Refund,
    /// The money came too late to get the places, and goes back.
    LatePayment,
}

impl Kind {
    /// All of them, in the order in which they are shown.
    pub(crate) const ALL: [Self; 6] = [
        Self::OrderConfirmation,
        Self::OrderCancellation,
        Self::PositionsCancellation,
        Self::EventCancellation,
        Self::Refund,
        Self::LatePayment,
    ];

    /// As it is written in JSON, in paths and in the database.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::OrderConfirmation => "order_confirmation",
            Self::OrderCancellation => "order_cancellation",
            Self::PositionsCancellation => "positions_cancellation",
            Self::EventCancellation => "event_cancellation",
            Self::Refund => "refund",
            Self::LatePayment => "late_payment",
        }
    }
}

/// What a notification is about.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[schema(example = json!({
    "kind": "positions_cancellation",
    "order_id": "01980e4c-8f5c-7b1e-a7c4-51d2f2a5e001",
    "event_id": "01980e4c-8f5c-7b1e-a7c4-51d2f2a5c003",
    "amount": {"amount": 2500, "currency": "EUR"},
    "positions": [2],
    "reason": "the seat is broken",
}))]
pub(crate) struct Message {
    pub(crate) kind: Kind,
    pub(crate) order_id: Uuid,
    pub(crate) event_id: Uuid,
    /// The money that goes back, where it is about that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) amount: Option<Money>,
    /// The positions of the order it is about; none when it is about the whole.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) positions: Vec<u32>,
    /// Why, in the words of whoever did it.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub(crate) reason: String,
}

/// Something that somebody is to be told.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Notice {
    /// Whom to tell.
    pub(crate) user_id: Uuid,
    /// Who runs the event, and whose words are used.
    pub(crate) organizer_id: Uuid,
    pub(crate) message: Message,
}

impl Notice {
    /// What follows from an event of orders; `None` when nobody is told.
    ///
    /// Money that goes back with a cancellation is told by the cancellation; what is told of a
    /// refund by itself left the order its tickets, or some of them.
    pub(crate) fn of(event: &OrderEvent) -> Option<Self> {
        match event {
            OrderEvent::OrderFulfilled { order_id, event_id, buyer_id, organizer_id, .. } => {
                let parties = Parties::of(order_id, event_id, buyer_id, organizer_id);
                Some(parties.told(Kind::OrderConfirmation, None, &[], ""))
            }
            OrderEvent::PositionsCancelled {
                order_id,
                event_id,
                organizer_id,
                buyer_id,
                positions,
                amount,
                reason,
                ..
            } => {
                let parties = Parties::of(order_id, event_id, buyer_id, organizer_id);
                let kind = Kind::PositionsCancellation;
                Some(parties.told(kind, Some(*amount), positions, reason))
            }
            OrderEvent::OrderRefunded {
                order_id,
                event_id,
                organizer_id,
                buyer_id,
                amount,
                partial: true,
                cause,
                ..
            } if !amount.is_zero() => {
                let parties = Parties::of(order_id, event_id, buyer_id, organizer_id);
                Some(parties.told(Kind::Refund, Some(*amount), &[], cause))
            }
            OrderEvent::PaidTooLate { order_id, event_id, buyer_id, organizer_id, amount } => {
                let parties = Parties::of(order_id, event_id, buyer_id, organizer_id);
                Some(parties.told(Kind::LatePayment, Some(*amount), &[], ""))
            }
            OrderEvent::OrderCancelled {
                order_id,
                event_id,
                organizer_id,
                buyer_id,
                total,
                cause,
                ..
            } => {
                let parties = Parties::of(order_id, event_id, buyer_id, organizer_id);
                let kind = match cause {
                    CancellationCause::EventCancelled => Kind::EventCancellation,
                    _ => Kind::OrderCancellation,
                };
                Some(parties.told(kind, Some(*total), &[], in_words(*cause)))
            }
            OrderEvent::OrderConfirmed { .. }
            | OrderEvent::OrderRefunded { .. }
            | OrderEvent::Unknown => None,
        }
    }
}

/// Why an order was called off, for its buyer; nothing where nobody noted it.
fn in_words(cause: CancellationCause) -> &'static str {
    match cause {
        CancellationCause::BuyerCancelled => "cancelled by the buyer",
        CancellationCause::OrganizerCancelled => "cancelled by the organizer",
        CancellationCause::EventCancelled => "the event was cancelled",
        CancellationCause::Refunded => "the money was given back",
        CancellationCause::NotFulfilled => "the tickets could not be issued",
        CancellationCause::Unknown => "",
    }
}

/// Whom and what every event of an order is about.
struct Parties {
    order: Uuid,
    event: Uuid,
    buyer: Uuid,
    organizer: Uuid,
}

impl Parties {
    fn of(order: &Uuid, event: &Uuid, buyer: &Uuid, organizer: &Uuid) -> Self {
        Self { order: *order, event: *event, buyer: *buyer, organizer: *organizer }
    }

    fn told(self, kind: Kind, amount: Option<Money>, positions: &[u32], reason: &str) -> Notice {
        let message = Message {
            kind,
            order_id: self.order,
            event_id: self.event,
            amount,
            positions: positions.to_vec(),
            reason: reason.to_owned(),
        };
        Notice { user_id: self.buyer, organizer_id: self.organizer, message }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn notice(more: &Value) -> Option<Notice> {
        let mut event = json!({
            "order_id": Uuid::from_u128(1),
            "event_id": Uuid::from_u128(2),
            "organizer_id": Uuid::from_u128(3),
            "buyer_id": Uuid::from_u128(4),
        });
        let (Some(fields), Some(more)) = (event.as_object_mut(), more.as_object()) else {
            return None;
        };
        fields.extend(more.clone());
        Notice::of(&serde_json::from_value(event).expect("an event as the contract has it"))
    }

    fn kind(more: &Value) -> Option<Kind> {
        notice(more).map(|notice| notice.message.kind)
    }

    fn euros(amount: i64) -> Value {
        json!({"amount": amount, "currency": "EUR"})
    }

    #[test]
    fn a_buyer_is_told_once_the_tickets_exist() {
        let fulfilled = json!({
            "type": "order_fulfilled", "ticket_ids": [], "at": "2027-03-01T12:00:00Z",
        });
        let told = notice(&fulfilled).expect("somebody is told");
        assert_eq!((told.user_id, told.organizer_id), (Uuid::from_u128(4), Uuid::from_u128(3)));
        assert_eq!(told.message.kind, Kind::OrderConfirmation);
    }

    #[test]
    fn a_cancellation_tells_why_and_whether_the_event_was_cancelled() {
        let cancelled = |cause: &str| {
            let total = euros(5_000);
            json!({"type": "order_cancelled", "items": [], "total": total, "cause": cause})
        };
        assert_eq!(kind(&cancelled("refunded")), Some(Kind::OrderCancellation));
        assert_eq!(kind(&cancelled("event_cancelled")), Some(Kind::EventCancellation));
        let reason =
            |cause: &str| notice(&cancelled(cause)).expect("somebody is told").message.reason;
        assert_eq!(reason("buyer_cancelled"), "cancelled by the buyer");
        assert_eq!(reason("unknown"), "");
    }

    #[test]
    fn money_alone_is_told_when_the_order_keeps_tickets() {
        let refunded = |amount: i64, partial: bool| {
            let amount = euros(amount);
            json!({"type": "order_refunded", "amount": amount, "partial": partial, "cause": ""})
        };
        assert_eq!(kind(&refunded(500, true)), Some(Kind::Refund));
        assert_eq!(kind(&refunded(5_000, false)), None, "the cancellation tells it");
        assert_eq!(kind(&refunded(0, true)), None, "nothing was given back");
    }

    #[test]
    fn a_late_payment_is_told() {
        let late = json!({"type": "paid_too_late", "amount": euros(5_000)});
        assert_eq!(kind(&late), Some(Kind::LatePayment));
    }
}
