//! The programme as it is shown to those who cannot change it: made once, then served from memory to
//! everybody. Whoever may have changed it reads what there is, through whatever replica.

use std::sync::Arc;

use cache::Cache;
use edge::Pages;
use runtime::{Context, Role};
use uuid::Uuid;

/// A list may be long, and there are many ways to ask for one: so many are remembered,
const MOST_LISTS: usize = 256;
/// none that is longer,
const LONGEST_LIST: usize = 128 * 1024;

/// What is remembered of the programme.
pub(crate) struct Shown {
    /// Events by their ids.
    pub(crate) events: Arc<Pages>,
    /// Lists by what was asked for.
    pub(crate) lists: Arc<Pages>,
}

impl Shown {
    pub(crate) fn new(cache: &Arc<Cache>) -> Self {
        Self {
            events: Pages::new(cache, "catalog.events"),
            lists: Pages::at_most(MOST_LISTS, cache, "catalog.lists"),
        }
    }

    /// The event was written.
    pub(crate) fn event_changed(&self, id: Uuid) {
        self.events.forget(id);
        self.lists.forget_all();
    }

    /// Something was written that every event may show: its organizer, its venue.
    pub(crate) fn anything_changed(&self) {
        self.events.forget_all();
        self.lists.forget_all();
    }

    /// Remembers a list, unless it is too long.
    pub(crate) fn keep_list(&self, key: Uuid, known: &edge::Known, list: &edge::Shown) {
        if list.body.len() <= LONGEST_LIST {
            self.lists.remember(key, known, list);
        }
    }
}

/// Whether the caller can change the programme, and so is to read what there is.
pub(crate) fn may_change(cx: &Context) -> bool {
    cx.principal().has_role(Role::Organizer)
}
