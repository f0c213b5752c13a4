//! Answers to reads that many ask for: made once, serialised once, served from memory.
//!
//! A page is true until the next instant at which it changes by time alone, and until somebody has
//! written what it shows: whoever writes says so with [`Pages::forget`], after the commit. This process
//! knows at once, other replicas hear it over Redis within milliseconds. Where there is none, or the
//! news is lost, a page is looked at again once it is as old as `cache.staleness` says: staler it
//! never is.
//!
//! Pages are in the memory of each process and not in Redis: what many ask for is found there sooner
//! than anywhere else.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use axum::{
    body::Bytes,
    http::{HeaderValue, header},
    response::{IntoResponse, Response},
};
use cache::{Cache, News};
use runtime::Timestamp;
use serde::Serialize;
use uuid::Uuid;

use crate::{Problem, Tagged};

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

    /// Its JSON alone, for what has no entity tag.
    pub fn untagged(self) -> Response {
        ([(header::CONTENT_TYPE, JSON)], self.body).into_response()
    }
}

impl IntoResponse for Shown {
    fn into_response(self) -> Response {
        Tagged(self.tag, ([(header::CONTENT_TYPE, JSON)], self.body)).into_response()
    }
}

/// Pages by what they show.
pub struct Pages {
    memory: Mutex<Memory>,
    trusted_for: Duration,
    cache: Arc<Cache>,
    topic: &'static str,
}

#[derive(Debug)]
struct Memory {
    most: usize,
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
    trusted_for: Duration,
}

impl Known {
    /// The page, when it may be shown at `now` without looking.
    pub fn trusted_at(&self, now: Timestamp) -> Option<&Shown> {
        self.page.as_ref().filter(|page| {
            let age = now.duration_since(page.seen_at);
            page.holds_at(now) && age.unsigned_abs() < self.trusted_for
        })
    }
}

impl Pages {
    /// No pages yet. `topic` names what they show: all replicas remember the same under it.
    pub fn new(cache: &Arc<Cache>, topic: &'static str) -> Arc<Self> {
        Self::at_most(MOST_REMEMBERED, cache, topic)
    }

    /// As [`Pages::new`], and never more than `most` pages.
    pub fn at_most(most: usize, cache: &Arc<Cache>, topic: &'static str) -> Arc<Self> {
        let memory = Memory { most, slots: HashMap::new(), writes: 0, emptied_at: 0 };
        let pages = Arc::new(Self {
            memory: Mutex::new(memory),
            trusted_for: cache.staleness(),
            cache: Arc::clone(cache),
            topic,
        });
        let listener = Arc::downgrade(&pages);
        cache.listen(topic, move |news| {
            if let Some(pages) = listener.upgrade() {
                pages.hear(news);
            }
        });
        pages
    }

    /// What is remembered under `key`.
    pub fn find(&self, key: Uuid) -> Known {
        let memory = self.memory();
        let page = memory.slots.get(&key).and_then(|slot| slot.page.clone());
        Known { page, begun_at: memory.writes, trusted_for: self.trusted_for }
    }

    /// Remembers what was read since `known` was found, unless it was written meanwhile or somebody
    /// has read something newer.
    pub fn remember(&self, key: Uuid, known: &Known, page: &Shown) {
        let mut memory = self.memory();
        memory.make_room(key);
        let unwritten = Slot { page: None, written_at: memory.emptied_at };
        let slot = memory.slots.entry(key).or_insert(unwritten);
        let is_newer = slot
            .page
            .as_ref()
            .is_none_or(|kept| kept.seen_at <= page.seen_at && kept.version <= page.version);
        if slot.written_at <= known.begun_at && is_newer {
            slot.page = Some(page.clone());
        }
    }

    /// What `key` shows was written: whatever was read before is not to be shown any more.
    pub fn forget(&self, key: Uuid) {
        self.cache.written(self.topic, key);
    }

    /// As [`Pages::forget`], for something that every page may show.
    pub fn forget_all(&self) {
        self.cache.all_written(self.topic);
    }

    fn hear(&self, news: &News) {
        let mut memory = self.memory();
        memory.writes += 1;
        match news {
            News::Written(keys) => {
                for key in keys {
                    memory.make_room(*key);
                    let written_at = memory.writes;
                    memory.slots.insert(*key, Slot { page: None, written_at });
                }
            }
            News::Everything => memory.empty(),
        }
    }

