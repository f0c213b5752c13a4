//! Attempts to pay: how one is begun, what a provider says of it, what becomes of it.

use contracts::{money::Money, payments::AttemptState};
use runtime::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use super::{Event, Payment, RefundOrigin, Rejection, number_after};
use crate::card::CardSummary;

/// So many attempts may reach the provider: enough for whoever mistypes, too few for whoever tries out
/// cards.
const MOST_TRIED: usize = 20;
/// So many attempts there are at most, those included that the provider never heard of.
const MOST_ATTEMPTS: usize = 100;

/// One attempt to pay.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Attempt {
    pub(crate) number: u32,
    /// What the provider's idempotency keys are made of.
    pub(crate) id: Uuid,
    /// None when it was paid with a provider's token.
    pub(crate) card: Option<CardSummary>,
    pub(crate) state: AttemptState,
    /// Why it failed.
    pub(crate) reason: Option<Decline>,
    /// Whether it was called off since the provider could not be reached.
    pub(crate) unreached: bool,
    /// Where the payer goes on, while it waits for that.
    pub(crate) url: Option<String>,
    /// What the provider calls the charge, once that is known.
    pub(crate) reference: Option<String>,
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
    /// The card's time is over.
    CardExpired,
    /// The card's number, date or security code is wrong.
    CardInvalid,
    /// The token is unknown to the provider, was used up, or cannot pay this.
    TokenRefused,
    /// The provider does not take this amount.
    AmountRefused,
}

/// What a provider says of a charge.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// The money was taken; `reference` is what the provider calls the charge.
    Succeeded { reference: String },
    /// No money was taken, and none will be.
    Declined { reason: Decline },
    /// The payer has to take a second step at `url`: a path of ours, or a page of the bank's.
    ActionRequired { url: String, reference: Option<String> },
    /// The provider has it and calls it so. What came of it is not known yet.
    Processing { reference: String },
    /// It was called off before money was taken.
    Cancelled,
    /// The provider could not be asked, and no money is taken under this id any more.
    Unreached,
    /// There was no answer that tells.
    Unknown,
}

impl Decline {
    /// For the buyer.
    pub(crate) fn in_words(self) -> &'static str {
        match self {
            Self::Declined => "the bank declined the payment",
            Self::InsufficientFunds => "there is not enough money on the account",
            Self::NotApproved => "the payment was not approved at the bank",
            Self::CardExpired => "the card has expired",
            Self::CardInvalid => "the card's number, date or security code is wrong",
            Self::TokenRefused => "the payment provider does not take this token",
            Self::AmountRefused => "the payment provider does not take this amount",
        }
    }
}

impl Attempt {
    pub(super) fn begun(
        number: u32,
        id: Uuid,
        card: Option<CardSummary>,
        ask_at: Timestamp,
        begun_at: Timestamp,
    ) -> Self {
        Self {
            number,
            id,
            card,
            state: AttemptState::Created,
            reason: None,
            unreached: false,
            url: None,
            reference: None,
            begun_at,
            ask_at: Some(ask_at),
        }
    }

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

    pub(super) fn ask_at(&self) -> Option<Timestamp> {
        self.ask_at
    }

    /// Nobody waits for the payer's second step any more.
    pub(super) fn hurry(&mut self, at: Timestamp) {
        if self.state == AttemptState::ActionRequired {
            self.ask_at = Some(at);
        }
    }

    pub(super) fn be_pending(&mut self, reference: Option<String>, ask_at: Timestamp) {
        self.state = AttemptState::Pending;
        self.url = None;
        self.reference = reference.or(self.reference.take());
        self.ask_at = Some(ask_at);
    }

    pub(super) fn wait_for_payer(
        &mut self,
        url: String,
        reference: Option<String>,
        ask_at: Timestamp,
    ) {
        self.state = AttemptState::ActionRequired;
        self.url = Some(url);
        self.reference = reference.or(self.reference.take());
        self.ask_at = Some(ask_at);
    }

    pub(super) fn be_declined(&mut self, reason: Decline) {
        self.end(AttemptState::Failed);
        self.reason = Some(reason);
    }

    pub(super) fn be_cancelled(&mut self, unreached: bool) {
        self.end(AttemptState::Cancelled);
        self.unreached = unreached;
    }

    pub(super) fn be_confirmed(&mut self) {
        self.end(AttemptState::Confirmed);
        self.reason = None;
        self.unreached = false;
    }

    fn end(&mut self, state: AttemptState) {
        self.state = state;
        self.url = None;
        self.ask_at = None;
    }
}

impl Payment {
    /// The one attempt that may still take money.
    pub(crate) fn live_attempt(&self) -> Option<&Attempt> {
        self.attempts.iter().rev().find(|attempt| attempt.is_live())
    }

    /// An attempt by its id.
    pub(crate) fn attempt(&self, id: Uuid) -> Option<&Attempt> {
        self.attempts.iter().find(|attempt| attempt.id == id)
    }

