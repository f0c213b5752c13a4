//! A limit on what goes on at the same time, in which nobody can take everything.

use std::{
    collections::HashMap,
    hash::Hash,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

/// So many permits at the same time, and of those so many for each key. Clones share them.
#[derive(Debug)]
pub struct ConcurrencyLimit<K> {
    most: usize,
    most_each: usize,
    taken: Arc<Mutex<Taken<K>>>,
}

#[derive(Debug)]
struct Taken<K> {
    all: usize,
    by_key: HashMap<K, usize>,
}

/// Takes one of the permits until it is dropped.
#[derive(Debug)]
#[must_use = "it is given back when it is dropped"]
pub struct ConcurrencyPermit<K: Eq + Hash> {
    key: K,
    taken: Arc<Mutex<Taken<K>>>,
}

/// Why there is no permit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LimitReached {
    /// All are taken.
    All,
    /// Those of the key are taken.
    OfKey,
}

impl<K: Clone + Eq + Hash> ConcurrencyLimit<K> {
    /// `most` permits, of which a key may have `most_each`.
    pub fn new(most: usize, most_each: usize) -> Self {
        let taken = Taken { all: 0, by_key: HashMap::new() };
        Self { most, most_each, taken: Arc::new(Mutex::new(taken)) }
    }

    /// A permit for `key`, at once or not at all.
    ///
    /// # Errors
    /// When there is none left. Whoever has as many as the key may have is told of that first.
    pub fn acquire(&self, key: K) -> Result<ConcurrencyPermit<K>, LimitReached> {
        let mut taken = lock(&self.taken);
        if taken.by_key.get(&key).is_some_and(|count| *count >= self.most_each) {
            return Err(LimitReached::OfKey);
        }
        if taken.all >= self.most {
            return Err(LimitReached::All);
        }
        taken.all += 1;
        *taken.by_key.entry(key.clone()).or_default() += 1;
        Ok(ConcurrencyPermit { key, taken: Arc::clone(&self.taken) })
    }
}

impl<K> Clone for ConcurrencyLimit<K> {
    fn clone(&self) -> Self {
        Self { most: self.most, most_each: self.most_each, taken: Arc::clone(&self.taken) }
    }
}

impl<K: Eq + Hash> Drop for ConcurrencyPermit<K> {
    fn drop(&mut self) {
        let mut taken = lock(&self.taken);
        taken.all = taken.all.saturating_sub(1);
        if let Some(count) = taken.by_key.get_mut(&self.key) {
            *count = count.saturating_sub(1);
            if *count == 0 {
                taken.by_key.remove(&self.key);
            }
        }
    }
}

fn lock<K>(taken: &Mutex<Taken<K>>) -> MutexGuard<'_, Taken<K>> {
    taken.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_takes_more_than_a_share_and_all_together_no_more_than_there_is() {
        let limit = ConcurrencyLimit::new(3, 2);
        let (first, _second) = (limit.acquire("ada").unwrap(), limit.acquire("ada").unwrap());
        assert_eq!(limit.acquire("ada").unwrap_err(), LimitReached::OfKey);
        let _third = limit.clone().acquire("bob").unwrap();
        assert_eq!(limit.acquire("bob").unwrap_err(), LimitReached::All);
        drop(first);
        let _fourth = limit.acquire("ada").unwrap();
    }

    #[test]
    fn what_was_given_back_leaves_nothing_behind() {
        let limit = ConcurrencyLimit::new(100, 2);
        for key in 0..50 {
            let _permit = limit.acquire(key).unwrap();
        }
        let taken = lock(&limit.taken);
        assert_eq!((taken.all, taken.by_key.len()), (0, 0));
    }
}
