//! The problems that are payments' own, and which rejection becomes which.

use contracts::catalog::CatalogError;
use edge::{Problem, ProblemType};

use crate::domain::{Payment, Rejection};

/// Every problem payments can answer with beside the edge's.
pub(crate) static ALL: &[&ProblemType] = &[
    &PAYMENT_DECLINED,
    &PAYMENT_CLOSED,
    &PAYMENT_UNDER_WAY,
    &PAYMENT_CALLED_OFF,
    &TOO_MANY_PAYMENT_ATTEMPTS,
    &NOTHING_TO_CONFIRM,
    &NOTHING_TO_REFUND,
    &REFUND_EXCEEDS_PAYMENT,
    &PROVIDER_UNAVAILABLE,
    &METHOD_UNSUPPORTED,
    &AMOUNT_UNSUPPORTED,
    &WEBHOOK_SIGNATURE_INVALID,
    &WEBHOOK_UNTIMELY,
    &WEBHOOK_UNREADABLE,
    &WEBHOOK_NOT_TAKEN,
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
    meaning: "The order has expired, was called off, or its money was given back, so no payment is \
              accepted for it any more; `detail` says which. No money was taken with this request.",
    what_to_do: "Place a new order.",
};

pub(crate) static PAYMENT_UNDER_WAY: ProblemType = ProblemType {
    slug: "payment-under-way",
    status: 409,
    title: "Another attempt to pay is under way",
    meaning: "An earlier attempt to pay this order may still take money: the provider has not said \
              yet what came of it. A second one at the same time could take the money twice.",
    what_to_do: "Send the request again after the time in `Retry-After`. Nothing was done under its \
                 Idempotency-Key, so the same one may be used. Or read the payment until its status \
                 is no longer `pending`.",
};

pub(crate) static PAYMENT_CALLED_OFF: ProblemType = ProblemType {
    slug: "payment-called-off",
    status: 409,
    title: "The attempt to pay was called off",
    meaning: "This attempt did not reach the payment provider, and was called off so that it cannot \
              take money later. No money was taken with it.",
    what_to_do: "Send the request again after the time in `Retry-After`, with the same \
                 Idempotency-Key or another one: it makes a new attempt.",
};

pub(crate) static TOO_MANY_PAYMENT_ATTEMPTS: ProblemType = ProblemType {
    slug: "too-many-payment-attempts",
    status: 409,
    title: "There were too many attempts to pay",
    meaning: "Twenty attempts to pay this order have reached the payment provider, or a hundred were \
              begun, and none took the money. No other one is accepted for it. No money was taken.",
    what_to_do: "Place a new order, with a means of payment that your bank approves.",
};

pub(crate) static PROVIDER_UNAVAILABLE: ProblemType = ProblemType {
    slug: "payment-provider-unavailable",
    status: 503,
    title: "The payment provider cannot be reached",
    meaning: "The payment provider could not be asked for the money. The attempt was called off, and \
              no money was or will be taken with it. The order can still be paid until it expires.",
    what_to_do: "Send the request again after the time in `Retry-After`, with the same \
                 Idempotency-Key or another one: it makes a new attempt.",
};

pub(crate) static METHOD_UNSUPPORTED: ProblemType = ProblemType {
    slug: "payment-method-unsupported",
    status: 422,
    title: "This shop does not take such a means of payment",
    meaning: "The payment provider of this installation takes another kind of `method`; `takes` says \
              which. Nothing was changed.",
    what_to_do: "Pay with the kind that `takes` names. A `token` comes from the provider's own form \
                 in the browser; card numbers do not belong here then.",
};

pub(crate) static AMOUNT_UNSUPPORTED: ProblemType = ProblemType {
    slug: "payment-amount-unsupported",
    status: 422,
    title: "The payment provider does not take this amount",
    meaning: "What the order costs cannot be charged, or what you want to give back cannot be given \
              back, with the payment provider of this installation; `detail` says why. Nothing was \
              changed.",
    what_to_do: "Of a price, tell the organizer, who can change it. Of a refund, round its amount as \
                 `detail` says, with another Idempotency-Key.",
};

