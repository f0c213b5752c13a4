//! Trouble that goes on although Redis answers: since when, and why.

use std::sync::{Mutex, MutexGuard, PoisonError};

use runtime::Timestamp;

/// Whether there is trouble of one kind.
#[derive(Default)]
pub(crate) struct Trouble(Mutex<Option<Ongoing>>);

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Ongoing {
    pub(crate) since: Timestamp,
    /// What went wrong last.
    pub(crate) reason: String,
}

impl Trouble {
    /// There is trouble. Whether there was none before.
    pub(crate) fn begins(&self, now: Timestamp, reason: &str) -> bool {
        let mut ongoing = self.ongoing();
        let is_new = ongoing.is_none();
        let since = ongoing.as_ref().map_or(now, |before| before.since);
        *ongoing = Some(Ongoing { since, reason: reason.to_owned() });
        is_new
    }

    /// There is none. Whether there was some before.
    pub(crate) fn ends(&self) -> bool {
        self.ongoing().take().is_some()
    }

    pub(crate) fn now(&self) -> Option<Ongoing> {
        self.ongoing().clone()
    }

    fn ongoing(&self) -> MutexGuard<'_, Option<Ongoing>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
