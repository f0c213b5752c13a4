//! The problems that are orders' own, and which rejection becomes which.
//!
//! What inventory refuses, orders refuses under the same names: `sold-out`, `not-on-sale`. These are
//! inventory's problems, which explains them; here they are written once more, in the same words,
//! since no service depends on another.

use contracts::{catalog::CatalogError, inventory::InventoryError};
use edge::{Problem, ProblemType};

use crate::domain::{Cause, Rejection};

/// Every problem that is orders' own.
pub(crate) static ALL: &[&ProblemType] = &[&HOLD_GONE, &ORDER_IS_PAID, &ORDER_HAS_ENDED];

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

pub(crate) static ORDER_HAS_ENDED: ProblemType = ProblemType {
    slug: "order-has-ended",
    status: 409,
    title: "The order has ended",
    meaning: "The order was cancelled, has expired, or is being called off already.",
    what_to_do: "Read the order: `state` and `cause` tell why.",
};

impl From<Rejection> for Problem {
    fn from(rejection: Rejection) -> Self {
        match rejection {
            Rejection::Unknown => Self::not_found(),
            Rejection::Differs => Self::new(&edge::problems::IDEMPOTENCY_KEY_REUSED),
            Rejection::AlreadyPaid => Self::new(&ORDER_IS_PAID),
            Rejection::Ended => Self::new(&ORDER_HAS_ENDED),
        }
    }
}

/// Why placing an order failed, when it ended before anybody could pay.
pub(crate) fn refusal(cause: Cause) -> Option<&'static ProblemType> {
    match cause {
        Cause::SoldOut => Some(&SOLD_OUT),
        Cause::NotOnSale => Some(&NOT_ON_SALE),
        Cause::HoldGone => Some(&HOLD_GONE),
        Cause::Expired
        | Cause::BuyerCancelled
        | Cause::OrganizerCancelled
        | Cause::PaidTooLate
        | Cause::Refunded => None,
    }
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
