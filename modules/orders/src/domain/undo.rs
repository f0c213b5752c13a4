//! What is left to undo: of a whole order that is called off, or of positions that were cancelled.

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
    /// Ask tickets to void those of the positions that are returned.
    VoidPositions,
    /// Ask inventory to free the places of the positions that are returned.
    ReleasePositions,
    /// Ask payments to give back the price of the positions that are returned.
    RefundPositions,
}

/// What is left to undo of an order that is being called off.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[expect(clippy::struct_excessive_bools, reason = "four independent things, each done or not")]
pub(super) struct Undo {
    pub(super) payment_is_open: bool,
    pub(super) tickets_may_exist: bool,
    pub(super) money_is_here: bool,
    pub(super) places_are_taken: bool,
}

impl Undo {
    /// First no more money, then the tickets, then the places: no place is sold again while its
    /// ticket still opens doors. The money last, since nobody else waits for it, and it can take
    /// days to arrive.
    pub(super) fn next_step(self) -> Step {
        if self.payment_is_open {
            return Step::ClosePayment;
        }
        if self.tickets_may_exist {
            return Step::VoidTickets;
        }
        if self.places_are_taken {
            return Step::ReleasePlaces;
        }
        if self.money_is_here {
            return Step::ReturnMoney;
        }
        Step::Finish
    }
}

/// Positions that were cancelled, and what of them came back so far.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[expect(clippy::struct_excessive_bools, reason = "independent things, each done or not")]
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
    pub(super) money_is_back: bool,
    /// The provider refused; what it gives back next for as much is this.
    pub(super) was_refused: bool,
}

impl Return {
    pub(super) fn next_step(&self) -> Option<Step> {
        if !self.tickets_are_void {
            return Some(Step::VoidPositions);
        }
        if !self.places_are_free {
            return Some(Step::ReleasePositions);
        }
        (!self.money_is_back).then_some(Step::RefundPositions)
    }

    /// Whether this has still to come back.
    pub(super) fn waits_for(&self, what: Returned) -> bool {
        match what {
            Returned::Tickets => !self.tickets_are_void,
            Returned::Places => !self.places_are_free,
            Returned::Money(_) => !self.money_is_back,
        }
    }
}
