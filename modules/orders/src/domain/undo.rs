//! What is left to undo: of a whole order that is called off, or of positions that were cancelled.

use std::collections::BTreeSet;

use contracts::{money::Money, orders::OrderedItem};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::Returned;

/// What must be asked of another service now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    /// Ask inventory to hold the places.
    HoldPlaces,
    /// Ask payments to ask the buyer for money.
    OpenPayment,
    /// Ask inventory to turn the hold into a sale.
    ConfirmPlaces,
    /// Ask tickets to issue.
    IssueTickets,
    /// Ask payments to accept no more money.
    ClosePayment,
    /// Ask tickets to void.
    VoidTickets,
    /// Ask inventory to free the places.
    ReleasePlaces,
    /// Ask payments to give the money back.
    ReturnMoney,
    /// Everything is undone; record the end.
    Finish,
    /// Ask tickets to void those of the positions of this return.
    VoidPositions(Uuid),
    /// Ask inventory to free the places of the positions of this return.
    ReleasePositions(Uuid),
    /// Ask payments to give back the price of the positions of this return.
    RefundPositions(Uuid),
}

impl Step {
    /// The return that it is a step of, which goes on beside the others.
    pub(crate) fn return_id(self) -> Option<Uuid> {
        match self {
            Self::VoidPositions(id) | Self::ReleasePositions(id) | Self::RefundPositions(id) => {
                Some(id)
            }
            _ => None,
        }
    }

    /// Tickets before places before money, over all returns: none that is slow keeps the tickets of
    /// another alive.
    fn rank(self) -> u8 {
        match self {
            Self::VoidPositions(_) => 0,
            Self::ReleasePositions(_) => 1,
            _ => 2,
        }
    }
}

/// What is left to undo of an order that is being called off.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[expect(clippy::struct_excessive_bools, reason = "four independent things, each done or not")]
pub(super) struct Undo {
    pub(super) payment_is_open: bool,
    pub(super) tickets_may_exist: bool,
    pub(super) places_are_taken: bool,
    /// Payments would not give the money back, and nothing follows by itself.
    pub(super) money_is_given_up: bool,
}

impl Undo {
    /// First no more money, then the tickets, then the places: no place is sold again while its
    /// ticket still opens doors. The money last, since nobody else waits for it, and it can take
    /// days to arrive. None while somebody else has to do something about it.
    pub(super) fn next_step(self, money_is_here: bool) -> Option<Step> {
        if self.payment_is_open {
            return Some(Step::ClosePayment);
        }
        if self.tickets_may_exist {
            return Some(Step::VoidTickets);
        }
        if self.places_are_taken {
            return Some(Step::ReleasePlaces);
        }
        if money_is_here {
            return (!self.money_is_given_up).then_some(Step::ReturnMoney);
        }
        Some(Step::Finish)
    }

    /// Whether all is undone, but maybe for the money.
    pub(super) fn is_at_the_money(self) -> bool {
        !(self.payment_is_open || self.tickets_may_exist || self.places_are_taken)
    }
}

/// Positions that were cancelled, and what of them came back so far.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[expect(clippy::struct_field_names, reason = "the id is called so wherever it is written")]
pub(crate) struct Return {
    /// Names the release of the places and the refund, too.
    pub(crate) return_id: Uuid,
    pub(crate) positions: Vec<u32>,
    pub(crate) items: Vec<OrderedItem>,
    pub(crate) amount: Money,
    pub(crate) reason: String,
    pub(super) tickets_are_void: bool,
    pub(super) places_are_free: bool,
    pub(super) money: PriceOf,
}

/// Where the price of positions that were cancelled is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum PriceOf {
    /// Here: payments gives it back, when it can.
    Owed,
    /// Here: payments has given up, and nothing follows by itself.
    GivenUp,
    /// Back, with this refund where one of its own did it.
    Back { by: Option<Uuid> },
}

impl Return {
    pub(super) fn next_step(&self) -> Option<Step> {
        if !self.tickets_are_void {
            return Some(Step::VoidPositions(self.return_id));
        }
        if !self.places_are_free {
            return Some(Step::ReleasePositions(self.return_id));
        }
        (self.money == PriceOf::Owed).then_some(Step::RefundPositions(self.return_id))
    }

    /// Whether this has still to come back.
    pub(super) fn waits_for(&self, what: Returned) -> bool {
        match what {
            Returned::Tickets => !self.tickets_are_void,
            Returned::Places => !self.places_are_free,
            Returned::Money { .. } => !self.money_is_back(),
        }
    }

    pub(super) fn money_is_back(&self) -> bool {
        matches!(self.money, PriceOf::Back { .. })
    }

    /// A refund for it was refused, or has been sent back; of one that came before the one that
    /// gave the money back, that is no news.
    pub(super) fn take_refusal(&mut self, refund_id: Uuid, was_counted: bool, will_retry: bool) {
        if let PriceOf::Back { by } = self.money
            && !(was_counted && by.is_none_or(|by| by == refund_id))
        {
            return;
        }
        self.money = if will_retry { PriceOf::Owed } else { PriceOf::GivenUp };
    }
}

/// The step that is due of these returns, those in `left_alone` aside.
pub(super) fn next_step_of(returns: &[Return], left_alone: &BTreeSet<Uuid>) -> Option<Step> {
    let others = returns.iter().filter(|it| !left_alone.contains(&it.return_id));
    others.filter_map(Return::next_step).min_by_key(|step| step.rank())
}
