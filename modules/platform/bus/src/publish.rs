//! The publisher's side: domain events of the log, translated and served.

use std::{collections::HashMap, sync::Arc};

use runtime::{Boot, IntegrationEvents, StartError, async_trait};
use serde_json::Value;
use store::{Aggregate, Database, Events, Feed, Position, RawRecorded, Recorded, StoreError};
use tokio::time::Instant;
use uuid::Uuid;

use crate::{
    BusKind, BusSettings, Entry, Envelope, Hub, Page, Query, Relay, Source, SourceError, remote,
};

/// Entries of the log that are read at once. Of most logs only some are published.
const STRETCH: u32 = 256;
/// About how many bytes of JSON a page may have; an event that is larger has one to itself. Far below
/// what a caller takes for an answer, since texts grow when they are escaped.
const PAGE_BYTES: usize = 4 * 1024 * 1024;
/// What an envelope has beside its payload, at most.
const ENVELOPE_BYTES: usize = 1024;

/// Turns the domain events of one kind of aggregate into integration events `E`.
pub struct Translator<E> {
    category: &'static str,
    seal: Seal,
    key: Key,
    events: std::marker::PhantomData<fn() -> E>,
}

type Key = fn(&RawRecorded) -> Uuid;
type Seal = Arc<dyn Fn(RawRecorded, Key) -> Option<Envelope> + Send + Sync>;

impl<E: IntegrationEvents> Translator<E> {
    /// Translates the events of `A`; `None` for those that concern nobody else. The same event must
    /// give the same translation whenever it is asked for.
    pub fn of<A: Aggregate>(
        translate: impl Fn(&Recorded<A::Event>) -> Option<E> + Send + Sync + 'static,
    ) -> Self {
        Self {
            category: A::NAME,
            seal: Arc::new(move |raw, key| Envelope::seal::<A, E>(raw, &translate, key)),
            key: |raw| raw.stream,
            events: std::marker::PhantomData,
        }
    }

    /// For events that are about something else than the aggregate they happened to: what
    /// [`IntegrationEvents::key`] says, found in the row alone. An event that cannot be translated
    /// then holds back those with its key, as any other does.
    #[must_use]
    pub fn keyed_by(self, key: fn(&RawRecorded) -> Uuid) -> Self {
        Self { key, ..self }
    }
}

/// Publishes what `translate` makes of the events of one kind of aggregate, from the beginning of
/// the log: to consumers in this process, and on the internal listener to the modules that list
/// them under `consumes`.
///
/// # Errors
/// When the module is not the publisher of `E`, or does not list its events under `publishes`.
pub fn publish<E, A>(
    boot: &mut Boot,
    events: &Events<A>,
    translate: impl Fn(&Recorded<A::Event>) -> Option<E> + Send + Sync + 'static,
) -> Result<(), StartError>
where
    E: IntegrationEvents,
    A: Aggregate,
{
    let database = events.committer().database().clone();
    publish_all(boot, &database, vec![Translator::<E>::of::<A>(translate)])
}

/// As [`publish`], for modules that publish the events of several kinds of aggregates.
///
/// # Errors
/// As [`publish`].
pub fn publish_all<E: IntegrationEvents>(
    boot: &mut Boot,
    database: &Database,
    translators: Vec<Translator<E>>,
) -> Result<(), StartError> {
    let module = boot.module();
    if module.name != E::PUBLISHER {
        return Err(StartError::new(format!(
            "{} publishes events of {}; publish events of its own",
            module.name,
            E::PUBLISHER
        )));
    }
    if let Some(unlisted) = E::NAMES.iter().find(|name| !module.publishes.contains(name)) {
        return Err(StartError::new(format!(
            "{} publishes {unlisted} without saying so; list it under its publishes",
            module.name
        )));
    }
    let feed: Arc<dyn Source> = Arc::new(PublishedFeed::new(database, translators));
    relay(boot, database, E::PUBLISHER, E::NAMES, &feed);
    hub(boot)?.offer(E::PUBLISHER, Arc::clone(&feed));
    let routes = remote::routes(boot, remote::FEED, E::PUBLISHER, feed);
    boot.internal(routes);
    Ok(())
}

/// Copies a feed to its topic, where events travel over a broker.
pub(crate) fn relay(
    boot: &Boot,
    database: &Database,
    publisher: &str,
    types: &[&str],
    feed: &Arc<dyn Source>,
) {
    let settings = boot.settings::<BusSettings>();
    if settings.kind == BusKind::Feed {
        return;
    }
    let (ids, random) = (boot.ids(), boot.random());
    let relay = Relay::new(database, publisher, types, Arc::clone(feed), &settings, ids, random);
    let standing = relay.standing();
    boot.standing(format!("relay of {publisher}"), move || {
        let standing = Arc::clone(&standing);
        Box::pin(async move { standing.report() })
    });
    boot.spawn("relay", |stop| relay.run(stop));
}

/// The hub that the process was composed with.
pub(crate) fn hub(boot: &Boot) -> Result<Arc<Hub>, StartError> {
    boot.extension::<Hub>().ok_or_else(|| {
        StartError::new(
            "the process has no hub for events; give Launch::extension an Arc<bus::Hub>",
        )
    })
}

/// A publisher's log, translated. [`publish`] makes one and offers it.
pub struct PublishedFeed {
    feed: Feed,
    translations: HashMap<&'static str, (Seal, Key)>,
}

