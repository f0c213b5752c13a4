//! What a check-in list saw that belongs to no ticket: codes that are not ours. One aggregate a list,
//! beside the list itself, whose version is for those who edit it.

use serde::{Deserialize, Serialize};
use store::Aggregate;
use uuid::Uuid;

use super::scan::Passage;

/// How many repeated uploads are recognised.
const REMEMBERED: usize = 64;

/// The door of a check-in list. The stream's id is the list's.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Door {
    latest: Vec<Passage>,
}

/// A code that is not ours was shown.
#[derive(Debug, Clone)]
pub(crate) struct ShowUnknown {
    pub(crate) event_id: Uuid,
    pub(crate) passage: Passage,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(crate) enum Sight {
    UnknownCodeShown {
        event_id: Uuid,
        #[serde(flatten)]
        passage: Passage,
    },
}

impl Door {
    fn has_seen(&self, passage: &Passage) -> bool {
        let is_same = |seen: &Passage| {
            seen.nonce == passage.nonce
                && seen.by == passage.by
                && seen.device == passage.device
                && seen.entrance == passage.entrance
        };
        passage.nonce.is_some() && self.latest.iter().any(is_same)
    }
}

impl Aggregate for Door {
    const NAME: &'static str = "door";
    type Command = ShowUnknown;
    type Event = Sight;
    type Rejection = std::convert::Infallible;

    fn decide(&self, command: ShowUnknown) -> Result<Vec<Sight>, Self::Rejection> {
        let ShowUnknown { event_id, passage } = command;
        if self.has_seen(&passage) {
            return Ok(Vec::new());
        }
        Ok(vec![Sight::UnknownCodeShown { event_id, passage }])
    }

    fn evolve(&mut self, sight: &Sight) {
        let Sight::UnknownCodeShown { passage, .. } = sight;
        if self.latest.len() >= REMEMBERED {
            self.latest.remove(0);
        }
        self.latest.push(passage.clone());
    }
}
