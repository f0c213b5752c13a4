//! The order: a purchase from placing to tickets, and back, in whole or in part. Pure.
//!
//! The order is a saga. [`Order::next_step`] names the one thing that must be asked of another
//! service now; its outcome comes back as a command. The state is durable, each step may be asked
//! twice, so a purchase goes on after a crash at any point. Money adds up at any point: what was
//! received is what the live positions cost, what was given back, and what is still on its way
//! back, which [`Order::overpaid`] tells.

mod cause;
mod command;
mod event;
mod limits;
mod refunds;
mod returns;
mod terms;
mod undo;

use std::collections::BTreeSet;

use contracts::{
    money::Money,
    orders::{OrderState, OrderedPosition},
};
use runtime::Timestamp;
use serde::{Deserialize, Serialize};
use store::Aggregate;
use uuid::Uuid;

pub(crate) use self::{
    cause::{Cause, Particulars, Refusal, Shortage},
    command::{Cancel, Command, Refunded, Rejection, Returned},
    event::Event,
    terms::{Access, Guest, Parties, Terms, places_of},
    undo::{Return, Step},
};
use self::{refunds::Refunds, undo::Undo};

/// One purchase.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Order {
    pub(crate) state: OrderState,
    pub(crate) terms: Option<Terms>,
    pub(crate) access: Option<Access>,
    pub(crate) placed_at: Option<Timestamp>,
    /// Until when the places are held; none until they are.
    pub(crate) expires_at: Option<Timestamp>,
    pub(crate) payment_id: Option<Uuid>,
    /// After this instant payments accepts no new attempt.
    closes_at: Option<Timestamp>,
    pub(crate) paid: Option<Money>,
    /// When it came.
    paid_at: Option<Timestamp>,
    refunds: Refunds,
    pub(crate) ticket_ids: Vec<Uuid>,
    pub(crate) cause: Option<Cause>,
    /// In the words of whoever called it off.
    pub(crate) reason: String,
    /// Why inventory would not hold the places, in detail.
    pub(crate) shortage: Option<Shortage>,
    pub(crate) particulars: Option<Particulars>,
    /// Positions that were cancelled one by one.
    cancelled: BTreeSet<u32>,
    /// What became of them, oldest first.
    returns: Vec<Return>,
    undo: Undo,
    was_confirmed: bool,
    /// When the step that is due is asked for by nobody but the timer.
    resume_at: Option<Timestamp>,
    /// How often in a row the outcome of the step that is due was not known.
    waits: u32,
    /// When it got on last.
    pub(crate) moved_at: Option<Timestamp>,
}

impl Order {
    /// What must be asked of another service now. `None` while the order waits for the buyer, for
    /// money, or for nothing any more.
    pub(crate) fn next_step(&self) -> Option<Step> {
        self.next_step_beside(&BTreeSet::new())
    }

    /// The same, as if the returns in `left_alone` needed nothing: one that waits holds up no other.
    pub(crate) fn next_step_beside(&self, left_alone: &BTreeSet<Uuid>) -> Option<Step> {
        if self.terms.is_none() {
            let is_due = self.left() > 0 && !self.undo.money_is_given_up;
            return is_due.then_some(Step::ReturnMoney);
        }
        match self.state {
            OrderState::Placed if self.expires_at.is_none() => Some(Step::HoldPlaces),
            OrderState::Placed => Some(Step::OpenPayment),
            OrderState::Paid => Some(Step::ConfirmPlaces),
            OrderState::Confirmed => Some(Step::IssueTickets),
            OrderState::CallingOff => self.undo.next_step(self.left() > 0),
            OrderState::Fulfilled => undo::next_step_of(&self.returns, left_alone),
            OrderState::Held | OrderState::Cancelled | OrderState::Expired => None,
        }
    }

    /// Whether all that led to the step must be on disk before it is asked for, since others then do
    /// for good what only that explains. A hold ends by itself, and so does a payment that waits;
    /// one over nothing does not wait. The steps of undoing are explained by their beginning, which
    /// is on disk.
    pub(crate) fn needs_record_before(&self, step: Step) -> bool {
        let costs_nothing = || self.terms.as_ref().is_some_and(|terms| terms.total.is_zero());
        step == Step::ConfirmPlaces || (step == Step::OpenPayment && costs_nothing())
    }

    /// Whether payments would not give money back that is owed, and nothing follows by itself.
    pub(crate) fn refund_is_stuck(&self) -> bool {
        if self.is_undone() || self.terms.is_none() {
            return self.undo.money_is_given_up && self.left() > 0;
        }
        self.returns.iter().any(|it| it.money == undo::PriceOf::GivenUp)
    }

    /// How many refunds were refused or sent back so far.
    pub(crate) fn refusals(&self) -> u32 {
        self.refunds.refusals()
    }

