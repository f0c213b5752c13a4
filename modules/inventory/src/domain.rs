//! The stock of one event: ticket types, quotas, seats, holds and sales. Pure.
//!
//! What is free is counted, never remembered: the capacity of each quota less what is sold and what
//! is held and has not expired. A hold stops counting at its expiry, by comparing times, whether or
//! not anybody has come round to record it. Numbered seats count against quotas as places do, and
//! each is had by one hold at most.

mod audit;
mod availability;
mod choice;
mod holding;
mod house;
mod messages;
mod room;
mod shelf;

use std::collections::{BTreeMap, BTreeSet, HashMap, hash_map::Entry};

use contracts::{
    catalog::{Capacity, Quota, TicketTypeCapacity},
    inventory::{HoldState, Places},
};
use jiff::SignedDuration;
use runtime::Timestamp;
use serde::{Deserialize, Serialize};
use store::Aggregate;
use uuid::Uuid;

use self::room::Lapsed;
pub(crate) use self::{
    availability::{QuotaAvailability, TypeAvailability},
    house::{House, SeatAt},
    messages::{Command, Event, HoldWish, Rejection},
    shelf::{Share, Shelf},
};

/// The most places of one ticket type that one hold may take.
pub(crate) const MOST_PLACES: u32 = 100;

/// How long a hold that no order was placed with is remembered after it would have expired: longer
/// than a request is repeated.
const REMEMBERED_FOR: SignedDuration = SignedDuration::from_hours(24);
/// How many holds are forgotten at once; the rest right afterwards.
const MOST_FORGOTTEN: usize = 1_000;

/// Everything that can be sold of one event. The stream's id is the event's.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(from = "Stored")]
pub(crate) struct Stock {
    sale: Sale,
    shelves: BTreeMap<Uuid, Shelf>,
    quotas: BTreeMap<Uuid, Share>,
    house: House,
    holds: HashMap<Uuid, HoldRecord>,
    /// Holds that still count, by expiry.
    #[serde(skip)]
    expiries: BTreeSet<(Timestamp, Uuid)>,
    /// Holds that are over and have no order, by when they are forgotten.
    #[serde(skip)]
    over: BTreeSet<(Timestamp, Uuid)>,
    /// How many holds that still count each holder has.
    #[serde(skip)]
    open: HashMap<Uuid, u32>,
}

/// A stock as it is stored: what else it knows follows from this.
#[derive(Deserialize)]
struct Stored {
    sale: Sale,
    shelves: BTreeMap<Uuid, Shelf>,
    quotas: BTreeMap<Uuid, Share>,
    house: House,
    holds: HashMap<Uuid, HoldRecord>,
}

impl From<Stored> for Stock {
    fn from(stored: Stored) -> Self {
        let Stored { sale, shelves, quotas, house, holds } = stored;
        let mut stock = Self { sale, shelves, quotas, house, ..Self::default() };
        for (hold_id, mut hold) in holds {
            let state = std::mem::replace(&mut hold.state, HoldState::Expired);
            stock.holds.insert(hold_id, hold);
            stock.turn(hold_id, state);
        }
        stock
    }
}

/// Whether new places may be held.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Sale {
    /// Catalog has not told of this event yet.
    #[default]
    Unknown,
    /// Not now.
    Closed,
    /// Yes.
    Open,
    /// Never again.
    Cancelled,
}

/// One hold.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct HoldRecord {
    pub(crate) holder_id: Uuid,
    pub(crate) order_id: Option<Uuid>,
    pub(crate) lines: Vec<Line>,
    pub(crate) expires_at: Timestamp,
    pub(crate) state: HoldState,
    /// Which parts of it were given back.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    releases: Vec<Uuid>,
}

/// So many places of one ticket type.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Line {
    pub(crate) ticket_type_id: Uuid,
    pub(crate) quantity: u32,
    /// Where they are; none for general admission.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) seats: Vec<SeatAt>,
}

impl Stock {
    /// A hold with its state at `now`.
    pub(crate) fn hold(&self, hold_id: Uuid, now: Timestamp) -> Option<HoldRecord> {
        let mut hold = self.holds.get(&hold_id)?.clone();
        if hold.has_lapsed(now) {
            hold.state = HoldState::Expired;
        }
        Some(hold)
    }

    /// What a hold has, by the names of its seats.
    pub(crate) fn places(&self, hold: &HoldRecord) -> Vec<Places> {
        let named = |line: &Line| Places {
            ticket_type_id: line.ticket_type_id,
            quantity: line.quantity,
            seats: line.seats.iter().filter_map(|at| self.house.name(*at)).collect(),
        };
        hold.lines.iter().map(named).collect()
    }

