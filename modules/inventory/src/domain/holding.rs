//! The life of a hold: held, taken by an order, renewed, confirmed, given back.

use std::collections::BTreeSet;

use contracts::inventory::{HoldState, Places};
use runtime::Timestamp;
use uuid::Uuid;

use super::{
    Event, HoldRecord, HoldWish, Line, MOST_FORGOTTEN, MOST_PLACES, Rejection, Sale, Stock,
    room::Lapsed,
};

impl Stock {
    pub(super) fn place_hold(&self, wish: HoldWish) -> Result<Vec<Event>, Rejection> {
        check_items(&wish.items)?;
        let Some(hold) = self.holds.get(&wish.hold_id) else {
            return self.hold_anew(wish);
        };
        if !self.is_for(hold, &wish) {
            return Err(Rejection::HoldDiffers);
        }
        self.hold_again(hold, &wish)
    }

    fn hold_anew(&self, wish: HoldWish) -> Result<Vec<Event>, Rejection> {
        let HoldWish { hold_id, holder_id, order_id, items, expires_at, now, most_open } = wish;
        self.check_sale()?;
        for item in &items {
            let ticket_type_id = item.ticket_type_id;
            let shelf = self.shelves.get(&ticket_type_id);
            let shelf = shelf.ok_or(Rejection::TicketTypeUnknown { ticket_type_id })?;
            shelf.check_window(ticket_type_id, now)?;
            shelf.check_limits(item)?;
        }
        let lapsed = self.lapsed(now);
        self.check_open(holder_id, most_open, &lapsed)?;
        let wanted = items.iter().map(|item| (item.ticket_type_id, item.quantity));
        self.check_quotas(wanted, &lapsed)?;
        let lines = self.choose_seats(&items, &lapsed)?;
        let mut events = self.expiries_of_displaced(&lines, hold_id);
        let named = |(item, line): (Places, &Line)| Places {
            seats: line.seats.iter().filter_map(|at| self.house.name(*at)).collect(),
            ..item
        };
        let held = items.into_iter().zip(&lines).map(named).collect();
        events.push(Event::PlacesHeld { hold_id, holder_id, order_id, items: held, expires_at });
        Ok(events)
    }

    fn hold_again(&self, hold: &HoldRecord, wish: &HoldWish) -> Result<Vec<Event>, Rejection> {
        let (hold_id, now) = (wish.hold_id, wish.now);
        let taken = wish
            .order_id
            .filter(|_| hold.order_id.is_none())
            .map(|order_id| Event::HoldTaken { hold_id, order_id });
        match hold.state {
            HoldState::Released => Err(Rejection::HoldReleased),
            HoldState::Confirmed => Ok(taken.into_iter().collect()),
            HoldState::Held if !hold.has_lapsed(now) => {
                if taken.is_some() {
                    self.check_windows(hold, now)?;
                }
                Ok(taken.into_iter().collect())
            }
            HoldState::Held | HoldState::Expired => {
                self.check_sale()?;
                self.check_windows(hold, now)?;
                let lapsed = self.lapsed(now);
                self.check_open(hold.holder_id, wish.most_open, &lapsed)?;
                let mut events = self.room_again(hold_id, hold, &lapsed)?;
                events.extend(taken);
                events.push(Event::HoldRenewed { hold_id, expires_at: wish.expires_at });
                Ok(events)
            }
        }
    }

    pub(super) fn confirm(&self, hold_id: Uuid, now: Timestamp) -> Result<Vec<Event>, Rejection> {
        let Some(hold) = self.holds.get(&hold_id) else {
            return Err(Rejection::HoldUnknown);
        };
        match hold.state {
            HoldState::Confirmed => Ok(Vec::new()),
            HoldState::Released => Err(Rejection::HoldReleased),
            HoldState::Held | HoldState::Expired if self.sale == Sale::Cancelled => {
                Err(Rejection::NotOnSale { is_cancelled: true })
            }
            HoldState::Held if !hold.has_lapsed(now) => Ok(vec![Event::HoldConfirmed { hold_id }]),
            HoldState::Held | HoldState::Expired => {
                let mut events = self.room_again(hold_id, hold, &self.lapsed(now))?;
                events.push(Event::HoldConfirmed { hold_id });
                Ok(events)
            }
        }
    }

