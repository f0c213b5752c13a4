//! Why an order ended without tickets, or without some of them.

use contracts::seating::Seat;
use runtime::Timestamp;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// Why an order ended without tickets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Cause {
    /// There were not enough places.
    SoldOut,
    /// Tickets were no longer sold when the places were asked for.
    NotOnSale,
    /// The hold it was placed with was given back or is another order's.
    HoldGone,
    /// Somebody else has one of the seats.
    SeatTaken,
    /// The ticket type was not sold yet or not any more, or not so many or so few of it.
    NotOnTheseTerms,
    /// It was not paid in time.
    Expired,
    /// The buyer called it off.
    BuyerCancelled,
    /// The organizer called it off.
    OrganizerCancelled,
    /// The event was cancelled.
    EventCancelled,
    /// The money came after the places had gone to others.
    PaidTooLate,
    /// All the money was given back.
    Refunded,
    /// The places could not be held and the payment opened in time, since something was out of order.
    NotHeld,
    /// It was paid, and its tickets could not be issued for a day.
    NotFulfilled,
    /// Less was paid than it costs.
    Underpaid,
}

impl Cause {
    /// For people: whoever stands at the door, and the books.
    pub(crate) fn in_words(self) -> &'static str {
        match self {
            Self::SoldOut => "sold out",
            Self::NotOnSale => "not on sale",
            Self::HoldGone => "the hold was given back or is another order's",
            Self::SeatTaken => "a seat was taken",
            Self::NotOnTheseTerms => "not sold on these terms",
            Self::Expired => "not paid in time",
            Self::BuyerCancelled => "cancelled by the buyer",
            Self::OrganizerCancelled => "cancelled by the organizer",
            Self::EventCancelled => "the event was cancelled",
            Self::PaidTooLate => "paid after the places had gone to others",
            Self::Refunded => "the money was given back",
            Self::NotHeld => "the places could not be held for a payment",
            Self::NotFulfilled => "the tickets could not be issued",
            Self::Underpaid => "less was paid than it costs",
        }
    }
}

/// Of which ticket type there were too few places.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Shortage {
    pub(crate) ticket_type_id: Uuid,
    pub(crate) requested: u32,
    pub(crate) left: u32,
}

/// What inventory said when it would not hold the places.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub(crate) enum Particulars {
    /// These seats are taken.
    Seats { seats: Vec<Seat> },
    /// The ticket type has no such seat.
    NoSuchSeat { ticket_type_id: Uuid, seat: Seat },
    /// The ticket type has no seats.
    NotSeated { ticket_type_id: Uuid },
    /// The ticket type is sold from then on.
    From { ticket_type_id: Uuid, from: Timestamp },
    /// The ticket type was sold until then.
    Until { ticket_type_id: Uuid, until: Timestamp },
    /// The ticket type is in no quota.
    NoQuota { ticket_type_id: Uuid },
    /// An order must have so many.
    Minimum { ticket_type_id: Uuid, minimum: u32 },
    /// An order may have so many.
    Maximum { ticket_type_id: Uuid, maximum: u32 },
    /// The buyer has so many holds, and may have so many.
    Holds { open: u32, most: u32 },
}

/// Why inventory would not hold the places.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Refusal {
    pub(crate) cause: Cause,
    /// What was sold out, when that is the cause.
    pub(crate) shortage: Option<Shortage>,
    pub(crate) particulars: Option<Particulars>,
}

impl Refusal {
    /// One that says no more than its cause.
    pub(crate) fn of(cause: Cause) -> Self {
        Self { cause, shortage: None, particulars: None }
    }

    /// One about the terms of the sale.
    pub(crate) fn on_terms(particulars: Particulars) -> Self {
        let particulars = Some(particulars);
        Self { particulars, ..Self::of(Cause::NotOnTheseTerms) }
    }
}
