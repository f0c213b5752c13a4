//! The payment of one order: what is asked for, the attempts to pay it, the refunds. Pure.
//!
//! Attempts and refunds are numbered and never deleted. At most one attempt at a time may still take
//! money. An attempt is recorded before the provider hears of it, so whatever happens afterwards, the
//! payment knows what to ask the provider for, and wakes up until it has an answer.

use contracts::{
    money::Money,
    payments::{AttemptState, PaymentStatus, RefundState},
};
use jiff::SignedDuration;
use runtime::Timestamp;
use serde::{Deserialize, Serialize};
use store::Aggregate;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::card::CardSummary;

/// After a refund that the provider refused, the next one waits this long, twice as long each time.
const FIRST_REFUND_PAUSE: SignedDuration = SignedDuration::from_mins(1);
const LONGEST_REFUND_PAUSE: SignedDuration = SignedDuration::from_hours(1);

/// The payment of an order. The stream's id is the order's.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Payment {
    /// None before anything has happened.
    pub(crate) id: Option<Uuid>,
    /// None when the payment was closed without having been opened.
    pub(crate) terms: Option<Terms>,
    pub(crate) attempts: Vec<Attempt>,
    pub(crate) settlement: Option<Settlement>,
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

/// One attempt to pay.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Attempt {
    pub(crate) number: u32,
    /// The provider's idempotency key.
    pub(crate) id: Uuid,
    pub(crate) card: CardSummary,
    pub(crate) state: AttemptState,
    /// Why it failed.
    pub(crate) reason: Option<Decline>,
    /// Where the payer goes on, while it waits for that.
    pub(crate) url: Option<String>,
    pub(crate) begun_at: Timestamp,
    /// When to ask the provider what became of it.
    ask_at: Option<Timestamp>,
}

/// Why the provider declined.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Decline {
    /// The bank does not say more.
    Declined,
    /// There is not enough money on the account.
    InsufficientFunds,
    /// The payer did not approve the payment at the bank.
    NotApproved,
}

/// The money that was received.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Settlement {
    pub(crate) amount: Money,
    /// What the provider calls the charge; none where there was nothing to pay.
    pub(crate) reference: Option<String>,
    pub(crate) settled_at: Timestamp,
}

/// One attempt to give the money back.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Refund {
    pub(crate) number: u32,
    /// The provider's idempotency key.
    pub(crate) id: Uuid,
    pub(crate) amount: Money,
    pub(crate) reason: String,
    pub(crate) state: RefundState,
    /// Why the provider refused.
    pub(crate) failure: Option<String>,
    pub(crate) begun_at: Timestamp,
    pub(crate) done_at: Option<Timestamp>,
    /// When to ask the provider again.
    ask_at: Option<Timestamp>,
}

/// What a provider says of a charge.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// The money was taken; `reference` is what the provider calls the charge.
    Succeeded { reference: String },
    /// No money was taken, and none will be.
    Declined { reason: Decline },
    /// The payer has to take a second step at `url`.
    ActionRequired { url: String },
    /// It was called off before money was taken.
    Cancelled,
    /// There was no answer that tells.
    Unknown,
}