    pub(super) fn release(&self, hold_id: Uuid) -> Vec<Event> {
        match self.holds.get(&hold_id).map(|hold| hold.state) {
            None | Some(HoldState::Released) => Vec::new(),
            Some(HoldState::Held | HoldState::Expired | HoldState::Confirmed) => {
                vec![Event::HoldReleased { hold_id }]
            }
        }
    }

    pub(super) fn release_places(
        &self,
        hold_id: Uuid,
        release_id: Uuid,
        items: Vec<Places>,
    ) -> Result<Vec<Event>, Rejection> {
        check_items(&items)?;
        let hold = self.holds.get(&hold_id).ok_or(Rejection::HoldUnknown)?;
        if hold.releases.contains(&release_id) || hold.state == HoldState::Released {
            return Ok(Vec::new());
        }
        if hold.state != HoldState::Confirmed {
            return Err(Rejection::Invalid { reason: "the hold is not confirmed" });
        }
        for item in &items {
            let mut lines = hold.lines.iter();
            let line = lines.find(|line| line.ticket_type_id == item.ticket_type_id);
            let Some(line) = line.filter(|line| line.quantity >= item.quantity) else {
                return Err(Rejection::Invalid { reason: "the hold has not so many places" });
            };
            if line.seats.is_empty() != item.seats.is_empty() {
                return Err(Rejection::Invalid { reason: "numbered seats are given back by name" });
            }
            let has = |seat| self.house.find(seat).is_some_and(|at| line.seats.contains(&at));
            if !item.seats.iter().all(has) {
                return Err(Rejection::Invalid { reason: "the hold has not all of these seats" });
            }
        }
        Ok(vec![Event::PlacesReleased { hold_id, release_id, items }])
    }

    pub(super) fn give_back(&self, hold_id: Uuid) -> Result<Vec<Event>, Rejection> {
        match self.holds.get(&hold_id) {
            None => Err(Rejection::HoldUnknown),
            Some(hold) => match (hold.order_id, hold.state) {
                (Some(order_id), _) => Err(Rejection::HoldBelongsToOrder { order_id }),
                (None, HoldState::Released) => Ok(Vec::new()),
                (None, _) => Ok(vec![Event::HoldReleased { hold_id }]),
            },
        }
    }

    /// Records what has expired, and forgets what was over long before.
    pub(super) fn end_holds(&self, now: Timestamp) -> Vec<Event> {
        let expired = self.lapsed_holds(now).map(|hold_id| Event::HoldExpired { hold_id });
        let mut events: Vec<Event> = expired.collect();
        let old = self.over.iter().take_while(|(at, _)| *at <= now).take(MOST_FORGOTTEN);
        let hold_ids: Vec<Uuid> = old.map(|(_, hold_id)| *hold_id).collect();
        if !hold_ids.is_empty() {
            events.push(Event::HoldsForgotten { hold_ids });
        }
        events
    }

    /// Whether the hold is what is wished for. Who leaves the choice of seats to us is content with
    /// those that were chosen.
    fn is_for(&self, hold: &HoldRecord, wish: &HoldWish) -> bool {
        let is_taken_by_another =
            hold.order_id.is_some() && wish.order_id.is_some() && hold.order_id != wish.order_id;
        let fits = |(line, item): (&Line, &Places)| {
            let has = |seat| self.house.find(seat).is_some_and(|at| line.seats.contains(&at));
            line.ticket_type_id == item.ticket_type_id
                && line.quantity == item.quantity
                && item.seats.iter().all(has)
        };
        hold.holder_id == wish.holder_id
            && !is_taken_by_another
            && hold.lines.len() == wish.items.len()
            && hold.lines.iter().zip(&wish.items).all(fits)
    }

