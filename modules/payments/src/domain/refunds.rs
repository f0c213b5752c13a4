//! Refunds: money that goes back. The sum of those that are done or may still be done never exceeds
//! what was received. Those that somebody made at the provider are in `external.rs`; what follows when
//! the provider refuses is in `repetitions.rs`.

mod external;
mod repetitions;

use contracts::{money::Money, payments::RefundState};
use runtime::Timestamp;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

pub(crate) use self::external::{ExternalRefund, ListedRefund};
use super::{Event, Payment, Rejection, number_after};

/// One attempt to give money back.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Refund {
    pub(crate) number: u32,
    /// The provider's idempotency key; made up for one that was made at the provider.
    pub(crate) id: Uuid,
    pub(crate) amount: Money,
    pub(crate) reason: String,
    pub(crate) state: RefundState,
    pub(crate) origin: RefundOrigin,
    /// Why the provider refused, or called it off.
    pub(crate) failure: Option<String>,
    pub(crate) begun_at: Timestamp,
    pub(crate) done_at: Option<Timestamp>,
    /// When to ask the provider again, or to begin anew.
    ask_at: Option<Timestamp>,
}

/// Where a refund comes from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub(crate) enum RefundOrigin {
    /// Somebody asked for it.
    Asked,
    /// The provider refused the refund `of`, and this one repeats it.
    Repeats { of: Uuid },
    /// Money came for a payment that was settled; `reference` is what the provider calls that
    /// charge.
    Surplus { reference: String },
    /// Somebody made it at the provider, which calls it so.
    External { reference: String },
}

/// What others are told of a refund with what became of it.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(crate) struct RefundTold {
    pub(crate) payment_id: Uuid,
    pub(crate) refund_id: Uuid,
    /// The refund that was asked for: this one, or the refused one that this one repeats.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) requested: Option<Uuid>,
    pub(crate) amount: Money,
    /// What all refunds so far have given back.
    pub(crate) total: Money,
    /// Whether nothing is left of what was received.
    pub(crate) whole: bool,
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
    /// Somebody called it off, or it can never be.
    Cancelled { reason: String },
    /// There was no answer that tells.
    Unknown,
}

impl Refund {
    pub(super) fn begun(
        number: u32,
        id: Uuid,
        amount: Money,
        reason: String,
        begun_at: Timestamp,
    ) -> Self {
        Self {
            number,
            id,
            amount,
            reason,
            state: RefundState::Created,
            origin: RefundOrigin::Asked,
            failure: None,
            begun_at,
            done_at: None,
            ask_at: None,
        }
    }

    pub(super) fn asked_for_at(self, origin: RefundOrigin, ask_at: Timestamp) -> Self {
        Self { origin, ask_at: Some(ask_at), ..self }
    }

    /// Whether it is time to ask the provider, or to begin anew.
    pub(crate) fn is_due(&self, now: Timestamp) -> bool {
        self.ask_at.is_some_and(|at| at <= now)
    }

    pub(super) fn ask_at(&self) -> Option<Timestamp> {
        self.ask_at
    }

    /// Whether it gives back what came for a payment that was settled.
    pub(crate) fn is_of_surplus(&self) -> bool {
        matches!(self.origin, RefundOrigin::Surplus { .. })
    }

    /// The refund that this one repeats, since the provider refused it.
    pub(crate) fn repeats(&self) -> Option<Uuid> {
        match self.origin {
            RefundOrigin::Repeats { of } => Some(of),
            RefundOrigin::Asked | RefundOrigin::Surplus { .. } | RefundOrigin::External { .. } => {
                None
            }
        }
    }

    /// Whether the money has gone back.
    fn is_given(&self) -> bool {
        matches!(self.state, RefundState::Done | RefundState::External)
    }

    /// Whether the money has gone back, or may still.
    fn is_bound(&self) -> bool {
        self.is_given()
            || matches!(self.state, RefundState::Created | RefundState::InTransit)
            || self.waits_for_repetition()
    }

