//! The stock of one event: capacities, holds and sales. Pure.
//!
//! What is free is counted, never remembered: capacity less what is sold and what is held and has
//! not expired. A hold stops counting at its expiry, by comparing times, whether or not anybody
//! has come round to record it.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use contracts::{
    catalog::{Capacity, TicketTypeCapacity},
    inventory::{HoldState, Places},
};
use runtime::Timestamp;
use serde::{Deserialize, Serialize};
use store::Aggregate;
use uuid::Uuid;

/// The most places of one ticket type that one hold may take.
pub(crate) const MOST_PLACES: u32 = 100;

/// Everything that can be sold of one event. The stream's id is the event's.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Stock {
    sale: Sale,
    shelves: BTreeMap<Uuid, Shelf>,
    holds: HashMap<Uuid, HoldRecord>,
    /// Holds that still count, by expiry.
    expiries: BTreeSet<(Timestamp, Uuid)>,
}

/// Whether new places may be held.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
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

/// One ticket type: how many there are, and how many are gone.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Shelf {
    pub(crate) name: String,
    pub(crate) capacity: Capacity,
    pub(crate) sold: u32,
    /// Held, including what has expired and was not recorded as such yet.
    pub(crate) held: u32,
}

/// One hold.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct HoldRecord {
    pub(crate) holder_id: Uuid,
    pub(crate) order_id: Option<Uuid>,
    pub(crate) items: Vec<Places>,
    pub(crate) expires_at: Timestamp,
    pub(crate) state: HoldState,
}

/// What can be had of one ticket type at one instant.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Availability {
    pub(crate) ticket_type_id: Uuid,
    pub(crate) name: String,
    pub(crate) capacity: Capacity,
    pub(crate) sold: u32,
    pub(crate) held: u32,
    /// `None` where there is no limit.
    pub(crate) free: Option<u32>,
    /// More is sold and held than there is: the capacity was lowered afterwards.
    pub(crate) overbooked: u32,
}

/// What the stock is told.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Command {
    SetCapacities {
        ticket_types: Vec<TicketTypeCapacity>,
    },
    OpenSale,
    CloseSale,
    CancelSale,
    Hold {
        hold_id: Uuid,
        holder_id: Uuid,
        order_id: Option<Uuid>,
        items: Vec<Places>,
        expires_at: Timestamp,
        now: Timestamp,
    },
    Confirm {
        hold_id: Uuid,
        now: Timestamp,
    },
    /// The order that has the hold gives its places back.
    Release {
        hold_id: Uuid,
    },
    /// The holder gives the places back, as long as no order has them.
    GiveBack {
        hold_id: Uuid,
    },
    ExpireHolds {
        now: Timestamp,
    },
}

/// What happened to the stock.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(crate) enum Event {
    CapacitySet {
        ticket_type: TicketTypeCapacity,
    },
    SaleOpened,
    SaleClosed,
    SaleCancelled,
    PlacesHeld {
        hold_id: Uuid,
        holder_id: Uuid,
        order_id: Option<Uuid>,
        items: Vec<Places>,
        expires_at: Timestamp,
    },
    HoldTaken {
        hold_id: Uuid,
        order_id: Uuid,
    },
    HoldRenewed {
        hold_id: Uuid,
        expires_at: Timestamp,
    },
    HoldExpired {
        hold_id: Uuid,
    },
    HoldConfirmed {
        hold_id: Uuid,
    },
    HoldReleased {
        hold_id: Uuid,
    },
}

/// Why the stock did not do what it was told.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Rejection {
    #[error("the event is not known")]
    EventUnknown,
    #[error("the event is not on sale")]
    NotOnSale,
    #[error("the event has no ticket type {ticket_type_id}")]
    TicketTypeUnknown { ticket_type_id: Uuid },
    #[error("{requested} places of {ticket_type_id} were asked for and {left} are left")]
    SoldOut { ticket_type_id: Uuid, requested: u32, left: u32 },
    #[error("{reason}")]
    Invalid { reason: &'static str },
    #[error("there is no such hold")]
    HoldUnknown,
    #[error("the hold was made for something else")]
    HoldDiffers,
    #[error("the hold was given back")]
    HoldReleased,
    #[error("the hold belongs to the order {order_id}")]
    HoldBelongsToOrder { order_id: Uuid },
}

