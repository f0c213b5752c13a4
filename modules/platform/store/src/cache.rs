//! A bounded memory of states, in two generations.

use std::{collections::HashMap, mem, sync::Arc};

use uuid::Uuid;

/// Keeps what was used lately. When the young generation is full it becomes the old one, and what
/// was old is forgotten: between one and two times `capacity` entries are kept, at no cost for
/// keeping an order.
pub(crate) struct Cache<T> {
    capacity: usize,
    young: HashMap<Uuid, Arc<T>>,
    old: HashMap<Uuid, Arc<T>>,
}

impl<T: Clone> Cache<T> {
    pub(crate) fn new(capacity: usize) -> Self {
        Self { capacity: capacity.max(1), young: HashMap::new(), old: HashMap::new() }
    }

    /// Removes the entry and gives it away, copied only when somebody is reading it.
    pub(crate) fn take(&mut self, id: Uuid) -> Option<T> {
        let entry = self.young.remove(&id);
        let aged = self.old.remove(&id);
        entry.or(aged).map(Arc::unwrap_or_clone)
    }

    /// Reads the entry where it is.
    pub(crate) fn get(&mut self, id: Uuid) -> Option<Arc<T>> {
        if let Some(entry) = self.young.get(&id) {
            return Some(Arc::clone(entry));
        }
        let entry = self.old.remove(&id)?;
        self.put(id, Arc::clone(&entry));
        Some(entry)
    }

    pub(crate) fn put(&mut self, id: Uuid, entry: Arc<T>) {
        if self.young.len() >= self.capacity {
            self.old = mem::take(&mut self.young);
        }
        self.young.insert(id, entry);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(number: u128) -> Uuid {
        Uuid::from_u128(number)
    }

    fn filled(capacity: usize, entries: u128) -> Cache<u128> {
        let mut cache = Cache::new(capacity);
        for number in 0..entries {
            cache.put(id(number), Arc::new(number));
        }
        cache
    }

    #[test]
    fn it_never_keeps_more_than_twice_its_capacity() {
        let cache = filled(10, 1_000);
        assert!(cache.young.len() + cache.old.len() <= 20);
    }

    #[test]
    fn what_was_just_put_is_there() {
        let mut cache = filled(10, 1_000);
        assert_eq!(cache.get(id(999)).as_deref(), Some(&999));
        assert_eq!(cache.get(id(0)), None);
    }

    #[test]
    fn what_is_read_stays() {
        let mut cache = filled(10, 1);
        for number in 1..100 {
            assert!(cache.get(id(0)).is_some(), "forgotten before entry {number}");
            cache.put(id(number), Arc::new(number));
        }
    }

    #[test]
    fn what_is_taken_is_gone() {
        let mut cache = filled(10, 15);
        assert_eq!((cache.take(id(3)), cache.take(id(3))), (Some(3), None));
    }
}