    fn waits_for_repetition(&self) -> bool {
        self.state == RefundState::Failed && self.ask_at.is_some()
    }

    pub(super) fn be_in_transit(&mut self, ask_at: Timestamp) {
        self.state = RefundState::InTransit;
        self.ask_at = Some(ask_at);
    }

    pub(super) fn be_refused(&mut self, reason: String, retry_at: Timestamp) {
        self.state = RefundState::Failed;
        self.failure = Some(reason);
        self.done_at = None;
        self.ask_at = Some(retry_at);
    }

    pub(super) fn be_cancelled(&mut self, reason: String) {
        self.state = RefundState::Cancelled;
        self.failure = Some(reason);
        self.done_at = None;
        self.ask_at = None;
    }

    pub(super) fn be_done(&mut self, at: Timestamp) {
        self.state = RefundState::Done;
        self.done_at = Some(at);
        self.ask_at = None;
    }
}

impl Payment {
    /// What was received for the order.
    pub(crate) fn received(&self) -> Option<Money> {
        self.settlement.as_ref().map(|settlement| settlement.amount)
    }

    /// The refunds but those of money that came for a payment that was settled.
    pub(crate) fn refunds_of_settlement(&self) -> impl Iterator<Item = &Refund> {
        self.refunds.iter().filter(|refund| !self.draws_on_surplus(refund))
    }

    /// What was given back of the settlement, in minor units.
    pub(crate) fn refunded(&self) -> i64 {
        self.sum(Refund::is_given)
    }

    /// What can still be given back of the settlement, in minor units.
    pub(crate) fn left(&self) -> i64 {
        let received = self.received().map_or(0, |received| received.amount);
        received.saturating_sub(self.sum(Refund::is_bound)).max(0)
    }

    fn sum(&self, counts: impl Fn(&Refund) -> bool) -> i64 {
        let counted = self.refunds_of_settlement().filter(|refund| counts(refund));
        counted.fold(0, |sum, refund| sum.saturating_add(refund.amount.amount))
    }

    /// A refund by its id.
    pub(crate) fn refund(&self, id: Uuid) -> Option<&Refund> {
        self.refunds.iter().find(|refund| refund.id == id)
    }

    /// The refund with this id, or the last of those that repeated it.
    pub(crate) fn latest_of(&self, id: Uuid) -> Option<&Refund> {
        let first = self.refund(id)?;
        let later = self.refunds.iter().filter(|it| it.number > first.number);
        Some(later.fold(
            first,
            |latest, refund| {
                if refund.repeats() == Some(latest.id) { refund } else { latest }
            },
        ))
    }

    /// What the provider calls the charge that this refund gives back.
    pub(crate) fn charge_of<'a>(&'a self, refund: &'a Refund) -> Option<&'a str> {
        match &self.first_of(refund).origin {
            RefundOrigin::Surplus { reference } => Some(reference),
            _ => self.settlement.as_ref()?.reference.as_deref(),
        }
    }

    /// Whether the provider calls the charge so that settled it.
    pub(crate) fn was_paid_with(&self, reference: &str) -> bool {
        self.settlement.as_ref().is_some_and(|it| it.reference.as_deref() == Some(reference))
    }

    /// Whether it gives back what came for a payment that was settled, or repeats one that did.
    pub(crate) fn draws_on_surplus(&self, refund: &Refund) -> bool {
        self.first_of(refund).is_of_surplus()
    }

