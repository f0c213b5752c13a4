//! The problems that are inventory's own, and which rejection becomes which. Orders refuses with
//! most of them as well, under the same names.

use edge::{Problem, ProblemType};

use crate::domain::Rejection;

/// Every problem inventory can answer with beside the edge's. It explains them for orders as well.
pub(crate) static ALL: &[&ProblemType] = &[
    &SOLD_OUT,
    &NOT_ON_SALE,
    &SALES_NOT_STARTED,
    &SALES_ENDED,
    &QUOTA_MISSING,
    &BELOW_MINIMUM,
    &ABOVE_MAXIMUM,
    &SEAT_TAKEN,
    &SEAT_UNKNOWN,
    &NOT_SEATED,
    &TOO_MANY_HOLDS,
    &HOLD_RELEASED,
    &HOLD_DIFFERS,
    &HOLD_BELONGS_TO_ORDER,
];

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

pub(crate) static SALES_NOT_STARTED: ProblemType = ProblemType {
    slug: "sales-not-started",
    status: 409,
    title: "The sale of the ticket type has not begun",
    meaning: "`ticket_type_id` is sold only from `sales_from` on. Nothing is held, and nothing is to \
              be paid.",
    what_to_do: "Come back at `sales_from`, or choose another ticket type.",
};

pub(crate) static SALES_ENDED: ProblemType = ProblemType {
    slug: "sales-ended",
    status: 409,
    title: "The sale of the ticket type is over",
    meaning: "`ticket_type_id` was sold until `sales_until`. Nothing is held, and nothing is to be \
              paid.",
    what_to_do: "Choose another ticket type.",
};

pub(crate) static QUOTA_MISSING: ProblemType = ProblemType {
    slug: "quota-missing",
    status: 409,
    title: "The ticket type is in no quota",
    meaning: "Tickets are sold out of quotas, and the organizer has put `ticket_type_id` into none. \
              Nothing is held, and nothing is to be paid.",
    what_to_do: "Choose another ticket type. As the organizer, give the ticket type a capacity, or \
                 put it into a quota with `PUT /v1/events/{event_id}/quotas/{quota_id}`.",
};

pub(crate) static BELOW_MINIMUM: ProblemType = ProblemType {
    slug: "below-minimum",
    status: 409,
    title: "An order must have more of the ticket type",
    meaning: "Whoever buys `ticket_type_id` buys at least `minimum`. Nothing is held, and nothing is \
              to be paid.",
    what_to_do: "Ask for `minimum` or more, or for none.",
};

pub(crate) static ABOVE_MAXIMUM: ProblemType = ProblemType {
    slug: "above-maximum",
    status: 409,
    title: "An order must have fewer of the ticket type",
    meaning: "An order has at most `maximum` of `ticket_type_id`. Nothing is held, and nothing is to \
              be paid.",
    what_to_do: "Ask for `maximum` or fewer.",
};

pub(crate) static SEAT_TAKEN: ProblemType = ProblemType {
    slug: "seat-taken",
    status: 409,
    title: "Seats are taken",
    meaning: "`seats` are held or sold. Seats of a request are held together or not at all: nothing \
              is held, and nothing is to be paid.",
    what_to_do: "Choose other seats: `GET /v1/availability/{event_id}/seats` tells which are free. \
                 Or name none, and get the best that are.",
};

pub(crate) static SEAT_UNKNOWN: ProblemType = ProblemType {
    slug: "seat-unknown",
    status: 409,
    title: "There is no such seat",
    meaning: "The house has no `seat`, or `ticket_type_id` is for seats in other sections. Nothing is \
              held, and nothing is to be paid.",
    what_to_do: "Choose among the seats that `GET /v1/availability/{event_id}/seats` tells of.",
};

pub(crate) static NOT_SEATED: ProblemType = ProblemType {
    slug: "not-seated",
    status: 409,
    title: "The ticket type has no numbered seats",
    meaning: "`ticket_type_id` is for general admission, and seats were named. Nothing is held, and \
              nothing is to be paid.",
    what_to_do: "Leave `seats` out.",
};

pub(crate) static TOO_MANY_HOLDS: ProblemType = ProblemType {
    slug: "too-many-holds",
    status: 409,
    title: "The account holds places too many times",
    meaning: "The account has `open` holds of the event that are not paid, and may have `most` at a \
              time, so that nobody keeps places from others. Nothing is held, and nothing is to be \
              paid.",
    what_to_do: "Buy what is on hold, give it back, or wait until it expires.",
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
            Rejection::SalesNotStarted { ticket_type_id, from } => Self::new(&SALES_NOT_STARTED)
                .with("ticket_type_id", ticket_type_id)
                .with("sales_from", from),
            Rejection::SalesEnded { ticket_type_id, until } => Self::new(&SALES_ENDED)
                .with("ticket_type_id", ticket_type_id)
                .with("sales_until", until),
            Rejection::QuotaMissing { ticket_type_id } => {
                Self::new(&QUOTA_MISSING).with("ticket_type_id", ticket_type_id)
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
