//! Whether there is room: in every quota that a ticket type draws on, and on the seats.

use std::collections::{HashMap, HashSet};

use contracts::{catalog::Capacity, inventory::Places, seating::Seat};
use runtime::Timestamp;
use uuid::Uuid;

use super::{HoldRecord, Line, Rejection, SeatAt, Share, Shelf, Stock, choice, house::Besides};

/// What holds have that have expired without a record of it: it counts no more.
#[derive(Debug, Default)]
pub(super) struct Lapsed {
    pub(super) holds: HashSet<Uuid>,
    places: HashMap<Uuid, u32>,
    seats: std::collections::BTreeSet<SeatAt>,
}

impl Lapsed {
    /// How many of the held places of a ticket type no longer count.
    pub(super) fn places(&self, ticket_type_id: Uuid) -> u32 {
        self.places.get(&ticket_type_id).copied().unwrap_or(0)
    }

    pub(super) fn seats(&self) -> &std::collections::BTreeSet<SeatAt> {
        &self.seats
    }
}

impl Stock {
    pub(super) fn lapsed(&self, now: Timestamp) -> Lapsed {
        let mut lapsed = Lapsed::default();
        for hold_id in self.lapsed_holds(now) {
            lapsed.holds.insert(hold_id);
            for line in self.holds.get(&hold_id).into_iter().flat_map(|hold| &hold.lines) {
                *lapsed.places.entry(line.ticket_type_id).or_default() += line.quantity;
                lapsed.seats.extend(&line.seats);
            }
        }
        lapsed
    }

    /// What counts against a quota: sold and held.
    pub(super) fn used(&self, quota: &Share, lapsed: &Lapsed) -> (u32, u32) {
        let shelves =
            quota.ticket_type_ids.iter().filter_map(|id| Some((id, self.shelves.get(id)?)));
        shelves.fold((0, 0), |(sold, held), (id, shelf)| {
            let still_held = shelf.held.saturating_sub(lapsed.places(*id));
            (sold.saturating_add(shelf.sold), held.saturating_add(still_held))
        })
    }

    /// Passes when every quota has room for all of it.
    pub(super) fn check_quotas(
        &self,
        wanted: impl IntoIterator<Item = (Uuid, u32)>,
        lapsed: &Lapsed,
    ) -> Result<(), Rejection> {
        let mut asked: HashMap<Uuid, u32> = HashMap::new();
        for (ticket_type_id, requested) in wanted {
            let mut is_in_a_quota = false;
            let mut left: Option<u32> = None;
            for (quota_id, quota) in self.quotas_of(ticket_type_id) {
                is_in_a_quota = true;
                let before = asked.entry(quota_id).or_default();
                if let Capacity::Limited { places } = quota.capacity {
                    let (sold, held) = self.used(quota, lapsed);
                    let gone = sold.saturating_add(held).saturating_add(*before);
                    let room = places.saturating_sub(gone);
                    left = Some(left.map_or(room, |least| least.min(room)));
                }
                *before = before.saturating_add(requested);
            }
            if !is_in_a_quota {
                return Err(Rejection::QuotaMissing { ticket_type_id });
            }
            if let Some(left) = left.filter(|left| *left < requested) {
                return Err(Rejection::SoldOut { ticket_type_id, requested, left });
            }
        }
        Ok(())
    }

    /// The seats for each of the wishes: those that were named, or the best that are free.
    pub(super) fn choose_seats(
        &self,
        items: &[Places],
        lapsed: &Lapsed,
    ) -> Result<Vec<Line>, Rejection> {
        let mut besides = Besides { freed: lapsed.seats.clone(), ..Besides::default() };
        let mut lines = self.named_seats(items, &mut besides)?;
        for (line, item) in lines.iter_mut().zip(items) {
            let Some(shelf) = self.shelves.get(&item.ticket_type_id) else { continue };
            if !shelf.is_seated() || !item.seats.is_empty() {
                continue;
            }
            let sections = self.sections(shelf);
            let quantity = usize::try_from(item.quantity).unwrap_or(usize::MAX);
            let chosen = choice::best(&self.house, &sections, quantity, &besides);
            line.seats = chosen.ok_or_else(|| Rejection::SoldOut {
                ticket_type_id: item.ticket_type_id,
                requested: item.quantity,
                left: self.free_seats(shelf, &besides),
            })?;
            besides.chosen.extend(&line.seats);
        }
        Ok(lines)
    }