impl Stock {
    /// What can be had at `now`.
    pub(crate) fn availability(&self, now: Timestamp) -> Vec<Availability> {
        let lapsed = self.lapsed(now);
        self.shelves
            .iter()
            .map(|(id, shelf)| {
                let held = shelf.held.saturating_sub(lapsed.get(id).copied().unwrap_or(0));
                let gone = shelf.sold.saturating_add(held);
                let (free, overbooked) = match shelf.capacity {
                    Capacity::Unlimited {} => (None, 0),
                    Capacity::Limited { places } => {
                        (Some(places.saturating_sub(gone)), gone.saturating_sub(places))
                    }
                };
                Availability {
                    ticket_type_id: *id,
                    name: shelf.name.clone(),
                    capacity: shelf.capacity,
                    sold: shelf.sold,
                    held,
                    free,
                    overbooked,
                }
            })
            .collect()
    }

    /// Whether new places may be held.
    pub(crate) fn sale(&self) -> Sale {
        self.sale
    }

    /// A hold with its state at `now`.
    pub(crate) fn hold(&self, hold_id: Uuid, now: Timestamp) -> Option<HoldRecord> {
        let mut hold = self.holds.get(&hold_id)?.clone();
        if hold.has_lapsed(now) {
            hold.state = HoldState::Expired;
        }
        Some(hold)
    }

    /// Places by ticket type whose hold has expired at `now` without a record of it. Short, since
    /// the timer records expiries as they come.
    fn lapsed(&self, now: Timestamp) -> HashMap<Uuid, u32> {
        let mut lapsed: HashMap<Uuid, u32> = HashMap::new();
        let items = self
            .lapsed_holds(now)
            .filter_map(|id| self.holds.get(&id))
            .flat_map(|hold| &hold.items);
        for item in items {
            *lapsed.entry(item.ticket_type_id).or_default() += item.quantity;
        }
        lapsed
    }

    fn lapsed_holds(&self, now: Timestamp) -> impl Iterator<Item = Uuid> {
        self.expiries.iter().take_while(move |(expiry, _)| *expiry <= now).map(|(_, id)| *id)
    }

    fn check_room(&self, items: &[Places], now: Timestamp) -> Result<(), Rejection> {
        let lapsed = self.lapsed(now);
        for Places { ticket_type_id, quantity, .. } in items {
            let Some(shelf) = self.shelves.get(ticket_type_id) else {
                return Err(Rejection::TicketTypeUnknown { ticket_type_id: *ticket_type_id });
            };
            let left = shelf.left(lapsed.get(ticket_type_id).copied().unwrap_or(0));
            if left.is_some_and(|left| left < *quantity) {
                return Err(Rejection::SoldOut {
                    ticket_type_id: *ticket_type_id,
                    requested: *quantity,
                    left: left.unwrap_or(0),
                });
            }
        }
        Ok(())
    }

    fn check_sale(&self) -> Result<(), Rejection> {
        match self.sale {
            Sale::Open => Ok(()),
            Sale::Unknown => Err(Rejection::EventUnknown),
            Sale::Closed | Sale::Cancelled => Err(Rejection::NotOnSale),
        }
    }

    fn move_places(&mut self, hold_id: Uuid, change: impl Fn(&mut Shelf, u32)) {
        let Some(hold) = self.holds.get(&hold_id) else { return };
        for item in &hold.items {
            if let Some(shelf) = self.shelves.get_mut(&item.ticket_type_id) {
                change(shelf, item.quantity);
            }
        }
    }

    /// Leaves whatever state the hold is in and enters `to`, with the counts that go with both.
    fn turn(&mut self, hold_id: Uuid, to: HoldState) {
        let Some(hold) = self.holds.get(&hold_id) else { return };
        let (from, expires_at) = (hold.state, hold.expires_at);
        match from {
            HoldState::Held => {
                self.expiries.remove(&(expires_at, hold_id));
                self.move_places(hold_id, |shelf, quantity| {
                    shelf.held = shelf.held.saturating_sub(quantity);
                });
            }
            HoldState::Confirmed => {
                self.move_places(hold_id, |shelf, quantity| {
                    shelf.sold = shelf.sold.saturating_sub(quantity);
                });
            }
            HoldState::Expired | HoldState::Released => {}
        }
        match to {
            HoldState::Held => {
                self.expiries.insert((expires_at, hold_id));
                self.move_places(hold_id, |shelf, quantity| shelf.held += quantity);
            }
            HoldState::Confirmed => {
                self.move_places(hold_id, |shelf, quantity| shelf.sold += quantity);
            }
            HoldState::Expired | HoldState::Released => {}
        }
        if let Some(hold) = self.holds.get_mut(&hold_id) {
            hold.state = to;
        }
    }
}

