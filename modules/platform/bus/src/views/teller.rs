//! Tells again what publishers have told, as far as consumers have taken it in.

use std::time::Duration;

use runtime::async_trait;
use store::{Connection, Position, Retelling, StoreError, Taken, Tx};

use super::Sink;
use crate::{Entry, Query, Source, SourceError};

/// Events that are read, and written in one transaction.
const PAGE: u32 = 1_000;
/// Events that the consumer has yet to take and that are kept here meanwhile. What it has taken may
/// stand behind them, so that reading cannot stop there.
const WAITING: usize = 100_000;

/// What one publisher has told one consumer.
pub struct Tale {
    consumer: &'static str,
    publisher: &'static str,
    types: Vec<String>,
    source: Box<dyn Source>,
    sink: Box<dyn Sink>,
    /// How far the publisher's log was read.
    at: Position,
    is_at_end: bool,
    taken: Taken,
    /// Read, and not taken in by the consumer.
    waiting: Vec<Entry>,
    /// To be written.
    ready: Vec<Entry>,
}

impl Tale {
    pub(super) fn new(
        consumer: &'static str,
        publisher: &'static str,
        types: Vec<String>,
        source: Box<dyn Source>,
        sink: Box<dyn Sink>,
    ) -> Self {
        Self {
            consumer,
            publisher,
            types,
            source,
            sink,
            at: Position::START,
            is_at_end: false,
            taken: Taken::default(),
            waiting: Vec::new(),
            ready: Vec::new(),
        }
    }

    fn query(&self, limit: u32) -> Query {
        Query { types: self.types.clone(), after: self.at, limit, wait: Duration::ZERO }
    }

    async fn learn(&mut self, live: &mut Connection<'_>) -> Result<(), StoreError> {
        self.taken = Taken::read(live, self.consumer, self.publisher).await?;
        self.is_at_end = false;
        for entry in std::mem::take(&mut self.waiting) {
            self.sort(entry);
        }
        Ok(())
    }

    fn sort(&mut self, entry: Entry) {
        if self.taken.contains(entry.envelope.key, entry.position) {
            self.ready.push(entry);
        } else {
            self.waiting.push(entry);
        }
    }

    async fn read(&mut self) -> Result<(), StoreError> {
        let page = self.source.read(&self.query(PAGE)).await.map_err(|error| away(&error))?;
        self.is_at_end = page.reached == self.at;
        self.at = page.reached;
        for entry in page.entries {
            self.sort(entry);
        }
        if self.waiting.len() > WAITING {
            return Err(StoreError::Unavailable(format!(
                "{} has yet to take more than {WAITING} events of {}; rebuild its views when it has",
                self.consumer, self.publisher
            )));
        }
        Ok(())
    }
}

fn away(error: &SourceError) -> StoreError {
    StoreError::Unavailable(error.to_string())
}

/// Several tales, one after the other.
pub(super) struct Teller(Vec<Tale>);

impl Teller {
    pub(super) fn new(tales: Vec<Tale>) -> Self {
        Self(tales)
    }
}

#[async_trait]
impl Retelling for Teller {
    async fn total(&mut self) -> Result<u64, StoreError> {
        let mut total = 0;
        for tale in &self.0 {
            let page = tale.source.read(&tale.query(1)).await.map_err(|error| away(&error))?;
            total += page.behind + page.entries.len() as u64;
        }
        Ok(total)
    }

    async fn learn(&mut self, live: &mut Connection<'_>) -> Result<(), StoreError> {
        for tale in &mut self.0 {
            tale.learn(live).await?;
        }
        Ok(())
    }

    async fn read(&mut self) -> Result<Option<u64>, StoreError> {
        for tale in &mut self.0 {
            if tale.ready.is_empty() && tale.is_at_end {
                continue;
            }
            if tale.ready.is_empty() {
                tale.read().await?;
            }
            return Ok(Some(tale.ready.len() as u64));
        }
        Ok(None)
    }

    async fn write(&mut self, tx: &mut Tx) -> Result<(), StoreError> {
        for tale in &mut self.0 {
            if !tale.ready.is_empty() {
                tale.sink.write(tx, std::mem::take(&mut tale.ready)).await?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;
    use crate::{Envelope, Page};

    /// Has no end.
    struct Endless;

    #[async_trait]
    impl Source for Endless {
        async fn read(&self, query: &Query) -> Result<Page, SourceError> {
            let positions = (1..=i64::from(query.limit))
                .map(|step| Position { txn: 0, seq: query.after.seq + step });
            let entries: Vec<Entry> =
                positions.map(|position| Entry { position, envelope: envelope() }).collect();
            let reached = entries.last().map_or(query.after, |entry| entry.position);
            Ok(Page { entries, reached, behind: 1 })
        }
    }

    struct Nowhere;

    #[async_trait]
    impl Sink for Nowhere {
        async fn write(&self, _tx: &mut Tx, _entries: Vec<Entry>) -> Result<(), StoreError> {
            Ok(())
        }
    }

    fn envelope() -> Envelope {
        Envelope {
            id: Uuid::nil(),
            event_type: "sales.sale_made".to_owned(),
            schema_version: 1,
            key: Uuid::nil(),
            time: "2026-11-20T19:00:00Z".parse().unwrap(),
            correlation_id: String::new(),
            causation_id: None,
            traceparent: String::new(),
            payload: serde_json::Value::Null,
            fault: None,
        }
    }

    #[tokio::test]
    async fn a_consumer_that_is_far_behind_has_to_catch_up_first() {
        let types = vec!["sales.sale_made".to_owned()];
        let tale = Tale::new("ledger", "sales", types, Box::new(Endless), Box::new(Nowhere));
        let mut teller = Teller::new(vec![tale]);
        let mut pages = 0;
        let refused = loop {
            match teller.read().await {
                Ok(_) => pages += 1,
                Err(refused) => break refused,
            }
        };
        assert_eq!(pages, 100);
        assert!(refused.to_string().contains("ledger has yet to take"), "{refused}");
    }
}
