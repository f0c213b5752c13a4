//! `/v1/events/{event_id}/ticket-types`: what can be bought for an event, at which price, and how
//! many there are. They are a part of their event and share its `ETag`.

pub(super) mod change;
pub(super) mod create;
pub(super) mod delete;
pub(super) mod get;

use contracts::{catalog::Capacity, money::Money};
use garde::Validate;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use super::text;
use crate::domain::event::{Offer, TicketType};

/// What is offered with a ticket type.
#[derive(Debug, Clone, Deserialize, Validate, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({
    "name": "Stalls",
    "price": {"amount": 2500, "currency": "EUR"},
    "capacity": {"kind": "limited", "places": 100},
}))]
pub(super) struct TicketTypeInput {
    /// Its name, one line; another than those of the event's other ticket types.
    #[garde(length(chars, min = 1, max = 200), custom(text::line))]
    #[schema(min_length = 1, max_length = 200)]
    name: String,
    /// What one ticket costs, taxes included, in the event's currency: from 0, which is free, to
    /// 1,000,000,000,000 minor units.
    #[garde(custom(text::price))]
    price: Money,
    /// How many there are.
    #[garde(skip)]
    capacity: Capacity,
}

/// A ticket type.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = TicketType, example = json!({
    "id": "01980e4c-8f5c-7b1e-a7c4-51d2f2a5c004",
    "name": "Stalls",
    "price": {"amount": 2500, "currency": "EUR"},
    "capacity": {"kind": "limited", "places": 100},
}))]
pub(super) struct TicketTypeResource {
    id: Uuid,
    name: String,
    /// What one ticket costs, taxes included.
    price: Money,
    capacity: Capacity,
}

impl From<TicketType> for TicketTypeResource {
    fn from(ticket_type: TicketType) -> Self {
        let TicketType { id, offer: Offer { name, price, capacity } } = ticket_type;
        Self { id, name, price, capacity }
    }
}

impl From<TicketTypeInput> for Offer {
    fn from(input: TicketTypeInput) -> Self {
        let TicketTypeInput { name, price, capacity } = input;
        Self { name: text::trimmed(&name), price, capacity }
    }
}
