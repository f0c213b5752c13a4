//! The payment of one order: what is asked for, the attempts to pay it, the refunds. Pure.
//!
//! Attempts and refunds are numbered and never deleted. At most one attempt at a time may still take
//! money. An attempt is recorded before the provider hears of it, so whatever happens afterwards, the
//! payment knows what to ask the provider for, and wakes up until it has an answer. The rules of
//! attempts are in `attempts.rs`, those of refunds in `refunds.rs`.

mod attempts;
mod refunds;

use contracts::{
    money::Money,
    payments::{PaymentStatus, RefundState},
};
use runtime::Timestamp;
use serde::{Deserialize, Serialize};
use store::Aggregate;
use uuid::Uuid;

pub(crate) use self::{
    attempts::{Attempt, Decline, Outcome},
    refunds::{ExternalRefund, ListedRefund, Refund, RefundOrigin, RefundOutcome, RefundTold},
};
use crate::card::CardSummary;

/// The payment of an order. The stream's id is the order's.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Payment {
    /// None before anything has happened.
    pub(crate) id: Option<Uuid>,
    /// None when the payment was closed without having been opened.
    pub(crate) terms: Option<Terms>,
    pub(crate) attempts: Vec<Attempt>,
    pub(crate) settlement: Option<Settlement>,
    /// Money that came although the payment was settled. It goes back by refunds of its own.
    pub(crate) surplus: Vec<Settlement>,
    pub(crate) refunds: Vec<Refund>,
    pub(crate) closed_at: Option<Timestamp>,
}

/// What is to be paid, by whom, until when.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Terms {
    pub(crate) payer_id: Uuid,
    pub(crate) organizer_id: Uuid,
    pub(crate) amount: Money,
    pub(crate) expires_at: Timestamp,
    pub(crate) opened_at: Timestamp,
}

/// Money that was received.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Settlement {
    pub(crate) amount: Money,
    /// What the provider calls the charge; none where there was nothing to pay.
    pub(crate) reference: Option<String>,
    pub(crate) settled_at: Timestamp,
}

/// What the payment is told. `ask_at` is when to ask the provider if nothing is heard until then.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Command {
    Open {
        payment_id: Uuid,
        terms: Terms,
    },
    /// `payment_id` is for a payment that was never opened.
    Close {
        payment_id: Uuid,
        at: Timestamp,
    },
    /// `card` is what may be kept of one; none of a token.
    BeginAttempt {
        attempt_id: Uuid,
        card: Option<CardSummary>,
        ask_at: Timestamp,
        at: Timestamp,
    },
    /// The payer's answer to the second step goes to the provider now.
    TakeAction {
        attempt_id: Uuid,
        ask_at: Timestamp,
        at: Timestamp,
    },
    RecordOutcome {
        attempt_id: Uuid,
        outcome: Outcome,
        ask_at: Timestamp,
        at: Timestamp,
    },
    /// No amount: everything that is left.
    BeginRefund {
        refund_id: Uuid,
        amount: Option<Money>,
        reason: String,
        ask_at: Timestamp,
        at: Timestamp,
    },
    /// Begins the refund `of`, which the provider refused, anew.
    RepeatRefund {
        of: Uuid,
        refund_id: Uuid,
        ask_at: Timestamp,
        at: Timestamp,
    },
    RecordRefund {
        refund_id: Uuid,
        outcome: RefundOutcome,
        ask_at: Timestamp,
        at: Timestamp,
    },
    /// Takes in refunds that somebody made at the provider, out of its list of all.
    RecordExternalRefunds {
        listed: Vec<ListedRefund>,
        at: Timestamp,
    },
}

/// What happened to the payment.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(crate) enum Event {
    Opened {
        payment_id: Uuid,
        terms: Terms,
    },
    Closed {
        payment_id: Uuid,
        at: Timestamp,
    },
    AttemptBegun {
        number: u32,
        attempt_id: Uuid,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        card: Option<CardSummary>,
        ask_at: Timestamp,
        at: Timestamp,
    },
    AttemptPending {
        number: u32,
        /// What the provider calls the charge, once that is known.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reference: Option<String>,
        ask_at: Timestamp,
    },
    ActionRequired {
        number: u32,
        url: String,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reference: Option<String>,
        ask_at: Timestamp,
    },
    AttemptDeclined {
        number: u32,
        payment_id: Uuid,
        reason: Decline,
    },
    AttemptCancelled {
        number: u32,
        /// Whether the provider could not be reached.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        unreached: bool,
    },
    AttemptConfirmed {
        number: u32,
    },
    Settled {
        payment_id: Uuid,
        amount: Money,
        reference: Option<String>,
        at: Timestamp,
    },
    /// The provider took money for a second attempt.
    SurplusReceived {
        payment_id: Uuid,
        amount: Money,
        reference: String,
        at: Timestamp,
    },
    RefundBegun {
        number: u32,
        refund_id: Uuid,
        amount: Money,
        reason: String,
        ask_at: Timestamp,
        at: Timestamp,
        /// Events that do not say are of the time when a refund after a refused one repeated it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        origin: Option<RefundOrigin>,
    },
    RefundInTransit {
        number: u32,
        ask_at: Timestamp,
    },
    RefundFailed {
        number: u32,
        reason: String,
        retry_at: Timestamp,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        told: Option<RefundTold>,
    },
    RefundCancelled {
        number: u32,
        reason: String,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        told: Option<RefundTold>,
    },
    RefundDone {
        number: u32,
        payment_id: Uuid,
        amount: Money,
        at: Timestamp,
        /// None in events of the time when all was given back at once, and of a surplus.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        told: Option<RefundTold>,
        /// Nobody else heard of the surplus, and nobody hears that it goes back.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        of_surplus: bool,
    },
    /// Somebody gave money back at the provider. A later one of the same refund says where it
    /// stands then.
    ExternalRefund {
        number: u32,
        refund: ExternalRefund,
        told: RefundTold,
        at: Timestamp,
    },
}

