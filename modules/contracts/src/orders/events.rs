//! What orders tells others after the fact.

use runtime::{FIRST_EVENT_VERSION, IntegrationEvents, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;
use uuid::Uuid;

use super::{OrderedItem, OrderedPosition};
use crate::money::Money;

/// Published by orders. Never carries personal data.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum OrderEvent {
    /// The order is paid and its places are sold.
    OrderConfirmed {
        /// The order.
        order_id: Uuid,
        /// The order's code, which people read to each other.
        order_code: String,
        /// The event.
        event_id: Uuid,
        /// Its name.
        event_name: String,
        /// Who runs it.
        organizer_id: Uuid,
        /// Who bought.
        buyer_id: Uuid,
        /// What was bought.
        items: Vec<OrderedItem>,
        /// What was paid.
        total: Money,
        /// When.
        confirmed_at: Timestamp,
        /// One a ticket, in the order of the items.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        positions: Vec<OrderedPosition>,
        /// Whether the buyer has no account.
        #[serde(default)]
        guest: bool,
    },
    /// The tickets of the order exist.
    OrderFulfilled {
        /// The order.
        order_id: Uuid,
        /// The event.
        event_id: Uuid,
        /// Who bought.
        buyer_id: Uuid,
        /// Who runs the event.
        organizer_id: Uuid,
        /// The tickets, in the order of the positions.
        ticket_ids: Vec<Uuid>,
        /// When.
        at: Timestamp,
    },
    /// Some positions of the order were cancelled; the others stay as they are. Their tickets become
    /// void, their places free, and `amount` is on its way back.
    PositionsCancelled {
        /// The order.
        order_id: Uuid,
        /// The event.
        event_id: Uuid,
        /// Who runs it.
        organizer_id: Uuid,
        /// Who bought.
        buyer_id: Uuid,
        /// The positions.
        positions: Vec<u32>,
        /// What they were, by ticket type.
        items: Vec<OrderedItem>,
        /// What is given back for them.
        amount: Money,
        /// Why.
        reason: String,
    },
    /// Money of the order was given back.
    OrderRefunded {
        /// The order.
        order_id: Uuid,
        /// The event.
        event_id: Uuid,
        /// Who runs it.
        organizer_id: Uuid,
        /// Who bought.
        buyer_id: Uuid,
        /// The refund, when it was for some positions, or when it was not orders that wanted it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        refund_id: Option<Uuid>,
        /// How much was given back.
        amount: Money,
        /// Whether the order keeps tickets.
        partial: bool,
        /// Why, in words; an order that was paid too late says so here.
        cause: String,
    },
    /// The money came after the places had gone to others, and goes back.
    PaidTooLate {
        /// The order.
        order_id: Uuid,
        /// The event.
        event_id: Uuid,
        /// Who bought.
        buyer_id: Uuid,
        /// Who runs the event.
        organizer_id: Uuid,
        /// How much had come.
        amount: Money,
    },
    /// The order was called off after it had been confirmed: tickets void, places free, money given
    /// back.
    OrderCancelled {
        /// The order.
        order_id: Uuid,
        /// The event.
        event_id: Uuid,
        /// Who runs it.
        organizer_id: Uuid,
        /// Who bought.
        buyer_id: Uuid,
        /// What had been bought and not been cancelled before.
        items: Vec<OrderedItem>,
        /// What that had cost.
        total: Money,
        /// Why.
        cause: CancellationCause,
    },
    /// An event of a newer orders.
    #[serde(other)]
    Unknown,
}

/// Why an order was called off that had been confirmed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum CancellationCause {
    /// The buyer wanted it.
    BuyerCancelled,
    /// The organizer wanted it.
    OrganizerCancelled,
    /// The event will not take place, and all its orders end.
    EventCancelled,
    /// All the money was given back.
    Refunded,
    /// The tickets could not be issued for a day.
    NotFulfilled,
    /// Another one, or one that nobody noted.
    #[serde(other)]
    Unknown,
}

const ORDER_CANCELLED: &str = "orders.order_cancelled";

