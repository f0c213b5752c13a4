//! Giving back: a whole order that is called off, or some of its positions.

use std::collections::BTreeSet;

use contracts::money::Money;
use runtime::Timestamp;
use uuid::Uuid;

use super::{Cancel, Cause, Event, Order, OrderState, Rejection, Return, Returned, Terms};

impl Order {
    pub(super) fn cancel(&self, terms: &Terms, wish: Cancel) -> Result<Vec<Event>, Rejection> {
        let last = terms.count();
        if let Some(&position) = wish.positions.iter().find(|it| !(1..=last).contains(*it)) {
            return Err(Rejection::PositionUnknown { position });
        }
        if self.is_served() && wish.cause == Cause::BuyerCancelled {
            return Err(Rejection::AlreadyPaid);
        }
        let live = self.live();
        let named: BTreeSet<u32> = wish.positions.iter().copied().collect();
        let going: BTreeSet<u32> = named.intersection(&live).copied().collect();
        let is_whole = named.is_empty() || (!going.is_empty() && going == live);
        if is_whole {
            return self.cancel_whole(wish);
        }
        if self.is_undone() {
            return Err(Rejection::Ended);
        }
        if self.state != OrderState::Fulfilled {
            return Err(Rejection::NoTicketsYet);
        }
        if going.is_empty() {
            return Ok(Vec::new());
        }
        Ok(vec![self.positions_cancelled(terms, &going, wish)])
    }

    fn cancel_whole(&self, wish: Cancel) -> Result<Vec<Event>, Rejection> {
        let Cancel { cause, reason, at, .. } = wish;
        if self.cause == Some(cause) {
            return Ok(Vec::new());
        }
        if self.is_undone() {
            return Err(Rejection::Ended);
        }
        Ok(vec![Self::called_off(cause, reason, at)])
    }

    fn positions_cancelled(&self, terms: &Terms, going: &BTreeSet<u32>, wish: Cancel) -> Event {
        // Where money was given back beyond what was cancelled there may be less left than they cost.
        let (price, kept) = (terms.price_of(going), self.kept().map_or(0, |kept| kept.amount));
        let on_its_way: i64 =
            self.returns.iter().filter(|it| !it.money_is_back).map(|it| it.amount.amount).sum();
        let left = (kept - on_its_way).max(0);
        let reason =
            if wish.reason.is_empty() { wish.cause.in_words().to_owned() } else { wish.reason };
        Event::PositionsCancelled {
            return_id: wish.return_id,
            positions: going.iter().copied().collect(),
            items: terms.items_at(going),
            amount: Money::new(price.amount.min(left), price.currency),
            reason,
            parties: terms.parties(),
            at: wish.at,
        }
    }

    pub(super) fn called_off(cause: Cause, reason: String, at: Timestamp) -> Event {
        Event::CalledOff { cause, reason, money: None, parties: None, at }
    }

    pub(super) fn money_returned(&self, at: Timestamp) -> Event {
        let parties = self.terms.as_ref().map(Terms::parties);
        Event::MoneyReturned { amount: self.kept(), cause: self.cause, parties, at }
    }

    /// What had been confirmed, without what was cancelled before it all ended.
    pub(super) fn ended(&self, terms: &Terms, at: Timestamp) -> Event {
        let live = (1..=terms.count()).filter(|it| !self.cancelled.contains(it)).collect();
        let confirmed = self.was_confirmed.then(|| terms.reduced_to(&live));
        Event::Ended { confirmed, cause: self.cause, at }
    }

    pub(super) fn record_returned(
        &self,
        terms: &Terms,
        return_id: Uuid,
        what: Returned,
        at: Timestamp,
    ) -> Vec<Event> {
        let named = self.returns.iter().find(|it| it.return_id == return_id);
        if !named.is_some_and(|it| it.waits_for(what)) {
            return Vec::new();
        }
        vec![match what {
            Returned::Tickets => Event::PositionTicketsVoided { return_id, at },
            Returned::Places => Event::PositionPlacesReleased { return_id, at },
            Returned::Money(amount) => {
                Event::PositionsRefunded { return_id, amount, parties: terms.parties(), at }
            }
        }]
    }

    /// Money was given back: for one of the returns, as the end of a whole undoing, or because the
    /// organizer wanted it so. All of it given back by the organizer calls the order off.
    pub(super) fn record_refund(
        &self,
        terms: &Terms,
        refund_id: Option<Uuid>,
        amount: Money,
        whole: bool,
        at: Timestamp,
    ) -> Vec<Event> {
        if let Some(of_return) = self.return_refunded_by(refund_id, amount) {
            let return_id = of_return.return_id;
            return self.record_returned(terms, return_id, Returned::Money(amount), at);
        }
        let parties = terms.parties();
        if whole && self.is_served() {
            let (cause, money) = (Cause::Refunded, Some(amount));
            let reason = String::new();
            return vec![Event::CalledOff { cause, reason, money, parties: Some(parties), at }];
        }
        if whole {
            let is_awaited = self.undo.money_is_here;
            return if is_awaited { vec![self.money_returned(at)] } else { Vec::new() };
        }
        let is_keepers = !self.is_undone() && self.kept().is_some_and(|kept| kept.amount > 0);
        if !is_keepers {
            // A part of the whole that is on its way back: the rest follows.
            return Vec::new();
        }
        vec![Event::MoneyGivenBack { refund_id, amount, parties, at }]
    }

    /// The return that a refund is for: by its name, or, when the provider refused that one, by what
    /// it gives back instead.
    fn return_refunded_by(&self, refund_id: Option<Uuid>, amount: Money) -> Option<&Return> {
        let named = self.returns.iter().find(|it| Some(it.return_id) == refund_id);
        named.or_else(|| {
            let instead = |it: &&Return| it.was_refused && !it.money_is_back && it.amount == amount;
            self.returns.iter().find(instead)
        })
    }

    pub(super) fn evolve_return(&mut self, event: &Event) {
        match event {
            Event::PositionsCancelled { return_id, positions, items, amount, reason, .. } => {
                self.cancelled.extend(positions);
                self.returns.push(Return {
                    return_id: *return_id,
                    positions: positions.clone(),
                    items: items.clone(),
                    amount: *amount,
                    reason: reason.clone(),
                    tickets_are_void: false,
                    places_are_free: false,
                    money_is_back: amount.amount == 0,
                    was_refused: false,
                });
            }
            Event::PositionTicketsVoided { return_id, .. } => {
                if let Some(named) = self.return_named(*return_id) {
                    named.tickets_are_void = true;
                }
            }
            Event::PositionPlacesReleased { return_id, .. } => {
                if let Some(named) = self.return_named(*return_id) {
                    named.places_are_free = true;
                }
            }
            Event::PositionsRefunded { return_id, amount, .. } => {
                self.refunded += amount.amount;
                self.refund_is_stuck = false;
                if let Some(named) = self.return_named(*return_id) {
                    named.money_is_back = true;
                }
            }
            Event::MoneyGivenBack { amount, .. } => self.refunded += amount.amount,
            Event::RefundRefused { refund_id, will_retry, .. } => {
                self.refund_is_stuck = !will_retry;
                if let Some(named) = self.return_named(*refund_id) {
                    named.was_refused = true;
                }
            }
            _ => {}
        }
    }

    /// The positions of a return.
    pub(crate) fn positions_returned(&self, return_id: Uuid) -> Vec<u32> {
        let named = self.returns.iter().find(|it| it.return_id == return_id);
        named.map_or_else(Vec::new, |it| it.positions.clone())
    }
}
