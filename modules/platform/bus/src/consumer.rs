//! Reads one publisher's events for one consumer, and sees to it that each takes effect once.
//!
//! What takes effect, how far the consumer has come and what was put aside are written in one
//! transaction, which commits only while the lease is held and the consumer is where this reader
//! believes it to be. So it does not matter where a reader dies, or who has taken its place.

mod aside;
mod feed;
mod partitions;
mod place;
mod setback;
mod take;

use std::{sync::Arc, time::Duration};

use runtime::{
    CancellationToken, Context, DEFAULT_DEADLINE, IntegrationEvents, Principal, Random, Timestamp,
    TraceContext, async_trait,
};
use store::{Backoff, Committer, Database, HeldLease, Inbox, Lease, LeaseError, Work};
use tokio::{sync::Notify, time::Instant};

pub(crate) use self::{
    place::{FeedPlace, PartitionPlace, Place},
    setback::{Interruption, Setback},
    take::Progress,
};
use crate::{BusSettings, Envelope, Handler, measures::Measures, subscribe::Typed};

/// The waits when the source or the consumer's own database does not answer, or something else
/// outside of the events is the trouble.
pub(crate) const TROUBLE: Backoff =
    Backoff { first: Duration::from_millis(50), longest: Duration::from_secs(1) };
/// How much without events for this consumer may be read again after a restart.
pub(crate) const UNNOTED: i64 = 1_000;

/// One consumer of one publisher's events. [`subscribe`](crate::subscribe()) makes one and runs it.
pub struct Consumer {
    name: &'static str,
    publisher: &'static str,
    /// The events it reacts to.
    types: Vec<&'static str>,
    /// The events this build knows.
    known: &'static [&'static str],
    committer: Committer,
    inbox: Inbox,
    handler: Arc<dyn Deliver>,
    settings: BusSettings,
    random: Arc<dyn Random>,
    measures: Measures,
    /// Told when an event is put aside.
    put_aside: Notify,
}

/// A handler, whatever the type of its events.
#[async_trait]
pub(crate) trait Deliver: Send + Sync + 'static {
    async fn deliver(&self, work: &mut Work<'_>, envelope: &Envelope) -> Result<(), Setback>;
}

impl Consumer {
    /// The consumer `consumer` of the events `types` of the publisher of `E`, in the committer's
    /// database.
    pub fn new<E: IntegrationEvents>(
        committer: &Committer,
        consumer: &'static str,
        types: Vec<&'static str>,
        handler: impl Handler<E>,
        settings: BusSettings,
        random: Arc<dyn Random>,
    ) -> Self {
        Self {
            name: consumer,
            publisher: E::PUBLISHER,
            types,
            known: E::NAMES,
            committer: committer.clone(),
            inbox: Inbox::new(consumer, E::PUBLISHER),
            handler: Arc::new(Typed::<E, _>::new(handler)),
            measures: Measures::new(consumer, E::PUBLISHER).with_alert(settings.dead_letters_alert),
            settings,
            random,
            put_aside: Notify::new(),
        }
    }

    fn database(&self) -> &Database {
        self.committer.database()
    }

    fn now(&self) -> Timestamp {
        self.committer.clock().now()
    }

    fn lease(&self) -> Lease {
        let name = format!("consumers/{}/{}", self.name, self.publisher);
        let silence = self.database().settings().lease_timeout;
        Lease::new(self.database(), name, self.committer.ids().next(), silence)
    }

    fn note_begin(&self, held: &HeldLease) {
        let (consumer, publisher) = (self.name, self.publisher);
        tracing::info!(consumer, publisher, epoch = held.epoch(), "reads events");
        self.measures.active(true);
    }

    async fn leave(&self, held: HeldLease) {
        let (consumer, publisher) = (self.name, self.publisher);
        if let Err(error) = held.release().await {
            tracing::warn!(consumer, publisher, %error, "its turn ends by silence");
        }
    }

    /// Lets whoever took over go on for a while.
    async fn step_back(&self, error: &LeaseError, stop: &CancellationToken) {
        let (consumer, publisher) = (self.name, self.publisher);
        tracing::warn!(consumer, publisher, %error, "another process reads events now");
        let silence = self.database().settings().lease_timeout;
        let _stopped = tokio::time::timeout(silence, stop.cancelled()).await;
    }

    /// A trouble that lasts is no news.
    fn report(&self, failures: u32, reason: &str) {
        let (consumer, publisher) = (self.name, self.publisher);
        if failures.is_power_of_two() {
            tracing::warn!(consumer, publisher, failures, reason, "events have to wait");
        } else {
            tracing::debug!(consumer, publisher, failures, reason, "events have to wait");
        }
    }

    fn go_on(&self, failures: &mut u32) {
        if *failures > 0 {
            let (consumer, publisher) = (self.name, self.publisher);
            tracing::info!(consumer, publisher, failures, "events go on");
            *failures = 0;
        }
    }

    /// The context of work that is about no event in particular.
    fn context(&self) -> Context {
        let trace = TraceContext::start(self.random.as_ref());
        self.context_with(self.committer.ids().next().to_string(), trace)
    }

    fn context_of(&self, envelope: &Envelope) -> Context {
        let random = self.random.as_ref();
        let trace = TraceContext::parse(&envelope.traceparent)
            .map_or_else(|| TraceContext::start(random), |trace| trace.child(random));
        self.context_with(envelope.correlation_id.clone(), trace).caused_by(envelope.id)
    }

    fn context_with(&self, correlation_id: String, trace: TraceContext) -> Context {
        let principal = Principal::Service { name: self.name.to_owned() };
        Context::new(principal, Instant::now() + DEFAULT_DEADLINE, correlation_id, trace)
    }
}
