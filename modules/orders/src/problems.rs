//! The problems that are orders' own, and which rejection becomes which.
//!
//! What inventory refuses, orders refuses under the same names and in the same words, which are the
//! contracts'; inventory's part of the documentation explains most of them.

use contracts::{
    catalog::CatalogError, identity::IdentityError, inventory::InventoryError, refusals,
};
use edge::{FieldFault, Problem, ProblemType, RequestPart};
use serde::Serialize;
use uuid::Uuid;

use crate::domain::{Cause, Order, Particulars, Refusal, Rejection, Shortage};

/// Every problem that is orders' own.
pub(crate) static ALL: &[&ProblemType] = &[
    &HOLD_GONE,
    &ORDER_IS_PAID,
    &ORDER_HAS_NO_TICKETS,
    &ORDER_HAS_ENDED,
    &ORDER_ACCESS_REFUSED,
    &TOO_MANY_GUEST_ORDERS,
];

const fn refused(refusal: &refusals::Refusal) -> ProblemType {
    let refusals::Refusal { slug, status, title, meaning, what_to_do } = *refusal;
    ProblemType { slug, status, title, meaning, what_to_do }
}

pub(crate) static SOLD_OUT: ProblemType = refused(&refusals::SOLD_OUT);
pub(crate) static NOT_ON_SALE: ProblemType = refused(&refusals::NOT_ON_SALE);
pub(crate) static SALES_NOT_STARTED: ProblemType = refused(&refusals::SALES_NOT_STARTED);
pub(crate) static SALES_ENDED: ProblemType = refused(&refusals::SALES_ENDED);
pub(crate) static SEAT_TAKEN: ProblemType = refused(&refusals::SEAT_TAKEN);
pub(crate) static SEAT_UNKNOWN: ProblemType = refused(&refusals::SEAT_UNKNOWN);
pub(crate) static NOT_SEATED: ProblemType = refused(&refusals::NOT_SEATED);
pub(crate) static NOT_SELLABLE: ProblemType = refused(&refusals::NOT_SELLABLE);
pub(crate) static BELOW_MINIMUM: ProblemType = refused(&refusals::BELOW_MINIMUM);
pub(crate) static ABOVE_MAXIMUM: ProblemType = refused(&refusals::ABOVE_MAXIMUM);
pub(crate) static TOO_MANY_HOLDS: ProblemType = refused(&refusals::TOO_MANY_HOLDS);

pub(crate) static HOLD_GONE: ProblemType = ProblemType {
    slug: "hold-gone",
    status: 409,
    title: "The hold cannot be ordered",
    meaning: "The hold was given back, or another order was placed with it.",
    what_to_do: "Hold places anew, or order them directly, with another Idempotency-Key.",
};

pub(crate) static ORDER_IS_PAID: ProblemType = ProblemType {
    slug: "order-is-paid",
    status: 409,
    title: "The order is paid",
    meaning: "A buyer can cancel an order until it is paid. From then on only the organizer can, and \
              the money is returned.",
    what_to_do: "Ask the organizer to cancel the order.",
};

pub(crate) static ORDER_HAS_NO_TICKETS: ProblemType = ProblemType {
    slug: "order-has-no-tickets",
    status: 409,
    title: "The order has no tickets yet",
    meaning: "Single positions can be cancelled once their tickets exist. This order is not paid, or \
              its tickets are being issued at this moment.",
    what_to_do: "Cancel the whole order by leaving `positions` out, or repeat the request once the \
                 order is `fulfilled`.",
};

pub(crate) static ORDER_HAS_ENDED: ProblemType = ProblemType {
    slug: "order-has-ended",
    status: 409,
    title: "The order has ended",
    meaning: "The order was cancelled, has expired, or is being called off already.",
    what_to_do: "Place a new order if you still want the tickets. `detail` and `cause` tell why this one \
                 ended, and so does the order.",
};

pub(crate) static ORDER_ACCESS_REFUSED: ProblemType = ProblemType {
    slug: "order-access-refused",
    status: 403,
    title: "The order is not opened",
    meaning: "There is no order of a guest with this code and this secret. Which of the two is wrong \
              is not told. Orders of accounts are not opened so.",
    what_to_do: "Take code and secret from the answer to `POST /v1/orders` or from the mail about the \
                 order. Whoever ordered with an account logs in instead.",
};

pub(crate) static TOO_MANY_GUEST_ORDERS: ProblemType = ProblemType {
    slug: "too-many-guest-orders",
    status: 429,
    title: "Too many orders without an account",
    meaning: "Without an account `most` orders may be placed from one network within some minutes \
              and not be paid for, and `most` orders of one event may have one e-mail address and \
              not be paid for or be free. `detail` tells which of the two it is. Nothing is held, \
              and nothing was ordered.",
    what_to_do: "Pay for what is ordered, cancel what has the e-mail address and is not wanted, or \
                 wait as long as `Retry-After` says where it is there; then repeat the request with \
                 another Idempotency-Key. Whoever has logged in is not held back so.",
};

/// Guests have placed `most` orders, and that is all they may.
pub(crate) fn too_many_guest_orders(most: impl Serialize) -> Problem {
    Problem::new(&TOO_MANY_GUEST_ORDERS).with("most", most)
}

