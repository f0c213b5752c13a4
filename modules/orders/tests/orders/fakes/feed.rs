//! What a publisher has told, for whoever reads it.

use std::{marker::PhantomData, sync::Mutex};

use bus::{Entry, Envelope, Page, Query, Source, SourceError};
use runtime::{Clock, IntegrationEvents, SystemClock, async_trait};
use serde_json::json;
use store::Position;
use tokio::sync::Notify;
use uuid::Uuid;

use super::lock;

pub(super) struct Told<E> {
    entries: Mutex<Vec<Entry>>,
    news: Notify,
    events: PhantomData<fn() -> E>,
}

impl<E> Default for Told<E> {
    fn default() -> Self {
        Self { entries: Mutex::default(), news: Notify::default(), events: PhantomData }
    }
}

impl<E: IntegrationEvents> Told<E> {
    pub(super) fn tell(&self, event: &E) {
        let mut entries = lock(&self.entries);
        let number = entries.len() + 1;
        let payload = json!(event);
        let tag = payload["type"].as_str().unwrap_or_default();
        let envelope = Envelope {
            id: Uuid::from_u128(number as u128),
            event_type: format!("{}.{tag}", E::PUBLISHER),
            schema_version: 1,
            key: event.key(),
            time: SystemClock.now(),
            correlation_id: "a test".to_owned(),
            causation_id: None,
            traceparent: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01".to_owned(),
            payload,
            fault: None,
        };
        let seq = i64::try_from(number).unwrap_or(i64::MAX);
        entries.push(Entry { position: Position { seq, ..Position::START }, envelope });
        self.news.notify_waiters();
    }

    fn after(&self, position: Position) -> Vec<Entry> {
        let entries = lock(&self.entries);
        entries.iter().filter(|entry| entry.position > position).cloned().collect()
    }
}

#[async_trait]
impl<E: IntegrationEvents> Source for Told<E> {
    async fn read(&self, query: &Query) -> Result<Page, SourceError> {
        let mut news = std::pin::pin!(self.news.notified());
        news.as_mut().enable();
        let mut entries = self.after(query.after);
        if entries.is_empty() {
            let _told = tokio::time::timeout(query.wait, news).await;
            entries = self.after(query.after);
        }
        let reached = entries.last().map_or(query.after, |entry| entry.position);
        Ok(Page { entries, reached, behind: 0 })
    }
}
