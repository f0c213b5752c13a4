//! What follows when the provider refuses to give money back: the refund is repeated, later each
//! time, and given up when it was refused for long enough. Then its money is left again, and whoever
//! asks for it begins anew.

use jiff::SignedDuration;
use runtime::Timestamp;
use uuid::Uuid;

use super::{Event, Payment, Refund, RefundOrigin, number_after};

/// After a refund that the provider refused, the next one waits this long, twice as long each time.
const FIRST_PAUSE: SignedDuration = SignedDuration::from_mins(1);
const LONGEST_PAUSE: SignedDuration = SignedDuration::from_hours(1);
/// A refund is repeated this often.
const MOST_REPETITIONS: u32 = 8;
/// A refund is not repeated any more this long after it was repeated first. A bank may take days each
/// time before it sends the money back.
const LONGEST_REPEATED: SignedDuration = SignedDuration::from_hours(3 * 24);
/// Nobody can ask again for what came twice. So it is repeated for ever, at this pace then.
const SURPLUS_PAUSE: SignedDuration = SignedDuration::from_hours(24);

impl Payment {
    /// A refund that the provider refused and that was not repeated yet.
    pub(super) fn refused(&self) -> Option<&Refund> {
        self.refunds_of_settlement().find(|refund| refund.waits_for_repetition())
    }

    pub(in super::super) fn repeat_refund(
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

    /// The provider refuses, or the bank has sent back what was given back already. Another refund
    /// follows, unless somebody gave the money back at the provider, or it was refused for long enough.
    pub(super) fn refused_now(
        &self,
        payment_id: Uuid,
        refund: &Refund,
        reason: String,
        at: Timestamp,
    ) -> Event {
        let number = refund.number;
        let told = self.told(payment_id, refund, -self.given_by(refund));
        let is_of_surplus = self.draws_on_surplus(refund);
        let is_worn_out = self.is_worn_out(refund, at);
        if !is_of_surplus && (is_worn_out || self.is_hopeless(refund)) {
            return Event::RefundCancelled { number, reason, told };
        }
        let pause = if is_worn_out { SURPLUS_PAUSE } else { pause(self.repetitions(refund)) };
        let retry_at = at.saturating_add(pause).unwrap_or(Timestamp::MAX);
        Event::RefundFailed { number, reason, retry_at, told }
    }

    /// Whether others have given back so much that nothing is left for it.
    fn is_hopeless(&self, refund: &Refund) -> bool {
        let received = self.received().map_or(0, |received| received.amount);
        let others = self.refunded().saturating_sub(self.given_by(refund));
        others.saturating_add(refund.amount.amount) > received
    }

    /// Whether it was refused so often, or for so long, that it is not repeated any more.
    fn is_worn_out(&self, refund: &Refund, at: Timestamp) -> bool {
        let first = self.chain(refund).filter(|it| it.repeats().is_some()).last();
        self.repetitions(refund) >= MOST_REPETITIONS
            || first.is_some_and(|it| at.duration_since(it.begun_at) >= LONGEST_REPEATED)
    }

    /// How often the refund was refused before.
    fn repetitions(&self, refund: &Refund) -> u32 {
        u32::try_from(self.chain(refund).skip(1).count()).unwrap_or(u32::MAX)
    }

    /// The refund that this one repeats, and that one, down to the one that was asked for.
    pub(super) fn first_of<'a>(&'a self, refund: &'a Refund) -> &'a Refund {
        self.chain(refund).last().unwrap_or(refund)
    }

    /// The refund, the one that it repeats, and so on.
    fn chain<'a>(&'a self, refund: &'a Refund) -> impl Iterator<Item = &'a Refund> {
        std::iter::successors(Some(refund), |later| {
            let repeated = later.repeats().and_then(|of| self.refund(of));
            repeated.filter(|it| it.number < later.number)
        })
    }

    /// Where a refund comes from, also when its event does not say.
    pub(in super::super) fn origin(&self, said: Option<&RefundOrigin>) -> RefundOrigin {
        let refused = || self.refunds.last().filter(|last| last.waits_for_repetition());
        match said {
            Some(origin) => origin.clone(),
            None => refused().map_or(RefundOrigin::Asked, |it| RefundOrigin::Repeats { of: it.id }),
        }
    }

    pub(in super::super) fn forget_to_repeat(&mut self, origin: &RefundOrigin) {
        let RefundOrigin::Repeats { of } = origin else { return };
        if let Some(refused) = self.refunds.iter_mut().find(|refund| refund.id == *of) {
            refused.ask_at = None;
        }
    }
}

/// How long to wait after a refund that was refused so often before.
fn pause(repetitions: u32) -> SignedDuration {
    FIRST_PAUSE.saturating_mul(1 << repetitions.min(16)).min(LONGEST_PAUSE)
}