impl From<Rejection> for Problem {
    fn from(rejection: Rejection) -> Self {
        match rejection {
            Rejection::Unknown => Self::not_found(),
            Rejection::Differs => Self::new(&edge::problems::IDEMPOTENCY_KEY_REUSED),
            Rejection::AlreadyPaid => Self::new(&ORDER_IS_PAID),
            Rejection::NoTicketsYet => Self::new(&ORDER_HAS_NO_TICKETS),
            Rejection::PositionUnknown { position } => {
                Self::invalid_field("/positions", format!("the order has no position {position}"))
            }
            Rejection::Ended => Self::new(&ORDER_HAS_ENDED),
        }
    }
}

/// The order came to its end, or is on its way there.
pub(crate) fn ended(order: &Order) -> Problem {
    let problem = Problem::new(&ORDER_HAS_ENDED);
    match order.cause {
        Some(cause) => problem.detail(cause.in_words()).with("cause", cause),
        None => problem,
    }
}

/// Why inventory would not hold the places of an order.
pub(crate) fn refusal(refusal: &Refusal) -> Problem {
    let Refusal { cause, shortage, particulars } = refusal;
    if let Some(particulars) = particulars {
        return in_particular(particulars);
    }
    let problem = match kind_of(*cause) {
        kind if *kind == ORDER_HAS_ENDED => {
            Problem::new(kind).detail(cause.in_words()).with("cause", cause)
        }
        kind => Problem::new(kind),
    };
    let Some(Shortage { ticket_type_id, requested, left }) = *shortage else { return problem };
    problem.with("ticket_type_id", ticket_type_id).with("requested", requested).with("left", left)
}

fn kind_of(cause: Cause) -> &'static ProblemType {
    match cause {
        Cause::SoldOut => &SOLD_OUT,
        Cause::NotOnSale | Cause::NotOnTheseTerms => &NOT_ON_SALE,
        Cause::HoldGone => &HOLD_GONE,
        Cause::SeatTaken => &SEAT_TAKEN,
        Cause::Expired
        | Cause::BuyerCancelled
        | Cause::OrganizerCancelled
        | Cause::EventCancelled
        | Cause::PaidTooLate
        | Cause::Refunded
        | Cause::NotHeld
        | Cause::NotFulfilled
        | Cause::Underpaid => &ORDER_HAS_ENDED,
    }
}

fn in_particular(particulars: &Particulars) -> Problem {
    let of_type =
        |kind, ticket_type_id: &Uuid| Problem::new(kind).with("ticket_type_id", ticket_type_id);
    match particulars {
        Particulars::Seats { seats } => Problem::new(&SEAT_TAKEN).with("seats", seats),
        Particulars::NoSuchSeat { ticket_type_id, seat } => {
            of_type(&SEAT_UNKNOWN, ticket_type_id).with("seat", seat)
        }
        Particulars::NotSeated { ticket_type_id } => of_type(&NOT_SEATED, ticket_type_id),
        Particulars::From { ticket_type_id, from } => {
            of_type(&SALES_NOT_STARTED, ticket_type_id).with("from", from)
        }
        Particulars::Until { ticket_type_id, until } => {
            of_type(&SALES_ENDED, ticket_type_id).with("until", until)
        }
        Particulars::NoQuota { ticket_type_id } => of_type(&NOT_SELLABLE, ticket_type_id),
        Particulars::Minimum { ticket_type_id, minimum } => {
            of_type(&BELOW_MINIMUM, ticket_type_id).with("minimum", minimum)
        }
        Particulars::Maximum { ticket_type_id, maximum } => {
            of_type(&ABOVE_MAXIMUM, ticket_type_id).with("maximum", maximum)
        }
        Particulars::Holds { open, most } => {
            Problem::new(&TOO_MANY_HOLDS).with("open", open).with("most", most)
        }
    }
}

/// A fault of the body.
pub(crate) fn fault(pointer: String, detail: impl Into<String>) -> FieldFault {
    FieldFault::new(RequestPart::Body, pointer, detail)
}

/// What a call to catalog failed with.
pub(crate) fn from_catalog(error: CatalogError) -> Problem {
    match error {
        CatalogError::EventUnknown { .. } => {
            Problem::invalid_field("/event_id", "no event has this id")
        }
        CatalogError::Fault(fault) => fault.into(),
        CatalogError::Unrecognised(_) => Problem::internal(error),
    }
}

/// What a call to identity failed with.
pub(crate) fn from_identity(error: IdentityError) -> Problem {
    match error {
        IdentityError::Fault(fault) => fault.into(),
        other => Problem::internal(other),
    }
}

/// What a call to inventory failed with.
pub(crate) fn from_inventory(error: InventoryError) -> Problem {
    match error {
        InventoryError::HoldUnknown { .. } => unknown_hold(),
        InventoryError::Fault(fault) => fault.into(),
        other => Problem::internal(other),
    }
}

/// The hold does not exist, or is somebody else's, which nobody is told.
pub(crate) fn unknown_hold() -> Problem {
    Problem::invalid_field("/hold_id", "no hold of this event has this id")
}
