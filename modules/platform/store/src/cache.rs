//! A bounded memory of states, in two generations, and of which of them are at work.

use std::{
    collections::{HashMap, HashSet},
    mem,
};

use uuid::Uuid;

/// Keeps what was used lately. When the young generation is full it becomes the old one, and what
/// was old is forgotten: between one and two times `capacity` entries are kept, at no cost for
/// keeping an order.
pub(crate) struct Cache<T> {
    capacity: usize,
    young: HashMap<Uuid, T>,
    old: HashMap<Uuid, T>,
    /// What was taken out and comes back soon, changed perhaps.
    at_work: HashSet<Uuid>,
    /// What was taken out and is worth nothing when it comes back.
    doomed: HashSet<Uuid>,
    moves: u64,
}

/// Where an entry is.
pub(crate) enum Place<'c, T> {
    Here(&'c T),
    AtWork,
    Nowhere,
}

impl<T> Cache<T> {
    pub(crate) fn new(capacity: usize) -> Self {
        Self {
            capacity: capacity.max(1),
            young: HashMap::new(),
            old: HashMap::new(),
            at_work: HashSet::new(),
            doomed: HashSet::new(),
            moves: 0,
        }
    }

    /// Forgets everything when the database has moved since, counted by `moves`.
    pub(crate) fn follow(&mut self, moves: u64) {
        if self.moves == moves {
            return;
        }
        self.moves = moves;
        self.young.clear();
        self.old.clear();
        self.doomed.extend(&self.at_work);
    }

    /// Removes the entry and gives it away, to be put back or [dismissed](Self::dismiss).
    pub(crate) fn take(&mut self, id: Uuid) -> Option<T> {
        let aged = self.old.remove(&id);
        let entry = self.young.remove(&id).or(aged)?;
        self.at_work.insert(id);
        Some(entry)
    }

    /// Looks at the entry where it is.
    pub(crate) fn find(&mut self, id: Uuid) -> Place<'_, T> {
        if let Some(aged) = self.old.remove(&id) {
            self.keep(id, aged);
        }
        match self.young.get(&id) {
            Some(entry) => Place::Here(entry),
            None if self.at_work.contains(&id) => Place::AtWork,
            None => Place::Nowhere,
        }
    }

    pub(crate) fn put(&mut self, id: Uuid, entry: T) {
        self.at_work.remove(&id);
        if !self.doomed.remove(&id) {
            self.keep(id, entry);
        }
    }

    /// Says that what was taken does not come back.
    pub(crate) fn dismiss(&mut self, id: Uuid) {
        self.at_work.remove(&id);
        self.doomed.remove(&id);
    }

    fn keep(&mut self, id: Uuid, entry: T) {
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
            cache.put(id(number), number);
        }
        cache
    }

    fn found(cache: &mut Cache<u128>, number: u128) -> Option<u128> {
        match cache.find(id(number)) {
            Place::Here(entry) => Some(*entry),
            Place::AtWork | Place::Nowhere => None,
        }
    }

    #[test]
    fn it_never_keeps_more_than_twice_its_capacity() {
        let cache = filled(10, 1_000);
        assert!(cache.young.len() + cache.old.len() <= 20);
    }

    #[test]
    fn what_was_just_put_is_there() {
        let mut cache = filled(10, 1_000);
        assert_eq!(found(&mut cache, 999), Some(999));
        assert_eq!(found(&mut cache, 0), None);
    }

    #[test]
    fn what_is_read_stays() {
        let mut cache = filled(10, 1);
        for number in 1..100 {
            assert!(found(&mut cache, 0).is_some(), "forgotten before entry {number}");
            cache.put(id(number), number);
        }
    }

    #[test]
    fn nothing_is_known_of_a_database_that_has_moved() {
        let mut cache = filled(10, 5);
        cache.take(id(3));
        cache.follow(1);
        cache.put(id(3), 33);
        assert_eq!((found(&mut cache, 3), found(&mut cache, 4)), (None, None));
        cache.put(id(3), 34);
        cache.follow(1);
        assert_eq!(found(&mut cache, 3), Some(34));
    }

    #[test]
    fn what_is_taken_is_at_work_until_it_is_back_or_dismissed() {
        let mut cache = filled(10, 15);
        assert_eq!((cache.take(id(3)), cache.take(id(3))), (Some(3), None));
        assert!(matches!(cache.find(id(3)), Place::AtWork));
        cache.put(id(3), 33);
        assert_eq!(found(&mut cache, 3), Some(33));
        cache.take(id(3));
        cache.dismiss(id(3));
        assert!(matches!(cache.find(id(3)), Place::Nowhere));
    }
}
