//! Reads one publisher's events for one consumer, and sees to it that each takes effect once.
//!
//! What takes effect, how far the consumer has come and what was put aside are written in one
//! transaction, which commits only while the lease is held and the consumer is where this reader
//! believes it to be. So it does not matter where a reader dies, or who has taken its place.

mod aside;
mod setback;

use std::{collections::HashSet, sync::Arc, time::Duration};

use runtime::{
    CancellationToken, Context, DEFAULT_DEADLINE, IntegrationEvents, Principal, Random, Timestamp,
    TraceContext, async_trait,
};
use store::{
    Aside, Backoff, Committer, Database, Fate, HeldLease, Inbox, Lease, LeaseError, Parked,
    Position, StoreError, Work,
};
use tokio::time::Instant;
use uuid::Uuid;

pub(crate) use self::setback::Setback;
use self::setback::{Interruption, Verdict};
use crate::{
    BusSettings, Entry, Envelope, Handler, Page, Query, Source, measures::Measures,
    subscribe::Typed,
};

/// The waits when the source or the consumer's own database does not answer, or something else
/// outside of the events is the trouble.
const TROUBLE: Backoff =
    Backoff { first: Duration::from_millis(50), longest: Duration::from_secs(1) };
/// How often a consumer that has put events aside looks whether somebody decided about them.
const LONGEST_LOOK: Duration = Duration::from_secs(1);
const SHORTEST_LOOK: Duration = Duration::from_millis(10);
/// How much of a log without events for this consumer may be read again after a restart.
const UNNOTED: i64 = 1_000;

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
}

/// A handler, whatever the type of its events.
#[async_trait]
pub(crate) trait Deliver: Send + Sync + 'static {
    async fn deliver(&self, work: &mut Work<'_>, envelope: &Envelope) -> Result<(), Setback>;
}

