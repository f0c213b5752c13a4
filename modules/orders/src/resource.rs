//! An order as its readers see it.

use contracts::{
    money::{Money, TaxRounding},
    orders::{OrderState, OrderSummary, OrderedItem, OrderedPosition},
};
use runtime::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::domain::{Cause, Order};

/// An order.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[schema(as = Order, example = json!({
    "id": "01980e4c-8f5c-7b1e-a7c4-51d2f2a5e001",
    "code": "K7MPX3QA",
    "state": "held",
    "buyer_id": "01980e4c-8f5c-7b1e-a7c4-51d2f2a5a001",
    "organizer_id": "01980e4c-8f5c-7b1e-a7c4-51d2f2a5c001",
    "event_id": "01980e4c-8f5c-7b1e-a7c4-51d2f2a5c003",
    "event_name": "Quartet by the river",
    "items": [{
        "ticket_type_id": "01980e4c-8f5c-7b1e-a7c4-51d2f2a5c004",
        "name": "Stalls",
        "quantity": 1,
        "unit_price": {"amount": 2500, "currency": "EUR"},
        "tax": {"amount": 164, "currency": "EUR"},
        "tax_rate": {"rate_basis_points": 700, "name": "VAT"},
    }],
    "total": {"amount": 2500, "currency": "EUR"},
    "tax": {"amount": 164, "currency": "EUR"},
    "tax_rounding": "per_line",
    "positions": [{
        "position": 1,
        "ticket_type_id": "01980e4c-8f5c-7b1e-a7c4-51d2f2a5c004",
        "name": "Stalls",
        "price": {"amount": 2500, "currency": "EUR"},
        "tax": {"amount": 164, "currency": "EUR"},
        "cancelled": false,
    }],
    "placed_at": "2027-05-02T10:00:00Z",
    "expires_at": "2027-05-02T10:14:30Z",
    "payment_id": "01980e4c-8f5c-7b1e-a7c4-51d2f2a5e101",
    "ticket_ids": [],
}))]
pub(crate) struct OrderResource {
    pub(crate) id: Uuid,
    /// Short enough to be read aloud. Not a secret, and no proof of anything.
    pub(crate) code: String,
    pub(crate) state: OrderState,
    /// Why it ended or is being called off; only when it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[serde(default)]
    pub(crate) cause: Option<Cause>,
    /// The same in the words of whoever called it off.
    #[serde(skip_serializing_if = "String::is_empty")]
    #[serde(default)]
    pub(crate) reason: String,
    pub(crate) buyer_id: Uuid,
    /// Whether the buyer has no account.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    #[serde(default)]
    pub(crate) guest: bool,
    pub(crate) organizer_id: Uuid,
    pub(crate) event_id: Uuid,
    pub(crate) event_name: String,
    /// With names, prices and taxes as they were when the order was placed.
    pub(crate) items: Vec<OrderedItem>,
    pub(crate) total: Money,
    /// The taxes in the total: the sum of those of the items.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[serde(default)]
    pub(crate) tax: Option<Money>,
    /// How the taxes were rounded.
    #[serde(default)]
    pub(crate) tax_rounding: TaxRounding,
    /// One a ticket, in the order of the items. Those that were cancelled stay.
    #[serde(default)]
    pub(crate) positions: Vec<OrderedPosition>,
    /// What was received; absent until something was.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[serde(default)]
    pub(crate) received: Option<Money>,
    /// What of it was given back; absent while nothing was.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[serde(default)]
    pub(crate) refunded: Option<Money>,
    /// What was received, was not given back and buys nothing. It goes back; absent when nothing has
    /// to.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[serde(default)]
    pub(crate) overpaid: Option<Money>,
    pub(crate) placed_at: Timestamp,
    /// Until when it can be paid; the places are held for a little longer. Absent until they are.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[serde(default)]
    pub(crate) expires_at: Option<Timestamp>,
    /// The payment that waits for the buyer; absent until it does.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[serde(default)]
    pub(crate) payment_id: Option<Uuid>,
    /// The tickets, once they exist.
    pub(crate) ticket_ids: Vec<Uuid>,
}

impl OrderResource {
    /// The order as its readers see it; `None` before it is placed.
    pub(crate) fn of(id: Uuid, order: &Order) -> Option<Self> {
        let terms = order.terms.as_ref()?;
        let some = |money: Option<Money>| money.filter(|money| money.amount > 0);
        let taxes = terms.items.iter().map(|item| item.tax);
        Some(Self {
            id,
            code: terms.order_code.clone(),
            state: order.state,
            cause: order.cause,
            reason: order.reason.clone(),
            buyer_id: terms.buyer_id,
            guest: order.is_guests(),
            organizer_id: terms.organizer_id,
            event_id: terms.event_id,
            event_name: terms.event_name.clone(),
            items: terms.items.clone(),
            total: terms.total,
            tax: Money::sum(terms.total.currency, taxes).ok(),
            tax_rounding: terms.tax_rounding,
            positions: order.positions(),
            received: order.paid,
            refunded: some(order.refunded()),
            overpaid: some(order.overpaid()),
            placed_at: order.placed_at?,
            expires_at: order.to_be_paid_by(),
            payment_id: order.payment_id,
            ticket_ids: order.ticket_ids.clone(),
        })
    }
}

/// The order as other services see it.
impl From<OrderResource> for OrderSummary {
    fn from(order: OrderResource) -> Self {
        let nothing = Money::zero(order.total.currency);
        Self {
            order_id: order.id,
            order_code: order.code,
            state: order.state,
            buyer_id: order.buyer_id,
            guest: order.guest,
            organizer_id: order.organizer_id,
            event_id: order.event_id,
            event_name: order.event_name,
            total: order.total,
            received: order.received.unwrap_or(nothing),
            refunded: order.refunded.unwrap_or(nothing),
            overpaid: order.overpaid.unwrap_or(nothing),
            positions: order.positions,
            placed_at: order.placed_at,
        }
    }
}