    /// Whether the purchase has come to an end, with tickets or without.
    pub(crate) fn has_outcome(&self) -> bool {
        self.state == OrderState::Fulfilled || self.is_over()
    }

    /// Whether money that comes now comes after its time.
    pub(crate) fn is_past_its_time(&self) -> bool {
        self.cause == Some(Cause::Expired)
    }

    /// Whether the buyer has no account.
    pub(crate) fn is_guests(&self) -> bool {
        self.guest().is_some()
    }

    /// The buyer, when that is somebody without an account.
    pub(crate) fn guest(&self) -> Option<&Guest> {
        self.access.as_ref()?.guest.as_ref()
    }

    /// One a ticket, in the order of the items.
    pub(crate) fn positions(&self) -> Vec<OrderedPosition> {
        let mut positions = self.terms.as_ref().map_or_else(Vec::new, Terms::positions);
        let tickets = self.ticket_ids.iter().map(|id| Some(*id)).chain(std::iter::repeat(None));
        for (position, ticket_id) in positions.iter_mut().zip(tickets) {
            position.ticket_id = ticket_id;
            position.cancelled = self.is_undone() || self.cancelled.contains(&position.position);
        }
        positions
    }

    /// The tickets of these positions.
    pub(crate) fn tickets_at(&self, positions: &[u32]) -> Vec<Uuid> {
        let tickets = (1..).zip(&self.ticket_ids);
        tickets.filter(|(position, _)| positions.contains(position)).map(|(_, id)| *id).collect()
    }

    /// What was received.
    pub(crate) fn received(&self) -> Option<Money> {
        self.paid.or_else(|| Some(Money::zero(self.terms.as_ref()?.total.currency)))
    }

    /// What was given back.
    pub(crate) fn refunded(&self) -> Option<Money> {
        Some(Money::new(self.given(), self.received()?.currency))
    }

    /// What was received and not given back.
    pub(crate) fn kept(&self) -> Option<Money> {
        Some(Money::new(self.left(), self.received()?.currency))
    }

    fn received_amount(&self) -> i64 {
        self.paid.map_or(0, |paid| paid.amount)
    }

    fn given(&self) -> i64 {
        self.refunds.given(self.received_amount())
    }

    fn left(&self) -> i64 {
        self.received_amount() - self.given()
    }

    /// What is kept and buys nothing: more than nothing while a refund is under way, or stuck.
    pub(crate) fn overpaid(&self) -> Option<Money> {
        let (kept, bought) = (self.kept()?, self.bought()?);
        Some(Money::new((kept.amount - bought.amount).max(0), kept.currency))
    }

    /// What the live positions cost together; nothing is bought before it is paid.
    fn bought(&self) -> Option<Money> {
        let terms = self.terms.as_ref()?;
        if self.paid.is_none() {
            return Some(Money::zero(terms.total.currency));
        }
        Some(terms.price_of(&self.live()))
    }

    /// The positions that were not cancelled.
    fn live(&self) -> BTreeSet<u32> {
        if self.is_undone() {
            return BTreeSet::new();
        }
        let count = self.terms.as_ref().map_or(0, Terms::count);
        (1..=count).filter(|position| !self.cancelled.contains(position)).collect()
    }

    fn is_undone(&self) -> bool {
        self.state == OrderState::CallingOff || self.is_over()
    }

    fn is_over(&self) -> bool {
        matches!(self.state, OrderState::Cancelled | OrderState::Expired)
    }

    fn is_served(&self) -> bool {
        matches!(self.state, OrderState::Paid | OrderState::Confirmed | OrderState::Fulfilled)
    }

    fn begin_calling_off(&mut self, cause: Cause) {
        let was = self.state;
        self.cause = Some(cause);
        self.state = OrderState::CallingOff;
        self.undo = Undo {
            // A payment that is about to be opened when its order is called off must stay shut.
            payment_is_open: matches!(was, OrderState::Placed | OrderState::Held),
            // So must tickets that are about to be issued be void, also where the places have gone:
            // whoever else drives this order may have got some that came back since.
            tickets_may_exist: self.is_being_served(was),
            // An expired hold frees its places by itself, and can still be confirmed should the
            // money come late.
            places_are_taken: cause != Cause::Expired,
            money_is_given_up: false,
        };
    }

    fn is_being_served(&self, state: OrderState) -> bool {
        self.paid.is_some()
            && matches!(state, OrderState::Paid | OrderState::Confirmed | OrderState::Fulfilled)
    }

