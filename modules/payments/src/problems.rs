//! The problems that are payments' own, and which rejection becomes which.

use contracts::catalog::CatalogError;
use edge::{Problem, ProblemType};

use crate::domain::Rejection;

/// Every problem payments can answer with beside the edge's.
pub(crate) static ALL: &[&ProblemType] = &[
    &PAYMENT_DECLINED,
    &PAYMENT_CLOSED,
    &PAYMENT_UNDER_WAY,
    &PAYMENT_CALLED_OFF,
    &NOTHING_TO_CONFIRM,
    &NOTHING_TO_REFUND,
];

pub(crate) static PAYMENT_DECLINED: ProblemType = ProblemType {
    slug: "payment-declined",
    status: 402,
    title: "The payment was declined",
    meaning: "The payment provider declined this attempt, and no money was taken. `reason` is \
              `insufficient_funds`, `not_approved` or `declined`, where the bank does not say more. \
              The order can still be paid until it expires.",
    what_to_do: "Pay again with another card and another Idempotency-Key.",
};

pub(crate) static PAYMENT_CLOSED: ProblemType = ProblemType {
    slug: "payment-closed",
    status: 409,
    title: "The payment is closed",
    meaning: "The order has expired or was called off, so no payment is accepted for it any more. \
              No money was taken with this request.",
    what_to_do: "Place a new order.",
};

pub(crate) static PAYMENT_UNDER_WAY: ProblemType = ProblemType {
    slug: "payment-under-way",
    status: 409,
    title: "Another attempt to pay is under way",
    meaning: "An earlier attempt to pay this order may still take money: the provider has not said \
              yet what came of it. A second one at the same time could take the money twice.",
    what_to_do: "Read the payment until its status is no longer `pending`. If it is `open` then, pay \
                 again with another Idempotency-Key.",
};

pub(crate) static PAYMENT_CALLED_OFF: ProblemType = ProblemType {
    slug: "payment-called-off",
    status: 409,
    title: "The attempt to pay was called off",
    meaning: "This attempt did not reach the payment provider, and was called off so that it cannot \
              take money later. No money was taken with it.",
    what_to_do: "Pay again with another Idempotency-Key.",
};

pub(crate) static NOTHING_TO_CONFIRM: ProblemType = ProblemType {
    slug: "nothing-to-confirm",
    status: 409,
    title: "No attempt to pay waits for you",
    meaning: "There is no attempt to pay that needs a second step, or its second step was taken.",
    what_to_do: "Read the payment: `status` tells where it stands.",
};

pub(crate) static NOTHING_TO_REFUND: ProblemType = ProblemType {
    slug: "nothing-to-refund",
    status: 409,
    title: "There is no money to give back",
    meaning: "No money was received for this order.",
    what_to_do: "Read the payment: while its `status` is `pending`, money may still come.",
};

impl From<Rejection> for Problem {
    fn from(rejection: Rejection) -> Self {
        match rejection {
            Rejection::Unknown => Self::not_found(),
            Rejection::Closed | Rejection::ClosedForGood => Self::new(&PAYMENT_CLOSED),
            Rejection::AttemptUnderWay { .. } => Self::new(&PAYMENT_UNDER_WAY),
            Rejection::NothingToConfirm | Rejection::Settled => Self::new(&NOTHING_TO_CONFIRM),
            Rejection::NothingReceived => Self::new(&NOTHING_TO_REFUND),
            Rejection::Differs | Rejection::NegativeAmount | Rejection::PaidTwice { .. } => {
                Self::internal(rejection)
            }
        }
    }
}

/// What a call to catalog failed with.
pub(crate) fn from_catalog(error: CatalogError) -> Problem {
    match error {
        CatalogError::Fault(fault) => fault.into(),
        other => Problem::internal(other),
    }
}