    /// Passes when what a hold had before it expired can be had again: the same seats, in room that
    /// nobody has taken since. Holds that have expired and stand in the way are recorded as such.
    fn room_again(
        &self,
        hold_id: Uuid,
        hold: &HoldRecord,
        lapsed: &Lapsed,
    ) -> Result<Vec<Event>, Rejection> {
        let wanted = hold.lines.iter().map(|line| (line.ticket_type_id, line.quantity));
        self.check_quotas(wanted, lapsed).map_err(|rejection| match rejection {
            Rejection::QuotaMissing { ticket_type_id } => {
                Rejection::SoldOut { ticket_type_id, requested: hold.places(), left: 0 }
            }
            other => other,
        })?;
        self.check_seats_again(hold, lapsed)?;
        Ok(self.expiries_of_displaced(&hold.lines, hold_id))
    }

    fn expiries_of_displaced(&self, lines: &[Line], hold_id: Uuid) -> Vec<Event> {
        let displaced: BTreeSet<Uuid> = self.displaced(lines, hold_id).into_iter().collect();
        displaced.into_iter().map(|hold_id| Event::HoldExpired { hold_id }).collect()
    }

    fn check_sale(&self) -> Result<(), Rejection> {
        match self.sale {
            Sale::Open => Ok(()),
            Sale::Unknown => Err(Rejection::EventUnknown),
            Sale::Closed => Err(Rejection::NotOnSale { is_cancelled: false }),
            Sale::Cancelled => Err(Rejection::NotOnSale { is_cancelled: true }),
        }
    }

    fn check_windows(&self, hold: &HoldRecord, now: Timestamp) -> Result<(), Rejection> {
        let types = hold.lines.iter().map(|line| line.ticket_type_id);
        types
            .filter_map(|id| Some((id, self.shelves.get(&id)?)))
            .try_for_each(|(id, shelf)| shelf.check_window(id, now))
    }

    /// Passes when the holder may have one more hold.
    fn check_open(&self, holder_id: Uuid, most: u32, lapsed: &Lapsed) -> Result<(), Rejection> {
        let recorded = self.open.get(&holder_id).copied().unwrap_or(0);
        if most == 0 || recorded < most {
            return Ok(());
        }
        let is_the_holders =
            |id: &&Uuid| self.holds.get(*id).is_some_and(|hold| hold.holder_id == holder_id);
        let expired = lapsed.holds.iter().filter(is_the_holders).count();
        let open = recorded.saturating_sub(u32::try_from(expired).unwrap_or(u32::MAX));
        if open < most { Ok(()) } else { Err(Rejection::TooManyHolds { open, most }) }
    }
}

impl HoldRecord {
    /// How many places it has.
    fn places(&self) -> u32 {
        self.lines.iter().map(|line| line.quantity).fold(0, u32::saturating_add)
    }
}

fn check_items(items: &[Places]) -> Result<(), Rejection> {
    if items.is_empty() {
        return Err(Rejection::Invalid { reason: "at least one ticket type must be named" });
    }
    if items.iter().any(|item| item.quantity == 0 || item.quantity > MOST_PLACES) {
        return Err(Rejection::Invalid { reason: "each quantity must be from 1 to 100" });
    }
    let different: BTreeSet<Uuid> = items.iter().map(|item| item.ticket_type_id).collect();
    if different.len() < items.len() {
        return Err(Rejection::Invalid { reason: "each ticket type may be named once" });
    }
    for item in items.iter().filter(|item| !item.seats.is_empty()) {
        if u32::try_from(item.seats.len()) != Ok(item.quantity) {
            return Err(Rejection::Invalid {
                reason: "there must be as many seats as quantity says",
            });
        }
        let different: BTreeSet<_> = item.seats.iter().collect();
        if different.len() < item.seats.len() {
            return Err(Rejection::Invalid { reason: "each seat may be named once" });
        }
    }
    Ok(())
}