    /// Holds that have expired at `now` without a record of it. Few, since the timer records
    /// expiries as they come.
    fn lapsed_holds(&self, now: Timestamp) -> impl Iterator<Item = Uuid> {
        self.expiries.iter().take_while(move |(expiry, _)| *expiry <= now).map(|(_, id)| *id)
    }

    /// Leaves whatever state the hold is in and enters `to`, with all that goes with both.
    fn turn(&mut self, hold_id: Uuid, to: HoldState) {
        let Some(from) = self.alter(hold_id, |hold| std::mem::replace(&mut hold.state, to)) else {
            return;
        };
        let Some(hold) = self.holds.get(&hold_id) else { return };
        let (holder_id, expiry) = (hold.holder_id, (hold.expires_at, hold_id));
        if has_places(from) {
            for line in &hold.lines {
                leave_places(&mut self.shelves, &mut self.house, from, hold_id, line);
            }
        }
        if has_places(to) {
            for line in &hold.lines {
                take_places(&mut self.shelves, &mut self.house, to, hold_id, line);
            }
        }
        if from == HoldState::Held {
            self.expiries.remove(&expiry);
            if let Entry::Occupied(mut count) = self.open.entry(holder_id) {
                *count.get_mut() -= 1;
                if *count.get() == 0 {
                    count.remove();
                }
            }
        }
        if to == HoldState::Held {
            self.expiries.insert(expiry);
            *self.open.entry(holder_id).or_default() += 1;
        }
    }

    /// Changes a hold, and with it when it is forgotten.
    fn alter<T>(&mut self, hold_id: Uuid, change: impl FnOnce(&mut HoldRecord) -> T) -> Option<T> {
        let hold = self.holds.get_mut(&hold_id)?;
        if let Some(at) = hold.forgotten_at() {
            self.over.remove(&(at, hold_id));
        }
        let changed = change(hold);
        if let Some(at) = hold.forgotten_at() {
            self.over.insert((at, hold_id));
        }
        Some(changed)
    }

    fn forget(&mut self, hold_id: Uuid) {
        let Some(hold) = self.holds.remove(&hold_id) else { return };
        if let Some(at) = hold.forgotten_at() {
            self.over.remove(&(at, hold_id));
        }
    }

    fn set_type(&mut self, ticket_type: &TicketTypeCapacity) {
        if self.sale == Sale::Unknown {
            self.sale = Sale::Closed;
        }
        let id = ticket_type.ticket_type_id;
        let (sold, held) = self.shelves.get(&id).map_or((0, 0), |shelf| (shelf.sold, shelf.held));
        self.shelves.insert(id, Shelf { sold, held, ..Shelf::from(ticket_type) });
        if !ticket_type.quotas_told {
            self.set_quota(id, Share::of_its_own(ticket_type));
        }
    }

    fn set_quota(&mut self, quota_id: Uuid, mut quota: Share) {
        let (sold, held) = self.used(&quota, &Lapsed::default());
        quota.tolerated = sold.saturating_add(held);
        self.quotas.insert(quota_id, quota);
    }

    /// Takes some of a hold's places away from it.
    fn reduce(&mut self, hold_id: Uuid, release_id: Uuid, items: &[Places]) {
        let Some(hold) = self.holds.get_mut(&hold_id) else { return };
        for item in items {
            let mut lines = hold.lines.iter_mut();
            let Some(line) = lines.find(|line| line.ticket_type_id == item.ticket_type_id) else {
                continue;
            };
            let mut gone = Line {
                ticket_type_id: line.ticket_type_id,
                quantity: item.quantity.min(line.quantity),
                seats: item.seats.iter().filter_map(|seat| self.house.find(seat)).collect(),
            };
            gone.seats.retain(|at| line.seats.contains(at));
            line.quantity -= gone.quantity;
            line.seats.retain(|at| !gone.seats.contains(at));
            if has_places(hold.state) {
                leave_places(&mut self.shelves, &mut self.house, hold.state, hold_id, &gone);
            }
        }
        hold.lines.retain(|line| line.quantity > 0);
        hold.releases.push(release_id);
        if hold.lines.is_empty() {
            self.turn(hold_id, HoldState::Released);
        }
    }
}

fn has_places(state: HoldState) -> bool {
    matches!(state, HoldState::Held | HoldState::Confirmed)
}

fn take_places(
    shelves: &mut BTreeMap<Uuid, Shelf>,
    house: &mut House,
    state: HoldState,
    hold_id: Uuid,
    line: &Line,
) {
    if let Some(shelf) = shelves.get_mut(&line.ticket_type_id) {
        let count = shelf.count(state);
        *count = count.saturating_add(line.quantity);
    }
    for at in &line.seats {
        house.take(*at, hold_id);
    }
}