    /// Whether no other attempt is accepted, since there were so many.
    pub(crate) fn has_used_up_attempts(&self) -> bool {
        let tried = self.attempts.iter().filter(|attempt| !attempt.unreached).count();
        tried >= MOST_TRIED || self.attempts.len() >= MOST_ATTEMPTS
    }

    /// The attempt that a request with this id makes or has made: an attempt that was called off
    /// took no money and takes none, so the same request makes another one.
    pub(crate) fn attempt_of_request(&self, request_id: Uuid) -> Uuid {
        let mut id = request_id;
        while self.attempt(id).is_some_and(|it| it.state == AttemptState::Cancelled) {
            id = Uuid::new_v5(&id, b"again");
        }
        id
    }

    pub(super) fn begin_attempt(
        &self,
        attempt_id: Uuid,
        card: Option<CardSummary>,
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
        if self.has_used_up_attempts() {
            return Err(Rejection::TooManyAttempts { most: MOST_TRIED });
        }
        if let Some(live) = self.live_attempt() {
            return Err(Rejection::AttemptUnderWay { number: live.number });
        }
        let number = number_after(self.attempts.len());
        Ok(vec![Event::AttemptBegun { number, attempt_id, card, ask_at, at }])
    }

    pub(super) fn take_action(
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
                Ok(vec![Event::AttemptPending { number: attempt.number, reference: None, ask_at }])
            }
            AttemptState::Created
            | AttemptState::Confirmed
            | AttemptState::Failed
            | AttemptState::Cancelled => Err(Rejection::NothingToConfirm),
        }
    }

    pub(super) fn record_outcome(
        &self,
        attempt_id: Uuid,
        outcome: Outcome,
        ask_at: Timestamp,
        at: Timestamp,
    ) -> Result<Vec<Event>, Rejection> {
        let attempt = self.attempt(attempt_id).ok_or(Rejection::Unknown)?;
        let terms = self.terms.as_ref().ok_or(Rejection::Unknown)?;
        let number = attempt.number;
        match outcome {
            Outcome::Succeeded { reference } => self.take_money(attempt, reference, ask_at, at),
            _ if !attempt.is_live() => Ok(Vec::new()),
            Outcome::Declined { reason } => {
                let payment_id = self.id.ok_or(Rejection::Unknown)?;
                Ok(vec![Event::AttemptDeclined { number, payment_id, reason }])
            }
            Outcome::Cancelled => Ok(vec![Event::AttemptCancelled { number, unreached: false }]),
            Outcome::Unreached => Ok(vec![Event::AttemptCancelled { number, unreached: true }]),
            Outcome::ActionRequired { .. } if attempt.state == AttemptState::ActionRequired => {
                Ok(Vec::new())
            }
            Outcome::ActionRequired { url, reference } => {
                let cancel_at = if self.is_over(at) { at } else { terms.expires_at };
                Ok(vec![Event::ActionRequired { number, url, reference, ask_at: cancel_at }])
            }
            Outcome::Processing { reference } => {
                let is_news = attempt.state != AttemptState::Pending
                    || attempt.reference.as_ref() != Some(&reference);
                let reference = Some(reference);
                let pending = Event::AttemptPending { number, reference, ask_at };
                Ok(is_news.then_some(pending).into_iter().collect())
            }
            Outcome::Unknown if attempt.state == AttemptState::Created => {
                Ok(vec![Event::AttemptPending { number, reference: None, ask_at }])
            }
            Outcome::Unknown => Ok(Vec::new()),
        }
    }

    /// Money is money, even when it comes for an attempt that was given up. What comes for a payment
    /// that is settled goes back.
    fn take_money(
        &self,
        attempt: &Attempt,
        reference: String,
        ask_at: Timestamp,
        at: Timestamp,
    ) -> Result<Vec<Event>, Rejection> {
        if attempt.state == AttemptState::Confirmed {
            return Ok(Vec::new());
        }
        let payment_id = self.id.ok_or(Rejection::Unknown)?;
        let amount: Money = self.terms.as_ref().ok_or(Rejection::Unknown)?.amount;
        let confirmed = Event::AttemptConfirmed { number: attempt.number };
        if self.settlement.is_none() {
            let reference = Some(reference);
            return Ok(vec![confirmed, Event::Settled { payment_id, amount, reference, at }]);
        }
        let goes_back = Event::RefundBegun {
            number: number_after(self.refunds.len()),
            refund_id: Uuid::new_v5(&attempt.id, b"surplus"),
            amount,
            reason: "paid twice".to_owned(),
            ask_at,
            at,
            origin: Some(RefundOrigin::Surplus { reference: reference.clone() }),
        };
        let surplus = Event::SurplusReceived { payment_id, amount, reference, at };
        Ok(vec![confirmed, surplus, goes_back])
    }

    pub(super) fn change_attempt(&mut self, number: u32, change: impl FnOnce(&mut Attempt)) {
        if let Some(attempt) = self.attempts.iter_mut().find(|attempt| attempt.number == number) {
            change(attempt);
        }
    }
}
