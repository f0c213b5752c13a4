//! What catalog says to other services: what is for sale, at which price.

use runtime::{Context, ContractError, Fault, IntegrationEvents, Timestamp, Unrecognised, service};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::{
    money::{Money, Tax, TaxRounding},
    seating::SeatSection,
};

/// The programme, as other services may ask for it.
#[service("catalog")]
pub trait Catalog {
    /// On which terms tickets of an event are sold right now.
    #[idempotent]
    async fn sale_terms(
        &self,
        cx: &Context,
        request: FindSaleTerms,
    ) -> Result<SaleTerms, CatalogError>;

    /// Whether an account may act for an organizer.
    #[idempotent]
    async fn membership(
        &self,
        cx: &Context,
        request: FindMembership,
    ) -> Result<Membership, CatalogError>;
}

/// Asks for the terms of an event.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct FindSaleTerms {
    /// The event.
    pub event_id: Uuid,
}

/// The terms of an event: everything that an order copies at the moment of sale.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct SaleTerms {
    /// The event.
    pub event_id: Uuid,
    /// Who runs it.
    pub organizer_id: Uuid,
    /// Its name.
    pub event_name: String,
    /// When it begins.
    pub starts_at: Timestamp,
    /// The IANA time zone of its venue.
    pub time_zone: String,
    /// The venue's name.
    pub venue_name: String,
    /// Whether tickets may be sold now.
    pub on_sale: bool,
    /// How the taxes of an order are rounded. An order keeps it.
    #[serde(default)]
    pub tax_rounding: TaxRounding,
    /// What can be bought.
    pub ticket_types: Vec<TicketTypeTerms>,
}

/// The terms of one ticket type.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct TicketTypeTerms {
    /// The ticket type.
    pub ticket_type_id: Uuid,
    /// Its name.
    pub name: String,
    /// What one ticket costs, taxes included.
    pub price: Money,
    /// The tax that the price includes.
    #[serde(default)]
    pub tax: Tax,
    /// When its sale begins; none: with the event's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sales_from: Option<Timestamp>,
    /// When its sale ends, this instant not included; none: with the event's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sales_until: Option<Timestamp>,
    /// The fewest that one order may have of it, if it has any. 0: no limit.
    #[serde(default)]
    pub min_per_order: u32,
    /// The most that one order may have of it. 0: no limit.
    #[serde(default)]
    pub max_per_order: u32,
    /// Whether each ticket is for a numbered seat.
    #[serde(default)]
    pub seated: bool,
    /// Whether it may be sold now: the event is on sale, and the instant is within the sales window.
    #[serde(default = "unless_told_otherwise")]
    pub on_sale: bool,
}

/// An older catalog knows no sales windows: what is on sale is decided by the event alone.
fn unless_told_otherwise() -> bool {
    true
}

/// Asks whether an account belongs to an organizer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct FindMembership {
    /// The organizer.
    pub organizer_id: Uuid,
    /// The account.
    pub user_id: Uuid,
}

/// Whether an account belongs to an organizer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Membership {
    /// Whether the account may act for the organizer.
    pub is_member: bool,
}

/// Why catalog could not answer.
#[derive(Debug, Clone, PartialEq, thiserror::Error, Serialize, Deserialize, ToSchema)]
#[serde(tag = "code", rename_all = "snake_case")]
pub enum CatalogError {
    /// No published event has this id.
    #[error("no event has the id {event_id}")]
    EventUnknown {
        /// The id that was asked for.
        event_id: Uuid,
    },
    /// The call itself failed.
    #[error(transparent)]
    #[serde(skip)]
    Fault(#[from] Fault),
    /// An error of a newer catalog.
    #[error("{0}")]
    #[serde(untagged)]
    Unrecognised(Unrecognised),
}
impl ContractError for CatalogError {}

/// How many tickets there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
#[schema(example = json!({"kind": "limited", "places": 100}))]
pub enum Capacity {
    /// As many as are asked for.
    Unlimited {},
    /// So many and no more.
    Limited {
        /// How many.
        places: u32,
    },
}

impl Capacity {
    /// As many as are asked for.
    pub const UNLIMITED: Self = Self::Unlimited {};

    /// So many and no more.
    pub const fn limited(places: u32) -> Self {
        Self::Limited { places }
    }

    /// How many; `None` where there is no limit.
    pub const fn places(self) -> Option<u32> {
        match self {
            Self::Unlimited {} => None,
            Self::Limited { places } => Some(places),
        }
    }

    /// The smaller of the two.
    #[must_use]
    pub fn smaller(self, other: Self) -> Self {
        match (self.places(), other.places()) {
            (Some(places), Some(others)) => Self::limited(places.min(others)),
            (None, _) => other,
            (_, None) => self,
        }
    }
}

/// A share of the places of an event, that one ticket type or several draw on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Quota {
    /// The quota.
    pub quota_id: Uuid,
    /// Its name.
    pub name: String,
    /// How many places it has.
    pub capacity: Capacity,
    /// The ticket types that draw on it.
    pub ticket_type_ids: Vec<Uuid>,
}

