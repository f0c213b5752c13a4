//! What inventory says to other services: holding places, and turning holds into sales.

use runtime::{Context, ContractError, Fault, Timestamp, Unrecognised, service};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::seating::Seat;

/// Capacity and holds.
#[service("inventory")]
pub trait Inventory {
    /// Holds all the places or none. The same hold asked for again is the first one: it keeps its
    /// expiry, is renewed if it had expired and there is still room, and becomes the order's when
    /// an order is named.
    #[idempotent]
    #[routed_by(event_id)]
    async fn hold(&self, cx: &Context, request: HoldPlaces) -> Result<Hold, InventoryError>;

    /// A hold as it stands, expired or not.
    #[idempotent]
    #[routed_by(event_id)]
    async fn find_hold(&self, cx: &Context, request: FindHold) -> Result<Hold, InventoryError>;

    /// Turns a hold into a sale. An expired hold is still confirmed while there is room for it.
    #[idempotent]
    #[routed_by(event_id)]
    async fn confirm(&self, cx: &Context, request: ConfirmHold) -> Result<Hold, InventoryError>;

    /// Gives the places of a hold back, be it held or confirmed. A hold that nobody knows counts
    /// as released.
    #[idempotent]
    #[routed_by(event_id)]
    async fn release(&self, cx: &Context, request: ReleaseHold)
    -> Result<Released, InventoryError>;

    /// Gives some of the places of a confirmed hold back, once for each `release_id`. The same
    /// release asked for again has been done.
    #[idempotent]
    #[routed_by(event_id)]
    async fn release_places(
        &self,
        cx: &Context,
        request: ReleasePlaces,
    ) -> Result<Released, InventoryError>;
}

/// A number of places of one ticket type.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Places {
    /// The ticket type.
    pub ticket_type_id: Uuid,
    /// How many, at least 1.
    pub quantity: u32,
    /// The numbered seats, as many as `quantity`. None: general admission, or, in a request for a
    /// ticket type with seats, "choose the best for me". A hold says which were chosen.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub seats: Vec<Seat>,
}

impl Places {
    /// So many places of a ticket type, whichever they are.
    pub fn any(ticket_type_id: Uuid, quantity: u32) -> Self {
        Self { ticket_type_id, quantity, seats: Vec::new() }
    }
}

/// Asks for a hold.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct HoldPlaces {
    /// The hold's id, chosen by the caller so that asking twice is harmless.
    pub hold_id: Uuid,
    /// The event.
    pub event_id: Uuid,
    /// The account for which places are held.
    pub holder_id: Uuid,
    /// The order that the hold is for, once there is one.
    pub order_id: Option<Uuid>,
    /// What is held; each ticket type once.
    pub items: Vec<Places>,
}

/// Asks for a hold that exists.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct FindHold {
    /// The event.
    pub event_id: Uuid,
    /// The hold.
    pub hold_id: Uuid,
}

/// Asks to turn a hold into a sale.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ConfirmHold {
    /// The event.
    pub event_id: Uuid,
    /// The hold.
    pub hold_id: Uuid,
}

/// Asks to give places back.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ReleaseHold {
    /// The event.
    pub event_id: Uuid,
    /// The hold.
    pub hold_id: Uuid,
}

/// Asks to give some of a hold's places back.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ReleasePlaces {
    /// The event.
    pub event_id: Uuid,
    /// The hold.
    pub hold_id: Uuid,
    /// This release, chosen by the caller so that asking twice is harmless.
    pub release_id: Uuid,
    /// What is given back; each ticket type once, with its seats where it has seats.
    pub items: Vec<Places>,
}

/// Places kept for somebody.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Hold {
    /// The hold.
    pub hold_id: Uuid,
    /// The event.
    pub event_id: Uuid,
    /// The account for which places are held.
    pub holder_id: Uuid,
    /// The order that the hold is for, once there is one.
    pub order_id: Option<Uuid>,
    /// What is held.
    pub items: Vec<Places>,
    /// Where the hold stands.
    pub state: HoldState,
    /// When the places stop being kept, unless the hold is confirmed before.
    pub expires_at: Timestamp,
}

/// Where a hold stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum HoldState {
    /// The places are kept until the expiry.
    Held,
    /// The expiry has passed and the places are free for others.
    Expired,
    /// The places are sold.
    Confirmed,
    /// The places were given back.
    Released,
}

