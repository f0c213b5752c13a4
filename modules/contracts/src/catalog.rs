//! What catalog says to other services: what is for sale, at which price.

use runtime::{Context, ContractError, Fault, IntegrationEvents, Timestamp, Unrecognised, service};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::money::Money;

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
    Unlimited,
    /// So many and no more.
    Limited {
        /// How many.
        places: u32,
    },
}

/// A ticket type and how many of it there are.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct TicketTypeCapacity {
    /// The ticket type.
    pub ticket_type_id: Uuid,
    /// Its name.
    pub name: String,
    /// How many there are.
    pub capacity: Capacity,
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
    },
    /// A published event got another ticket type, or one of its types another capacity.
    CapacityChanged {
        /// The event.
        event_id: Uuid,
        /// The ticket type with its capacity from now on.
        ticket_type: TicketTypeCapacity,
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
        "catalog.sales_opened",
        "catalog.sales_closed",
        "catalog.event_cancelled",
    ];

    fn key(&self) -> Uuid {
        match self {
            Self::EventPublished { event_id, .. }
            | Self::CapacityChanged { event_id, .. }
            | Self::SalesOpened { event_id }
            | Self::SalesClosed { event_id }
            | Self::EventCancelled { event_id, .. } => *event_id,
            Self::Unknown => Uuid::nil(),
        }
    }
}