/// Why the payment did not do what it was told.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Rejection {
    #[error("there is no such payment")]
    Unknown,
    #[error("the payment was opened for something else")]
    Differs,
    #[error("the payment was closed before it was opened")]
    ClosedForGood,
    #[error("an amount to be paid is not negative")]
    NegativeAmount,
    #[error("no payment is accepted any more")]
    Closed,
    #[error("the payment is settled")]
    Settled,
    #[error("attempt {number} may still take money")]
    AttemptUnderWay { number: u32 },
    #[error("no more than {most} attempts are accepted")]
    TooManyAttempts { most: usize },
    #[error("no attempt waits for the payer")]
    NothingToConfirm,
    #[error("nothing was received that could be given back")]
    NothingReceived,
    #[error("only {left} is left to give back")]
    RefundExceeds { left: Money },
    #[error("what is given back is more than nothing, and in {currency}")]
    RefundAmount { currency: &'static str },
    #[error("refund {refund_id} was asked for with another amount before")]
    RefundDiffers { refund_id: Uuid },
}

impl Payment {
    /// Where the payment stands.
    pub(crate) fn status(&self) -> PaymentStatus {
        if let Some(received) = self.received() {
            return self.status_of_settled(received);
        }
        if self.live_attempt().is_some() {
            return PaymentStatus::Pending;
        }
        if self.closed_at.is_some() { PaymentStatus::Closed } else { PaymentStatus::Open }
    }

    fn status_of_settled(&self, received: Money) -> PaymentStatus {
        let is_done = |refund: &Refund| refund.state == RefundState::Done;
        let is_given = if received.is_zero() {
            self.refunds_of_settlement().any(is_done)
        } else {
            self.refunded() >= received.amount
        };
        if is_given {
            return PaymentStatus::Refunded;
        }
        let is_under_way = !received.is_zero() && self.left() == 0;
        if is_under_way { PaymentStatus::Refunding } else { PaymentStatus::Settled }
    }

    /// Whether money that could still be taken is not wanted any more.
    pub(crate) fn is_over(&self, now: Timestamp) -> bool {
        self.closed_at.is_some() || self.terms.as_ref().is_none_or(|terms| terms.expires_at <= now)
    }

    /// Why no payment is accepted any more, once that is so.
    pub(crate) fn why_over(&self) -> String {
        if matches!(self.status(), PaymentStatus::Refunding | PaymentStatus::Refunded) {
            return "the order was paid, and its money was given back".to_owned();
        }
        let expires_at = self.terms.as_ref().map(|terms| terms.expires_at);
        match (self.closed_at, expires_at) {
            (Some(at), Some(expiry)) if at < expiry => format!("the order was called off at {at}"),
            (_, Some(expiry)) => format!("the order could be paid until {expiry}"),
            (_, None) => "the order was called off".to_owned(),
        }
    }

    fn open(&self, payment_id: Uuid, terms: Terms) -> Result<Vec<Event>, Rejection> {
        if terms.amount.amount < 0 {
            return Err(Rejection::NegativeAmount);
        }
        if let Some(known) = &self.terms {
            let is_same = known.payer_id == terms.payer_id
                && known.organizer_id == terms.organizer_id
                && known.amount == terms.amount;
            return if is_same { Ok(Vec::new()) } else { Err(Rejection::Differs) };
        }
        if self.closed_at.is_some() {
            return Err(Rejection::ClosedForGood);
        }
        let (amount, at) = (terms.amount, terms.opened_at);
        let free =
            amount.is_zero().then_some(Event::Settled { payment_id, amount, reference: None, at });
        Ok([Event::Opened { payment_id, terms }].into_iter().chain(free).collect())
    }

    fn close(&self, payment_id: Uuid, at: Timestamp) -> Vec<Event> {
        if self.closed_at.is_some() || self.settlement.is_some() {
            return Vec::new();
        }
        vec![Event::Closed { payment_id: self.id.unwrap_or(payment_id), at }]
    }

