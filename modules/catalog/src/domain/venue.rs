//! A venue: where events take place, by which clock, and on which numbered seats.

use contracts::seating::SeatSection;
use serde::{Deserialize, Serialize};
use store::Aggregate;
use uuid::Uuid;

/// A venue as its facts have made it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Venue {
    pub(crate) organizer_id: Option<Uuid>,
    pub(crate) place: Place,
    /// None where there are no numbered seats. Events that were published keep those of then.
    pub(crate) seating: Vec<SeatSection>,
}

/// What can be said about a venue.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Place {
    pub(crate) name: String,
    pub(crate) address: String,
    pub(crate) time_zone: Zone,
}

/// The IANA name of a time zone, spelled as the time zone database spells it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct Zone(String);

impl Zone {
    /// The zone of this name, in whatever case. `None` when the time zone database has none.
    pub(crate) fn named(name: &str) -> Option<Self> {
        let zone = runtime::time_zone(name)?;
        zone.iana_name().map(|spelled| Self(spelled.to_owned()))
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

impl Default for Zone {
    fn default() -> Self {
        Self("UTC".to_owned())
    }
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Command {
    Add { organizer_id: Uuid, place: Place },
    Change { place: Place },
    SetSeating { seating: Vec<SeatSection> },
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(crate) enum Fact {
    Added { organizer_id: Uuid, place: Place },
    Changed { place: Place },
    SeatingSet { seating: Vec<SeatSection> },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Rejection {
    #[error("no venue has this id")]
    Unknown,
    #[error("a venue has this id already")]
    Exists,
}

impl Aggregate for Venue {
    const NAME: &'static str = "venue";
    const STATE_SCHEMA: u16 = 2;
    type Command = Command;
    type Event = Fact;
    type Rejection = Rejection;

    fn decide(&self, command: Command) -> Result<Vec<Fact>, Rejection> {
        match (self.organizer_id, command) {
            (None, Command::Add { organizer_id, place }) => {
                Ok(vec![Fact::Added { organizer_id, place }])
            }
            (Some(_), Command::Add { .. }) => Err(Rejection::Exists),
            (None, Command::Change { .. } | Command::SetSeating { .. }) => Err(Rejection::Unknown),
            (Some(_), Command::Change { place }) if place == self.place => Ok(Vec::new()),
            (Some(_), Command::Change { place }) => Ok(vec![Fact::Changed { place }]),
            (Some(_), Command::SetSeating { seating }) if seating == self.seating => Ok(Vec::new()),
            (Some(_), Command::SetSeating { seating }) => Ok(vec![Fact::SeatingSet { seating }]),
        }
    }

    fn evolve(&mut self, fact: &Fact) {
        match fact {
            Fact::Added { organizer_id, place } => {
                self.organizer_id = Some(*organizer_id);
                self.place = place.clone();
            }
            Fact::Changed { place } => self.place = place.clone(),
            Fact::SeatingSet { seating } => self.seating.clone_from(seating),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hall(name: &str) -> Place {
        let time_zone = Zone::named("Europe/Berlin").expect("Berlin has a zone");
        Place { name: name.to_owned(), address: "1 Main Street".to_owned(), time_zone }
    }

    #[test]
    fn a_zone_is_spelled_as_the_database_spells_it() {
        let zone = Zone::named("europe/berlin").expect("Berlin has a zone");
        assert_eq!(zone.as_str(), "Europe/Berlin");
        assert_eq!(Zone::named("UTC").expect("UTC is a zone").as_str(), "UTC");
    }

    #[test]
    fn a_zone_that_nobody_knows_is_refused() {
        for name in ["", "Europe/Atlantis", "+02:00", "CEST-1", "../etc/passwd", "Etc/Unknown"] {
            assert_eq!(Zone::named(name), None, "{name}");
        }
    }

    #[test]
    fn a_change_to_the_same_changes_nothing() {
        let mut venue = Venue::default();
        let organizer_id = Uuid::from_u128(1);
        let added = venue.decide(Command::Add { organizer_id, place: hall("Hall") });
        for fact in added.expect("a new venue can be added") {
            venue.evolve(&fact);
        }

        assert_eq!(venue.decide(Command::Change { place: hall("Hall") }), Ok(Vec::new()));
        let renamed = venue.decide(Command::Change { place: hall("Great Hall") });
        assert_eq!(renamed, Ok(vec![Fact::Changed { place: hall("Great Hall") }]));
    }

    #[test]
    fn a_venue_is_added_once_and_changed_only_then() {
        let mut venue = Venue::default();
        let change = Command::Change { place: hall("Hall") };
        assert_eq!(venue.decide(change), Err(Rejection::Unknown));

        let add = Command::Add { organizer_id: Uuid::from_u128(1), place: hall("Hall") };
        let added = venue.decide(add.clone()).expect("a new venue can be added");
        for fact in &added {
            venue.evolve(fact);
        }
        assert_eq!(venue.decide(add), Err(Rejection::Exists));
    }
}
