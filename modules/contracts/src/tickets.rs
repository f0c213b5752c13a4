//! What tickets says to other services: issuing, voiding, finding and printing.

use runtime::{Context, ContractError, Fault, IntegrationEvents, Timestamp, Unrecognised, service};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::seating::Seat;

/// Tickets of orders.
#[service("tickets")]
pub trait Tickets {
    /// Issues the tickets of an order, once: the same order asked again gets the same tickets.
    #[idempotent]
    #[routed_by(order_id)]
    async fn issue(
        &self,
        cx: &Context,
        request: IssueTickets,
    ) -> Result<IssuedTickets, TicketError>;

    /// Makes tickets of an order worthless: some of them, or all. An order without tickets whose
    /// tickets are all made worthless gets none any more.
    #[idempotent]
    #[routed_by(order_id)]
    async fn void(&self, cx: &Context, request: VoidTickets) -> Result<VoidedTickets, TicketError>;

    /// The tickets of an order, in the order of their positions; none when none were issued.
    #[idempotent]
    #[routed_by(order_id)]
    async fn find(&self, cx: &Context, request: FindTickets) -> Result<OrderTickets, TicketError>;

    /// The tickets of an order to be printed: those that are good and still held by the one they
    /// were issued to. Whoever has a code gets in; for the buyer's eyes only.
    #[idempotent]
    #[routed_by(order_id)]
    async fn print(
        &self,
        cx: &Context,
        request: PrintTickets,
    ) -> Result<PrintedTickets, TicketError>;
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
    /// The position of the order, from 1; 0 where the order numbers none.
    #[serde(default)]
    pub position: u32,
    /// The seat; none in general admission.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seat: Option<Seat>,
    /// When the ticket begins to be good for entry; at once when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub valid_from: Option<Timestamp>,
    /// When it ceases to be; never when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub valid_until: Option<Timestamp>,
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
    /// Which of its tickets. Empty for all, and then it gets no others.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ticket_ids: Vec<Uuid>,
}

/// Tickets that are worthless now.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct VoidedTickets {
    /// All worthless tickets of the order, those of earlier requests too.
    pub ticket_ids: Vec<Uuid>,
}

/// Asks which tickets an order has.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct FindTickets {
    /// The order.
    pub order_id: Uuid,
}

/// The tickets that an order has.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct OrderTickets {
    /// The tickets, in the order of the positions.
    pub tickets: Vec<TicketLine>,
}

/// One ticket of an order.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct TicketLine {
    /// The ticket.
    pub ticket_id: Uuid,
    /// The position of the order, from 1; 0 where the order numbered none.
    pub position: u32,
    /// What it is for.
    pub ticket_type_name: String,
    /// The seat; none in general admission.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seat: Option<Seat>,
    /// What it is worth.
    pub state: TicketState,
}

/// What a ticket is worth.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum TicketState {
    /// It lets its bearer in.
    Valid,
    /// It has let its bearer in.
    Admitted,
    /// It lets nobody in until its organizer unblocks it.
    Blocked,
    /// It is worthless.
    Voided,
}

/// Asks for an order's tickets on paper.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct PrintTickets {
    /// The order.
    pub order_id: Uuid,
}

/// An order's tickets on paper.
#[derive(Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct PrintedTickets {
    /// A PDF document in base64, one page a ticket; empty when there is no ticket to print.
    pub pdf_base64: String,
    /// The tickets that are in it.
    pub codes: Vec<TicketCode>,
}

/// The code of one ticket.
#[derive(Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct TicketCode {
    /// The ticket.
    pub ticket_id: Uuid,
    /// What it is for: the ticket type, and the seat if it has one.
    pub label: String,
    /// What is in the QR code. A secret: whoever has it gets in.
    pub code: String,
}

/// Codes are secrets.
impl std::fmt::Debug for PrintedTickets {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PrintedTickets").field("codes", &self.codes).finish_non_exhaustive()
    }
}

impl std::fmt::Debug for TicketCode {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut shown = f.debug_struct("TicketCode");
        shown.field("ticket_id", &self.ticket_id).finish_non_exhaustive()
    }
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
    /// The order has no such ticket.
    #[error("order {order_id} has no ticket {ticket_id}")]
    TicketUnknown {
        /// The order.
        order_id: Uuid,
        /// The ticket.
        ticket_id: Uuid,
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
    /// Tickets of an order are worthless.
    TicketsVoided {
        /// The order.
        order_id: Uuid,
        /// The event.
        event_id: Uuid,
        /// The tickets.
        ticket_ids: Vec<Uuid>,
    },
    /// Somebody was let in: for the first time, or once more where that is allowed.
    TicketAdmitted {
        /// The order.
        order_id: Uuid,
        /// The ticket.
        ticket_id: Uuid,
        /// The event.
        event_id: Uuid,
        /// When.
        admitted_at: Timestamp,
        /// The check-in list; nil in what an older tickets wrote.
        #[serde(default)]
        list_id: Uuid,
    },
    /// A ticket was scanned, and that was no admission of its holder: an exit, a refusal, or an entry
    /// that a door without a network allowed though the ticket was worthless, for another event, or
    /// passed on. What was is told as `TicketAdmitted`.
    TicketScanned {
        /// The order.
        order_id: Uuid,
        /// The ticket.
        ticket_id: Uuid,
        /// The event of the ticket.
        event_id: Uuid,
        /// The check-in list of the door.
        list_id: Uuid,
        /// Whether its bearer wanted in or out.
        kind: ScanKind,
        /// What came of it: `ok`, or why the bearer was refused, or should have been.
        result: String,
        /// When.
        at: Timestamp,
    },
    /// A ticket belongs to somebody else, and its code is another.
    TicketTransferred {
        /// The order.
        order_id: Uuid,
        /// The ticket.
        ticket_id: Uuid,
        /// The event.
        event_id: Uuid,
        /// Who had it.
        from: Uuid,
        /// Who has it.
        to: Uuid,
    },
    /// An event of a newer tickets.
    #[serde(other)]
    Unknown,
}

/// Which way the bearer of a ticket goes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ScanKind {
    /// In.
    #[default]
    Entry,
    /// Out.
    Exit,
}

impl IntegrationEvents for TicketEvent {
    const PUBLISHER: &'static str = "tickets";
    const NAMES: &'static [&'static str] = &[
        "tickets.tickets_issued",
        "tickets.tickets_voided",
        "tickets.ticket_admitted",
        "tickets.ticket_scanned",
        "tickets.ticket_transferred",
    ];

    fn key(&self) -> Uuid {
        match self {
            Self::TicketsIssued { order_id, .. }
            | Self::TicketsVoided { order_id, .. }
            | Self::TicketAdmitted { order_id, .. }
            | Self::TicketScanned { order_id, .. }
            | Self::TicketTransferred { order_id, .. } => *order_id,
            Self::Unknown => Uuid::nil(),
        }
    }
}