/// Where a reader is.
struct Progress {
    /// How far the consumer has come, as stored.
    stored: Position,
    /// How far the feed was read. Between the two there is nothing for this consumer.
    read: Position,
    aside: Aside,
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
            settings,
            random,
            measures: Measures::new(consumer, E::PUBLISHER),
        }
    }

    /// Reads from `source` whenever it is this replica's turn, until `stop`.
    pub async fn run(self, source: Arc<dyn Source>, stop: CancellationToken) {
        while !stop.is_cancelled() {
            let Some(held) = stop.run_until_cancelled(self.lease().acquire()).await else {
                break;
            };
            self.note_begin(&held);
            let lost = tokio::select! {
                () = stop.cancelled() => None,
                lost = held.keep() => Some(lost),
                lost = self.follow(&held, source.as_ref()) => Some(lost),
            };
            self.measures.active(false);
            match lost {
                None => self.leave(held).await,
                Some(error) => self.step_back(&error, &stop).await,
            }
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

    /// Reads until the lease is lost.
    async fn follow(&self, held: &HeldLease, source: &dyn Source) -> LeaseError {
        let mut failures = 0;
        loop {
            match self.follow_undisturbed(held, source, &mut failures).await {
                Interruption::Lost(error) => return error,
                Interruption::Overtaken => {}
                Interruption::Trouble(reason) => {
                    failures += 1;
                    self.report(failures, &reason);
                    let pause = TROUBLE.pause(failures, self.random.as_ref());
                    let _passed = tokio::time::timeout(pause, std::future::pending::<()>()).await;
                }
            }
        }
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

    async fn follow_undisturbed(
        &self,
        held: &HeldLease,
        source: &dyn Source,
        failures: &mut u32,
    ) -> Interruption {
        let mut progress = match self.progress().await {
            Ok(progress) => progress,
            Err(error) => return error.into(),
        };
        loop {
            if let Err(interruption) = self.step(held, source, &mut progress).await {
                return interruption;
            }
            if *failures > 0 {
                let (consumer, publisher) = (self.name, self.publisher);
                tracing::info!(consumer, publisher, failures, "events go on");
                *failures = 0;
            }
        }
    }

    async fn progress(&self) -> Result<Progress, StoreError> {
        let stored = self.inbox.position(self.database()).await?;
        let aside = self.inbox.aside(self.database()).await?;
        self.measures.aside(aside);
        Ok(Progress { stored, read: stored, aside })
    }

    /// Tries what was put aside and is due, then takes in what the feed has next.
    async fn step(
        &self,
        held: &HeldLease,
        source: &dyn Source,
        progress: &mut Progress,
    ) -> Result<(), Interruption> {
        let mut wait = self.settings.wait;
        if progress.aside.events > 0 {
            let tried = self.try_aside(held, source).await?;
            progress.aside = self.inbox.aside(self.database()).await?;
            self.measures.aside(progress.aside);
            let next = if tried > 0 { Duration::ZERO } else { self.next_look().await? };
            wait = wait.min(next);
        }
        let query = self.query(progress.read, self.settings.batch, wait);
        let page = source.read(&query).await?;
        self.measures.arrived(&page, self.now());
        self.take(held, &page, progress).await?;
        self.measures.taken(&page, self.now());
        Ok(())
    }

    fn query(&self, after: Position, limit: u32, wait: Duration) -> Query {
        let types = self.types.iter().map(|name| (*name).to_owned()).collect();
        Query { types, after, limit, wait }
    }

    /// When to look again at what was put aside.
    async fn next_look(&self) -> Result<Duration, StoreError> {
        let due = self.inbox.next_due(self.database()).await?;
        let until = due.map(|due| due.duration_since(self.now()));
        let wait = until.and_then(|until| Duration::try_from(until).ok()).unwrap_or(LONGEST_LOOK);
        Ok(wait.clamp(SHORTEST_LOOK, LONGEST_LOOK))
    }

    /// Takes in a page: at once if all goes well, otherwise event by event.
    async fn take(
        &self,
        held: &HeldLease,
        page: &Page,
        progress: &mut Progress,
    ) -> Result<(), Interruption> {
        let entries = self.relevant(page);
        if entries.is_empty() {
            return self.step_over(held, page.reached, progress).await;
        }
        let blocked = self.blocked(&entries, progress).await?;
        let whole = self.sort(progress.stored, page.reached, &entries, &blocked);
        match self.commit(held, whole).await {
            Ok(handled) => self.measures.handled(handled),
            Err(Setback::Lost(error)) => return Err(Interruption::Lost(error)),
            Err(Setback::Overtaken) => return Err(Interruption::Overtaken),
            Err(Setback::Store(error)) if error.is_transient() => return Err(error.into()),
            Err(Setback::Unreadable(_) | Setback::Handler(_) | Setback::Store(_)) => {
                self.take_one_by_one(held, &entries, blocked, page.reached, progress).await?;
            }
        }
        self.reach(page.reached, progress).await
    }

    async fn reach(&self, to: Position, progress: &mut Progress) -> Result<(), Interruption> {
        (progress.stored, progress.read) = (to, to);
        if progress.aside.events > 0 {
            progress.aside = self.inbox.aside(self.database()).await?;
            self.measures.aside(progress.aside);
        }
        Ok(())
    }

    /// The events this build knows and this consumer reacts to.
    fn relevant(&self, page: &Page) -> Vec<Entry> {
        let mut relevant = Vec::with_capacity(page.entries.len());
        for entry in &page.entries {
            let name = entry.envelope.event_type.as_str();
            if entry.envelope.fault.is_some() || self.types.contains(&name) {
                relevant.push(entry.clone());
            } else if !self.known.contains(&name) {
                let (consumer, publisher) = (self.name, self.publisher);
                tracing::debug!(consumer, publisher, event = name, "an unknown event is skipped");
                self.measures.unknown();
            }
        }
        relevant
    }

    /// Nothing for this consumer: that is worth a commit only now and then.
    async fn step_over(
        &self,
        held: &HeldLease,
        to: Position,
        progress: &mut Progress,
    ) -> Result<(), Interruption> {
        progress.read = to;
        if to.seq.saturating_sub(progress.stored.seq) < UNNOTED {
            return Ok(());
        }
        let nothing = Step::new(progress.stored, to);
        self.commit(held, nothing).await.map_err(Setback::interruption)?;
        progress.stored = to;
        Ok(())
    }

    /// The keys of which events were put aside. Only this reader puts events aside, so while there
    /// are none, there is nothing to ask. Somebody may take one away meanwhile: then what is put
    /// behind it is the first of its queue, and its turn comes.
    async fn blocked(
        &self,
        entries: &[Entry],
        progress: &Progress,
    ) -> Result<HashSet<Uuid>, StoreError> {
        if progress.aside.events == 0 {
            return Ok(HashSet::new());
        }
        let keys = entries.iter().map(|entry| entry.envelope.key);
        self.inbox.blocked(self.database(), keys).await
    }

    fn sort(
        &self,
        from: Position,
        to: Position,
        entries: &[Entry],
        blocked: &HashSet<Uuid>,
    ) -> Step {
        let mut step = Step::new(from, to);
        for entry in entries {
            if blocked.contains(&entry.envelope.key) {
                step.parked.push(self.parked(entry, Fate::Waiting));
            } else {
                let envelope = entry.envelope.clone();
                step.handled.push((self.context_of(&envelope), envelope));
            }
        }
        step
    }

    /// Each event in a transaction of its own. One that fails is put aside.
    async fn take_one_by_one(
        &self,
        held: &HeldLease,
        entries: &[Entry],
        mut blocked: HashSet<Uuid>,
        end: Position,
        progress: &mut Progress,
    ) -> Result<(), Interruption> {
        for (index, entry) in entries.iter().enumerate() {
            let is_last = index + 1 == entries.len();
            let to = if is_last { end } else { entry.position };
            let from = progress.stored;
            let alone = self.sort(from, to, std::slice::from_ref(entry), &blocked);
            let verdict = match self.commit(held, alone).await {
                Ok(handled) => {
                    self.measures.handled(handled);
                    progress.stored = to;
                    continue;
                }
                Err(setback) => setback.verdict(),
            };
            let fate = match verdict {
                Verdict::GiveUp(interruption) => return Err(interruption),
                Verdict::Postpone(reason) => return Err(Interruption::Trouble(reason)),
                Verdict::Unreadable(error) => self.dead(&entry.envelope, 1, error),
                Verdict::Failed(error) => self.after_failure(&entry.envelope, 1, error),
            };
            let mut aside = Step::new(from, to);
            aside.parked.push(self.parked(entry, fate));
            self.commit(held, aside).await.map_err(Setback::interruption)?;
            blocked.insert(entry.envelope.key);
            progress.stored = to;
            progress.aside.events += 1;
        }
        Ok(())
    }

    /// Takes a step in one transaction. The answer says how many events took effect.
    async fn commit(&self, held: &HeldLease, step: Step) -> Result<usize, Setback> {
        let (tools, step) = (self.tools(held), Arc::new(step));
        self.committer
            .transact(&self.context(), move |work: &mut Work<'_>| {
                let (tools, step) = (tools.clone(), Arc::clone(&step));
                Box::pin(async move {
                    tools.held.fence(work.tx()).await?;
                    for (cx, envelope) in &step.handled {
                        tools.handler.deliver(&mut work.within(cx), envelope).await?;
                    }
                    if !step.parked.is_empty() {
                        tools.inbox.park(work.tx(), &step.parked).await?;
                    }
                    if !tools.inbox.advance(work.tx(), step.from, step.to).await? {
                        return Err(Setback::Overtaken);
                    }
                    Ok(step.handled.len())
                })
            })
            .await
    }

    fn tools(&self, held: &HeldLease) -> Tools {
        Tools { held: held.clone(), inbox: self.inbox.clone(), handler: Arc::clone(&self.handler) }
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

/// What happens in one transaction of a consumer.
struct Step {
    from: Position,
    to: Position,
    /// Events that take effect.
    handled: Vec<(Context, Envelope)>,
    /// Events that are put aside.
    parked: Vec<Parked>,
}

impl Step {
    fn new(from: Position, to: Position) -> Self {
        Self { from, to, handled: Vec::new(), parked: Vec::new() }
    }
}

/// What work in a transaction needs.
#[derive(Clone)]
struct Tools {
    held: HeldLease,
    inbox: Inbox,
    handler: Arc<dyn Deliver>,
}
