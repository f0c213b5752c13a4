//! What a stock is told, what happened to it, and why it would not do what it was told.

use contracts::{
    catalog::{Quota, TicketTypeCapacity},
    inventory::Places,
    seating::{Seat, SeatSection},
};
use runtime::Timestamp;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// What the stock is told.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Command {
    /// What is sold, as the programme says. What it does not name stays as it is.
    SetProgramme {
        ticket_types: Vec<TicketTypeCapacity>,
        quotas: Vec<Quota>,
        seating: Vec<SeatSection>,
    },
    RemoveQuota {
        quota_id: Uuid,
    },
    OpenSale,
    CloseSale,
    CancelSale,
    Hold(HoldWish),
    Confirm {
        hold_id: Uuid,
        now: Timestamp,
    },
    /// The order that has the hold gives its places back.
    Release {
        hold_id: Uuid,
    },
    /// The order that has the hold gives some of its places back.
    ReleasePlaces {
        hold_id: Uuid,
        release_id: Uuid,
        items: Vec<Places>,
    },
    /// The holder gives the places back, as long as no order has them.
    GiveBack {
        hold_id: Uuid,
    },
    /// Records which holds have expired, and forgets those that nobody asks for any more.
    EndHolds {
        now: Timestamp,
    },
}

/// A wish for places.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct HoldWish {
    pub(crate) hold_id: Uuid,
    pub(crate) holder_id: Uuid,
    pub(crate) order_id: Option<Uuid>,
    pub(crate) items: Vec<Places>,
    pub(crate) expires_at: Timestamp,
    pub(crate) now: Timestamp,
    /// How many holds of the event the holder may have open at a time; 0: no limit.
    pub(crate) most_open: u32,
}

/// What happened to the stock.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(crate) enum Event {
    CapacitySet {
        ticket_type: TicketTypeCapacity,
    },
    QuotaSet {
        quota: Quota,
    },
    QuotaRemoved {
        quota_id: Uuid,
    },
    SeatingSet {
        seating: Vec<SeatSection>,
    },
    SaleOpened,
    SaleClosed,
    SaleCancelled,
    PlacesHeld {
        hold_id: Uuid,
        holder_id: Uuid,
        order_id: Option<Uuid>,
        items: Vec<Places>,
        expires_at: Timestamp,
    },
    HoldTaken {
        hold_id: Uuid,
        order_id: Uuid,
    },
    HoldRenewed {
        hold_id: Uuid,
        expires_at: Timestamp,
    },
    /// They had no order and ended long ago.
    HoldsForgotten {
        hold_ids: Vec<Uuid>,
    },
    HoldExpired {
        hold_id: Uuid,
    },
    HoldConfirmed {
        hold_id: Uuid,
    },
    HoldReleased {
        hold_id: Uuid,
    },
    PlacesReleased {
        hold_id: Uuid,
        release_id: Uuid,
        items: Vec<Places>,
    },
}

fn why_not_on_sale(is_cancelled: bool) -> &'static str {
    if is_cancelled {
        return "the event was cancelled";
    }
    "sales of the event are not open: they have not begun yet, or were ended"
}

/// Why the stock did not do what it was told.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Rejection {
    #[error("the event is not known")]
    EventUnknown,
    #[error("{}", why_not_on_sale(*is_cancelled))]
    NotOnSale { is_cancelled: bool },
    #[error("the event has no ticket type {ticket_type_id}")]
    TicketTypeUnknown { ticket_type_id: Uuid },
    #[error("the sale of {ticket_type_id} begins at {from}")]
    SalesNotStarted { ticket_type_id: Uuid, from: Timestamp },
    #[error("the sale of {ticket_type_id} ended at {until}")]
    SalesEnded { ticket_type_id: Uuid, until: Timestamp },
    #[error("the ticket type {ticket_type_id} is in no quota")]
    QuotaMissing { ticket_type_id: Uuid },
    #[error("an order has at least {minimum} of {ticket_type_id}")]
    BelowMinimum { ticket_type_id: Uuid, minimum: u32 },
    #[error("an order has at most {maximum} of {ticket_type_id}")]
    AboveMaximum { ticket_type_id: Uuid, maximum: u32 },
    #[error("{requested} places of {ticket_type_id} were asked for and {left} are left")]
    SoldOut { ticket_type_id: Uuid, requested: u32, left: u32 },
    #[error("{} of the seats are taken", .seats.len())]
    SeatTaken { seats: Vec<Seat> },
    #[error("the ticket type {ticket_type_id} has no seat {seat}")]
    SeatUnknown { ticket_type_id: Uuid, seat: Seat },
    #[error("the ticket type {ticket_type_id} has no numbered seats")]
    NotSeated { ticket_type_id: Uuid },
    #[error("the holder has {open} holds, and {most} are allowed at a time")]
    TooManyHolds { open: u32, most: u32 },
    #[error("{reason}")]
    Invalid { reason: &'static str },
    #[error("there is no such hold")]
    HoldUnknown,
    #[error("the hold was made for something else")]
    HoldDiffers,
    #[error("the hold was given back")]
    HoldReleased,
    #[error("the hold belongs to the order {order_id}")]
    HoldBelongsToOrder { order_id: Uuid },
}