    pub(super) fn begin_refund(
        &self,
        refund_id: Uuid,
        amount: Option<Money>,
        reason: String,
        ask_at: Timestamp,
        at: Timestamp,
    ) -> Result<Vec<Event>, Rejection> {
        let payment_id = self.id.ok_or(Rejection::NothingReceived)?;
        let received = self.received().ok_or(Rejection::NothingReceived)?;
        if let Some(known) = self.refund(refund_id) {
            let is_same = amount.is_none_or(|amount| amount == known.amount);
            return if is_same {
                Ok(Vec::new())
            } else {
                Err(Rejection::RefundDiffers { refund_id })
            };
        }
        let left = Money::new(self.left(), received.currency);
        let number = number_after(self.refunds.len());
        let begun = |amount| Event::RefundBegun {
            number,
            refund_id,
            amount,
            reason,
            ask_at,
            at,
            origin: Some(RefundOrigin::Asked),
        };
        match amount {
            Some(part) if part.amount <= 0 || part.currency != received.currency => {
                Err(Rejection::RefundAmount { currency: received.currency.code() })
            }
            Some(part) if part.amount > left.amount => Err(Rejection::RefundExceeds { left }),
            Some(part) => Ok(vec![begun(part)]),
            None if !left.is_zero() => Ok(vec![begun(left)]),
            None if received.is_zero() && self.refunds.is_empty() => {
                let told =
                    Some(self.told_of(payment_id, (refund_id, Some(refund_id)), received, 0));
                let (amount, of_surplus) = (received, false);
                let done = Event::RefundDone { number, payment_id, amount, at, told, of_surplus };
                Ok(vec![begun(received), done])
            }
            // Whoever asks again for what the provider refused need not wait.
            None => Ok(self.refused().map_or(Vec::new(), |refused| {
                self.repeat_refund(refused.id, refund_id, ask_at, at)
            })),
        }
    }

    pub(super) fn record_refund(
        &self,
        refund_id: Uuid,
        outcome: RefundOutcome,
        ask_at: Timestamp,
        at: Timestamp,
    ) -> Result<Vec<Event>, Rejection> {
        let refund = self.refund(refund_id).ok_or(Rejection::Unknown)?;
        let payment_id = self.id.ok_or(Rejection::Unknown)?;
        let Refund { number, amount, state, .. } = *refund;
        let is_over =
            matches!(state, RefundState::Failed | RefundState::Cancelled | RefundState::External);
        let told = |change| self.told(payment_id, refund, change);
        let event = match outcome {
            _ if is_over => None,
            RefundOutcome::Unknown => None,
            RefundOutcome::InTransit => {
                (state == RefundState::Created).then_some(Event::RefundInTransit { number, ask_at })
            }
            RefundOutcome::Done if state == RefundState::Done => None,
            RefundOutcome::Done => {
                let (told, of_surplus) = (told(amount.amount), self.draws_on_surplus(refund));
                Some(Event::RefundDone { number, payment_id, amount, at, told, of_surplus })
            }
            RefundOutcome::Failed { reason } => {
                Some(self.refused_now(payment_id, refund, reason, at))
            }
            RefundOutcome::Cancelled { reason } => {
                let told = told(-self.given_by(refund));
                Some(Event::RefundCancelled { number, reason, told })
            }
        };
        Ok(event.into_iter().collect())
    }

    /// What the refund has given back of the settlement so far.
    fn given_by(&self, refund: &Refund) -> i64 {
        let counts = refund.is_given() && !self.draws_on_surplus(refund);
        if counts { refund.amount.amount } else { 0 }
    }

    /// What others are told of a refund that changes the total by `change`; nothing of a surplus.
    fn told(&self, payment_id: Uuid, refund: &Refund, change: i64) -> Option<RefundTold> {
        if self.draws_on_surplus(refund) {
            return None;
        }
        let total = self.refunded().saturating_add(change);
        let names = (refund.id, Some(self.first_of(refund).id));
        Some(self.told_of(payment_id, names, refund.amount, total))
    }

    fn told_of(
        &self,
        payment_id: Uuid,
        (refund_id, requested): (Uuid, Option<Uuid>),
        amount: Money,
        total: i64,
    ) -> RefundTold {
        let received = self.received().map_or(0, |received| received.amount);
        let total = Money::new(total, amount.currency);
        RefundTold {
            payment_id,
            refund_id,
            requested,
            amount,
            total,
            whole: total.amount >= received,
        }
    }

    pub(super) fn change_refund(&mut self, number: u32, change: impl FnOnce(&mut Refund)) {
        if let Some(refund) = self.refunds.iter_mut().find(|refund| refund.number == number) {
            change(refund);
        }
    }
}