impl PublishedFeed {
    /// The events in `database` for which there is a translator.
    pub fn new<E>(database: &Database, translators: Vec<Translator<E>>) -> Self {
        let translations: HashMap<&'static str, (Seal, Key)> =
            translators.into_iter().map(|it| (it.category, (it.seal, it.key))).collect();
        let categories: Vec<&'static str> = translations.keys().copied().collect();
        Self { feed: Feed::new(database, categories), translations }
    }

    fn translate(&self, raw: RawRecorded) -> Option<Entry> {
        let position = raw.position();
        let (seal, key) = self.translations.get(raw.category.as_str())?;
        Some(Entry { position, envelope: seal(raw, *key)? })
    }

    async fn behind(&self, reached: Position) -> Result<u64, StoreError> {
        let head = self.feed.head().await?;
        Ok(head.map_or(0, |head| u64::try_from(head.seq - reached.seq).unwrap_or(0)))
    }
}

#[async_trait]
impl Source for PublishedFeed {
    async fn read(&self, query: &Query) -> Result<Page, SourceError> {
        let give_up = Instant::now() + query.wait;
        let limit = usize::try_from(query.limit).unwrap_or(usize::MAX).max(1);
        let mut reached = query.after;
        loop {
            let left = give_up.saturating_duration_since(Instant::now());
            let stretch = self.feed.wait(reached, STRETCH, left).await?;
            let mut filling = Filling::up_to(limit);
            for raw in stretch.events {
                // What could not be translated concerns everybody.
                let is_wanted =
                    |it: &Envelope| it.fault.is_some() || query.types.contains(&it.event_type);
                let entry = self.translate(raw).filter(|entry| is_wanted(&entry.envelope));
                if let Some(entry) = entry {
                    filling.take(entry);
                }
                if filling.is_cut {
                    break;
                }
            }
            let Filling { entries, is_cut, .. } = filling;
            reached = match entries.last() {
                Some(last) if is_cut => last.position,
                _ => stretch.reached,
            };
            let is_late = Instant::now() >= give_up;
            if !entries.is_empty() || is_late {
                // What a transaction in flight holds back remains, too.
                let may_remain = is_cut || !stretch.is_end || entries.is_empty();
                let behind = if may_remain { self.behind(reached).await? } else { 0 };
                return Ok(Page { entries, reached, behind });
            }
        }
    }
}

/// A page on its way.
struct Filling {
    entries: Vec<Entry>,
    limit: usize,
    bytes: usize,
    /// Whether it ends with its last entry, though there may be more.
    is_cut: bool,
}

impl Filling {
    fn up_to(limit: usize) -> Self {
        Self { entries: Vec::new(), limit, bytes: 0, is_cut: false }
    }

    /// Puts in what has room.
    fn take(&mut self, entry: Entry) {
        let bytes = ENVELOPE_BYTES + size(&entry.envelope.payload);
        if !self.entries.is_empty() && self.bytes + bytes > PAGE_BYTES {
            self.is_cut = true;
            return;
        }
        self.bytes += bytes;
        self.entries.push(entry);
        self.is_cut = self.entries.len() == self.limit;
    }
}

/// About how many bytes `value` is as JSON, before anything in it is escaped.
fn size(value: &Value) -> usize {
    const NUMBER: usize = 20;
    const QUOTES_AND_COMMA: usize = 4;
    match value {
        Value::Null | Value::Bool(_) => QUOTES_AND_COMMA,
        Value::Number(_) => NUMBER,
        Value::String(text) => text.len() + QUOTES_AND_COMMA,
        Value::Array(values) => values.iter().map(size).sum::<usize>() + QUOTES_AND_COMMA,
        Value::Object(fields) => {
            let fields = fields.iter();
            fields.map(|(name, value)| name.len() + QUOTES_AND_COMMA + size(value)).sum::<usize>()
                + QUOTES_AND_COMMA
        }
    }
}

impl From<StoreError> for SourceError {
    fn from(error: StoreError) -> Self {
        Self::Unavailable(error.to_string())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn entry(seq: i64, length: usize) -> Entry {
        let envelope = Envelope {
            id: Uuid::nil(),
            event_type: "catalog.event_published".to_owned(),
            schema_version: 1,
            key: Uuid::nil(),
            time: "2026-11-20T19:00:00Z".parse().unwrap(),
            correlation_id: "request-1".to_owned(),
            causation_id: None,
            traceparent: String::new(),
            payload: json!({ "seats": ["x".repeat(length)] }),
            fault: None,
        };
        Entry { position: Position { txn: 0, seq }, envelope }
    }

    fn filled(limit: usize, lengths: &[usize]) -> Filling {
        let mut filling = Filling::up_to(limit);
        for (seq, length) in (1..).zip(lengths) {
            filling.take(entry(seq, *length));
            if filling.is_cut {
                break;
            }
        }
        filling
    }

    #[test]
    fn a_page_of_large_events_is_cut_before_it_is_too_large() {
        let page = filled(64, &[400_000; 41]);
        assert!(page.is_cut);
        assert_eq!(page.entries.len(), 10);
        let text = serde_json::to_string(&page.entries[0].envelope).unwrap();
        assert!(page.entries.len() * text.len() <= PAGE_BYTES);
    }

    #[test]
    fn an_event_that_is_larger_than_a_page_has_one_to_itself() {
        let page = filled(64, &[PAGE_BYTES, 1]);
        assert_eq!((page.entries.len(), page.is_cut), (1, true));
        let page = filled(64, &[1, PAGE_BYTES]);
        assert_eq!((page.entries.len(), page.is_cut), (1, true));
    }

    #[test]
    fn a_page_of_small_events_is_cut_by_their_number() {
        assert!(!filled(3, &[1, 1]).is_cut);
        assert!(filled(3, &[1, 1, 1, 1]).is_cut);
    }
}
