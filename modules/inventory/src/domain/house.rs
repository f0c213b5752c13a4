//! The numbered seats of an event, and which hold has which. How the best ones are chosen is in
//! `choice.rs`.

use std::collections::{BTreeSet, HashSet};

use contracts::seating::{Seat, SeatSection};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// The seats of an event. Once set they stay: a place in it means the same seat for ever.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(from = "Vec<SeatSection>", into = "Vec<SeatSection>")]
pub(crate) struct House {
    sections: Vec<Section>,
}

#[derive(Debug, Clone, PartialEq)]
struct Section {
    name: String,
    rows: Vec<Row>,
    free: u32,
}

/// A row, from one end to the other.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Row {
    name: String,
    numbers: Vec<String>,
    /// The hold that has each seat.
    takers: Vec<Option<Uuid>>,
    /// How many free seats stand side by side at most.
    longest: usize,
}

/// Where a seat is: the how-manieth section, row in it and seat in that.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub(crate) struct SeatAt(pub(super) u16, pub(super) u16, pub(super) u16);

/// Seats that count otherwise than the house says, while a command is decided.
#[derive(Debug, Default)]
pub(super) struct Besides {
    /// Held by holds that have expired: free.
    pub(super) freed: BTreeSet<SeatAt>,
    /// Chosen before in the same command: not free.
    pub(super) chosen: HashSet<SeatAt>,
}

impl House {
    pub(crate) fn is_empty(&self) -> bool {
        self.sections.is_empty()
    }

    /// How many seats there are.
    pub(super) fn seats(&self) -> u64 {
        let rows = self.sections.iter().flat_map(|section| &section.rows);
        rows.map(|row| u64::try_from(row.len()).unwrap_or(u64::MAX)).fold(0, u64::saturating_add)
    }

    /// The section of this name.
    pub(super) fn section(&self, name: &str) -> Option<u16> {
        position(self.sections.iter().position(|section| section.name == name))
    }

    /// Where the seat is.
    pub(super) fn find(&self, seat: &Seat) -> Option<SeatAt> {
        let at = self.section(&seat.section)?;
        let section = self.sections.get(usize::from(at))?;
        let row_at = section.rows.iter().position(|row| row.name == seat.row)?;
        let number_at = section.rows.get(row_at)?.numbers.iter().position(|it| *it == seat.number);
        Some(SeatAt(at, position(Some(row_at))?, position(number_at)?))
    }

    /// What the seat is called.
    pub(crate) fn name(&self, SeatAt(at, row, number): SeatAt) -> Option<Seat> {
        let section = self.sections.get(usize::from(at))?;
        let row = section.rows.get(usize::from(row))?;
        Some(Seat {
            section: section.name.clone(),
            row: row.name.clone(),
            number: row.numbers.get(usize::from(number))?.clone(),
        })
    }

    /// The hold that has the seat.
    pub(super) fn taker(&self, at: SeatAt) -> Option<Uuid> {
        let row = self.row(at)?;
        row.takers.get(usize::from(at.2)).copied().flatten()
    }

    /// The rows of a section, the one nearest to the stage first.
    pub(super) fn rows(&self, section: u16) -> &[Row] {
        self.sections.get(usize::from(section)).map_or(&[], |section| &section.rows)
    }

    /// How many seats of a section no hold has.
    pub(super) fn free_in(&self, section: u16) -> u32 {
        self.sections.get(usize::from(section)).map_or(0, |section| section.free)
    }

    /// The hold takes the seat.
    pub(super) fn take(&mut self, at: SeatAt, hold_id: Uuid) {
        self.put(at, |taker| taker.is_none().then_some(Some(hold_id)));
    }

    /// The hold leaves the seat, if it has it.
    pub(super) fn leave(&mut self, at: SeatAt, hold_id: Uuid) {
        self.put(at, |taker| (taker == Some(hold_id)).then_some(None));
    }

    fn put(&mut self, at: SeatAt, change: impl Fn(Option<Uuid>) -> Option<Option<Uuid>>) {
        let Some(section) = self.sections.get_mut(usize::from(at.0)) else { return };
        let Some(row) = section.rows.get_mut(usize::from(at.1)) else { return };
        let Some(taker) = row.takers.get_mut(usize::from(at.2)) else { return };
        let Some(next) = change(*taker) else { return };
        *taker = next;
        match next {
            Some(_) => section.free = section.free.saturating_sub(1),
            None => section.free += 1,
        }
        row.longest = longest(&row.takers);
    }

    fn row(&self, SeatAt(section, row, _): SeatAt) -> Option<&Row> {
        self.sections.get(usize::from(section))?.rows.get(usize::from(row))
    }

    /// Every section with its rows, and of each seat whether it is free.
    pub(crate) fn plan(
        &self,
        freed: &BTreeSet<SeatAt>,
    ) -> impl Iterator<Item = (&str, Vec<PlannedRow<'_>>)> {
        (0_u16..).zip(&self.sections).map(|(at, section)| {
            let rows = (0_u16..).zip(&section.rows).map(|(row_at, row)| PlannedRow {
                name: &row.name,
                seats: &row.numbers,
                free: (0_u16..)
                    .zip(&row.takers)
                    .filter(|(seat, taker)| {
                        taker.is_none() || freed.contains(&SeatAt(at, row_at, *seat))
                    })
                    .filter_map(|(seat, _)| row.numbers.get(usize::from(seat)))
                    .map(String::as_str)
                    .collect(),
            });
            (section.name.as_str(), rows.collect())
        })
    }
}

/// A row as it is shown.
pub(crate) struct PlannedRow<'a> {
    pub(crate) name: &'a str,
    pub(crate) seats: &'a [String],
    pub(crate) free: Vec<&'a str>,
}

impl Row {
    /// How many seats it has.
    pub(super) fn len(&self) -> usize {
        self.takers.len()
    }

    /// How many free seats stand side by side at most.
    pub(super) fn longest(&self) -> usize {
        self.longest
    }

    /// Whether no hold has the seat.
    pub(super) fn is_free(&self, seat: usize) -> bool {
        self.takers.get(seat).is_some_and(Option::is_none)
    }
}

fn longest(takers: &[Option<Uuid>]) -> usize {
    takers.split(Option::is_some).map(<[Option<Uuid>]>::len).max().unwrap_or(0)
}

fn position(at: Option<usize>) -> Option<u16> {
    u16::try_from(at?).ok()
}

impl From<Vec<SeatSection>> for House {
    fn from(sections: Vec<SeatSection>) -> Self {
        let section = |SeatSection { name, rows }: SeatSection| {
            let rows: Vec<Row> = rows
                .into_iter()
                .map(|row| Row {
                    name: row.name,
                    takers: vec![None; row.seats.len()],
                    longest: row.seats.len(),
                    numbers: row.seats,
                })
                .collect();
            let free = rows.iter().map(Row::len).sum::<usize>();
            Section { name, rows, free: u32::try_from(free).unwrap_or(u32::MAX) }
        };
        Self { sections: sections.into_iter().map(section).collect() }
    }
}

/// The layout alone: who has which seat is said by the holds.
impl From<House> for Vec<SeatSection> {
    fn from(house: House) -> Self {
        let rows = |rows: Vec<Row>| {
            let row =
                |Row { name, numbers, .. }| contracts::seating::SeatRow { name, seats: numbers };
            rows.into_iter().map(row).collect()
        };
        let section =
            |section: Section| SeatSection { name: section.name, rows: rows(section.rows) };
        house.sections.into_iter().map(section).collect()
    }
}