impl Shelf {
    /// What is left when `lapsed` of the held places no longer count; `None` where there is no
    /// limit.
    fn left(&self, lapsed: u32) -> Option<u32> {
        match self.capacity {
            Capacity::Unlimited {} => None,
            Capacity::Limited { places } => {
                let held = self.held.saturating_sub(lapsed);
                Some(places.saturating_sub(self.sold.saturating_add(held)))
            }
        }
    }
}

impl HoldRecord {
    fn has_lapsed(&self, now: Timestamp) -> bool {
        self.state == HoldState::Held && self.expires_at <= now
    }

    fn is_for(&self, holder_id: Uuid, order_id: Option<Uuid>, items: &[Places]) -> bool {
        let is_taken_by_another =
            self.order_id.is_some() && order_id.is_some() && self.order_id != order_id;
        self.holder_id == holder_id && !is_taken_by_another && self.items == items
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
    Ok(())
}

impl Aggregate for Stock {
    const NAME: &'static str = "stock";
    /// A stock remembers every hold, so that a snapshot of it is large beside its events.
    const SNAPSHOT_EVERY: u64 = 2_000;
    type Command = Command;
    type Event = Event;
    type Rejection = Rejection;

    fn decide(&self, command: Command) -> Result<Vec<Event>, Rejection> {
        match command {
            Command::SetCapacities { ticket_types } => {
                let is_news = |wanted: &TicketTypeCapacity| {
                    self.shelves.get(&wanted.ticket_type_id).is_none_or(|shelf| {
                        shelf.capacity != wanted.capacity || shelf.name != wanted.name
                    })
                };
                let news = ticket_types.into_iter().filter(is_news);
                Ok(news.map(|ticket_type| Event::CapacitySet { ticket_type }).collect())
            }
            Command::OpenSale if matches!(self.sale, Sale::Open | Sale::Cancelled) => {
                Ok(Vec::new())
            }
            Command::OpenSale => Ok(vec![Event::SaleOpened]),
            Command::CloseSale if self.sale == Sale::Open => Ok(vec![Event::SaleClosed]),
            Command::CloseSale => Ok(Vec::new()),
            Command::CancelSale if self.sale == Sale::Cancelled => Ok(Vec::new()),
            Command::CancelSale => Ok(vec![Event::SaleCancelled]),
            Command::Hold { hold_id, holder_id, order_id, items, expires_at, now } => {
                check_items(&items)?;
                match self.holds.get(&hold_id) {
                    Some(hold) if !hold.is_for(holder_id, order_id, &items) => {
                        Err(Rejection::HoldDiffers)
                    }
                    Some(hold) => self.hold_again(hold_id, hold, order_id, expires_at, now),
                    None => {
                        self.check_sale()?;
                        self.check_room(&items, now)?;
                        Ok(vec![Event::PlacesHeld {
                            hold_id,
                            holder_id,
                            order_id,
                            items,
                            expires_at,
                        }])
                    }
                }
            }
            Command::Confirm { hold_id, now } => self.confirm(hold_id, now),
            Command::Release { hold_id } => match self.holds.get(&hold_id).map(|hold| hold.state) {
                None | Some(HoldState::Released) => Ok(Vec::new()),
                Some(HoldState::Held | HoldState::Expired | HoldState::Confirmed) => {
                    Ok(vec![Event::HoldReleased { hold_id }])
                }
            },
            Command::GiveBack { hold_id } => match self.holds.get(&hold_id) {
                None => Err(Rejection::HoldUnknown),
                Some(hold) => match (hold.order_id, hold.state) {
                    (Some(order_id), _) => Err(Rejection::HoldBelongsToOrder { order_id }),
                    (None, HoldState::Released) => Ok(Vec::new()),
                    (None, _) => Ok(vec![Event::HoldReleased { hold_id }]),
                },
            },
            Command::ExpireHolds { now } => {
                Ok(self.lapsed_holds(now).map(|hold_id| Event::HoldExpired { hold_id }).collect())
            }
        }
    }