    fn memory(&self) -> MutexGuard<'_, Memory> {
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Memory {
    fn make_room(&mut self, key: Uuid) {
        if self.slots.len() >= self.most && !self.slots.contains_key(&key) {
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
    use cache::CacheSettings;

    use super::*;

    const KEY: Uuid = Uuid::from_u128(1);

    fn pages() -> Arc<Pages> {
        Pages::new(&Arc::new(Cache::new(CacheSettings::default())), "numbers")
    }

    fn page(version: u64) -> Shown {
        Shown::of(&version, version, version, Timestamp::UNIX_EPOCH, None).expect("it is JSON")
    }

    fn shown(pages: &Pages) -> Option<u64> {
        pages.find(KEY).page.map(|page| page.version)
    }

    #[test]
    fn what_was_read_before_a_write_is_not_remembered_after_it() {
        let pages = pages();
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
    fn a_slow_reader_does_not_cover_up_what_a_quick_one_has_read() {
        let pages = pages();
        let (slow, quick) = (pages.find(KEY), pages.find(KEY));
        pages.remember(KEY, &quick, &page(2));
        pages.remember(KEY, &slow, &page(1));
        assert_eq!(shown(&pages), Some(2));
    }

    #[test]
    fn what_one_of_several_memories_says_all_hear() {
        let cache = Arc::new(Cache::new(CacheSettings::default()));
        let (one, other) = (Pages::new(&cache, "numbers"), Pages::new(&cache, "numbers"));
        let elsewhere = Pages::new(&cache, "letters");
        for pages in [&one, &other, &elsewhere] {
            pages.remember(KEY, &pages.find(KEY), &page(1));
        }
        one.forget(KEY);
        assert_eq!((shown(&one), shown(&other)), (None, None));
        assert_eq!(shown(&elsewhere), Some(1));
    }

    #[test]
    fn a_write_of_something_else_is_of_no_concern() {
        let pages = pages();
        let known = pages.find(KEY);
        pages.forget(Uuid::from_u128(2));
        pages.remember(KEY, &known, &page(1));
        assert_eq!(shown(&pages), Some(1));
    }

    #[test]
    fn a_page_is_trusted_for_a_moment_and_never_beyond_its_change() {
        let at = |millisecond| Timestamp::from_millisecond(millisecond).expect("in range");
        let is_trusted = |page: &Shown, now| {
            let trusted_for = Duration::from_millis(500);
            let known = Known { page: Some(page.clone()), begun_at: 0, trusted_for };
            known.trusted_at(at(now)).is_some()
        };
        let lasting = page(1).seen_again(at(1_000), None);
        assert!(is_trusted(&lasting, 1_499));
        assert!(!is_trusted(&lasting, 1_500));
        assert!(lasting.holds_at(at(9_000)));
        assert!(!lasting.holds_at(at(999)), "a clock that went back is not trusted");
        let ending = lasting.seen_again(at(1_000), Some(at(1_200)));
        assert!(is_trusted(&ending, 1_199) && !is_trusted(&ending, 1_200));
    }

    #[test]
    fn without_staleness_nothing_is_trusted() {
        let settings = CacheSettings { staleness: Duration::ZERO, ..CacheSettings::default() };
        let pages = Pages::new(&Arc::new(Cache::new(settings)), "numbers");
        pages.remember(KEY, &pages.find(KEY), &page(1));
        assert!(pages.find(KEY).trusted_at(Timestamp::UNIX_EPOCH).is_none());
    }

    #[test]
    fn it_does_not_grow_without_end() {
        let cache = Arc::new(Cache::new(CacheSettings::default()));
        let pages = Pages::at_most(100, &cache, "numbers");
        for number in 0..250 {
            let key = Uuid::from_u128(number);
            pages.remember(key, &pages.find(key), &page(1));
        }
        assert!(pages.memory().slots.len() <= 100);
    }

    #[test]
    fn what_is_remembered_already_needs_no_room() {
        let cache = Arc::new(Cache::new(CacheSettings::default()));
        let pages = Pages::at_most(100, &cache, "numbers");
        for number in (0..100).chain([1]) {
            let key = Uuid::from_u128(number);
            pages.remember(key, &pages.find(key), &page(1));
        }
        pages.forget(Uuid::from_u128(2));
        assert_eq!(pages.memory().slots.len(), 100);
    }
}
