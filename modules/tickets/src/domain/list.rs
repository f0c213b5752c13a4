//! A check-in list: which tickets one entrance lets in, on which day, and how often.

use runtime::Timestamp;
use serde::{Deserialize, Serialize};
use store::Aggregate;
use uuid::Uuid;

use super::scan::RefusalReason;

/// The most ticket types that a list can name.
pub(crate) const MOST_TICKET_TYPES: usize = 100;

/// A check-in list as its facts have made it. Every event has one from the beginning, its default,
/// whose id is the event's: until somebody changes it, nothing has happened to it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct CheckInList {
    pub(crate) kept: Option<Kept>,
    pub(crate) is_removed: bool,
}

/// What is known of a list that was added.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Kept {
    pub(crate) event_id: Uuid,
    pub(crate) organizer_id: Uuid,
    pub(crate) terms: Terms,
}

/// What a list admits.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Terms {
    pub(crate) name: String,
    /// All when empty.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) ticket_type_ids: Vec<Uuid>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) valid_from: Option<Timestamp>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) valid_until: Option<Timestamp>,
    /// Whether whoever has left may come in again.
    pub(crate) allows_reentry: bool,
}

impl Terms {
    /// Those of an event's default list.
    pub(crate) fn default_list() -> Self {
        Self {
            name: "All tickets".to_owned(),
            ticket_type_ids: Vec::new(),
            valid_from: None,
            valid_until: None,
            allows_reentry: false,
        }
    }

    /// Why the list lets nobody with a ticket of this type in at `at`, if so.
    pub(crate) fn refusal(&self, ticket_type_id: Uuid, at: Timestamp) -> Option<RefusalReason> {
        if !self.admits_type(ticket_type_id) {
            return Some(RefusalReason::OtherList);
        }
        if self.valid_from.is_some_and(|from| at < from) {
            return Some(RefusalReason::NotYetValid);
        }
        if self.valid_until.is_some_and(|until| at >= until) {
            return Some(RefusalReason::NoLongerValid);
        }
        None
    }

    pub(crate) fn admits_type(&self, ticket_type_id: Uuid) -> bool {
        self.ticket_type_ids.is_empty() || self.ticket_type_ids.contains(&ticket_type_id)
    }
}

/// A list as a scan is judged by it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Rules {
    pub(crate) list_id: Uuid,
    /// Whose door it is.
    pub(crate) organizer_id: Uuid,
    pub(crate) event_id: Uuid,
    pub(crate) terms: Terms,
}

#[derive(Debug, Clone)]
pub(crate) enum Command {
    /// Adds the list, or changes one that is there.
    Put {
        event_id: Uuid,
        organizer_id: Uuid,
        terms: Terms,
    },
    Remove,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(crate) enum Fact {
    Added { event_id: Uuid, organizer_id: Uuid, terms: Terms },
    Changed { terms: Terms },
    Removed,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Rejection {
    /// It was removed, or never there.
    Unknown,
}

impl Aggregate for CheckInList {
    const NAME: &'static str = "check_in_list";
    type Command = Command;
    type Event = Fact;
    type Rejection = Rejection;

    fn decide(&self, command: Command) -> Result<Vec<Fact>, Rejection> {
        match (&self.kept, command) {
            (_, Command::Remove) if self.is_removed => Ok(Vec::new()),
            (None, Command::Remove) => Err(Rejection::Unknown),
            (Some(_), Command::Remove) => Ok(vec![Fact::Removed]),
            (_, Command::Put { .. }) if self.is_removed => Err(Rejection::Unknown),
            (None, Command::Put { event_id, organizer_id, terms }) => {
                Ok(vec![Fact::Added { event_id, organizer_id, terms }])
            }
            (Some(kept), Command::Put { terms, .. }) if kept.terms == terms => Ok(Vec::new()),
            (Some(_), Command::Put { terms, .. }) => Ok(vec![Fact::Changed { terms }]),
        }
    }

    fn evolve(&mut self, fact: &Fact) {
        match fact {
            Fact::Added { event_id, organizer_id, terms } => {
                let (event_id, organizer_id) = (*event_id, *organizer_id);
                self.kept = Some(Kept { event_id, organizer_id, terms: terms.clone() });
            }
            Fact::Changed { terms } => {
                if let Some(kept) = &mut self.kept {
                    kept.terms = terms.clone();
                }
            }
            Fact::Removed => self.is_removed = true,
        }
    }
}

#[cfg(test)]
mod tests {
    use jiff::SignedDuration;

    use super::*;

    fn hour(hours: i64) -> Timestamp {
        Timestamp::UNIX_EPOCH + SignedDuration::from_hours(hours)
    }

    #[test]
    fn a_list_admits_its_types_in_its_time() {
        let (stalls, balcony) = (Uuid::from_u128(1), Uuid::from_u128(2));
        let terms = Terms {
            ticket_type_ids: vec![stalls],
            valid_from: Some(hour(10)),
            valid_until: Some(hour(12)),
            ..Terms::default_list()
        };
        assert_eq!(terms.refusal(stalls, hour(10)), None);
        assert_eq!(terms.refusal(balcony, hour(10)), Some(RefusalReason::OtherList));
        assert_eq!(terms.refusal(stalls, hour(9)), Some(RefusalReason::NotYetValid));
        assert_eq!(terms.refusal(stalls, hour(12)), Some(RefusalReason::NoLongerValid));
        assert_eq!(Terms::default_list().refusal(balcony, hour(0)), None);
    }

    #[test]
    fn a_list_that_was_removed_stays_removed() {
        let mut list = CheckInList::default();
        assert_eq!(list.decide(Command::Remove), Err(Rejection::Unknown));
        let put = || Command::Put {
            event_id: Uuid::nil(),
            organizer_id: Uuid::nil(),
            terms: Terms::default_list(),
        };
        for command in [put(), Command::Remove] {
            for fact in list.decide(command).expect("it is there") {
                list.evolve(&fact);
            }
        }
        assert_eq!(list.decide(Command::Remove), Ok(Vec::new()));
        assert_eq!(list.decide(put()), Err(Rejection::Unknown));
    }
}
