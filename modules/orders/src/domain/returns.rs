//! Giving back: a whole order that is called off, or some of its positions.

use std::collections::BTreeSet;

use contracts::money::Money;
use runtime::Timestamp;
use uuid::Uuid;

use super::{
    Cancel, Cause, Event, Order, OrderState, Refunded, Rejection, Return, Returned, Terms,
    undo::PriceOf,
};

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
            self.returns.iter().filter(|it| !it.money_is_back()).map(|it| it.amount.amount).sum();
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
        let (amount, cause) = (self.kept(), self.cause);
        let news = self.news(self.received_amount());
        Event::MoneyReturned { amount, news, cause, parties, at }
    }

    /// What others are told once so much has been given back.
    fn news(&self, given: i64) -> Option<Money> {
        Some(Money::new(self.refunds.unannounced(given), self.received()?.currency))
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
        if !self.return_with(return_id).is_some_and(|it| it.waits_for(what)) {
            return Vec::new();
        }
        vec![match what {
            Returned::Tickets => Event::PositionTicketsVoided { return_id, at },
            Returned::Places => Event::PositionPlacesReleased { return_id, at },
            Returned::Money { refund_id, amount } => {
                if refund_id.is_some_and(|id| self.refunds.has_heard_of(id)) {
                    return Vec::new();
                }
                let given = self.given().saturating_add(amount.amount);
                let news = self.news(given.min(self.received_amount()));
                let parties = terms.parties();
                Event::PositionsRefunded { return_id, refund_id, amount, news, parties, at }
            }
        }]
    }

    /// Money was given back: for one of the returns, as the end of a whole undoing, or because the
    /// organizer wanted it so. All of it given back by the organizer calls the order off.
    pub(super) fn record_refund(&self, refund: Refunded, at: Timestamp) -> Vec<Event> {
        let Refunded { refund_id, amount, .. } = refund;
        let (total, known) = (self.total_with(&refund), self.refunds.total());
        let is_known = refund_id.is_some_and(|id| self.refunds.has_heard_of(id)) && total == known;
        if is_known {
            return Vec::new();
        }
        let heard = Event::RefundHeard { refund_id, total: Money::new(total, amount.currency), at };
        let mut after = self.clone();
        after.refunds.hear(refund_id, total);
        let meaning = self.meaning_of(&refund, total, &after, at);
        std::iter::once(heard).chain(meaning).collect()
    }

    fn meaning_of(
        &self,
        refund: &Refunded,
        total: i64,
        after: &Self,
        at: Timestamp,
    ) -> Option<Event> {
        let Refunded { refund_id, amount, .. } = *refund;
        if let (Some(named), Some(terms)) = (self.return_of(refund), &self.terms) {
            if named.money_is_back() {
                // It was settled by a late reply that nothing was left to give back, and then something
                // was; or else there is nothing new.
                let is_news = self.refunds.unannounced(after.given()) > 0;
                return self.given_beside(refund, after, at).filter(|_| is_news);
            }
            let (return_id, parties) = (named.return_id, terms.parties());
            let news = self.news(after.given());
            let refunded =
                Event::PositionsRefunded { return_id, refund_id, amount, news, parties, at };
            return Some(refunded);
        }
        if !self.is_served() {
            return (self.left() > 0 && after.left() <= 0).then(|| self.money_returned(at));
        }
        // What the bank had sent back comes again: what it means to the order was settled before.
        let is_repeated = refund.requested.is_some_and(|id| self.refunds.was_done(id));
        if is_repeated || total < self.received_amount() {
            return self.given_beside(refund, after, at);
        }
        let (cause, money) = (Cause::Refunded, self.news(self.received_amount()));
        let (reason, parties) = (String::new(), self.terms.as_ref().map(Terms::parties));
        Some(Event::CalledOff { cause, reason, money, parties, at })
    }

    /// Money that buys nothing less.
    fn given_beside(&self, refund: &Refunded, after: &Self, at: Timestamp) -> Option<Event> {
        let Refunded { refund_id, amount, .. } = *refund;
        let (parties, news) = (self.terms.as_ref()?.parties(), self.news(after.given()));
        Some(Event::MoneyGivenBack { refund_id, amount, news, parties, at })
    }

    /// What all refunds have given back with this one. An older payments does not say.
    fn total_with(&self, refund: &Refunded) -> i64 {
        if let Some(total) = refund.total {
            return total.amount;
        }
        let known = self.refunds.total();
        let Some(refund_id) = refund.refund_id.filter(|_| !refund.whole) else {
            return self.received_amount();
        };
        let is_counted = self.refunds.has_heard_of(refund_id)
            || (!self.refunds.is_ahead(refund_id)
                && self.return_of(refund).is_some_and(Return::money_is_back));
        if is_counted { known } else { known.saturating_add(refund.amount.amount) }
    }

    /// The return that a refund was asked for.
    fn return_of(&self, refund: &Refunded) -> Option<&Return> {
        let asked_for = refund.requested.or(refund.refund_id)?;
        self.return_with(asked_for)
    }

    pub(super) fn evolve_refund(&mut self, event: &Event) {
        match event {
            Event::RefundHeard { refund_id, total, .. } => {
                self.refunds.hear(*refund_id, total.amount);
            }
            Event::PositionsRefunded { return_id, refund_id, amount, news, .. } => {
                self.refunds.give(*refund_id, amount.amount);
                self.refunds.announce(news.unwrap_or(*amount).amount);
                if let Some(named) = self.return_named(*return_id) {
                    named.money = PriceOf::Back { by: *refund_id };
                }
            }
            Event::MoneyGivenBack { refund_id, amount, news, .. } => {
                let counted = refund_id.filter(|id| self.refunds.has_heard_of(*id));
                self.refunds.give(counted, amount.amount);
                self.refunds.announce(news.unwrap_or(*amount).amount);
            }
            Event::MoneyReturned { amount, news, .. } => {
                let told = news.or(*amount).map_or(0, |money| money.amount);
                self.refunds.announce(told);
                self.give_all();
            }
            Event::RefundRefused { refund_id, requested, total, will_retry, .. } => {
                self.take_refusal(*refund_id, *requested, *total, *will_retry);
            }
            _ => {}
        }
        self.settle_what_was_given_up();
    }

    pub(super) fn give_all(&mut self) {
        self.refunds.give_all();
        self.undo.money_is_given_up = false;
        for it in self.returns.iter_mut().filter(|it| !it.money_is_back()) {
            it.money = PriceOf::Back { by: None };
        }
    }

    fn take_refusal(
        &mut self,
        refund_id: Uuid,
        requested: Option<Uuid>,
        total: Option<Money>,
        will_retry: bool,
    ) {
        if let Some(total) = total {
            self.refunds.hear_refusal(refund_id, total.amount);
        }
        let was_counted = total.is_some();
        if let Some(named) = self.return_named(requested.unwrap_or(refund_id)) {
            named.take_refusal(refund_id, was_counted, will_retry);
        }
        // Nobody had asked for what somebody made at the provider and called off again.
        let was_asked_for = requested.is_some() || !was_counted;
        if was_asked_for && self.is_undone_but_for_money() {
            self.undo.money_is_given_up = !will_retry;
        }
        if self.is_over() && self.left() > 0 {
            self.state = OrderState::CallingOff;
        }
    }

    fn is_undone_but_for_money(&self) -> bool {
        (self.is_undone() || self.terms.is_none()) && self.undo.is_at_the_money()
    }

    /// Somebody gave back what payments could not.
    fn settle_what_was_given_up(&mut self) {
        if self.is_undone() || self.overpaid().is_some_and(|money| money.amount > 0) {
            return;
        }
        for it in self.returns.iter_mut().filter(|it| it.money == PriceOf::GivenUp) {
            it.money = PriceOf::Back { by: None };
        }
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
                    money: if amount.amount == 0 {
                        PriceOf::Back { by: None }
                    } else {
                        PriceOf::Owed
                    },
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
            _ => {}
        }
    }

    /// The positions of a return.
    pub(crate) fn positions_returned(&self, return_id: Uuid) -> Vec<u32> {
        self.return_with(return_id).map_or_else(Vec::new, |it| it.positions.clone())
    }

    /// A return by its id.
    pub(crate) fn return_with(&self, return_id: Uuid) -> Option<&Return> {
        self.returns.iter().find(|it| it.return_id == return_id)
    }

    fn return_named(&mut self, return_id: Uuid) -> Option<&mut Return> {
        self.returns.iter_mut().find(|it| it.return_id == return_id)
    }
}