/// What a provider says of a refund.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum RefundOutcome {
    /// The money was given back.
    Done,
    /// It will be.
    InTransit,
    /// It will not be.
    Failed { reason: String },
    /// There was no answer that tells.
    Unknown,
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
    BeginAttempt {
        attempt_id: Uuid,
        card: CardSummary,
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
    BeginRefund {
        refund_id: Uuid,
        reason: String,
        ask_at: Timestamp,
        at: Timestamp,
    },
    RecordRefund {
        refund_id: Uuid,
        outcome: RefundOutcome,
        ask_at: Timestamp,
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
        card: CardSummary,
        ask_at: Timestamp,
        at: Timestamp,
    },
    AttemptPending {
        number: u32,
        ask_at: Timestamp,
    },
    ActionRequired {
        number: u32,
        url: String,
        ask_at: Timestamp,
    },
    AttemptDeclined {
        number: u32,
        payment_id: Uuid,
        reason: Decline,
    },
    AttemptCancelled {
        number: u32,
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
    RefundBegun {
        number: u32,
        refund_id: Uuid,
        amount: Money,
        reason: String,
        ask_at: Timestamp,
        at: Timestamp,
    },
    RefundInTransit {
        number: u32,
        ask_at: Timestamp,
    },
    RefundFailed {
        number: u32,
        reason: String,
        retry_at: Timestamp,
    },
    RefundDone {
        number: u32,
        payment_id: Uuid,
        amount: Money,
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
    #[error("no attempt waits for the payer")]
    NothingToConfirm,
    #[error("nothing was received that could be given back")]
    NothingReceived,
    #[error("the provider took money for attempt {number} of a payment that is settled")]
    PaidTwice { number: u32 },
}

impl Decline {
    /// For the buyer.
    pub(crate) fn in_words(self) -> &'static str {
        match self {
            Self::Declined => "the bank declined the payment",
            Self::InsufficientFunds => "there is not enough money on the account",
            Self::NotApproved => "the payment was not approved at the bank",
        }
    }
}

impl Attempt {
    /// Whether it may still take money.
    pub(crate) fn is_live(&self) -> bool {
        match self.state {
            AttemptState::Created | AttemptState::Pending | AttemptState::ActionRequired => true,
            AttemptState::Confirmed | AttemptState::Failed | AttemptState::Cancelled => false,
        }
    }

    /// Whether it is time to ask the provider what became of it.
    pub(crate) fn is_due(&self, now: Timestamp) -> bool {
        self.is_live() && self.ask_at.is_some_and(|at| at <= now)
    }
}

impl Refund {
    /// Whether it is time to ask the provider, or to begin anew.
    pub(crate) fn is_due(&self, now: Timestamp) -> bool {
        self.ask_at.is_some_and(|at| at <= now)
    }
}

impl Payment {
    /// Where the payment stands.
    pub(crate) fn status(&self) -> PaymentStatus {
        if let Some(refund) = self.refunds.last() {
            return match refund.state {
                RefundState::Done | RefundState::External => PaymentStatus::Refunded,
                RefundState::Created
                | RefundState::InTransit
                | RefundState::Failed
                | RefundState::Cancelled => PaymentStatus::Refunding,
            };
        }
        if self.settlement.is_some() {
            return PaymentStatus::Settled;
        }
        if self.live_attempt().is_some() {
            return PaymentStatus::Pending;
        }
        if self.closed_at.is_some() { PaymentStatus::Closed } else { PaymentStatus::Open }
    }

    /// The one attempt that may still take money.
    pub(crate) fn live_attempt(&self) -> Option<&Attempt> {
        self.attempts.iter().rev().find(|attempt| attempt.is_live())
    }

    /// An attempt by its id.
    pub(crate) fn attempt(&self, id: Uuid) -> Option<&Attempt> {
        self.attempts.iter().find(|attempt| attempt.id == id)
    }

    /// Whether money that could still be taken is not wanted any more.
    pub(crate) fn is_over(&self, now: Timestamp) -> bool {
        self.closed_at.is_some() || self.terms.as_ref().is_none_or(|terms| terms.expires_at <= now)
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

    fn begin_attempt(
        &self,
        attempt_id: Uuid,
        card: CardSummary,
        ask_at: Timestamp,
        at: Timestamp,
    ) -> Result<Vec<Event>, Rejection> {
        if self.attempt(attempt_id).is_some() {
            return Ok(Vec::new());
        }
        if self.terms.is_none() {
            return Err(Rejection::Unknown);
        }
        if self.settlement.is_some() {
            return Err(Rejection::Settled);
        }
        if self.is_over(at) {
            return Err(Rejection::Closed);
        }
        if let Some(live) = self.live_attempt() {
            return Err(Rejection::AttemptUnderWay { number: live.number });
        }
        let number = number_after(self.attempts.len());
        Ok(vec![Event::AttemptBegun { number, attempt_id, card, ask_at, at }])
    }

    fn take_action(
        &self,
        attempt_id: Uuid,
        ask_at: Timestamp,
        at: Timestamp,
    ) -> Result<Vec<Event>, Rejection> {
        let attempt = self.attempt(attempt_id).ok_or(Rejection::NothingToConfirm)?;
        match attempt.state {
            AttemptState::Pending => Ok(Vec::new()),
            AttemptState::ActionRequired if self.is_over(at) => Err(Rejection::Closed),
            AttemptState::ActionRequired => {
                Ok(vec![Event::AttemptPending { number: attempt.number, ask_at }])
            }
            AttemptState::Created
            | AttemptState::Confirmed
            | AttemptState::Failed
            | AttemptState::Cancelled => Err(Rejection::NothingToConfirm),
        }
    }

    fn record_outcome(
        &self,
        attempt_id: Uuid,
        outcome: Outcome,
        ask_at: Timestamp,
        at: Timestamp,
    ) -> Result<Vec<Event>, Rejection> {
        let attempt = self.attempt(attempt_id).ok_or(Rejection::Unknown)?;
        let payment_id = self.id.ok_or(Rejection::Unknown)?;
        let terms = self.terms.as_ref().ok_or(Rejection::Unknown)?;
        let number = attempt.number;
        match outcome {
            Outcome::Succeeded { .. } if attempt.state == AttemptState::Confirmed => Ok(Vec::new()),
            // Money is money, even when it comes for an attempt that was given up.
            Outcome::Succeeded { .. } if self.settlement.is_some() => {
                Err(Rejection::PaidTwice { number })
            }
            Outcome::Succeeded { reference } => {
                let (amount, reference) = (terms.amount, Some(reference));
                let settled = Event::Settled { payment_id, amount, reference, at };
                Ok(vec![Event::AttemptConfirmed { number }, settled])
            }
            _ if !attempt.is_live() => Ok(Vec::new()),
            Outcome::Declined { reason } => {
                Ok(vec![Event::AttemptDeclined { number, payment_id, reason }])
            }
            Outcome::Cancelled => Ok(vec![Event::AttemptCancelled { number }]),
            Outcome::ActionRequired { .. } if attempt.state == AttemptState::ActionRequired => {
                Ok(Vec::new())
            }
            Outcome::ActionRequired { url } => {
                let cancel_at = if self.is_over(at) { at } else { terms.expires_at };
                Ok(vec![Event::ActionRequired { number, url, ask_at: cancel_at }])
            }
            Outcome::Unknown if attempt.state == AttemptState::Created => {
                Ok(vec![Event::AttemptPending { number, ask_at }])
            }
            Outcome::Unknown => Ok(Vec::new()),
        }
    }

    fn begin_refund(
        &self,
        refund_id: Uuid,
        reason: String,
        ask_at: Timestamp,
        at: Timestamp,
    ) -> Result<Vec<Event>, Rejection> {
        let payment_id = self.id.ok_or(Rejection::NothingReceived)?;
        let settlement = self.settlement.as_ref().ok_or(Rejection::NothingReceived)?;
        let is_known = self.refunds.iter().any(|refund| refund.id == refund_id);
        let is_under_way_or_done =
            self.refunds.last().is_some_and(|refund| refund.state != RefundState::Failed);
        if is_known || is_under_way_or_done {
            return Ok(Vec::new());
        }
        let (number, amount) = (number_after(self.refunds.len()), settlement.amount);
        let begun = Event::RefundBegun { number, refund_id, amount, reason, ask_at, at };
        let nothing_to_send =
            amount.is_zero().then_some(Event::RefundDone { number, payment_id, amount, at });
        Ok([begun].into_iter().chain(nothing_to_send).collect())
    }

    fn record_refund(
        &self,
        refund_id: Uuid,
        outcome: RefundOutcome,
        ask_at: Timestamp,
        at: Timestamp,
    ) -> Result<Vec<Event>, Rejection> {
        let refund = self.refunds.iter().find(|refund| refund.id == refund_id);
        let refund = refund.ok_or(Rejection::Unknown)?;
        let payment_id = self.id.ok_or(Rejection::Unknown)?;
        let Refund { number, amount, .. } = *refund;
        match (refund.state, outcome) {
            (
                RefundState::Done
                | RefundState::Failed
                | RefundState::Cancelled
                | RefundState::External,
                _,
            )
            | (_, RefundOutcome::Unknown)
            | (RefundState::InTransit, RefundOutcome::InTransit) => Ok(Vec::new()),
            (RefundState::Created, RefundOutcome::InTransit) => {
                Ok(vec![Event::RefundInTransit { number, ask_at }])
            }
            (RefundState::Created | RefundState::InTransit, RefundOutcome::Done) => {
                Ok(vec![Event::RefundDone { number, payment_id, amount, at }])
            }
            (RefundState::Created | RefundState::InTransit, RefundOutcome::Failed { reason }) => {
                let retry_at = at.saturating_add(refund_pause(number)).unwrap_or(Timestamp::MAX);
                Ok(vec![Event::RefundFailed { number, reason, retry_at }])
            }
        }
    }

    fn change_attempt(&mut self, number: u32, change: impl FnOnce(&mut Attempt)) {
        if let Some(attempt) = self.attempts.iter_mut().find(|attempt| attempt.number == number) {
            change(attempt);
        }
    }

    fn end_attempt(&mut self, number: u32, state: AttemptState, reason: Option<Decline>) {
        self.change_attempt(number, |attempt| {
            attempt.state = state;
            attempt.reason = reason;
            attempt.url = None;
            attempt.ask_at = None;
        });
    }

    fn change_refund(&mut self, number: u32, change: impl FnOnce(&mut Refund)) {
        if let Some(refund) = self.refunds.iter_mut().find(|refund| refund.number == number) {
            change(refund);
        }
    }
}

fn number_after(count: usize) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX).saturating_add(1)
}