    fn receive_payment(&mut self, amount: Money) {
        self.paid = Some(amount);
        self.undo.payment_is_open = false;
        let may_still_be_served = match self.state {
            OrderState::Held | OrderState::Placed => true,
            OrderState::CallingOff | OrderState::Expired => self.is_past_its_time(),
            OrderState::Paid
            | OrderState::Confirmed
            | OrderState::Fulfilled
            | OrderState::Cancelled => false,
        };
        if may_still_be_served {
            self.state = OrderState::Paid;
            self.cause = None;
            return;
        }
        self.state = OrderState::CallingOff;
    }

    /// Money came. Less than the order costs goes back.
    fn paid_for(
        &self,
        terms: &Terms,
        payment_id: Uuid,
        amount: Money,
        at: Timestamp,
    ) -> Vec<Event> {
        let received = Event::PaymentReceived { payment_id, amount, at };
        let mut after = self.clone();
        after.evolve(&received);
        let is_enough =
            amount.currency == terms.total.currency && amount.amount >= terms.total.amount;
        if is_enough || after.state != OrderState::Paid {
            return vec![received];
        }
        let (reason, parties) = (String::new(), Some(terms.parties()));
        let (cause, money) = (Cause::Underpaid, Some(amount));
        vec![received, Event::CalledOff { cause, reason, money, parties, at }]
    }

    /// Of an order that was never recorded, because the process died while it was being placed, there
    /// may be a payment nevertheless. Should somebody pay it, the money goes back.
    fn decide_unplaced(&self, command: Command) -> Result<Vec<Event>, Rejection> {
        match command {
            Command::Place { terms, access, at } if self.paid.is_none() => {
                Ok(vec![Event::Placed { terms, access, at }])
            }
            Command::RecordPayment { payment_id, amount, at } if self.paid.is_none() => {
                Ok(vec![Event::StrayPaymentReceived { payment_id, amount, at }])
            }
            _ if self.paid.is_none() => Err(Rejection::Unknown),
            Command::RecordMoneyReturned { refusals, at } => Ok(self.all_returned(refusals, at)),
            Command::RecordRefund { refund, at } => Ok(self.record_refund(refund, at)),
            Command::RecordRefundRefused { refund_id, requested, total, will_retry, at } => {
                Ok(vec![Event::RefundRefused { refund_id, requested, total, will_retry, at }])
            }
            Command::RecordAwaited { at } => Ok(self.wait_longer(at)),
            Command::Place { .. } | Command::Cancel(_) => Err(Rejection::Ended),
            _ => Ok(Vec::new()),
        }
    }
}

impl Aggregate for Order {
    const NAME: &'static str = "order";
    const STATE_SCHEMA: u16 = 4;
    type Command = Command;
    type Event = Event;
    type Rejection = Rejection;

    fn decide(&self, command: Command) -> Result<Vec<Event>, Rejection> {
        let Some(terms) = &self.terms else { return self.decide_unplaced(command) };
        let due = self.next_step();
        let when_due =
            |step: Step, event: Event| if due == Some(step) { vec![event] } else { Vec::new() };
        let parties = Some(terms.parties());

        let events = match command {
            Command::Place { terms: again, .. } if again.is_same_purchase(terms) => Vec::new(),
            Command::Place { .. } => return Err(Rejection::Differs),
            Command::RecordHold { expires_at, items, at } => {
                let has_seats = items.iter().any(|places| !places.seats.is_empty());
                let seats = if has_seats { items } else { Vec::new() };
                when_due(Step::HoldPlaces, Event::PlacesHeld { expires_at, seats, at })
            }
            Command::RecordRefusal { refusal, at } if due == Some(Step::HoldPlaces) => {
                let Refusal { cause, shortage, particulars } = refusal;
                let cause_of_end = Some(cause);
                vec![
                    Event::Refused { cause, shortage, particulars, at },
                    Event::Ended { confirmed: None, cause: cause_of_end, at },
                ]
            }
            Command::RecordPaymentOpened { payment_id, closes_at, at } => {
                let closes_at = Some(closes_at);
                when_due(Step::OpenPayment, Event::PaymentOpened { payment_id, closes_at, at })
            }
            Command::RecordPayment { .. } if self.paid.is_some() => Vec::new(),
            Command::RecordPayment { payment_id, amount, at } => {
                self.paid_for(terms, payment_id, amount, at)
            }
            Command::RecordConfirmation { at } => {
                let (terms, guest) = (terms.clone(), self.is_guests());
                when_due(Step::ConfirmPlaces, Event::PlacesConfirmed { terms, guest, at })
            }
            Command::RecordNoRoom { at } => {
                let (cause, money, reason) = (Cause::PaidTooLate, self.kept(), String::new());
                let too_late = Event::CalledOff { cause, reason, money, parties, at };
                when_due(Step::ConfirmPlaces, too_late)
            }
            Command::RecordTickets { ticket_ids, at } => {
                when_due(Step::IssueTickets, Event::TicketsIssued { ticket_ids, parties, at })
            }
            Command::Expire { at } => {
                let called_off = |cause| Self::called_off(cause, String::new(), at);
                self.overdue(at).map(called_off).into_iter().collect()
            }
            Command::RecordRefusal { .. } => Vec::new(),
            Command::Cancel(wish) => return self.cancel(terms, wish),
            Command::RecordRefund { refund, at } => self.record_refund(refund, at),
            Command::RecordRefundRefused { refund_id, requested, total, will_retry, at } => {
                vec![Event::RefundRefused { refund_id, requested, total, will_retry, at }]
            }
            Command::RecordAwaited { at } => self.wait_longer(at),
            Command::RecordPaymentClosed { at } => {
                when_due(Step::ClosePayment, Event::PaymentClosed { at })
            }
            Command::RecordTicketsVoided { at } => {
                when_due(Step::VoidTickets, Event::TicketsVoided { at })
            }
            Command::RecordPlacesReleased { at } => {
                when_due(Step::ReleasePlaces, Event::PlacesReleased { at })
            }
            Command::RecordMoneyReturned { refusals, at } => self.all_returned(refusals, at),
            Command::RecordReturned { return_id, what, at } => {
                self.record_returned(terms, return_id, what, at)
            }
            Command::Finish { at } => when_due(Step::Finish, self.ended(terms, at)),
        };
        Ok(events)
    }

