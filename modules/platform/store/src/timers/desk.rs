//! Where commits leave word of timers for whoever fires them in this process, so that what is due at
//! once is handed over without being looked for.

use std::{
    collections::HashMap,
    mem,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use runtime::Timestamp;
use tokio::sync::Notify;
use uuid::Uuid;

use super::Cause;

/// One for each runner of timers, for as long as it holds its lease.
pub(crate) struct Desk {
    /// Who claims: the runner's lease.
    pub(super) holder: Uuid,
    /// How many handlers may run at once.
    most: usize,
    state: Mutex<State>,
    news: Notify,
}

#[derive(Default)]
struct State {
    /// Streams that are claimed and whose handlers run or are about to.
    claimed: HashMap<Uuid, Row>,
    handed_over: Vec<HandedOver>,
    /// The earliest time that was set and not handed over since anybody asked.
    earliest: Option<Timestamp>,
}

/// What is known of a claimed timer's row.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Row {
    MayBeThere,
    Gone,
}

/// A timer that was claimed with the commit that set it.
pub(crate) struct HandedOver {
    pub(super) stream: Uuid,
    pub(super) due: Timestamp,
    pub(super) cause: Cause,
}

/// A timer that a commit is about to set.
pub(crate) struct Setting {
    pub(crate) stream: Uuid,
    pub(crate) due: Timestamp,
    /// Why, if it is claimed with it.
    pub(crate) cause: Option<Cause>,
}

impl Desk {
    pub(super) fn new(holder: Uuid, most: usize) -> Arc<Self> {
        Arc::new(Self { holder, most, state: Mutex::default(), news: Notify::new() })
    }

    /// Who is to be named as the claimant of the stream's timer, with which it is then handed over;
    /// nobody when it runs already, or too many do. `taken` were claimed by the same commit.
    pub(crate) fn claimant(&self, stream: Uuid, taken: usize) -> Option<Uuid> {
        let state = self.state();
        let has_room = state.claimed.len() + taken < self.most;
        (has_room && !state.claimed.contains_key(&stream)).then_some(self.holder)
    }

    /// Takes note of what was committed.
    pub(crate) fn committed(&self, set: Vec<Setting>, gone: &[Uuid]) {
        let mut state = self.state();
        for stream in gone {
            if let Some(row) = state.claimed.get_mut(stream) {
                *row = Row::Gone;
            }
        }
        let mut is_news = false;
        for Setting { stream, due, cause } in set {
            if let Some(row) = state.claimed.get_mut(&stream) {
                *row = Row::MayBeThere;
            }
            match cause {
                Some(cause) => {
                    state.claimed.insert(stream, Row::MayBeThere);
                    state.handed_over.push(HandedOver { stream, due, cause });
                    is_news = true;
                }
                None if state.earliest.is_none_or(|earliest| due < earliest) => {
                    state.earliest = Some(due);
                    is_news = true;
                }
                None => {}
            }
        }
        drop(state);
        if is_news {
            self.news.notify_one();
        }
    }

    /// Resolves when there is something to [collect](Self::collect).
    pub(super) async fn news(&self) {
        self.news.notified().await;
    }

    /// What was handed over, and the earliest time that was set besides.
    pub(super) fn collect(&self) -> (Vec<HandedOver>, Option<Timestamp>) {
        let mut state = self.state();
        (mem::take(&mut state.handed_over), state.earliest.take())
    }

    /// Notes that the runner has claimed the stream's timer itself.
    pub(super) fn claim(&self, stream: Uuid) {
        self.state().claimed.insert(stream, Row::MayBeThere);
    }

    /// Notes that the stream's handler has ended. Whether there may be a row to give back.
    pub(super) fn end(&self, stream: Uuid) -> bool {
        self.state().claimed.remove(&stream) != Some(Row::Gone)
    }

    /// The streams that are claimed.
    pub(super) fn claimed(&self) -> Vec<Uuid> {
        self.state().claimed.keys().copied().collect()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