/// How long to wait after refund `number` was refused.
fn refund_pause(number: u32) -> SignedDuration {
    let doublings = number.saturating_sub(1).min(16);
    FIRST_REFUND_PAUSE.saturating_mul(1 << doublings).min(LONGEST_REFUND_PAUSE)
}

impl Aggregate for Payment {
    const NAME: &'static str = "payment";
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
            Command::BeginRefund { refund_id, reason, ask_at, at } => {
                self.begin_refund(refund_id, reason, ask_at, at)
            }
            Command::RecordRefund { refund_id, outcome, ask_at, at } => {
                self.record_refund(refund_id, outcome, ask_at, at)
            }
        }
    }

    fn evolve(&mut self, event: &Event) {
        match event {
            Event::Opened { payment_id, terms } => {
                self.id = Some(*payment_id);
                self.terms = Some(terms.clone());
            }
            Event::Closed { payment_id, at } => {
                self.id = Some(*payment_id);
                self.closed_at = Some(*at);
                for attempt in &mut self.attempts {
                    if attempt.state == AttemptState::ActionRequired {
                        attempt.ask_at = Some(*at);
                    }
                }
            }
            Event::AttemptBegun { number, attempt_id, card, ask_at, at } => {
                self.attempts.push(Attempt {
                    number: *number,
                    id: *attempt_id,
                    card: card.clone(),
                    state: AttemptState::Created,
                    reason: None,
                    url: None,
                    begun_at: *at,
                    ask_at: Some(*ask_at),
                });
            }
            Event::AttemptPending { number, ask_at } => self.change_attempt(*number, |attempt| {
                attempt.state = AttemptState::Pending;
                attempt.url = None;
                attempt.ask_at = Some(*ask_at);
            }),
            Event::ActionRequired { number, url, ask_at } => {
                self.change_attempt(*number, |attempt| {
                    attempt.state = AttemptState::ActionRequired;
                    attempt.url = Some(url.clone());
                    attempt.ask_at = Some(*ask_at);
                });
            }
            Event::AttemptDeclined { number, reason, .. } => {
                self.end_attempt(*number, AttemptState::Failed, Some(*reason));
            }
            Event::AttemptCancelled { number } => {
                self.end_attempt(*number, AttemptState::Cancelled, None);
            }
            Event::AttemptConfirmed { number } => {
                self.end_attempt(*number, AttemptState::Confirmed, None);
            }
            Event::Settled { amount, reference, at, .. } => {
                self.settlement = Some(Settlement {
                    amount: *amount,
                    reference: reference.clone(),
                    settled_at: *at,
                });
            }
            Event::RefundBegun { number, refund_id, amount, reason, ask_at, at } => {
                if let Some(before) = self.refunds.last_mut() {
                    before.ask_at = None;
                }
                self.refunds.push(Refund {
                    number: *number,
                    id: *refund_id,
                    amount: *amount,
                    reason: reason.clone(),
                    state: RefundState::Created,
                    failure: None,
                    begun_at: *at,
                    done_at: None,
                    ask_at: Some(*ask_at),
                });
            }
            Event::RefundInTransit { number, ask_at } => self.change_refund(*number, |refund| {
                refund.state = RefundState::InTransit;
                refund.ask_at = Some(*ask_at);
            }),
            Event::RefundFailed { number, reason, retry_at } => {
                self.change_refund(*number, |refund| {
                    refund.state = RefundState::Failed;
                    refund.failure = Some(reason.clone());
                    refund.ask_at = Some(*retry_at);
                });
            }
            Event::RefundDone { number, at, .. } => self.change_refund(*number, |refund| {
                refund.state = RefundState::Done;
                refund.done_at = Some(*at);
                refund.ask_at = None;
            }),
        }
    }

    fn wake_at(&self) -> Option<Timestamp> {
        let attempt = self.live_attempt().and_then(|attempt| attempt.ask_at);
        let refund = self.refunds.last().and_then(|refund| refund.ask_at);
        attempt.into_iter().chain(refund).min()
    }
}

#[cfg(test)]
mod tests;
