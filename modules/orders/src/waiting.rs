//! Readers that wait for an order to come to its end: so many and no more, a few of each caller, woken
//! when this process has recorded it.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use edge::{ConcurrencyLimit, ConcurrencyPermit};
use tokio::sync::Notify;
use uuid::Uuid;

/// How many may wait at the same time; the others are answered at once.
const MOST: usize = 128;
/// How many of those one caller may be, so that nobody takes all the places.
const MOST_OF_CALLER: usize = 4;

/// Those who wait, by order.
pub(crate) struct Waiting {
    places: ConcurrencyLimit<Uuid>,
    bells: Mutex<HashMap<Uuid, Arc<Notify>>>,
}

impl Default for Waiting {
    fn default() -> Self {
        Self { places: ConcurrencyLimit::new(MOST, MOST_OF_CALLER), bells: Mutex::default() }
    }
}

/// Somebody who waits.
pub(crate) struct Listener<'a> {
    waiting: &'a Waiting,
    order_id: Uuid,
    bell: Arc<Notify>,
    _place: ConcurrencyPermit<Uuid>,
}

impl Waiting {
    /// A place for the caller to wait for the order; `None` when all are taken, or all of the
    /// caller's.
    pub(crate) fn listen(&self, order_id: Uuid, caller: Uuid) -> Option<Listener<'_>> {
        let place = self.places.acquire(caller).ok()?;
        let bell = Arc::clone(self.bells().entry(order_id).or_default());
        Some(Listener { waiting: self, order_id, bell, _place: place })
    }

    /// Wakes those who wait for the order.
    pub(crate) fn ring(&self, order_id: Uuid) {
        if let Some(bell) = self.bells().get(&order_id) {
            bell.notify_waiters();
        }
    }

    fn bells(&self) -> MutexGuard<'_, HashMap<Uuid, Arc<Notify>>> {
        self.bells.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Listener<'_> {
    /// What is waited for.
    pub(crate) fn order_id(&self) -> Uuid {
        self.order_id
    }

    /// What wakes the listener. Enable it before looking at the order.
    pub(crate) fn bell(&self) -> &Notify {
        &self.bell
    }
}

impl Drop for Listener<'_> {
    fn drop(&mut self) {
        let mut bells = self.waiting.bells();
        // One is ours, one the map's.
        if Arc::strong_count(&self.bell) <= 2 {
            bells.remove(&self.order_id);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn whoever_waits_is_woken_and_leaves_nothing_behind() {
        let (waiting, order) = (Waiting::default(), Uuid::from_u128(1));
        let (first, second) =
            (waiting.listen(order, order).unwrap(), waiting.listen(order, order).unwrap());
        let (woken, also) = (first.bell().notified(), second.bell().notified());
        waiting.ring(Uuid::from_u128(2));
        waiting.ring(order);
        tokio::join!(woken, also);
        drop(first);
        assert_eq!(waiting.bells().len(), 1);
        drop(second);
        assert_eq!(waiting.bells().len(), 0);
    }

    #[test]
    fn only_so_many_wait() {
        let waiting = Waiting::default();
        let listeners: Vec<_> =
            (0..200).map(Uuid::from_u128).filter_map(|id| waiting.listen(id, id)).collect();
        assert_eq!(listeners.len(), MOST);
    }

    #[test]
    fn one_caller_leaves_room_for_others() {
        let (waiting, order) = (Waiting::default(), Uuid::from_u128(1));
        let mine: Vec<_> = (0..200).filter_map(|_| waiting.listen(order, order)).collect();
        assert_eq!(mine.len(), MOST_OF_CALLER);
        assert!(waiting.listen(order, Uuid::from_u128(2)).is_some());
        drop(mine);
        assert!(waiting.listen(order, order).is_some());
    }
}
