//! What tickets says to other services: issuing and voiding.

use runtime::{Context, ContractError, Fault, IntegrationEvents, Timestamp, Unrecognised, service};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

/// Tickets of orders.
#[service("tickets")]
pub trait Tickets {
    /// Issues the tickets of an order, once: the same order asked again gets the same tickets.
    #[idempotent]
    async fn issue(
        &self,
        cx: &Context,
        request: IssueTickets,
    ) -> Result<IssuedTickets, TicketError>;

    /// Makes the tickets of an order worthless. An order without tickets gets none any more.
    #[idempotent]
    async fn void(&self, cx: &Context, request: VoidTickets) -> Result<VoidedTickets, TicketError>;
}

/// Asks for the tickets of an order.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct IssueTickets {
    /// The order.
    pub order_id: Uuid,
    /// Who holds the tickets.
    pub holder_id: Uuid,
    /// The event.
    pub event_id: Uuid,
    /// Its name.
    pub event_name: String,
    /// Who runs it.
    pub organizer_id: Uuid,
    /// When it begins.
    pub starts_at: Timestamp,
    /// The venue's name.
    pub venue_name: String,
    /// The IANA time zone of the venue.
    pub time_zone: String,
    /// One a ticket, in the order of the positions of the order.
    pub positions: Vec<TicketPosition>,
}

/// What one ticket is for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct TicketPosition {
    /// The ticket type.
    pub ticket_type_id: Uuid,
    /// Its name.
    pub ticket_type_name: String,
}

/// The tickets of an order.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct IssuedTickets {
    /// The tickets, in the order of the positions.
    pub ticket_ids: Vec<Uuid>,
}

/// Asks to make tickets worthless.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct VoidTickets {
    /// The order.
    pub order_id: Uuid,
    /// Why, for whoever stands at the door.
    pub reason: String,
}

/// Tickets that are worthless now.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct VoidedTickets {
    /// The tickets.
    pub ticket_ids: Vec<Uuid>,
}

/// Why tickets did not do what was asked.
#[derive(Debug, Clone, PartialEq, thiserror::Error, Serialize, Deserialize, ToSchema)]
#[serde(tag = "code", rename_all = "snake_case")]
pub enum TicketError {
    /// The tickets of this order were voided; it gets no others.
    #[error("the tickets of order {order_id} were voided")]
    Voided {
        /// The order.
        order_id: Uuid,
    },
    /// The order has no positions, or too many.
    #[error("the request is not valid: {reason}")]
    Invalid {
        /// What is wrong.
        reason: String,
    },
    /// The call itself failed.
    #[error(transparent)]
    #[serde(skip)]
    Fault(#[from] Fault),
    /// An error of a newer tickets.
    #[error("{0}")]
    #[serde(untagged)]
    Unrecognised(Unrecognised),
}
impl ContractError for TicketError {}

/// Published by tickets.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum TicketEvent {
    /// The tickets of an order exist.
    TicketsIssued {
        /// The order.
        order_id: Uuid,
        /// The event.
        event_id: Uuid,
        /// Who holds them.
        holder_id: Uuid,
        /// The tickets.
        ticket_ids: Vec<Uuid>,
    },
    /// The tickets of an order are worthless.
    TicketsVoided {
        /// The order.
        order_id: Uuid,
        /// The event.
        event_id: Uuid,
        /// The tickets.
        ticket_ids: Vec<Uuid>,
    },
    /// Somebody was let in.
    TicketAdmitted {
        /// The order.
        order_id: Uuid,
        /// The ticket.
        ticket_id: Uuid,
        /// The event.
        event_id: Uuid,
        /// When.
        admitted_at: Timestamp,
    },
    /// An event of a newer tickets.
    #[serde(other)]
    Unknown,
}

impl IntegrationEvents for TicketEvent {
    const PUBLISHER: &'static str = "tickets";
    const NAMES: &'static [&'static str] =
        &["tickets.tickets_issued", "tickets.tickets_voided", "tickets.ticket_admitted"];

    fn key(&self) -> Uuid {
        match self {
            Self::TicketsIssued { order_id, .. }
            | Self::TicketsVoided { order_id, .. }
            | Self::TicketAdmitted { order_id, .. } => *order_id,
            Self::Unknown => Uuid::nil(),
        }
    }
}
