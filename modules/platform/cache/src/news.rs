//! What a process has just written, told to the memories of all replicas, so that none of them shows
//! what is no longer true.
//!
//! A topic is a kind of thing that is remembered. Within a process news is heard at once; other
//! replicas hear it over Redis, within milliseconds, in messages that wait for each other so that
//! many writes of one thing are one message.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use serde::{Deserialize, Serialize};
use tokio::sync::Notify;
use uuid::Uuid;

/// More keys than these in one message are told as "everything".
const MOST_KEYS: usize = 500;

/// What must be forgotten of a topic.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum News {
    /// What these keys show was written.
    Written(BTreeSet<Uuid>),
    /// Anything may have been written.
    Everything,
}

impl News {
    fn add(&mut self, more: Self) {
        match (&mut *self, more) {
            (Self::Written(keys), Self::Written(others)) => keys.extend(others),
            (Self::Everything, _) => return,
            (_, Self::Everything) => *self = Self::Everything,
        }
        if matches!(self, Self::Written(keys) if keys.len() > MOST_KEYS) {
            *self = Self::Everything;
        }
    }
}

type Listener = Arc<dyn Fn(&News) + Send + Sync>;

/// Who listens in this process, and what is yet to be told to others.
#[derive(Default)]
pub(crate) struct Board {
    listeners: Mutex<BTreeMap<String, Vec<Listener>>>,
    outgoing: Mutex<BTreeMap<String, News>>,
    pub(crate) has_news: Notify,
}

impl Board {
    pub(crate) fn listen(&self, topic: &str, listener: Listener) {
        lock(&self.listeners).entry(topic.to_owned()).or_default().push(listener);
    }

    /// Puts news on the list of what others are to hear.
    pub(crate) fn post(&self, topic: &str, news: News) {
        let mut outgoing = lock(&self.outgoing);
        match outgoing.get_mut(topic) {
            Some(waiting) => waiting.add(news),
            None => {
                outgoing.insert(topic.to_owned(), news);
            }
        }
        drop(outgoing);
        self.has_news.notify_one();
    }

    /// What others are to hear and were not told yet.
    pub(crate) fn take(&self) -> BTreeMap<String, News> {
        std::mem::take(&mut *lock(&self.outgoing))
    }

    /// Tells those who listen in this process.
    pub(crate) fn hear(&self, topic: &str, news: &News) {
        let listeners = lock(&self.listeners).get(topic).cloned().unwrap_or_default();
        for listener in listeners {
            listener(news);
        }
    }

    /// News may have been missed.
    pub(crate) fn doubt_everything(&self) {
        let topics: Vec<String> = lock(&self.listeners).keys().cloned().collect();
        for topic in topics {
            self.hear(&topic, &News::Everything);
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(number: u128) -> News {
        News::Written(BTreeSet::from([Uuid::from_u128(number)]))
    }

    #[test]
    fn what_waits_is_told_together() {
        let board = Board::default();
        board.post("events", written(1));
        board.post("events", written(2));
        board.post("stocks", written(1));
        let told = board.take();
        let both = BTreeSet::from([Uuid::from_u128(1), Uuid::from_u128(2)]);
        assert_eq!(told.get("events"), Some(&News::Written(both)));
        assert_eq!(told.get("stocks"), Some(&written(1)));
        assert!(board.take().is_empty());
    }

    #[test]
    fn a_long_list_is_everything_and_stays_so() {
        let board = Board::default();
        for number in 0..1_000 {
            board.post("events", written(number));
        }
        assert_eq!(board.take().get("events"), Some(&News::Everything));
    }
}
