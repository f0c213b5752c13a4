//! The consumer's side: what a module does when another one's events arrive.

use std::{marker::PhantomData, sync::Arc};

use runtime::{Boot, IntegrationEvents, StartError, async_trait};
use store::{Committer, HandlerError, Work};

use crate::{
    BusKind, BusSettings, Consumer, Delivered, Envelope, Hub, Source, alert,
    consumer::{Deliver, Setback},
    publish::hub,
    remote::{FEED, RemoteFeed},
};

/// Reacts to the events of one publisher.
#[async_trait]
pub trait Handler<E>: Send + Sync + 'static {
    /// Takes in one event. What is done through `work` (commands to aggregates, statements) is
    /// committed together with the fact that the event was taken in, or not at all, so it takes
    /// effect once. `work`'s context carries on the event's correlation and trace.
    ///
    /// Other effects would happen again with each attempt, and the transaction is shared with
    /// others: await nothing but `work`. Calls to other services belong into a timer
    /// ([`store::on_wake`]) that the handler sets by a command.
    ///
    /// # Errors
    /// Why the event cannot be taken in. It is tried again after a pause; after the last attempt it
    /// becomes a dead letter, and events with its key wait. A transient error stops the consumer
    /// until it is over, however long that takes.
    async fn handle(&self, work: &mut Work<'_>, event: &Delivered<E>) -> Result<(), HandlerError>;
}

/// Has `handler` take in the events of the publisher of `E` that the module lists under `consumes`,
/// in the order of each key, from the beginning of the publisher's log on. `consumer` names the
/// place where the module remembers how far it has come: usually its own name, and never changed.
///
/// # Errors
/// When the module consumes no event of that publisher, or the publisher is not hosted here and
/// nobody said where it is.
pub fn subscribe<E: IntegrationEvents>(
    boot: &mut Boot,
    committer: &Committer,
    consumer: &'static str,
    handler: impl Handler<E>,
) -> Result<(), StartError> {
    let (module, publisher) = (boot.module(), E::PUBLISHER);
    let types: Vec<&'static str> =
        E::NAMES.iter().copied().filter(|name| module.consumes.contains(name)).collect();
    if types.is_empty() {
        return Err(StartError::new(format!(
            "{} subscribes to {publisher} but consumes none of its events; list them under its \
             consumes: {}",
            module.name,
            E::NAMES.join(", ")
        )));
    }
    let settings = boot.settings::<BusSettings>();
    let kind = settings.kind;
    alert::report(boot, committer.database(), consumer, publisher, settings.dead_letters_alert);
    let random = boot.random();
    let reader = Consumer::new::<E>(committer, consumer, types, handler, settings, random);
    match kind {
        BusKind::Feed => follow_feed(boot, publisher, reader),
        BusKind::Kafka => {
            follow_topic(boot, publisher, reader);
            Ok(())
        }
    }
}

fn follow_feed(boot: &Boot, publisher: &'static str, reader: Consumer) -> Result<(), StartError> {
    let place = place_of(boot, publisher)?;
    if let Place::Here(hub) = &place {
        let hub = Arc::clone(hub);
        boot.readiness("feed", move || {
            let is_there = hub.has(publisher);
            Box::pin(async move {
                if is_there { Ok(()) } else { Err(format!("{publisher} publishes nothing yet")) }
            })
        });
    }
    boot.spawn("consumer", move |stop| async move {
        let source = stop.run_until_cancelled(place.source(publisher)).await;
        if let Some(source) = source {
            reader.run(source, stop).await;
        }
    });
    Ok(())
}

/// The publisher need not be known: its events are with the brokers. Where it is known, it can be
/// asked about what it could not translate.
fn follow_topic(boot: &Boot, publisher: &'static str, reader: Consumer) {
    let feed: Option<Arc<dyn Source>> = boot
        .http_client(publisher)
        .map(|client| Arc::new(RemoteFeed::new(boot, &FEED, &client)) as _);
    let hub = hub(boot).ok().filter(|_| boot.hosts(publisher));
    let standing = reader.group_standing();
    let reported = Arc::clone(&standing);
    boot.standing(format!("events of {publisher}"), move || {
        let standing = Arc::clone(&reported);
        Box::pin(async move { standing.report() })
    });
    boot.spawn("consumer", move |stop| async move {
        let feed = match hub {
            Some(hub) => stop.run_until_cancelled(hub.feed(publisher)).await,
            None => feed,
        };
        Arc::new(reader).run_as_group(standing, feed, stop).await;
    });
}

/// Where a publisher is. A publisher elsewhere that is not up is waited for and does not make the
/// consumer unready: it can do its own work, and two services that read each other's events could
/// otherwise wait for each other.
enum Place {
    Here(Arc<Hub>),
    Elsewhere(Arc<dyn Source>),
}

fn place_of(boot: &Boot, publisher: &'static str) -> Result<Place, StartError> {
    if boot.hosts(publisher) {
        return hub(boot).map(Place::Here);
    }
    match boot.http_client(publisher) {
        Some(client) => Ok(Place::Elsewhere(Arc::new(RemoteFeed::new(boot, &FEED, &client)))),
        None => Err(StartError::new(format!(
            "{} consumes events of {publisher}, which is neither hosted here nor addressed; set \
             peers.{publisher}.internal",
            boot.module().name
        ))),
    }
}

impl Place {
    async fn source(self, publisher: &'static str) -> Arc<dyn Source> {
        match self {
            Self::Here(hub) => hub.feed(publisher).await,
            Self::Elsewhere(feed) => feed,
        }
    }
}

/// A handler without the type of its events.
pub(crate) struct Typed<E, H> {
    handler: H,
    events: PhantomData<fn() -> E>,
}

impl<E, H> Typed<E, H> {
    pub(crate) fn new(handler: H) -> Self {
        Self { handler, events: PhantomData }
    }
}

#[async_trait]
impl<E: IntegrationEvents, H: Handler<E>> Deliver for Typed<E, H> {
    async fn deliver(&self, work: &mut Work<'_>, envelope: &Envelope) -> Result<(), Setback> {
        let event = envelope.open::<E>().map_err(Setback::Unreadable)?;
        self.handler.handle(work, &event).await.map_err(Setback::Handler)
    }
}
