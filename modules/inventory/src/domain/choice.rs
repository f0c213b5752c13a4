//! The best seats that are free.
//!
//! The best seats stand side by side in one row, near to the front and to the middle: each row from
//! the front and each seat from the middle of the row counts one, and the fewest win; of equals, the
//! row nearer to the front, and in it the seats nearer to its beginning. The sections of a ticket
//! type are tried in the order in which it names them. When no row has so many side by side, the
//! party is split into as few groups as possible, of sizes as even as possible, so that nobody sits
//! alone who need not; each group gets the best seats in its turn.

use super::house::{Besides, House, Row, SeatAt};

/// The best `quantity` free seats of `sections`; `None` when there are not so many.
pub(super) fn best(
    house: &House,
    sections: &[u16],
    quantity: usize,
    besides: &Besides,
) -> Option<Vec<SeatAt>> {
    let side_by_side = sections.iter().find_map(|section| {
        Search { house, section: *section, besides, taken: &[] }.side_by_side(quantity)
    });
    if side_by_side.is_some() || quantity < 2 {
        return side_by_side;
    }
    (2..=quantity).find_map(|groups| in_groups(house, sections, quantity, groups, besides))
}

fn in_groups(
    house: &House,
    sections: &[u16],
    quantity: usize,
    groups: usize,
    besides: &Besides,
) -> Option<Vec<SeatAt>> {
    let (least, rest) = (quantity / groups, quantity % groups);
    let mut taken: Vec<SeatAt> = Vec::with_capacity(quantity);
    for group in 0..groups {
        let size = least + usize::from(group < rest);
        let found = sections.iter().find_map(|section| {
            Search { house, section: *section, besides, taken: &taken }.side_by_side(size)
        })?;
        taken.extend(found);
    }
    Some(taken)
}

/// A search through one section.
struct Search<'a> {
    house: &'a House,
    section: u16,
    besides: &'a Besides,
    /// By groups of the same party.
    taken: &'a [SeatAt],
}

impl Search<'_> {
    fn side_by_side(&self, quantity: usize) -> Option<Vec<SeatAt>> {
        let mut best: Option<(usize, u16, usize)> = None;
        for (row_at, row) in (0_u16..).zip(self.house.rows(self.section)) {
            // In half seats, so that the middle of an even number of them is a whole number.
            let distance = 2 * usize::from(row_at);
            if best.is_some_and(|(cost, ..)| cost <= distance) {
                break;
            }
            if row.len() < quantity || (row.longest() < quantity && !self.has_freed(row_at)) {
                continue;
            }
            if let Some((off_middle, start)) = self.nearest_to_middle(row_at, row, quantity) {
                let cost = distance + off_middle;
                if best.is_none_or(|(cheapest, ..)| cost < cheapest) {
                    best = Some((cost, row_at, start));
                }
            }
        }
        let (_, row_at, start) = best?;
        let seats = start..start + quantity;
        seats.map(|seat| Some(SeatAt(self.section, row_at, u16::try_from(seat).ok()?))).collect()
    }

    /// Where the run of free seats begins that is nearest to the middle of the row, and how far from
    /// it that is, in half seats.
    fn nearest_to_middle(&self, row_at: u16, row: &Row, quantity: usize) -> Option<(usize, usize)> {
        let mut run = 0;
        let mut nearest: Option<(usize, usize)> = None;
        for seat in 0..row.len() {
            run = if self.is_free(row_at, row, seat) { run + 1 } else { 0 };
            if run < quantity {
                continue;
            }
            let start = seat + 1 - quantity;
            let off_middle = (2 * start + quantity).abs_diff(row.len());
            if nearest.is_none_or(|(least, _)| off_middle < least) {
                nearest = Some((off_middle, start));
            }
        }
        nearest
    }

    fn is_free(&self, row_at: u16, row: &Row, seat: usize) -> bool {
        let Ok(number) = u16::try_from(seat) else { return false };
        let at = SeatAt(self.section, row_at, number);
        (row.is_free(seat) || self.besides.freed.contains(&at))
            && !self.besides.chosen.contains(&at)
            && !self.taken.contains(&at)
    }

    fn has_freed(&self, row_at: u16) -> bool {
        let row = SeatAt(self.section, row_at, 0)..=SeatAt(self.section, row_at, u16::MAX);
        self.besides.freed.range(row).next().is_some()
    }
}