/// Places were given back.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Released {
    /// The hold.
    pub hold_id: Uuid,
}

/// Why inventory did not do what was asked.
#[derive(Debug, Clone, PartialEq, thiserror::Error, Serialize, Deserialize, ToSchema)]
#[serde(tag = "code", rename_all = "snake_case")]
pub enum InventoryError {
    /// Inventory does not know the event (yet).
    #[error("inventory does not know the event {event_id}")]
    EventUnknown {
        /// The event.
        event_id: Uuid,
    },
    /// The event is not on sale.
    #[error("the event {event_id} is not on sale")]
    NotOnSale {
        /// The event.
        event_id: Uuid,
    },
    /// The event has no such ticket type.
    #[error("the event has no ticket type {ticket_type_id}")]
    TicketTypeUnknown {
        /// The ticket type.
        ticket_type_id: Uuid,
    },
    /// There are not that many places left.
    #[error("{requested} places of {ticket_type_id} were asked for and {left} are left")]
    SoldOut {
        /// The ticket type that has too few.
        ticket_type_id: Uuid,
        /// How many were asked for.
        requested: u32,
        /// How many there are.
        left: u32,
    },
    /// Seats that were asked for are held or sold.
    #[error("{} of the seats that were asked for are taken", .seats.len())]
    SeatTaken {
        /// The seats that are taken.
        seats: Vec<Seat>,
    },
    /// The ticket type has no such seat.
    #[error("the ticket type {ticket_type_id} has no seat {seat}")]
    SeatUnknown {
        /// The ticket type.
        ticket_type_id: Uuid,
        /// The seat.
        seat: Seat,
    },
    /// Seats were asked for of a ticket type that is for general admission.
    #[error("the ticket type {ticket_type_id} has no numbered seats")]
    NotSeated {
        /// The ticket type.
        ticket_type_id: Uuid,
    },
    /// The sale of the ticket type has not begun.
    #[error("the sale of the ticket type {ticket_type_id} begins at {from}")]
    SalesNotStarted {
        /// The ticket type.
        ticket_type_id: Uuid,
        /// When it begins.
        from: Timestamp,
    },
    /// The sale of the ticket type is over.
    #[error("the sale of the ticket type {ticket_type_id} ended at {until}")]
    SalesEnded {
        /// The ticket type.
        ticket_type_id: Uuid,
        /// When it ended.
        until: Timestamp,
    },
    /// The ticket type draws on no quota, and so it cannot be sold.
    #[error("the ticket type {ticket_type_id} is in no quota")]
    QuotaMissing {
        /// The ticket type.
        ticket_type_id: Uuid,
    },
    /// An order must have more of the ticket type, or none.
    #[error("an order has at least {minimum} of the ticket type {ticket_type_id}")]
    BelowMinimum {
        /// The ticket type.
        ticket_type_id: Uuid,
        /// The fewest that an order may have.
        minimum: u32,
    },
    /// An order must have fewer of the ticket type.
    #[error("an order has at most {maximum} of the ticket type {ticket_type_id}")]
    AboveMaximum {
        /// The ticket type.
        ticket_type_id: Uuid,
        /// The most that an order may have.
        maximum: u32,
    },
    /// The holder has as many holds of the event as one may have at a time.
    #[error("the holder has {open} holds of the event, and {most} are allowed at a time")]
    TooManyHolds {
        /// How many there are.
        open: u32,
        /// How many there may be.
        most: u32,
    },
    /// The request names no places, none of a type, or one type twice.
    #[error("the request is not valid: {reason}")]
    Invalid {
        /// What is wrong.
        reason: String,
    },
    /// No hold has this id.
    #[error("no hold has the id {hold_id}")]
    HoldUnknown {
        /// The hold.
        hold_id: Uuid,
    },
    /// The hold exists with other places, for somebody else or for another order.
    #[error("the hold {hold_id} was made for something else")]
    HoldDiffers {
        /// The hold.
        hold_id: Uuid,
    },
    /// The places were given back and are not held any more.
    #[error("the hold {hold_id} was released")]
    HoldReleased {
        /// The hold.
        hold_id: Uuid,
    },
    /// The call itself failed.
    #[error(transparent)]
    #[serde(skip)]
    Fault(#[from] Fault),
    /// An error of a newer inventory.
    #[error("{0}")]
    #[serde(untagged)]
    Unrecognised(Unrecognised),
}
impl ContractError for InventoryError {}