    /// Seats that are asked for by name come first: what is chosen leaves them alone.
    fn named_seats(&self, items: &[Places], besides: &mut Besides) -> Result<Vec<Line>, Rejection> {
        let mut taken = Vec::new();
        let mut lines = Vec::with_capacity(items.len());
        for Places { ticket_type_id, quantity, seats } in items {
            let (ticket_type_id, quantity) = (*ticket_type_id, *quantity);
            let shelf = self.shelves.get(&ticket_type_id);
            let shelf = shelf.ok_or(Rejection::TicketTypeUnknown { ticket_type_id })?;
            if !seats.is_empty() && !shelf.is_seated() {
                return Err(Rejection::NotSeated { ticket_type_id });
            }
            let places = seats.iter().map(|seat| {
                let is_of_type = shelf.sections.contains(&seat.section);
                let found = self.house.find(seat).filter(|_| is_of_type);
                found.ok_or_else(|| Rejection::SeatUnknown { ticket_type_id, seat: seat.clone() })
            });
            let places: Vec<SeatAt> = places.collect::<Result<_, _>>()?;
            for (at, seat) in places.iter().zip(seats) {
                let is_free = self.house.taker(*at).is_none() || besides.freed.contains(at);
                if !is_free {
                    taken.push(seat.clone());
                } else if !besides.chosen.insert(*at) {
                    return Err(Rejection::Invalid { reason: "each seat may be named once" });
                }
            }
            lines.push(Line { ticket_type_id, quantity, seats: places });
        }
        if taken.is_empty() { Ok(lines) } else { Err(Rejection::SeatTaken { seats: taken }) }
    }

    /// Passes when the seats of a hold that has expired can be its again.
    pub(super) fn check_seats_again(
        &self,
        hold: &HoldRecord,
        lapsed: &Lapsed,
    ) -> Result<(), Rejection> {
        let seats = hold.lines.iter().flat_map(|line| &line.seats);
        let is_taken =
            |at: &&SeatAt| self.house.taker(**at).is_some() && !lapsed.seats.contains(at);
        let taken: Vec<Seat> =
            seats.filter(is_taken).filter_map(|at| self.house.name(*at)).collect();
        if taken.is_empty() { Ok(()) } else { Err(Rejection::SeatTaken { seats: taken }) }
    }

    /// The holds that have expired and whose seats these are.
    pub(super) fn displaced(&self, lines: &[Line], by: Uuid) -> HashSet<Uuid> {
        let seats = lines.iter().flat_map(|line| &line.seats);
        seats.filter_map(|at| self.house.taker(*at)).filter(|taker| *taker != by).collect()
    }

    pub(super) fn sections(&self, shelf: &Shelf) -> Vec<u16> {
        shelf.sections.iter().filter_map(|name| self.house.section(name)).collect()
    }

    /// How many seats of a ticket type are free.
    pub(super) fn free_seats(&self, shelf: &Shelf, besides: &Besides) -> u32 {
        let sections = self.sections(shelf);
        let free: u32 = sections.iter().map(|section| self.house.free_in(*section)).sum();
        let is_here = |at: &&SeatAt| sections.contains(&at.0);
        let freed = besides.freed.iter().filter(is_here).count();
        let chosen = besides.chosen.iter().filter(is_here).count();
        let count = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
        free.saturating_add(count(freed)).saturating_sub(count(chosen))
    }
}
