//! What orders says to other services: who is to be told of an order, how it stands, and what became
//! of purchases. Personal data leaves by [`Orders::contact`] alone, never in an event.

mod events;

use std::fmt;

use runtime::{Context, ContractError, Fault, Timestamp, Unrecognised, service};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

pub use self::events::{CancellationCause, OrderEvent};
use crate::{
    money::{Money, Tax},
    seating::Seat,
};

/// Orders, as other services may ask for them.
#[service("orders")]
pub trait Orders {
    /// Whom to write to about an order: the account's holder, or the guest who bought it.
    #[idempotent]
    async fn contact(&self, cx: &Context, request: FindContact) -> Result<Contact, OrderError>;

    /// An order as it stands.
    #[idempotent]
    async fn find_order(
        &self,
        cx: &Context,
        request: FindOrder,
    ) -> Result<OrderSummary, OrderError>;

    /// Orders in the order of their ids, a stretch at a time.
    #[idempotent]
    async fn list_orders(&self, cx: &Context, request: ListOrders)
    -> Result<OrderPage, OrderError>;
}

/// Asks whom to write to about an order.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct FindContact {
    /// The order.
    pub order_id: Uuid,
}

/// Asks for an order.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct FindOrder {
    /// The order.
    pub order_id: Uuid,
}

/// Asks for a stretch of all orders.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ListOrders {
    /// The last order of the stretch before; none for the first stretch.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<Uuid>,
    /// How many at most; no more than 500 are given.
    pub limit: u32,
}

/// A stretch of all orders.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct OrderPage {
    /// By id. Fewer than were asked for, and than 500, are the last.
    pub orders: Vec<OrderSummary>,
}

/// Whom to write to about an order. Personal data: to be used for the purpose at hand and not to be
/// stored.
#[derive(Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Contact {
    /// The order.
    pub order_id: Uuid,
    /// The order's code, which people read to each other.
    pub order_code: String,
    /// How the person wants to be called.
    pub name: String,
    /// Where mail for the person goes.
    pub email: String,
    /// The language the person reads best (BCP 47), when it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub locale: Option<String>,
    /// The order's secret, which goes into links beside the code. None for orders of before there
    /// was one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret: Option<String>,
    /// Whether the person bought without an account.
    #[serde(default)]
    pub guest: bool,
}

/// Kept out of logs and failed assertions.
impl fmt::Debug for Contact {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Contact").field("order_id", &self.order_id).finish_non_exhaustive()
    }
}

/// An order as it stands, without personal data.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct OrderSummary {
    /// The order.
    pub order_id: Uuid,
    /// The order's code, which people read to each other.
    pub order_code: String,
    /// Where it stands.
    pub state: OrderState,
    /// Who bought.
    pub buyer_id: Uuid,
    /// Whether the buyer has no account.
    pub guest: bool,
    /// Who runs the event.
    pub organizer_id: Uuid,
    /// The event.
    pub event_id: Uuid,
    /// Its name.
    pub event_name: String,
    /// What was ordered.
    pub total: Money,
    /// What was received.
    pub received: Money,
    /// What was given back.
    pub refunded: Money,
    /// What was received, was not given back and buys nothing: more than nothing while a refund is
    /// under way, and for as long as one is stuck.
    pub overpaid: Money,
    /// One a ticket, those that were cancelled included.
    pub positions: Vec<OrderedPosition>,
    /// When it was placed.
    pub placed_at: Timestamp,
}

/// Where an order stands.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize, utoipa::ToSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum OrderState {
    /// Accepted; places are being held.
    #[default]
    Placed,
    /// Places are held and the buyer is asked to pay.
    Held,
    /// The money was received.
    Paid,
    /// The places are sold to the buyer.
    Confirmed,
    /// The tickets exist.
    Fulfilled,
    /// It is being called off: tickets voided, places freed, money returned.
    CallingOff,
    /// It was called off.
    Cancelled,
    /// It was not paid in time.
    Expired,
}

impl OrderState {
    /// As it is written in JSON and in the database.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Placed => "placed",
            Self::Held => "held",
            Self::Paid => "paid",
            Self::Confirmed => "confirmed",
            Self::Fulfilled => "fulfilled",
            Self::CallingOff => "calling_off",
            Self::Cancelled => "cancelled",
            Self::Expired => "expired",
        }
    }
}

/// One kind of ticket in an order, with what was copied from the programme at the moment of sale.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(from = "WrittenItem")]
pub struct OrderedItem {
    /// The ticket type.
    pub ticket_type_id: Uuid,
    /// Its name.
    pub name: String,
    /// How many.
    pub quantity: u32,
    /// What one costs, taxes included.
    pub unit_price: Money,
    /// The taxes in the price of all of them.
    #[schema(required = false)]
    pub tax: Money,
    /// Which tax that is.
    #[schema(required = false)]
    pub tax_rate: Tax,
    /// The seats, in the order of the positions; none for general admission.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(required = false)]
    pub seats: Vec<Seat>,
}

/// An item as it may have been written before there were taxes and seats.
#[derive(Deserialize)]
struct WrittenItem {
    ticket_type_id: Uuid,
    name: String,
    quantity: u32,
    unit_price: Money,
    tax: Option<Money>,
    #[serde(default)]
    tax_rate: Tax,
    #[serde(default)]
    seats: Vec<Seat>,
}

impl From<WrittenItem> for OrderedItem {
    fn from(item: WrittenItem) -> Self {
        let WrittenItem { ticket_type_id, name, quantity, unit_price, tax, tax_rate, seats } = item;
        let tax = tax.unwrap_or(Money::zero(unit_price.currency));
        Self { ticket_type_id, name, quantity, unit_price, tax, tax_rate, seats }
    }
}

/// One ticket of an order.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct OrderedPosition {
    /// Counted from 1 in each order.
    pub position: u32,
    /// The ticket type.
    pub ticket_type_id: Uuid,
    /// Its name at the moment of sale.
    pub name: String,
    /// What it cost, taxes included.
    pub price: Money,
    /// The taxes in the price.
    pub tax: Money,
    /// The seat; none for general admission.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seat: Option<Seat>,
    /// The ticket, once it exists.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ticket_id: Option<Uuid>,
    /// Whether it was cancelled.
    pub cancelled: bool,
}

/// Why orders did not do what was asked.
#[derive(Debug, Clone, PartialEq, thiserror::Error, Serialize, Deserialize, ToSchema)]
#[serde(tag = "code", rename_all = "snake_case")]
pub enum OrderError {
    /// No order has this id.
    #[error("no order has the id {order_id}")]
    OrderUnknown {
        /// The id that was asked for.
        order_id: Uuid,
    },
    /// The buyer's account does not exist any more.
    #[error("the buyer of order {order_id} has no account any more")]
    BuyerGone {
        /// The order.
        order_id: Uuid,
    },
    /// The call itself failed.
    #[error(transparent)]
    #[serde(skip)]
    Fault(#[from] Fault),
    /// An error of a newer orders.
    #[error("{0}")]
    #[serde(untagged)]
    Unrecognised(Unrecognised),
}
impl ContractError for OrderError {}