/// A ticket type, how many of it there are, and what limits its sale.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct TicketTypeCapacity {
    /// The ticket type.
    pub ticket_type_id: Uuid,
    /// Its name.
    pub name: String,
    /// How many there are: the capacity of the smallest of its quotas, and no places without one.
    pub capacity: Capacity,
    /// Whether its quotas are told by themselves. Not so by an older catalog: then the ticket type
    /// has a quota of its own, of `capacity`.
    #[serde(default, skip_serializing_if = "is_false")]
    pub quotas_told: bool,
    /// When its sale begins; none: with the event's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sales_from: Option<Timestamp>,
    /// When its sale ends, this instant not included; none: with the event's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sales_until: Option<Timestamp>,
    /// The fewest that one order may have of it, if it has any. 0: no limit.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub min_per_order: u32,
    /// The most that one order may have of it. 0: no limit.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub max_per_order: u32,
    /// The sections of the seating whose seats it is for. None: general admission.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sections: Vec<String>,
}

impl TicketTypeCapacity {
    /// A ticket type for general admission with a quota of its own and no limits beside it.
    pub fn of_its_own(ticket_type_id: Uuid, name: &str, capacity: Capacity) -> Self {
        Self {
            ticket_type_id,
            name: name.to_owned(),
            capacity,
            quotas_told: false,
            sales_from: None,
            sales_until: None,
            min_per_order: 0,
            max_per_order: 0,
            sections: Vec::new(),
        }
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes every field like this")]
fn is_false(value: &bool) -> bool {
    !*value
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes every field like this")]
fn is_zero(value: &u32) -> bool {
    *value == 0
}

/// Published by catalog.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum CatalogEvent {
    /// An event became visible to the public.
    EventPublished {
        /// The event.
        event_id: Uuid,
        /// Who runs it.
        organizer_id: Uuid,
        /// Its name.
        name: String,
        /// When it begins.
        starts_at: Timestamp,
        /// What will be sold.
        ticket_types: Vec<TicketTypeCapacity>,
        /// The quotas that the ticket types draw on.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        quotas: Vec<Quota>,
        /// The numbered seats of the house, as they were when the event was published.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        seating: Vec<SeatSection>,
        /// When it is over.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        ends_at: Option<Timestamp>,
        /// The venue's name.
        #[serde(default, skip_serializing_if = "String::is_empty")]
        venue_name: String,
        /// The IANA time zone of the venue.
        #[serde(default, skip_serializing_if = "String::is_empty")]
        time_zone: String,
    },
    /// A published event got another ticket type, or one of its types another name, capacity, sales
    /// window, limit or other sections.
    CapacityChanged {
        /// The event.
        event_id: Uuid,
        /// The ticket type with its capacity from now on.
        ticket_type: TicketTypeCapacity,
    },
    /// A published event got another quota, or one of its quotas another name, capacity or other
    /// ticket types.
    QuotaChanged {
        /// The event.
        event_id: Uuid,
        /// The quota as it is from now on.
        quota: Quota,
    },
    /// A published event lost a quota.
    QuotaRemoved {
        /// The event.
        event_id: Uuid,
        /// The quota.
        quota_id: Uuid,
    },
    /// Tickets may be sold from now on.
    SalesOpened {
        /// The event.
        event_id: Uuid,
    },
    /// No more tickets may be sold, until sales are opened again.
    SalesClosed {
        /// The event.
        event_id: Uuid,
    },
    /// The event will not take place.
    EventCancelled {
        /// The event.
        event_id: Uuid,
        /// What the organizer tells buyers.
        reason: String,
    },
    /// An event of a newer catalog.
    #[serde(other)]
    Unknown,
}

impl IntegrationEvents for CatalogEvent {
    const PUBLISHER: &'static str = "catalog";
    const NAMES: &'static [&'static str] = &[
        "catalog.event_published",
        "catalog.capacity_changed",
        "catalog.quota_changed",
        "catalog.quota_removed",
        "catalog.sales_opened",
        "catalog.sales_closed",
        "catalog.event_cancelled",
    ];

    fn key(&self) -> Uuid {
        match self {
            Self::EventPublished { event_id, .. }
            | Self::CapacityChanged { event_id, .. }
            | Self::QuotaChanged { event_id, .. }
            | Self::QuotaRemoved { event_id, .. }
            | Self::SalesOpened { event_id }
            | Self::SalesClosed { event_id }
            | Self::EventCancelled { event_id, .. } => *event_id,
            Self::Unknown => Uuid::nil(),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_unlimited_capacity_has_no_places() {
        let read = |value| serde_json::from_value::<Capacity>(value);
        assert_eq!(read(json!({"kind": "unlimited"})).ok(), Some(Capacity::UNLIMITED));
        assert!(read(json!({"kind": "unlimited", "places": 3})).is_err());
        assert!(read(json!({"kind": "limited"})).is_err());
        assert_eq!(
            serde_json::to_value(Capacity::UNLIMITED).ok(),
            Some(json!({"kind": "unlimited"}))
        );
    }

    #[test]
    fn the_smaller_capacity_is_the_one_with_a_limit_or_fewer_places() {
        let (ten, four) = (Capacity::limited(10), Capacity::limited(4));
        assert_eq!(ten.smaller(four), four);
        assert_eq!(ten.smaller(Capacity::UNLIMITED), ten);
        assert_eq!(Capacity::UNLIMITED.smaller(ten), ten);
    }

    #[test]
    fn a_ticket_type_of_an_older_catalog_has_a_quota_of_its_own() {
        let old = json!({
            "ticket_type_id": Uuid::nil(),
            "name": "Stalls",
            "capacity": {"kind": "limited", "places": 3},
        });
        let read: TicketTypeCapacity = serde_json::from_value(old.clone()).expect("understood");
        let expected = TicketTypeCapacity::of_its_own(Uuid::nil(), "Stalls", Capacity::limited(3));
        assert_eq!(read, expected);
        assert_eq!(serde_json::to_value(read).ok(), Some(old));
    }
}
