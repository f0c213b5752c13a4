//! What the log says of callers that are refused. One that waits for us asks again many times a
//! second, and one line about it is enough.

use std::{
    collections::{HashMap, hash_map::Entry},
    mem,
    sync::{Mutex, PoisonError},
};

use super::token::TokenRefusal;

/// Seconds between two lines about the same.
const QUIET: i64 = 60;

/// What was said of whom. Nothing that a refused token says is proven, so only names of services that
/// there are tell callers apart: whoever makes up others is one caller more, and no more are
/// remembered.
#[derive(Default)]
pub(super) struct Complaints(Mutex<HashMap<(Option<&'static str>, TokenRefusal), Said>>);

struct Said {
    at: i64,
    /// Calls that were refused since then.
    more: u64,
}

impl Complaints {
    /// Takes note of a call that was refused at `now`, in seconds. Whether to say so, and then of how
    /// many earlier ones nothing was said.
    pub(super) fn note(
        &self,
        claimed: Option<&'static str>,
        refusal: TokenRefusal,
        now: i64,
    ) -> Option<u64> {
        let mut said = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match said.entry((claimed, refusal)) {
            Entry::Vacant(entry) => {
                entry.insert(Said { at: now, more: 0 });
                Some(0)
            }
            Entry::Occupied(mut entry) => {
                let last = entry.get_mut();
                if (0..QUIET).contains(&now.saturating_sub(last.at)) {
                    last.more += 1;
                    return None;
                }
                Some(mem::replace(last, Said { at: now, more: 0 }).more)
            }
        }
    }
}