fn leave_places(
    shelves: &mut BTreeMap<Uuid, Shelf>,
    house: &mut House,
    state: HoldState,
    hold_id: Uuid,
    line: &Line,
) {
    if let Some(shelf) = shelves.get_mut(&line.ticket_type_id) {
        let count = shelf.count(state);
        *count = count.saturating_sub(line.quantity);
    }
    for at in &line.seats {
        house.leave(*at, hold_id);
    }
}

impl Shelf {
    /// What counts the places of holds in `state`.
    fn count(&mut self, state: HoldState) -> &mut u32 {
        if state == HoldState::Confirmed { &mut self.sold } else { &mut self.held }
    }
}

impl From<&TicketTypeCapacity> for Shelf {
    fn from(ticket_type: &TicketTypeCapacity) -> Self {
        Self {
            name: ticket_type.name.clone(),
            sales_from: ticket_type.sales_from,
            sales_until: ticket_type.sales_until,
            min_per_order: ticket_type.min_per_order,
            max_per_order: ticket_type.max_per_order,
            sections: ticket_type.sections.clone(),
            sold: 0,
            held: 0,
        }
    }
}

impl Share {
    /// Whether the programme says the same of both.
    fn says(&self, other: &Self) -> bool {
        *self == Self { tolerated: self.tolerated, ..other.clone() }
    }

    fn of_its_own(ticket_type: &TicketTypeCapacity) -> Self {
        let TicketTypeCapacity { ticket_type_id, name, capacity, .. } = ticket_type;
        let (name, capacity) = (name.clone(), *capacity);
        Self { name, capacity, ticket_type_ids: vec![*ticket_type_id], tolerated: 0 }
    }
}

impl From<&Quota> for Share {
    fn from(quota: &Quota) -> Self {
        let Quota { name, capacity, ticket_type_ids, .. } = quota.clone();
        Self { name, capacity, ticket_type_ids, tolerated: 0 }
    }
}

impl HoldRecord {
    fn has_lapsed(&self, now: Timestamp) -> bool {
        self.state == HoldState::Held && self.expires_at <= now
    }

    /// When it is forgotten: only if it is over and no order was placed with it. Orders may still ask
    /// for theirs.
    fn forgotten_at(&self) -> Option<Timestamp> {
        let is_over = matches!(self.state, HoldState::Expired | HoldState::Released);
        let is_left = is_over && self.order_id.is_none();
        is_left.then(|| self.expires_at.saturating_add(REMEMBERED_FOR).unwrap_or(Timestamp::MAX))
    }
}

impl Aggregate for Stock {
    const NAME: &'static str = "stock";
    const STATE_SCHEMA: u16 = 2;
    const SNAPSHOT_EVERY: u64 = 2_000;
    type Command = Command;
    type Event = Event;
    type Rejection = Rejection;

    fn decide(&self, command: Command) -> Result<Vec<Event>, Rejection> {
        match command {
            Command::SetProgramme { ticket_types, quotas, seating } => {
                let mut events = Vec::new();
                if self.house.is_empty() && !seating.is_empty() {
                    events.push(Event::SeatingSet { seating });
                }
                let types = ticket_types.into_iter().filter(|it| self.is_news(it));
                events.extend(types.map(|ticket_type| Event::CapacitySet { ticket_type }));
                let is_news = |quota: &Quota| {
                    let known = self.quotas.get(&quota.quota_id);
                    known.is_none_or(|known| !known.says(&Share::from(quota)))
                };
                let quotas = quotas.into_iter().filter(is_news);
                events.extend(quotas.map(|quota| Event::QuotaSet { quota }));
                Ok(events)
            }
            Command::RemoveQuota { quota_id } if self.quotas.contains_key(&quota_id) => {
                Ok(vec![Event::QuotaRemoved { quota_id }])
            }
            Command::OpenSale if matches!(self.sale, Sale::Open | Sale::Cancelled) => {
                Ok(Vec::new())
            }
            Command::OpenSale => Ok(vec![Event::SaleOpened]),
            Command::CloseSale if self.sale == Sale::Open => Ok(vec![Event::SaleClosed]),
            Command::RemoveQuota { .. } | Command::CloseSale => Ok(Vec::new()),
            Command::CancelSale if self.sale == Sale::Cancelled => Ok(Vec::new()),
            Command::CancelSale => Ok(vec![Event::SaleCancelled]),
            Command::Hold(wish) => self.place_hold(wish),
            Command::Confirm { hold_id, now } => self.confirm(hold_id, now),
            Command::Release { hold_id } => Ok(self.release(hold_id)),
            Command::ReleasePlaces { hold_id, release_id, items } => {
                self.release_places(hold_id, release_id, items)
            }
            Command::GiveBack { hold_id } => self.give_back(hold_id),
            Command::EndHolds { now } => Ok(self.end_holds(now)),
        }
    }

