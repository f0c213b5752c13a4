//! The problems that are inventory's own, and which rejection becomes which. Orders refuses with the
//! first two as well, under the same names and in the same words.

use edge::{Problem, ProblemType};

use crate::domain::Rejection;

/// Every problem inventory can answer with beside the edge's. It explains the first two for orders as
/// well.
pub(crate) static ALL: &[&ProblemType] =
    &[&SOLD_OUT, &NOT_ON_SALE, &HOLD_RELEASED, &HOLD_DIFFERS, &HOLD_BELONGS_TO_ORDER];

pub(crate) static SOLD_OUT: ProblemType = ProblemType {
    slug: "sold-out",
    status: 409,
    title: "There are not that many places left",
    meaning: "`ticket_type_id` has only `left` places free and `requested` were asked for. Places of \
              a request are held together or not at all: nothing is held, and nothing is to be paid. \
              An order that was refused so has ended; `order_id` names it.",
    what_to_do: "Ask for fewer, for another ticket type, or again later, with another \
                 Idempotency-Key: places that others hold and do not pay become free again. \
                 `GET /v1/availability/{event_id}` tells how many there are.",
};

pub(crate) static NOT_ON_SALE: ProblemType = ProblemType {
    slug: "not-on-sale",
    status: 409,
    title: "The event is not on sale",
    meaning: "Sales of the event have not been opened, were closed, or the event was cancelled or is \
              over.",
    what_to_do: "Read the event: `state` and its times tell which of these it is.",
};

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

impl From<Rejection> for Problem {
    fn from(rejection: Rejection) -> Self {
        match rejection {
            Rejection::EventUnknown => {
                Self::invalid_field("/event_id", "no published event has this id")
            }
            Rejection::NotOnSale => Self::new(&NOT_ON_SALE),
            Rejection::TicketTypeUnknown { ticket_type_id } => Self::invalid_field(
                "/items",
                format!("the event has no ticket type {ticket_type_id}"),
            ),
            Rejection::SoldOut { ticket_type_id, requested, left } => Self::new(&SOLD_OUT)
                .with("ticket_type_id", ticket_type_id)
                .with("requested", requested)
                .with("left", left),
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
