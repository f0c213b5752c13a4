//! Where consumers find the feeds of publishers in their own process.

use std::{collections::HashMap, sync::Arc};

use tokio::sync::watch;

use crate::Source;

/// The feeds of the publishers of one process. Give one to
/// [`Launch::extension`](runtime::Launch::extension). Consumers may start before publishers: they
/// wait until the feed is there.
#[derive(Default)]
pub struct Hub {
    feeds: watch::Sender<HashMap<&'static str, Arc<dyn Source>>>,
}

impl Hub {
    /// A hub without feeds.
    pub fn new() -> Self {
        Self::default()
    }

    /// Offers the feed of `publisher` to all consumers of the process.
    pub fn offer(&self, publisher: &'static str, feed: Arc<dyn Source>) {
        self.feeds.send_modify(|feeds| {
            feeds.insert(publisher, feed);
        });
    }

    /// Whether the feed of `publisher` is there.
    pub fn has(&self, publisher: &str) -> bool {
        self.feeds.borrow().contains_key(publisher)
    }

    /// The feed of `publisher`, once it is there.
    pub async fn feed(&self, publisher: &str) -> Arc<dyn Source> {
        let mut changes = self.feeds.subscribe();
        loop {
            if let Some(feed) = changes.borrow_and_update().get(publisher) {
                return Arc::clone(feed);
            }
            // The sender lives as long as `self` does.
            let _changed = changes.changed().await;
        }
    }
}
