//! The publisher's side: domain events of the log, translated and served.

use std::{collections::HashMap, sync::Arc};

use runtime::{Boot, IntegrationEvents, StartError, async_trait};
use store::{Aggregate, Database, Events, Feed, Position, RawRecorded, Recorded, StoreError};
use tokio::time::Instant;
use uuid::Uuid;

use crate::{
    BusKind, BusSettings, Entry, Envelope, Hub, Page, Query, Relay, Source, SourceError, remote,
};

/// Entries of the log that are read at once. Of most logs only some are published.
const STRETCH: u32 = 256;

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
            let mut entries = Vec::new();
            for raw in stretch.events {
                // What could not be translated concerns everybody.
                let is_wanted =
                    |it: &Envelope| it.fault.is_some() || query.types.contains(&it.event_type);
                let entry = self.translate(raw).filter(|entry| is_wanted(&entry.envelope));
                entries.extend(entry);
                if entries.len() == limit {
                    break;
                }
            }
            let is_cut = entries.len() == limit;
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

impl From<StoreError> for SourceError {
    fn from(error: StoreError) -> Self {
        Self::Unavailable(error.to_string())
    }
}
