//! Answers to reads that many ask for: made once, serialised once, served from memory.
//!
//! A page is true until the next instant at which it changes by time alone, and until this process
//! has written what it shows: whoever writes says so with [`Pages::forget`], after the commit. Other
//! processes may write as well, so that a page is looked at again once it is [`TRUSTED_FOR`] old:
//! that is how stale it may be.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use axum::{
    body::Bytes,
    http::{HeaderValue, header},
    response::{IntoResponse, Response},
};
use runtime::Timestamp;
use serde::Serialize;
use uuid::Uuid;

use crate::{Problem, Tagged};

/// How stale a page may be where another process has written.
pub const TRUSTED_FOR: Duration = Duration::from_millis(500);
/// So many pages are remembered.
const MOST_REMEMBERED: usize = 10_000;

const JSON: HeaderValue = HeaderValue::from_static("application/json");

/// An answer as JSON with its entity tag. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Shown {
    /// The JSON.
    pub body: Bytes,
    /// The entity tag: differs when the JSON differs.
    pub tag: u64,
    /// The version of what it shows.
    pub version: u64,
    /// When it was last known to be true.
    pub seen_at: Timestamp,
    /// When it stops being true by time alone.
    pub changes_at: Option<Timestamp>,
}

impl Shown {
    /// The page that shows `resource` at `version`.
    ///
    /// # Errors
    /// An `internal` problem when the resource cannot be serialised.
    pub fn of(
        resource: &impl Serialize,
        tag: u64,
        version: u64,
        seen_at: Timestamp,
        changes_at: Option<Timestamp>,
    ) -> Result<Self, Problem> {
        let body = serde_json::to_vec(resource).map_err(Problem::internal)?;
        Ok(Self { body: body.into(), tag, version, seen_at, changes_at })
    }

    /// The same page, known to be true at a later instant.
    #[must_use]
    pub fn seen_again(&self, seen_at: Timestamp, changes_at: Option<Timestamp>) -> Self {
        Self { seen_at, changes_at, ..self.clone() }
    }

    /// Whether time alone has not changed it by `now`.
    pub fn holds_at(&self, now: Timestamp) -> bool {
        self.seen_at <= now && self.changes_at.is_none_or(|at| now < at)
    }

    /// Whether it may be shown at `now` without looking.
    pub fn is_trusted_at(&self, now: Timestamp) -> bool {
        let age = now.duration_since(self.seen_at);
        self.holds_at(now) && age.unsigned_abs() < TRUSTED_FOR
    }
}

impl IntoResponse for Shown {
    fn into_response(self) -> Response {
        Tagged(self.tag, ([(header::CONTENT_TYPE, JSON)], self.body)).into_response()
    }
}

/// Pages by what they show.
#[derive(Debug, Default)]
pub struct Pages(Mutex<Memory>);

#[derive(Debug, Default)]
struct Memory {
    slots: HashMap<Uuid, Slot>,
    /// Counts what this process has written.
    writes: u64,
    /// The count when all slots were last thrown away.
    emptied_at: u64,
}

#[derive(Debug, Default)]
struct Slot {
    page: Option<Shown>,
    /// The count at the last write of what the page shows.
    written_at: u64,
}

/// What is remembered, and when one has begun to read: what is written meanwhile is not covered up
/// by what is read now.
#[derive(Debug, Clone)]
pub struct Known {
    /// The page, maybe an old one.
    pub page: Option<Shown>,
    begun_at: u64,
}

impl Pages {
    /// What is remembered under `key`.
    pub fn find(&self, key: Uuid) -> Known {
        let memory = self.memory();
        let page = memory.slots.get(&key).and_then(|slot| slot.page.clone());
        Known { page, begun_at: memory.writes }
    }

    /// Remembers what was read since `known` was found, unless it was written meanwhile or somebody
    /// has read something newer.
    pub fn remember(&self, key: Uuid, known: &Known, page: &Shown) {
        let mut memory = self.memory();
        memory.make_room();
        let unwritten = Slot { page: None, written_at: memory.emptied_at };
        let slot = memory.slots.entry(key).or_insert(unwritten);
        let is_newer = slot.page.as_ref().is_none_or(|kept| kept.seen_at <= page.seen_at);
        if slot.written_at <= known.begun_at && is_newer {
            slot.page = Some(page.clone());
        }
    }

    /// What `key` shows was written: whatever was read before is not to be shown any more.
    pub fn forget(&self, key: Uuid) {
        let mut memory = self.memory();
        memory.make_room();
        memory.writes += 1;
        let written_at = memory.writes;
        memory.slots.insert(key, Slot { page: None, written_at });
    }

    /// As [`Pages::forget`], for something that every page may show.
    pub fn forget_all(&self) {
        let mut memory = self.memory();
        memory.writes += 1;
        memory.empty();
    }

    fn memory(&self) -> MutexGuard<'_, Memory> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Memory {
    fn make_room(&mut self) {
        if self.slots.len() >= MOST_REMEMBERED {
            self.writes += 1;
            self.empty();
        }
    }

    fn empty(&mut self) {
        self.slots.clear();
        self.emptied_at = self.writes;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: Uuid = Uuid::from_u128(1);

    fn page(version: u64) -> Shown {
        Shown::of(&version, version, version, Timestamp::UNIX_EPOCH, None).expect("it is JSON")
    }

    fn shown(pages: &Pages) -> Option<u64> {
        pages.find(KEY).page.map(|page| page.version)
    }

    #[test]
    fn what_was_read_before_a_write_is_not_remembered_after_it() {
        let pages = Pages::default();
        let slow = pages.find(KEY);
        pages.forget(KEY);
        pages.remember(KEY, &slow, &page(1));
        assert_eq!(shown(&pages), None);
        let quick = pages.find(KEY);
        pages.remember(KEY, &quick, &page(2));
        assert_eq!(shown(&pages), Some(2));
        let slow = pages.find(KEY);
        pages.forget_all();
        pages.remember(KEY, &slow, &page(2));
        assert_eq!(shown(&pages), None);
    }

    #[test]
    fn a_write_of_something_else_is_of_no_concern() {
        let pages = Pages::default();
        let known = pages.find(KEY);
        pages.forget(Uuid::from_u128(2));
        pages.remember(KEY, &known, &page(1));
        assert_eq!(shown(&pages), Some(1));
    }

    #[test]
    fn a_page_is_trusted_for_a_moment_and_never_beyond_its_change() {
        let at = |millisecond| Timestamp::from_millisecond(millisecond).expect("in range");
        let lasting = page(1).seen_again(at(1_000), None);
        assert!(lasting.is_trusted_at(at(1_499)));
        assert!(!lasting.is_trusted_at(at(1_500)));
        assert!(lasting.holds_at(at(9_000)));
        assert!(!lasting.holds_at(at(999)), "a clock that went back is not trusted");
        let ending = lasting.seen_again(at(1_000), Some(at(1_200)));
        assert!(ending.is_trusted_at(at(1_199)) && !ending.is_trusted_at(at(1_200)));
    }

    #[test]
    fn it_does_not_grow_without_end() {
        let pages = Pages::default();
        for number in 0..2 * MOST_REMEMBERED {
            let key = Uuid::from_u128(number as u128);
            pages.remember(key, &pages.find(key), &page(1));
        }
        assert!(pages.memory().slots.len() <= MOST_REMEMBERED);
    }
}
