//! Refunds: money that goes back. The sum of those that are done or may still be done never exceeds
//! what was received.

use contracts::{money::Money, payments::RefundState};
use jiff::SignedDuration;
use runtime::Timestamp;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{Event, Payment, Rejection, number_after};

/// After a refund that the provider refused, the next one waits this long, twice as long each time.
const FIRST_PAUSE: SignedDuration = SignedDuration::from_mins(1);
const LONGEST_PAUSE: SignedDuration = SignedDuration::from_hours(1);

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

/// A refund that somebody made at the provider, as it stands there.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct ExternalRefund {
    /// What the provider calls it.
    pub(crate) reference: String,
    pub(crate) amount: Money,
    /// Whether the money has gone back, or will; not when it failed or was called off.
    pub(crate) counts: bool,
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
    /// Somebody called it off.
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
        Some(later.fold(first, |latest, refund| match refund.origin {
            RefundOrigin::Repeats { of } if of == latest.id => refund,
            _ => latest,
        }))
    }

    /// What the provider calls the charge that this refund gives back.
    pub(crate) fn charge_of<'a>(&'a self, refund: &'a Refund) -> Option<&'a str> {
        match &self.first_of(refund).origin {
            RefundOrigin::Surplus { reference } => Some(reference),
            _ => self.settlement.as_ref()?.reference.as_deref(),
        }
    }

    /// Whether it gives back what came for a payment that was settled, or repeats one that did.
    pub(crate) fn draws_on_surplus(&self, refund: &Refund) -> bool {
        self.first_of(refund).is_of_surplus()
    }

    /// The refund that this one repeats, and that one, down to the first.
    fn first_of<'a>(&'a self, refund: &'a Refund) -> &'a Refund {
        let earlier = self.refunds.iter().rev().filter(|it| it.number < refund.number);
        earlier.fold(refund, |first, refund| match first.origin {
            RefundOrigin::Repeats { of } if of == refund.id => refund,
            _ => first,
        })
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

    /// A refund that the provider refused and that was not repeated yet.
    fn refused(&self) -> Option<&Refund> {
        self.refunds_of_settlement().find(|refund| refund.waits_for_repetition())
    }

    pub(super) fn repeat_refund(
        &self,
        of: Uuid,
        refund_id: Uuid,
        ask_at: Timestamp,
        at: Timestamp,
    ) -> Vec<Event> {
        let refused = self.refund(of).filter(|it| it.waits_for_repetition());
        let repeated = refused.filter(|_| self.refund(refund_id).is_none());
        let begun = repeated.map(|refused| Event::RefundBegun {
            number: number_after(self.refunds.len()),
            refund_id,
            amount: refused.amount,
            reason: refused.reason.clone(),
            ask_at,
            at,
            origin: Some(RefundOrigin::Repeats { of }),
        });
        begun.into_iter().collect()
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

    /// The provider refuses, or the bank has sent back what was given back already. Another refund
    /// follows, unless somebody gave the money back at the provider.
    fn refused_now(
        &self,
        payment_id: Uuid,
        refund: &Refund,
        reason: String,
        at: Timestamp,
    ) -> Event {
        let number = refund.number;
        let told = self.told(payment_id, refund, -self.given_by(refund));
        let received = self.received().map_or(0, |received| received.amount);
        let others = self.refunded().saturating_sub(self.given_by(refund));
        let is_hopeless = others.saturating_add(refund.amount.amount) > received;
        if is_hopeless && !self.draws_on_surplus(refund) {
            return Event::RefundCancelled { number, reason, told };
        }
        let pause = pause(self.repetitions(refund));
        let retry_at = at.saturating_add(pause).unwrap_or(Timestamp::MAX);
        Event::RefundFailed { number, reason, retry_at, told }
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
        let names = (refund.id, Some(self.requested(refund)));
        Some(self.told_of(payment_id, names, refund.amount, total))
    }

    /// The refund that somebody asked for, of which this one may be a repetition.
    fn requested(&self, refund: &Refund) -> Uuid {
        let earlier = self.refunds.iter().rev().filter(|it| it.number < refund.number);
        let first = earlier.fold(refund, |first, it| match first.origin {
            RefundOrigin::Repeats { of } if of == it.id => it,
            _ => first,
        });
        first.id
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

    pub(super) fn record_external_refunds(
        &self,
        refunds: Vec<ExternalRefund>,
        at: Timestamp,
    ) -> Vec<Event> {
        let Some(payment_id) = self.id else { return Vec::new() };
        let (mut count, mut total) = (self.refunds.len(), self.refunded());
        let mut events = Vec::new();
        for refund in refunds {
            let known = self.external(&refund.reference);
            if known.map_or(!refund.counts, |it| it.is_given() == refund.counts) {
                continue;
            }
            count += usize::from(known.is_none());
            let number = known.map_or(number_after(count - 1), |it| it.number);
            let refund_id = known
                .map_or_else(|| Uuid::new_v5(&payment_id, refund.reference.as_bytes()), |it| it.id);
            let change = refund.amount.amount;
            total = total.saturating_add(if refund.counts { change } else { -change });
            let told = self.told_of(payment_id, (refund_id, None), refund.amount, total);
            events.push(Event::ExternalRefund { number, refund, told, at });
        }
        events
    }

    fn external(&self, called: &str) -> Option<&Refund> {
        self.refunds.iter().find(
            |it| matches!(&it.origin, RefundOrigin::External { reference } if reference == called),
        )
    }

    /// How often the refund was refused before.
    fn repetitions(&self, refund: &Refund) -> u32 {
        let earlier = self.refunds.iter().rev().filter(|it| it.number < refund.number);
        let (count, _) = earlier.fold((0, refund), |(count, later), it| match later.origin {
            RefundOrigin::Repeats { of } if of == it.id => (count + 1, it),
            _ => (count, later),
        });
        count
    }

    /// Where a refund comes from, also when its event does not say.
    pub(super) fn origin(&self, said: Option<&RefundOrigin>) -> RefundOrigin {
        let refused = || self.refunds.last().filter(|last| last.waits_for_repetition());
        match said {
            Some(origin) => origin.clone(),
            None => refused().map_or(RefundOrigin::Asked, |it| RefundOrigin::Repeats { of: it.id }),
        }
    }

    pub(super) fn forget_to_repeat(&mut self, origin: &RefundOrigin) {
        let RefundOrigin::Repeats { of } = origin else { return };
        if let Some(refused) = self.refunds.iter_mut().find(|refund| refund.id == *of) {
            refused.ask_at = None;
        }
    }

    pub(super) fn change_refund(&mut self, number: u32, change: impl FnOnce(&mut Refund)) {
        if let Some(refund) = self.refunds.iter_mut().find(|refund| refund.number == number) {
            change(refund);
        }
    }

    pub(super) fn take_in_external_refund(
        &mut self,
        number: u32,
        id: Uuid,
        external: &ExternalRefund,
        at: Timestamp,
    ) {
        let ExternalRefund { reference, amount, counts } = external.clone();
        if self.external(&reference).is_none() {
            let reason = "made at the payment provider".to_owned();
            let origin = RefundOrigin::External { reference };
            self.refunds.push(Refund { origin, ..Refund::begun(number, id, amount, reason, at) });
        }
        self.change_refund(number, |refund| {
            refund.state = if counts { RefundState::External } else { RefundState::Cancelled };
            refund.done_at = counts.then_some(at);
        });
    }
}

/// How long to wait after a refund that was refused so often before.
fn pause(repetitions: u32) -> SignedDuration {
    FIRST_PAUSE.saturating_mul(1 << repetitions.min(16)).min(LONGEST_PAUSE)
}