    fn evolve(&mut self, event: &Event) {
        match event {
            Event::CapacitySet { ticket_type } => self.set_type(ticket_type),
            Event::QuotaSet { quota } => self.set_quota(quota.quota_id, Share::from(quota)),
            Event::QuotaRemoved { quota_id } => {
                self.quotas.remove(quota_id);
            }
            Event::SeatingSet { seating } => self.house = House::from(seating.clone()),
            Event::SaleOpened => self.sale = Sale::Open,
            Event::SaleClosed => self.sale = Sale::Closed,
            Event::SaleCancelled => self.sale = Sale::Cancelled,
            Event::PlacesHeld { hold_id, holder_id, order_id, items, expires_at } => {
                let line = |item: &Places| Line {
                    ticket_type_id: item.ticket_type_id,
                    quantity: item.quantity,
                    seats: item.seats.iter().filter_map(|seat| self.house.find(seat)).collect(),
                };
                let hold = HoldRecord {
                    holder_id: *holder_id,
                    order_id: *order_id,
                    lines: items.iter().map(line).collect(),
                    expires_at: *expires_at,
                    state: HoldState::Expired,
                    releases: Vec::new(),
                };
                self.holds.insert(*hold_id, hold);
                self.turn(*hold_id, HoldState::Held);
            }
            Event::HoldTaken { hold_id, order_id } => {
                self.alter(*hold_id, |hold| hold.order_id = Some(*order_id));
            }
            Event::HoldRenewed { hold_id, expires_at } => {
                self.turn(*hold_id, HoldState::Expired);
                self.alter(*hold_id, |hold| hold.expires_at = *expires_at);
                self.turn(*hold_id, HoldState::Held);
            }
            Event::HoldsForgotten { hold_ids } => hold_ids.iter().for_each(|id| self.forget(*id)),
            Event::HoldExpired { hold_id } => self.turn(*hold_id, HoldState::Expired),
            Event::HoldConfirmed { hold_id } => self.turn(*hold_id, HoldState::Confirmed),
            Event::HoldReleased { hold_id } => self.turn(*hold_id, HoldState::Released),
            Event::PlacesReleased { hold_id, release_id, items } => {
                self.reduce(*hold_id, *release_id, items);
            }
        }
    }

    fn wake_at(&self) -> Option<Timestamp> {
        let first = |moments: &BTreeSet<(Timestamp, Uuid)>| moments.first().map(|(at, _)| *at);
        first(&self.expiries).into_iter().chain(first(&self.over)).min()
    }

    /// A stock remembers its holds and every seat. Each time it is stored it has grown by about as
    /// much as there was, so that an on-sale writes a few times its size and not its square.
    fn snapshot_after(&self) -> u64 {
        let holds = u64::try_from(self.holds.len()).unwrap_or(u64::MAX);
        holds.saturating_add(self.house.seats() / 8).max(Self::SNAPSHOT_EVERY)
    }
}

impl Stock {
    /// Whether the programme says something else of the ticket type than is known.
    fn is_news(&self, told: &TicketTypeCapacity) -> bool {
        let id = told.ticket_type_id;
        let is_known = self.shelves.get(&id).is_some_and(|shelf| {
            *shelf == Shelf { sold: shelf.sold, held: shelf.held, ..Shelf::from(told) }
        });
        let own = self.quotas.get(&id);
        let has_its_quota =
            told.quotas_told || own.is_some_and(|own| own.says(&Share::of_its_own(told)));
        !is_known || !has_its_quota
    }

    /// The capacity of the smallest quota of the ticket type; no places without a quota.
    fn capacity(&self, ticket_type_id: Uuid) -> Capacity {
        let capacities = self.quotas_of(ticket_type_id).map(|(_, quota)| quota.capacity);
        capacities.reduce(Capacity::smaller).unwrap_or(Capacity::limited(0))
    }

    fn quotas_of(&self, ticket_type_id: Uuid) -> impl Iterator<Item = (Uuid, &Share)> {
        let draws =
            move |(_, quota): &(&Uuid, &Share)| quota.ticket_type_ids.contains(&ticket_type_id);
        self.quotas.iter().filter(draws).map(|(id, quota)| (*id, quota))
    }
}

#[cfg(test)]
mod tests;