    fn be_closed(&mut self, payment_id: Uuid, at: Timestamp) {
        self.id = Some(payment_id);
        self.closed_at = Some(at);
        for attempt in &mut self.attempts {
            attempt.hurry(at);
        }
    }
}

fn number_after(count: usize) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX).saturating_add(1)
}

impl Aggregate for Payment {
    const NAME: &'static str = "payment";
    const STATE_SCHEMA: u16 = 2;
    type Command = Command;
    type Event = Event;
    type Rejection = Rejection;

    fn decide(&self, command: Command) -> Result<Vec<Event>, Rejection> {
        match command {
            Command::Open { payment_id, terms } => self.open(payment_id, terms),
            Command::Close { payment_id, at } => Ok(self.close(payment_id, at)),
            Command::BeginAttempt { attempt_id, card, ask_at, at } => {
                self.begin_attempt(attempt_id, card, ask_at, at)
            }
            Command::TakeAction { attempt_id, ask_at, at } => {
                self.take_action(attempt_id, ask_at, at)
            }
            Command::RecordOutcome { attempt_id, outcome, ask_at, at } => {
                self.record_outcome(attempt_id, outcome, ask_at, at)
            }
            Command::BeginRefund { refund_id, amount, reason, ask_at, at } => {
                self.begin_refund(refund_id, amount, reason, ask_at, at)
            }
            Command::RepeatRefund { of, refund_id, ask_at, at } => {
                Ok(self.repeat_refund(of, refund_id, ask_at, at))
            }
            Command::RecordRefund { refund_id, outcome, ask_at, at } => {
                self.record_refund(refund_id, outcome, ask_at, at)
            }
            Command::RecordExternalRefunds { listed, at } => {
                Ok(self.record_external_refunds(listed, at))
            }
        }
    }

    fn evolve(&mut self, event: &Event) {
        match event {
            Event::Opened { payment_id, terms } => {
                self.id = Some(*payment_id);
                self.terms = Some(terms.clone());
            }
            Event::Closed { payment_id, at } => self.be_closed(*payment_id, *at),
            Event::AttemptBegun { number, attempt_id, card, ask_at, at } => {
                self.attempts.push(Attempt::begun(
                    *number,
                    *attempt_id,
                    card.clone(),
                    *ask_at,
                    *at,
                ));
            }
            Event::AttemptPending { number, reference, ask_at } => {
                self.change_attempt(*number, |it| it.be_pending(reference.clone(), *ask_at));
            }
            Event::ActionRequired { number, url, reference, ask_at } => {
                self.change_attempt(*number, |it| {
                    it.wait_for_payer(url.clone(), reference.clone(), *ask_at);
                });
            }
            Event::AttemptDeclined { number, reason, .. } => {
                self.change_attempt(*number, |it| it.be_declined(*reason));
            }
            Event::AttemptCancelled { number, unreached } => {
                self.change_attempt(*number, |it| it.be_cancelled(*unreached));
            }
            Event::AttemptConfirmed { number } => {
                self.change_attempt(*number, Attempt::be_confirmed);
            }
            Event::Settled { amount, reference, at, .. } => {
                self.settlement = Some(Settlement {
                    amount: *amount,
                    reference: reference.clone(),
                    settled_at: *at,
                });
            }
            Event::SurplusReceived { amount, reference, at, .. } => {
                let reference = Some(reference.clone());
                self.surplus.push(Settlement { amount: *amount, reference, settled_at: *at });
            }
            Event::RefundBegun { number, refund_id, amount, reason, ask_at, at, origin } => {
                let origin = self.origin(origin.as_ref());
                self.forget_to_repeat(&origin);
                let refund = Refund::begun(*number, *refund_id, *amount, reason.clone(), *at);
                self.refunds.push(refund.asked_for_at(origin, *ask_at));
            }
            Event::RefundInTransit { number, ask_at } => {
                self.change_refund(*number, |it| it.be_in_transit(*ask_at));
            }
            Event::RefundFailed { number, reason, retry_at, .. } => {
                self.change_refund(*number, |it| it.be_refused(reason.clone(), *retry_at));
            }
            Event::RefundCancelled { number, reason, .. } => {
                self.change_refund(*number, |it| it.be_cancelled(reason.clone()));
            }
            Event::RefundDone { number, at, .. } => {
                self.change_refund(*number, |it| it.be_done(*at));
            }
            Event::ExternalRefund { number, refund, told, at } => {
                self.take_in_external_refund(*number, told.refund_id, refund, *at);
            }
        }
    }

    fn wake_at(&self) -> Option<Timestamp> {
        let attempt = self.live_attempt().and_then(Attempt::ask_at);
        let refunds = self.refunds.iter().filter_map(Refund::ask_at);
        attempt.into_iter().chain(refunds).min()
    }
}

#[cfg(test)]
mod tests;
