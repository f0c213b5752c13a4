//! Another service whose events a test makes up: what is posted to it, it tells.

use std::{future::ready, sync::Arc};

use axum::{Json, Router, http::StatusCode, routing::post};
use bus::{Entry, Envelope, Hub, Page, Query, Source, SourceError};
use runtime::{Boot, BoxFuture, IntegrationEvents, StartError, async_trait};
use store::Position;
use tokio::sync::watch;

/// The events of one publisher, kept in memory.
#[derive(Default)]
struct Told(watch::Sender<Vec<Entry>>);

#[async_trait]
impl Source for Told {
    async fn read(&self, query: &Query) -> Result<Page, SourceError> {
        let mut log = self.0.subscribe();
        let is_new = |entry: &&Entry| entry.position > query.after;
        let has_news = |log: &Vec<Entry>| log.iter().any(|entry| is_new(&entry));
        let _news = tokio::time::timeout(query.wait, log.wait_for(has_news)).await;
        let log = self.0.borrow();
        let limit = usize::try_from(query.limit).unwrap_or(usize::MAX);
        let news: Vec<&Entry> = log.iter().filter(is_new).take(limit).collect();
        let reached = news.last().map_or(query.after, |entry| entry.position);
        let is_asked_for = |entry: &&Entry| query.types.contains(&entry.envelope.event_type);
        let entries = news.into_iter().filter(is_asked_for).cloned().collect();
        Ok(Page { entries, reached, behind: 0 })
    }
}

impl Told {
    fn tell(&self, envelope: Envelope) {
        self.0.send_modify(|log| {
            let seq = i64::try_from(log.len()).expect("there are few") + 1;
            log.push(Entry { position: Position { txn: 0, seq }, envelope });
        });
    }
}

/// Starts a module that tells, as the publisher of `E`, what is posted to `path`: envelopes.
pub(crate) fn start<E: IntegrationEvents>(
    boot: &mut Boot,
    path: &'static str,
) -> BoxFuture<'static, Result<(), StartError>> {
    start_as(boot, E::PUBLISHER, path)
}

/// As [`start`], for the feed `name`.
pub(crate) fn start_as(
    boot: &mut Boot,
    name: &'static str,
    path: &'static str,
) -> BoxFuture<'static, Result<(), StartError>> {
    let Some(hub) = boot.extension::<Hub>() else {
        return Box::pin(ready(Err(StartError::new("there is no hub"))));
    };
    let told = Arc::new(Told::default());
    hub.offer(name, Arc::clone(&told) as Arc<dyn Source>);
    let tell = post(async move |Json(envelope): Json<Envelope>| {
        told.tell(envelope);
        StatusCode::NO_CONTENT
    });
    boot.public(Router::new().route(path, tell));
    Box::pin(ready(Ok(())))
}
