//! Payments, as small as it can be: what it gives back, and what it tells of that.

use std::collections::VecDeque;

use super::*;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    InTransit,
    Done,
    /// It is repeated.
    Refused,
    GivenUp,
}

#[derive(Debug, Clone, Copy)]
struct Refund {
    id: Uuid,
    /// The first of those that it repeats, or itself.
    requested: Uuid,
    amount: i64,
    state: State,
    is_repeated: bool,
}

#[derive(Debug, Default)]
pub(super) struct Till {
    pub(super) is_open: bool,
    pub(super) received: i64,
    refunds: Vec<Refund>,
    /// What it has told and orders has not heard yet.
    told: VecDeque<Command>,
    named: u128,
}

/// What a reply says of a refund.
#[derive(Debug, Clone, Copy)]
pub(super) struct Line {
    pub(super) id: Uuid,
    pub(super) amount: i64,
    pub(super) is_done: bool,
}

impl Till {
    pub(super) fn refunded(&self) -> i64 {
        self.sum(|state| state == State::Done)
    }

    /// What was neither given back nor is on its way.
    pub(super) fn left(&self) -> i64 {
        self.received - self.sum(|state| state != State::GivenUp)
    }

    fn sum(&self, counts: impl Fn(State) -> bool) -> i64 {
        let counted = self.refunds.iter().filter(|it| !it.is_repeated && counts(it.state));
        counted.map(|it| it.amount).sum()
    }

    fn name(&mut self) -> Uuid {
        self.named += 1;
        Uuid::from_u128(0xF000_0000 + self.named)
    }

    /// The same refund again is the first one, or the one that repeats it.
    pub(super) fn refund(&mut self, id: Uuid, amount: i64, is_quick: bool, at: Timestamp) -> Line {
        if !self.refunds.iter().any(|it| it.id == id) {
            self.begin(id, id, amount, is_quick, at);
        }
        let mut of_it = self.refunds.iter().rev().filter(|it| it.requested == id);
        let latest = of_it.next().expect("it was begun");
        Line { id: latest.id, amount: latest.amount, is_done: latest.state == State::Done }
    }

    pub(super) fn knows(&self, id: Uuid) -> bool {
        self.refunds.iter().any(|it| it.id == id)
    }

    /// Gives everything back that is left; whether nothing is.
    pub(super) fn refund_all(&mut self, is_quick: bool, at: Timestamp) -> bool {
        let left = self.left();
        if left > 0 {
            let id = self.name();
            self.begin(id, id, left, is_quick, at);
        }
        self.refunded() == self.received
    }

    /// The organizer gives some back.
    pub(super) fn give(&mut self, amount: i64, is_quick: bool, at: Timestamp) {
        let id = self.name();
        self.begin(id, id, amount, is_quick, at);
    }

    fn begin(&mut self, id: Uuid, requested: Uuid, amount: i64, is_quick: bool, at: Timestamp) {
        let (state, is_repeated) = (State::InTransit, false);
        self.refunds.push(Refund { id, requested, amount, state, is_repeated });
        if is_quick {
            self.arrive(Some(id), at);
        }
    }

    /// The refund, or the first that is on its way, arrives.
    pub(super) fn arrive(&mut self, id: Option<Uuid>, at: Timestamp) -> bool {
        let is_it = |it: &Refund| id.is_none_or(|id| it.id == id);
        let on_its_way = |it: &&mut Refund| it.state == State::InTransit && is_it(it);
        let Some(refund) = self.refunds.iter_mut().find(on_its_way) else { return false };
        refund.state = State::Done;
        let refund = *refund;
        let total = self.refunded();
        let refund = Refunded {
            refund_id: Some(refund.id),
            requested: Some(refund.requested),
            amount: euros(refund.amount),
            total: Some(euros(total)),
            whole: total == self.received,
        };
        self.told.push_back(Command::RecordRefund { refund, at });
        true
    }

    /// The bank refuses a refund, or sends one back.
    pub(super) fn bounce(&mut self, which: prop::sample::Index, will_retry: bool, at: Timestamp) {
        let alive = |it: &&mut Refund| matches!(it.state, State::InTransit | State::Done);
        let mut alive: Vec<&mut Refund> = self.refunds.iter_mut().filter(alive).collect();
        if alive.is_empty() {
            return;
        }
        let at_random = which.index(alive.len());
        let refund = &mut *alive[at_random];
        refund.state = if will_retry { State::Refused } else { State::GivenUp };
        let (refund_id, requested) = (refund.id, Some(refund.requested));
        let total = Some(euros(self.refunded()));
        self.told.push_back(Command::RecordRefundRefused {
            refund_id,
            requested,
            total,
            will_retry,
            at,
        });
    }

    /// The first refund that was refused is repeated.
    pub(super) fn repeat(&mut self, at: Timestamp) -> bool {
        let id = self.name();
        let refused = |it: &&mut Refund| it.state == State::Refused && !it.is_repeated;
        let Some(refund) = self.refunds.iter_mut().find(refused) else { return false };
        refund.is_repeated = true;
        let (requested, amount) = (refund.requested, refund.amount);
        self.begin(id, requested, amount, true, at);
        true
    }

    /// The next thing that orders hears.
    pub(super) fn next_news(&mut self) -> Option<Command> {
        self.told.pop_front()
    }
}
