//! The end of a log in memory: what was committed lately, for readers who keep up.
//!
//! Only where nobody else writes the database. Whoever has fallen behind reads the log itself.

use std::{
    collections::VecDeque,
    sync::{Mutex, MutexGuard, PoisonError},
};

use crate::{Position, RawRecorded};

/// Events that are kept. A reader that keeps up is some commits behind at most.
const LENGTH: usize = 1_024;

/// The events that were committed last, in their order, without gaps.
#[derive(Default)]
pub(crate) struct Tail(Mutex<Kept>);

#[derive(Default)]
struct Kept {
    events: VecDeque<RawRecorded>,
    /// Where the first one kept begins: everything after this is there. `None` before anything
    /// was committed.
    begins_after: Option<i64>,
}

impl Tail {
    /// Adds what was committed. Each commit's events follow those of the one before.
    pub(crate) fn add(&self, committed: Vec<RawRecorded>) {
        let Some(first) = committed.first() else { return };
        let mut kept = self.kept();
        kept.begins_after.get_or_insert(first.seq - 1);
        kept.events.extend(committed);
        while kept.events.len() > LENGTH {
            kept.begins_after = kept.events.pop_front().map(|gone| gone.seq);
        }
    }

    /// The next `limit` events after `after` as `take` sees them, those that `is_wanted`; how far
    /// that is; whether it is the end. `None` when what comes after `after` is not all here.
    pub(crate) fn read(
        &self,
        after: Position,
        limit: usize,
        is_wanted: impl Fn(&RawRecorded) -> bool,
    ) -> Option<(Vec<RawRecorded>, Position, bool)> {
        let kept = self.kept();
        if kept.begins_after.is_none_or(|begin| after.seq < begin) {
            return None;
        }
        let from = kept.events.partition_point(|event| event.seq <= after.seq);
        let next = kept.events.range(from..).take(limit);
        let reached = next.clone().next_back().map_or(after, RawRecorded::position);
        let is_end = kept.events.len() - from <= limit;
        Some((next.filter(|event| is_wanted(event)).cloned().collect(), reached, is_end))
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
