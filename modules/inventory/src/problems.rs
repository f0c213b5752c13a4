//! The problems that are inventory's own, and which rejection becomes which. Orders refuses with
//! most of them as well, under the same names.

use contracts::refusals;
use edge::{Problem, ProblemType};

use crate::domain::Rejection;

/// Every problem inventory can answer with beside the edge's. It explains them for orders as well.
pub(crate) static ALL: &[&ProblemType] = &[
    &SOLD_OUT,
    &NOT_ON_SALE,
    &SALES_NOT_STARTED,
    &SALES_ENDED,
    &NOT_SELLABLE,
    &BELOW_MINIMUM,
    &ABOVE_MAXIMUM,
    &SEAT_TAKEN,
    &SEAT_UNKNOWN,
    &NOT_SEATED,
    &TOO_MANY_HOLDS,
    &HOLD_RELEASED,
    &HOLD_DIFFERS,
    &HOLD_BELONGS_TO_ORDER,
    &TOO_MANY_STREAMS,
];

/// A refusal that other services give in the same words.
const fn refused(refusal: &refusals::Refusal) -> ProblemType {
    let refusals::Refusal { slug, status, title, meaning, what_to_do } = *refusal;
    ProblemType { slug, status, title, meaning, what_to_do }
}

pub(crate) static SOLD_OUT: ProblemType = refused(&refusals::SOLD_OUT);
pub(crate) static NOT_ON_SALE: ProblemType = refused(&refusals::NOT_ON_SALE);
pub(crate) static SALES_NOT_STARTED: ProblemType = refused(&refusals::SALES_NOT_STARTED);
pub(crate) static SALES_ENDED: ProblemType = refused(&refusals::SALES_ENDED);
pub(crate) static NOT_SELLABLE: ProblemType = refused(&refusals::NOT_SELLABLE);
pub(crate) static BELOW_MINIMUM: ProblemType = refused(&refusals::BELOW_MINIMUM);
pub(crate) static ABOVE_MAXIMUM: ProblemType = refused(&refusals::ABOVE_MAXIMUM);
pub(crate) static SEAT_TAKEN: ProblemType = refused(&refusals::SEAT_TAKEN);

pub(crate) static SEAT_UNKNOWN: ProblemType = refused(&refusals::SEAT_UNKNOWN);
pub(crate) static NOT_SEATED: ProblemType = refused(&refusals::NOT_SEATED);
pub(crate) static TOO_MANY_HOLDS: ProblemType = refused(&refusals::TOO_MANY_HOLDS);

pub(crate) static HOLD_RELEASED: ProblemType = ProblemType {
    slug: "hold-released",
    status: 409,
    title: "The hold was given back",
    meaning: "The places of this hold were given back and are free for others.",
    what_to_do: "Hold places anew, with another Idempotency-Key.",
};

pub(crate) static HOLD_DIFFERS: ProblemType = ProblemType {
    slug: "hold-differs",
    status: 409,
    title: "The hold was made for something else",
    meaning: "There is a hold with this id, but for other places, for somebody else or for another \
              order.",
    what_to_do: "Hold places anew, with another Idempotency-Key.",
};

pub(crate) static HOLD_BELONGS_TO_ORDER: ProblemType = ProblemType {
    slug: "hold-belongs-to-order",
    status: 409,
    title: "The hold belongs to an order",
    meaning: "An order was placed with this hold, and only with the order are its places given back.",
    what_to_do: "Cancel the order that `order_id` names.",
};

pub(crate) static TOO_MANY_STREAMS: ProblemType = ProblemType {
    slug: "too-many-streams",
    status: 429,
    title: "Too many streams from one network",
    meaning: "From the client's network `most` streams of availability are open already.",
    what_to_do: "Close one, share one among the pages that show it, or read \
                 `GET /v1/availability/{event_id}` now and then; what it says may be kept for a \
                 second.",
};

impl From<Rejection> for Problem {
    fn from(rejection: Rejection) -> Self {
        match rejection {
            Rejection::EventUnknown => {
                Self::invalid_field("/event_id", "no published event has this id")
            }
            Rejection::NotOnSale { .. } => Self::new(&NOT_ON_SALE).detail(rejection.to_string()),
            Rejection::TicketTypeUnknown { ticket_type_id } => Self::invalid_field(
                "/items",
                format!("the event has no ticket type {ticket_type_id}"),
            ),
            Rejection::SoldOut { ticket_type_id, requested, left } => Self::new(&SOLD_OUT)
                .with("ticket_type_id", ticket_type_id)
                .with("requested", requested)
                .with("left", left),
            Rejection::SalesNotStarted { ticket_type_id, from } => Self::new(&SALES_NOT_STARTED)
                .with("ticket_type_id", ticket_type_id)
                .with("from", from),
            Rejection::SalesEnded { ticket_type_id, until } => {
                Self::new(&SALES_ENDED).with("ticket_type_id", ticket_type_id).with("until", until)
            }
            Rejection::QuotaMissing { ticket_type_id } => {
                Self::new(&NOT_SELLABLE).with("ticket_type_id", ticket_type_id)
            }
            Rejection::BelowMinimum { ticket_type_id, minimum } => Self::new(&BELOW_MINIMUM)
                .with("ticket_type_id", ticket_type_id)
                .with("minimum", minimum),
            Rejection::AboveMaximum { ticket_type_id, maximum } => Self::new(&ABOVE_MAXIMUM)
                .with("ticket_type_id", ticket_type_id)
                .with("maximum", maximum),
            Rejection::SeatTaken { seats } => Self::new(&SEAT_TAKEN).with("seats", seats),
            Rejection::SeatUnknown { ticket_type_id, seat } => {
                Self::new(&SEAT_UNKNOWN).with("ticket_type_id", ticket_type_id).with("seat", seat)
            }
            Rejection::NotSeated { ticket_type_id } => {
                Self::new(&NOT_SEATED).with("ticket_type_id", ticket_type_id)
            }
            Rejection::TooManyHolds { open, most } => {
                Self::new(&TOO_MANY_HOLDS).with("open", open).with("most", most)
            }
            Rejection::Invalid { reason } => Self::invalid_field("/items", reason),
            Rejection::HoldUnknown => Self::not_found().detail("there is no such hold"),
            Rejection::HoldDiffers => Self::new(&HOLD_DIFFERS),
            Rejection::HoldReleased => Self::new(&HOLD_RELEASED),
            Rejection::HoldBelongsToOrder { order_id } => {
                Self::new(&HOLD_BELONGS_TO_ORDER).with("order_id", order_id)
            }
        }
    }
}