    fn evolve(&mut self, event: &Event) {
        self.resume_at = event.resume_at();
        if event.is_progress() {
            self.waits = 0;
            self.moved_at = Some(event.at());
        }
        match event {
            Event::Placed { terms, access, at } => {
                self.state = OrderState::Placed;
                self.terms = Some(terms.clone());
                self.access.clone_from(access);
                self.placed_at = Some(*at);
            }
            Event::PlacesHeld { expires_at, seats, .. } => {
                self.expires_at = Some(*expires_at);
                if let Some(terms) = &mut self.terms {
                    terms.take_seats(seats);
                }
            }
            Event::StrayPaymentReceived { amount, .. } => self.paid = Some(*amount),
            Event::PaymentOpened { payment_id, closes_at, .. } => {
                self.state = OrderState::Held;
                self.payment_id = Some(*payment_id);
                self.closes_at = *closes_at;
            }
            Event::PaymentReceived { payment_id, amount, at } => {
                self.payment_id = Some(*payment_id);
                self.paid_at = Some(*at);
                self.receive_payment(*amount);
            }
            Event::PlacesConfirmed { .. } => {
                self.state = OrderState::Confirmed;
                self.was_confirmed = true;
            }
            Event::TicketsIssued { ticket_ids, .. } => {
                self.state = OrderState::Fulfilled;
                self.ticket_ids.clone_from(ticket_ids);
            }
            Event::Refused { cause, shortage, particulars, .. } => {
                self.begin_calling_off(*cause);
                self.shortage = *shortage;
                self.particulars.clone_from(particulars);
            }
            Event::CalledOff { cause, reason, money, .. } => {
                if *cause == Cause::Refunded {
                    self.refunds.announce(money.map_or(0, |money| money.amount));
                    self.give_all();
                }
                self.begin_calling_off(*cause);
                self.reason.clone_from(reason);
            }
            Event::PaymentClosed { .. } => self.undo.payment_is_open = false,
            Event::TicketsVoided { .. } => self.undo.tickets_may_exist = false,
            Event::PlacesReleased { .. } => self.undo.places_are_taken = false,
            Event::Ended { .. } => {
                let is_expired = self.cause == Some(Cause::Expired);
                self.state = if is_expired { OrderState::Expired } else { OrderState::Cancelled };
                // Others are told of it once, even if its money comes back and it ends again.
                self.was_confirmed = false;
            }
            Event::OutcomeAwaited { .. } => self.waits = self.waits.saturating_add(1),
            Event::PositionsCancelled { .. }
            | Event::PositionTicketsVoided { .. }
            | Event::PositionPlacesReleased { .. } => self.evolve_return(event),
            Event::PositionsRefunded { .. }
            | Event::MoneyGivenBack { .. }
            | Event::MoneyReturned { .. }
            | Event::RefundHeard { .. }
            | Event::RefundRefused { .. } => self.evolve_refund(event),
        }
    }

    fn wake_at(&self) -> Option<Timestamp> {
        let resume_at = self.next_step().and(self.resume_at);
        match self.state {
            OrderState::Held => self.to_be_paid_by(),
            OrderState::Placed => resume_at.into_iter().chain(self.to_be_held_by()).min(),
            _ => resume_at,
        }
    }
}

#[cfg(test)]
mod tests;