    fn evolve(&mut self, event: &Event) {
        match event {
            Event::CapacitySet { ticket_type } => {
                if self.sale == Sale::Unknown {
                    self.sale = Sale::Closed;
                }
                let shelf = self.shelves.entry(ticket_type.ticket_type_id).or_insert_with(|| {
                    Shelf { name: String::new(), capacity: ticket_type.capacity, sold: 0, held: 0 }
                });
                shelf.name.clone_from(&ticket_type.name);
                shelf.capacity = ticket_type.capacity;
            }
            Event::SaleOpened => self.sale = Sale::Open,
            Event::SaleClosed => self.sale = Sale::Closed,
            Event::SaleCancelled => self.sale = Sale::Cancelled,
            Event::PlacesHeld { hold_id, holder_id, order_id, items, expires_at } => {
                let hold = HoldRecord {
                    holder_id: *holder_id,
                    order_id: *order_id,
                    items: items.clone(),
                    expires_at: *expires_at,
                    state: HoldState::Expired,
                };
                self.holds.insert(*hold_id, hold);
                self.turn(*hold_id, HoldState::Held);
            }
            Event::HoldTaken { hold_id, order_id } => {
                if let Some(hold) = self.holds.get_mut(hold_id) {
                    hold.order_id = Some(*order_id);
                }
            }
            Event::HoldRenewed { hold_id, expires_at } => {
                self.turn(*hold_id, HoldState::Expired);
                if let Some(hold) = self.holds.get_mut(hold_id) {
                    hold.expires_at = *expires_at;
                }
                self.turn(*hold_id, HoldState::Held);
            }
            Event::HoldExpired { hold_id } => self.turn(*hold_id, HoldState::Expired),
            Event::HoldConfirmed { hold_id } => self.turn(*hold_id, HoldState::Confirmed),
            Event::HoldReleased { hold_id } => self.turn(*hold_id, HoldState::Released),
        }
    }

    fn wake_at(&self) -> Option<Timestamp> {
        self.expiries.first().map(|(expiry, _)| *expiry)
    }
}

impl Stock {
    fn hold_again(
        &self,
        hold_id: Uuid,
        hold: &HoldRecord,
        order_id: Option<Uuid>,
        expires_at: Timestamp,
        now: Timestamp,
    ) -> Result<Vec<Event>, Rejection> {
        let taken = order_id
            .filter(|_| hold.order_id.is_none())
            .map(|order_id| Event::HoldTaken { hold_id, order_id });
        match hold.state {
            HoldState::Released => Err(Rejection::HoldReleased),
            HoldState::Held if !hold.has_lapsed(now) => Ok(taken.into_iter().collect()),
            HoldState::Confirmed => Ok(taken.into_iter().collect()),
            HoldState::Held | HoldState::Expired => {
                self.check_sale()?;
                self.check_room(&hold.items, now)?;
                let renewed = Event::HoldRenewed { hold_id, expires_at };
                Ok(taken.into_iter().chain([renewed]).collect())
            }
        }
    }

    fn confirm(&self, hold_id: Uuid, now: Timestamp) -> Result<Vec<Event>, Rejection> {
        let Some(hold) = self.holds.get(&hold_id) else {
            return Err(Rejection::HoldUnknown);
        };
        match hold.state {
            HoldState::Confirmed => Ok(Vec::new()),
            HoldState::Released => Err(Rejection::HoldReleased),
            HoldState::Held | HoldState::Expired if self.sale == Sale::Cancelled => {
                Err(Rejection::NotOnSale)
            }
            HoldState::Held if !hold.has_lapsed(now) => Ok(vec![Event::HoldConfirmed { hold_id }]),
            HoldState::Held | HoldState::Expired => {
                self.check_room(&hold.items, now)?;
                Ok(vec![Event::HoldConfirmed { hold_id }])
            }
        }
    }
}

#[cfg(test)]
mod tests;
