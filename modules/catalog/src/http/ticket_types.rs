//! `/v1/events/{event_id}/ticket-types`: what can be bought for an event, at which price, and how
//! many there are. They are a part of their event and share its `ETag`.

pub(super) mod change;
pub(super) mod create;
pub(super) mod delete;
pub(super) mod get;

use contracts::{
    catalog::Capacity,
    money::{Money, Tax},
};
use garde::Validate;
use runtime::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use super::text;
use crate::domain::event::{Offer, TicketType};

/// The most that one hold takes of a ticket type, and so the most that a limit can be.
const MOST_PER_ORDER: u32 = 20;

/// What is offered with a ticket type.
#[derive(Debug, Clone, Deserialize, Validate, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({
    "name": "Stalls",
    "price": {"amount": 2500, "currency": "EUR"},
    "capacity": {"kind": "limited", "places": 100},
    "tax": {"rate_basis_points": 700, "name": "VAT"},
    "sales_from": "2027-03-01T09:00:00Z",
    "max_per_order": 8,
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
    /// How many there are: the size of a quota of the ticket type's own, which has its id. Leave it
    /// out where other quotas say how many there are; a quota of its own stays as it is then. A
    /// ticket type in no quota is not sold.
    #[garde(skip)]
    #[serde(default)]
    capacity: Option<Capacity>,
    /// The tax that the price includes: from 0 to 100 %. None when absent.
    #[garde(custom(text::tax))]
    #[serde(default)]
    tax: Tax,
    /// When its sale begins; with the event's when absent. Sales of the event must be open, too.
    #[garde(inner(custom(text::instant)))]
    #[serde(default)]
    sales_from: Option<Timestamp>,
    /// When its sale ends, this instant not included; with the event's when absent.
    #[garde(inner(custom(text::instant)))]
    #[serde(default)]
    sales_until: Option<Timestamp>,
    /// The fewest that an order may have of it, if it has any; 0, or absent: no limit.
    #[garde(range(max = MOST_PER_ORDER))]
    #[schema(maximum = 20)]
    #[serde(default)]
    min_per_order: u32,
    /// The most that an order may have of it; 0, or absent: no limit of its own.
    #[garde(range(max = MOST_PER_ORDER))]
    #[schema(maximum = 20)]
    #[serde(default)]
    max_per_order: u32,
    /// The sections of the venue whose numbered seats it is for, the best first. None: general
    /// admission. Fixed once the event is published.
    #[garde(length(max = 100), inner(length(chars, min = 1, max = 50)))]
    #[schema(max_items = 100)]
    #[serde(default)]
    sections: Vec<String>,
}

/// A ticket type.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = TicketType, example = json!({
    "id": "01980e4c-8f5c-7b1e-a7c4-51d2f2a5c004",
    "name": "Stalls",
    "price": {"amount": 2500, "currency": "EUR"},
    "capacity": {"kind": "limited", "places": 100},
    "tax": {"rate_basis_points": 700, "name": "VAT"},
    "sales_from": "2027-03-01T09:00:00Z",
    "min_per_order": 0,
    "max_per_order": 8,
    "sections": [],
}))]
pub(super) struct TicketTypeResource {
    id: Uuid,
    name: String,
    /// What one ticket costs, taxes included.
    price: Money,
    /// The capacity of the smallest of its quotas; no places when it is in none.
    capacity: Capacity,
    /// The tax that the price includes.
    tax: Tax,
    /// When its sale begins, where it does not begin with the event's.
    #[serde(skip_serializing_if = "Option::is_none")]
    sales_from: Option<Timestamp>,
    /// When its sale ends, where it does not end with the event's.
    #[serde(skip_serializing_if = "Option::is_none")]
    sales_until: Option<Timestamp>,
    /// The fewest that an order may have of it, if it has any; 0: no limit.
    min_per_order: u32,
    /// The most that an order may have of it; 0: no limit of its own.
    max_per_order: u32,
    /// The sections whose numbered seats it is for; none: general admission.
    sections: Vec<String>,
}

impl TicketTypeResource {
    /// The ticket type, with the capacity of the smallest of its quotas.
    pub(super) fn of(ticket_type: TicketType, capacity: Capacity) -> Self {
        let TicketType { id, offer } = ticket_type;
        Self {
            id,
            name: offer.name,
            price: offer.price,
            capacity,
            tax: offer.tax,
            sales_from: offer.sales_from,
            sales_until: offer.sales_until,
            min_per_order: offer.min_per_order,
            max_per_order: offer.max_per_order,
            sections: offer.sections,
        }
    }
}

impl From<TicketTypeInput> for Offer {
    fn from(input: TicketTypeInput) -> Self {
        let mut sections: Vec<String> = Vec::with_capacity(input.sections.len());
        for section in input.sections.iter().map(|name| text::trimmed(name)) {
            if !sections.contains(&section) {
                sections.push(section);
            }
        }
        let Tax { rate_basis_points, name } = input.tax;
        Self {
            name: text::trimmed(&input.name),
            price: input.price,
            capacity: input.capacity,
            tax: Tax { rate_basis_points, name: text::trimmed(&name) },
            sales_from: input.sales_from.map(text::whole_microseconds),
            sales_until: input.sales_until.map(text::whole_microseconds),
            min_per_order: input.min_per_order,
            max_per_order: input.max_per_order,
            sections,
        }
    }
}
