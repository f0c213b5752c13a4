//! What a scan needs to know before it is judged: the check-in list, who runs its event, and who may
//! scan there. Remembered for some seconds, so that a scan costs one commit and nothing else.
//!
//! A list that is changed here is known at once; what other replicas and other services change, after
//! [`FRESH`] at the latest. Only that somebody may scan is remembered, never that he may not.

use std::{
    collections::HashMap,
    hash::Hash,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use contracts::catalog::{CatalogError, FindSaleTerms};
use edge::Problem;
use runtime::{Clock, Context, Role, Timestamp};
use uuid::Uuid;

use crate::{
    domain::list::{Kept, Rules, Terms},
    service::Service,
    views,
};

/// How long what was found out is believed.
const FRESH: Duration = Duration::from_secs(10);
/// How many lists, and how many people, are remembered at most.
const REMEMBERED: usize = 10_000;

/// The check-in list that a door works by.
#[derive(Debug)]
pub(crate) struct Post {
    pub(crate) rules: Arc<Rules>,
    /// Its version, for those who edit it; 0 for a default list that nobody has changed.
    pub(crate) version: u64,
    pub(crate) is_removed: bool,
}

/// What was found out lately.
pub(crate) struct Lately<K, V> {
    clock: Arc<dyn Clock>,
    known: Mutex<HashMap<K, (Timestamp, V)>>,
}

impl<K: Eq + Hash, V: Clone> Lately<K, V> {
    pub(crate) fn new(clock: Arc<dyn Clock>) -> Self {
        Self { clock, known: Mutex::default() }
    }

    fn get(&self, key: &K) -> Option<V> {
        let now = self.clock.now();
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let (since, value) = known.get(key)?;
        // A clock that was put back does not make old things new.
        let is_fresh = *since <= now && now < *since + FRESH;
        is_fresh.then(|| value.clone())
    }

    fn put(&self, key: K, value: V) {
        let now = self.clock.now();
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= REMEMBERED {
            known.clear();
        }
        known.insert(key, (now, value));
    }

    fn forget(&self, key: &K) {
        self.known.lock().unwrap_or_else(PoisonError::into_inner).remove(key);
    }
}

impl Service {
    /// The check-in list; `None` when there is none and never was. A removed one is still found.
    pub(crate) async fn post(
        &self,
        cx: &Context,
        list_id: Uuid,
    ) -> Result<Option<Arc<Post>>, Problem> {
        if let Some(post) = self.posts.get(&list_id) {
            return Ok(Some(post));
        }
        let Some(post) = self.look_up(cx, list_id).await? else { return Ok(None) };
        let post = Arc::new(post);
        self.posts.put(list_id, Arc::clone(&post));
        Ok(Some(post))
    }

    /// The list as it is this moment. An event's default list has the event's id, and is there before
    /// anything has happened to it.
    async fn look_up(&self, cx: &Context, list_id: Uuid) -> Result<Option<Post>, Problem> {
        let loaded = self.lists.load(list_id).await?;
        if let Some(loaded) = loaded
            && let Some(Kept { event_id, organizer_id, terms }) = loaded.state.kept
        {
            let rules = Arc::new(Rules { list_id, organizer_id, event_id, terms });
            let is_removed = loaded.state.is_removed;
            return Ok(Some(Post { rules, version: loaded.version, is_removed }));
        }
        let Some(organizer_id) = self.organizer_of(cx, list_id).await? else { return Ok(None) };
        let terms = Terms::default_list();
        let rules = Arc::new(Rules { list_id, organizer_id, event_id: list_id, terms });
        Ok(Some(Post { rules, version: 0, is_removed: false }))
    }

    /// Makes the next scan look the list up.
    pub(crate) fn forget_post(&self, list_id: Uuid) {
        self.posts.forget(&list_id);
    }

    /// Who runs the event, whether it has tickets already or is only published; `None` when there is
    /// no such event.
    async fn organizer_of(&self, cx: &Context, event_id: Uuid) -> Result<Option<Uuid>, Problem> {
        if let Some(organizer_id) = views::tickets::organizer_of(&self.database, event_id).await? {
            return Ok(Some(organizer_id));
        }
        match self.catalog.sale_terms(cx, FindSaleTerms { event_id }).await {
            Ok(terms) => Ok(Some(terms.organizer_id)),
            Err(CatalogError::EventUnknown { .. }) => Ok(None),
            Err(CatalogError::Fault(fault)) => Err(fault.into()),
            Err(error) => Err(Problem::internal(error)),
        }
    }

    /// Whether the caller may work at the doors of the organizer's events: an admin, or a member who
    /// is an organizer or staff.
    pub(crate) async fn works_at_doors_of(
        &self,
        cx: &Context,
        organizer_id: Uuid,
    ) -> Result<bool, Problem> {
        let user_id = edge::user(cx)?;
        let principal = cx.principal();
        if principal.has_role(Role::Admin) {
            return Ok(true);
        }
        if !principal.has_role(Role::Staff) && !principal.has_role(Role::Organizer) {
            return Ok(false);
        }
        let key = (organizer_id, user_id);
        if self.scanners.get(&key).is_some() {
            return Ok(true);
        }
        let is_member = self.is_member(cx, organizer_id, user_id).await?;
        if is_member {
            self.scanners.put(key, ());
        }
        Ok(is_member)
    }
}

#[cfg(test)]
mod tests {
    use jiff::SignedDuration;
    use testkit::TestClock;

    use super::*;

    #[test]
    fn what_was_found_out_is_believed_for_some_seconds() {
        let clock = Arc::new(TestClock::at("2027-06-18T17:00:00Z"));
        let lately: Lately<u8, &str> = Lately::new(Arc::clone(&clock) as Arc<dyn Clock>);
        lately.put(1, "north");
        assert_eq!(lately.get(&1), Some("north"));
        assert_eq!(lately.get(&2), None);
        clock.advance(SignedDuration::from_secs(10));
        assert_eq!(lately.get(&1), None);
        lately.put(1, "south");
        lately.forget(&1);
        assert_eq!(lately.get(&1), None);
    }

    #[test]
    fn no_more_is_remembered_than_there_is_room_for() {
        let lately: Lately<usize, ()> =
            Lately::new(Arc::new(TestClock::at("2027-06-18T17:00:00Z")));
        for number in 0..=REMEMBERED {
            lately.put(number, ());
        }
        assert!(lately.get(&REMEMBERED).is_some());
        assert!(lately.get(&0).is_none());
    }
}
