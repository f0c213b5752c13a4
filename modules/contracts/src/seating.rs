//! Numbered seats: what a seat is called, and how the seats of a house are laid out.

use std::fmt;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// One numbered seat, by the names that people read on the ticket and on the chair. Within an event
/// no two seats have the same three.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"section": "Stalls", "row": "A", "number": "12"}))]
pub struct Seat {
    /// The section of the house, such as `Stalls`.
    pub section: String,
    /// The row in the section.
    pub row: String,
    /// The seat in the row.
    pub number: String,
}

/// As people say it: `Stalls, row A, seat 12`.
impl fmt::Display for Seat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, row {}, seat {}", self.section, self.row, self.number)
    }
}

/// One row of seats.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"name": "A", "seats": ["1", "2", "3", "4"]}))]
pub struct SeatRow {
    /// Its name.
    pub name: String,
    /// The names of its seats, from one end to the other: who sits beside whom follows from it.
    pub seats: Vec<String>,
}

/// One section of a house.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({
    "name": "Stalls",
    "rows": [{"name": "A", "seats": ["1", "2", "3", "4"]}],
}))]
pub struct SeatSection {
    /// Its name.
    pub name: String,
    /// Its rows, the one nearest to the stage first.
    pub rows: Vec<SeatRow>,
}

impl SeatSection {
    /// Its seats, row by row from the front, each row from one end to the other.
    pub fn seats(&self) -> impl Iterator<Item = Seat> {
        self.rows.iter().flat_map(|row| {
            row.seats.iter().map(|number| Seat {
                section: self.name.clone(),
                row: row.name.clone(),
                number: number.clone(),
            })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seat_is_called_as_people_say_it() {
        let seat = Seat { section: "Stalls".into(), row: "A".into(), number: "12".into() };
        assert_eq!(seat.to_string(), "Stalls, row A, seat 12");
    }

    #[test]
    fn seats_come_row_by_row_from_the_front() {
        let row = |name: &str, seats: &[&str]| SeatRow {
            name: name.into(),
            seats: seats.iter().map(|&seat| seat.into()).collect(),
        };
        let rows = vec![row("A", &["1", "2"]), row("B", &["1"])];
        let stalls = SeatSection { name: "Stalls".into(), rows };
        let named: Vec<String> = stalls.seats().map(|seat| seat.to_string()).collect();
        assert_eq!(
            named,
            ["Stalls, row A, seat 1", "Stalls, row A, seat 2", "Stalls, row B, seat 1"]
        );
    }
}