pub(crate) static WEBHOOK_SIGNATURE_INVALID: ProblemType = ProblemType {
    slug: "webhook-signature-invalid",
    status: 400,
    title: "The webhook is not signed by the payment provider",
    meaning: "The signature is missing, malformed, or was made with a secret that is not configured \
              here. Nothing was done.",
    what_to_do: "Set `payments.<provider>.webhook_secrets` to the secret that the provider shows for \
                 this address. While a secret is exchanged, list the new and the old one.",
};

pub(crate) static WEBHOOK_UNTIMELY: ProblemType = ProblemType {
    slug: "webhook-untimely",
    status: 400,
    title: "The webhook was signed too long ago, or in the future",
    meaning: "The signature is genuine, but its time is more than five minutes from now, so that it may \
              be a recording. Nothing was done.",
    what_to_do: "Check the clock of this machine. A provider signs anew each time that it sends.",
};

pub(crate) static WEBHOOK_UNREADABLE: ProblemType = ProblemType {
    slug: "webhook-unreadable",
    status: 400,
    title: "The webhook cannot be read",
    meaning: "The signature is genuine, but the body is not an event as the provider sends them.",
    what_to_do: "Check which version of its API the provider sends events in.",
};

pub(crate) static WEBHOOK_NOT_TAKEN: ProblemType = ProblemType {
    slug: "webhook-not-taken",
    status: 503,
    title: "The webhook could not be looked into",
    meaning: "The payment provider did not say how things stand, or the database did not answer. \
              Nothing was stored.",
    what_to_do: "Send the webhook again later: providers do by themselves.",
};

pub(crate) static NOTHING_TO_CONFIRM: ProblemType = ProblemType {
    slug: "nothing-to-confirm",
    status: 409,
    title: "No attempt to pay waits for you",
    meaning: "There is no attempt to pay that needs a second step, or its second step was taken and \
              did not take the money. To approve a payment that is settled is no error.",

    what_to_do: "Read the payment: `status` tells where it stands.",
};

pub(crate) static NOTHING_TO_REFUND: ProblemType = ProblemType {
    slug: "nothing-to-refund",
    status: 409,
    title: "There is no money to give back",
    meaning: "No money was received for this order.",
    what_to_do: "Read the payment: while its `status` is `pending`, money may still come.",
};

pub(crate) static REFUND_EXCEEDS_PAYMENT: ProblemType = ProblemType {
    slug: "refund-exceeds-payment",
    status: 409,
    title: "There is not so much left to give back",
    meaning: "The refunds of a payment, those under way included, never exceed what was received. \
              `left` says how much can still be given back. Nothing was changed.",
    what_to_do: "Refund no more than `left`, or leave the amount out to give back all of it, with \
                 another Idempotency-Key.",
};

impl From<Rejection> for Problem {
    fn from(rejection: Rejection) -> Self {
        match rejection {
            Rejection::Unknown => Self::not_found(),
            Rejection::Closed | Rejection::ClosedForGood => Self::new(&PAYMENT_CLOSED),
            Rejection::AttemptUnderWay { .. } => Self::new(&PAYMENT_UNDER_WAY),
            Rejection::TooManyAttempts { .. } => Self::new(&TOO_MANY_PAYMENT_ATTEMPTS),
            Rejection::NothingToConfirm | Rejection::Settled => Self::new(&NOTHING_TO_CONFIRM),
            Rejection::NothingReceived => Self::new(&NOTHING_TO_REFUND),
            Rejection::RefundExceeds { left } => {
                Self::new(&REFUND_EXCEEDS_PAYMENT).detail(rejection.to_string()).with("left", left)
            }
            Rejection::RefundAmount { currency } => Self::invalid_field(
                "/amount/currency",
                format!("the payment is in {currency}, and so are its refunds"),
            ),
            Rejection::Differs | Rejection::NegativeAmount | Rejection::RefundDiffers { .. } => {
                Self::internal(rejection)
            }
        }
    }
}

/// No money is accepted any more.
pub(crate) fn closed(payment: &Payment) -> Problem {
    Problem::new(&PAYMENT_CLOSED).detail(payment.why_over())
}

/// What a call to catalog failed with.
pub(crate) fn from_catalog(error: CatalogError) -> Problem {
    match error {
        CatalogError::Fault(fault) => fault.into(),
        other => Problem::internal(other),
    }
}