/// Version 1 said why in words, which could not be told apart but by a flag for the one that mattered.
fn with_cause_as_code(mut payload: Value) -> Value {
    let Some(fields) = payload.as_object_mut() else { return payload };
    let is_whole_event = fields.remove("event_cancelled") == Some(Value::Bool(true));
    let words = fields.get("cause").and_then(Value::as_str).unwrap_or_default();
    let code = match words {
        _ if is_whole_event => "event_cancelled",
        "cancelled by the buyer" => "buyer_cancelled",
        "cancelled by the organizer" => "organizer_cancelled",
        "the event was cancelled" => "event_cancelled",
        "the money was given back" => "refunded",
        "the tickets could not be issued" => "not_fulfilled",
        _ => "unknown",
    };
    fields.insert("cause".to_owned(), Value::String(code.to_owned()));
    payload
}

impl IntegrationEvents for OrderEvent {
    const PUBLISHER: &'static str = "orders";
    const NAMES: &'static [&'static str] = &[
        "orders.order_confirmed",
        "orders.order_fulfilled",
        "orders.positions_cancelled",
        "orders.order_refunded",
        "orders.paid_too_late",
        ORDER_CANCELLED,
    ];

    fn version(name: &str) -> u16 {
        match name {
            ORDER_CANCELLED => 2,
            _ => FIRST_EVENT_VERSION,
        }
    }

    fn upcast(name: &str, version: u16, payload: Value) -> Value {
        match (name, version) {
            (ORDER_CANCELLED, 1) => with_cause_as_code(payload),
            _ => payload,
        }
    }

    fn key(&self) -> Uuid {
        match self {
            Self::OrderConfirmed { order_id, .. }
            | Self::OrderFulfilled { order_id, .. }
            | Self::PositionsCancelled { order_id, .. }
            | Self::OrderRefunded { order_id, .. }
            | Self::PaidTooLate { order_id, .. }
            | Self::OrderCancelled { order_id, .. } => *order_id,
            Self::Unknown => Uuid::nil(),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn cancelled(version: u16, more: &Value) -> Option<CancellationCause> {
        let mut event = json!({
            "type": "order_cancelled",
            "order_id": Uuid::nil(),
            "event_id": Uuid::nil(),
            "organizer_id": Uuid::nil(),
            "buyer_id": Uuid::nil(),
            "items": [],
            "total": {"amount": 2500, "currency": "EUR"},
        });
        event.as_object_mut()?.extend(more.as_object()?.clone());
        match OrderEvent::read(ORDER_CANCELLED, version, &event).ok()? {
            OrderEvent::OrderCancelled { cause, .. } => Some(cause),
            _ => None,
        }
    }

    #[test]
    fn the_words_of_the_first_version_are_read_as_codes() {
        for (words, cause) in [
            ("cancelled by the buyer", CancellationCause::BuyerCancelled),
            ("cancelled by the organizer", CancellationCause::OrganizerCancelled),
            ("the event was cancelled", CancellationCause::EventCancelled),
            ("the money was given back", CancellationCause::Refunded),
            ("the tickets could not be issued", CancellationCause::NotFulfilled),
            ("it rains", CancellationCause::Unknown),
        ] {
            let first = json!({"cause": words, "event_cancelled": false});
            assert_eq!(cancelled(1, &first), Some(cause), "{words}");
        }
    }

    #[test]
    fn the_flag_of_the_first_version_outweighs_its_words() {
        let first = json!({"cause": "it rains", "event_cancelled": true});
        assert_eq!(cancelled(1, &first), Some(CancellationCause::EventCancelled));
        let earliest = json!({});
        assert_eq!(cancelled(1, &earliest), Some(CancellationCause::Unknown));
    }

    #[test]
    fn a_code_of_a_newer_orders_is_an_unknown_cause() {
        let second = |code: &str| cancelled(2, &json!({"cause": code}));
        assert_eq!(second("refunded"), Some(CancellationCause::Refunded));
        assert_eq!(second("venue_on_fire"), Some(CancellationCause::Unknown));
        assert_eq!(cancelled(2, &json!({})), None, "the second version says why");
    }

    #[test]
    fn what_is_no_event_of_the_first_version_cannot_be_read_either() {
        for nonsense in [json!(null), json!("order_cancelled"), json!([1]), json!({"cause": [2]})] {
            assert!(OrderEvent::read(ORDER_CANCELLED, 1, &nonsense).is_err(), "{nonsense}");
        }
    }
}
