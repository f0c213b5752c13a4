//! How long an order may take over each thing, and how long it waits before it asks again.

use jiff::SignedDuration;
use runtime::Timestamp;

use super::{Cause, Event, Order, OrderState, Step, event::RESUME_AFTER};

/// Who orders has long gone when the places are not held after this time.
const TO_BE_HELD: SignedDuration = SignedDuration::from_mins(2);
/// Who has paid and has no tickets after this time gets the money back.
const TO_BE_FULFILLED: SignedDuration = SignedDuration::from_hours(24);
/// News of money comes as an event anyway.
const LONGEST_FOR_MONEY: SignedDuration = SignedDuration::from_mins(15);
/// Places are kept from others while the fate of a payment is unknown.
const LONGEST_FOR_PLACES: SignedDuration = SignedDuration::from_mins(1);

impl Order {
    /// Why the order is called off now, if it has had its time.
    pub(super) fn overdue(&self, now: Timestamp) -> Option<Cause> {
        let (limit, cause) = match self.state {
            OrderState::Placed => (self.to_be_held_by(), Cause::NotHeld),
            OrderState::Held => (self.to_be_paid_by(), Cause::Expired),
            OrderState::Paid | OrderState::Confirmed => {
                (after(self.paid_at, TO_BE_FULFILLED), Cause::NotFulfilled)
            }
            OrderState::Fulfilled
            | OrderState::CallingOff
            | OrderState::Cancelled
            | OrderState::Expired => return None,
        };
        (limit? <= now).then_some(cause)
    }

    /// Until when the places must be held and the payment open.
    pub(super) fn to_be_held_by(&self) -> Option<Timestamp> {
        after(self.placed_at, TO_BE_HELD)
    }

    /// Until when the payment must be begun. The places are held for longer: whoever has paid gets
    /// them even where nobody has told the order of it, since it asks before they become free.
    pub(crate) fn to_be_paid_by(&self) -> Option<Timestamp> {
        self.closes_at.or(self.expires_at)
    }

    /// Waits longer each time, for what others will know some day.
    pub(super) fn wait_longer(&self, at: Timestamp) -> Vec<Event> {
        let longest = match self.next_step() {
            Some(Step::ReturnMoney | Step::RefundPositions(_)) => LONGEST_FOR_MONEY,
            Some(Step::ClosePayment) => LONGEST_FOR_PLACES,
            _ => return Vec::new(),
        };
        let pause = RESUME_AFTER.saturating_mul(1 << self.waits.min(16)).min(longest);
        let until = at.checked_add(pause).unwrap_or(at);
        vec![Event::OutcomeAwaited { until, at }]
    }

    /// Payments said that nothing is left, unless it has heard otherwise since it was asked.
    pub(super) fn all_returned(&self, refusals: u32, at: Timestamp) -> Vec<Event> {
        let is_due = self.next_step() == Some(Step::ReturnMoney);
        if is_due && refusals == self.refusals() {
            vec![self.money_returned(at)]
        } else {
            Vec::new()
        }
    }
}

fn after(begun: Option<Timestamp>, limit: SignedDuration) -> Option<Timestamp> {
    begun?.checked_add(limit).ok()
}
