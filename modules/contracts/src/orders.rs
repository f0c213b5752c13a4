//! What orders says to other services: what became of purchases.

use runtime::{IntegrationEvents, Timestamp};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::money::Money;

/// One kind of ticket in an order, with what was copied from the programme at the moment of sale.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct OrderedItem {
    /// The ticket type.
    pub ticket_type_id: Uuid,
    /// Its name.
    pub name: String,
    /// How many.
    pub quantity: u32,
    /// What one costs, taxes included.
    pub unit_price: Money,
}

/// Published by orders.
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
    },
    /// The order was called off after it had been confirmed: tickets void, money on its way back.
    OrderCancelled {
        /// The order.
        order_id: Uuid,
        /// The event.
        event_id: Uuid,
        /// Who runs it.
        organizer_id: Uuid,
        /// Who bought.
        buyer_id: Uuid,
        /// What had been bought.
        items: Vec<OrderedItem>,
        /// What had been paid.
        total: Money,
    },
    /// An event of a newer orders.
    #[serde(other)]
    Unknown,
}

impl IntegrationEvents for OrderEvent {
    const PUBLISHER: &'static str = "orders";
    const NAMES: &'static [&'static str] = &["orders.order_confirmed", "orders.order_cancelled"];

    fn key(&self) -> Uuid {
        match self {
            Self::OrderConfirmed { order_id, .. } | Self::OrderCancelled { order_id, .. } => {
                *order_id
            }
            Self::Unknown => Uuid::nil(),
        }
    }
}
