//! Keeps one service's trail, from its feed or from its topic.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use runtime::{
    CancellationToken, Context, DEFAULT_DEADLINE, Principal, Random, TraceContext, async_trait,
    pause,
};
use store::{Backoff, Committer, HeldLease, Inbox, Lease, LeaseError, Mark, Work};
use tokio::time::{Instant, timeout};

use super::{AuditLog, AuditRecord, NoRecord};
use crate::{
    BusSettings, Entry, Envelope, Query, Source,
    consumer::{FeedPlace, Interruption, PartitionPlace, Place, Progress, Setback},
    kafka::{Group, GroupStanding, Taker},
    measures::Measures,
};

/// Records of one page, which is one statement and one commit.
const PAGE: u32 = 500;
/// How long records may gather before they are asked for. A trail need not be of this very moment,
/// and a commit for each change would cost as much as the changes themselves.
const GATHER: Duration = Duration::from_millis(250);
const TROUBLE: Backoff =
    Backoff { first: Duration::from_millis(100), longest: Duration::from_secs(5) };

/// Keeps the trail of one service.
pub(super) struct Keeper {
    name: &'static str,
    service: &'static str,
    consumer: &'static str,
    committer: Committer,
    inbox: Inbox,
    log: Arc<dyn AuditLog>,
    settings: BusSettings,
    random: Arc<dyn Random>,
    measures: Measures,
    has_strangers: AtomicBool,
}

impl Keeper {
    /// Keeps the trail `name` of `service`.
    pub(super) fn new(
        name: &'static str,
        service: &'static str,
        consumer: &'static str,
        committer: &Committer,
        log: Arc<dyn AuditLog>,
        settings: BusSettings,
        random: Arc<dyn Random>,
    ) -> Self {
        Self {
            name,
            service,
            consumer,
            committer: committer.clone(),
            inbox: Inbox::new(consumer, service),
            log,
            settings,
            random,
            measures: Measures::new(consumer, service),
            has_strangers: AtomicBool::new(false),
        }
    }

    pub(super) fn group_standing(&self) -> Arc<GroupStanding> {
        let topic = self.settings.kafka.topic(self.name);
        Arc::new(GroupStanding::new(self.consumer, self.service, topic))
    }

    /// Takes in what comes over Kafka, until `stop`. Nothing is put aside, so no replica does more
    /// than the others: each reads.
    pub(super) async fn run_as_group(self, standing: Arc<GroupStanding>, stop: CancellationToken) {
        let kafka = self.settings.kafka.clone();
        let random = Arc::clone(&self.random);
        let name = kafka.group(self.consumer, self.name);
        let keeper = Arc::new(self);
        keeper.measures.active(true);
        Group::new(&kafka, name, Arc::clone(&keeper) as _, random, standing).run(stop).await;
        keeper.measures.active(false);
    }

    /// Reads from `source` whenever it is this replica's turn, until `stop`.
    pub(super) async fn run(self, source: Arc<dyn Source>, stop: CancellationToken) {
        let database = self.committer.database();
        let silence = database.settings().lease_timeout;
        let name = format!("consumers/{}/{}", self.consumer, self.name);
        while !stop.is_cancelled() {
            let lease = Lease::new(database, name.clone(), self.committer.ids().next(), silence);
            let Some(held) = stop.run_until_cancelled(lease.acquire()).await else {
                return;
            };
            self.measures.active(true);
            tokio::select! {
                () = stop.cancelled() => {}
                _lost = held.keep() => {}
                _lost = self.follow(&held, source.as_ref()) => {}
            }
            self.measures.active(false);
            if stop.is_cancelled() {
                if let Err(error) = held.release().await {
                    tracing::warn!(trail = self.name, %error, "its turn ends by silence");
                }
                return;
            }
            tracing::warn!(trail = self.name, "another process keeps the trail now");
            let _stopped = timeout(silence, stop.cancelled()).await;
        }
    }

    /// Keeps page after page until the lease is lost.
    async fn follow(&self, held: &HeldLease, source: &dyn Source) -> LeaseError {
        let mut failures = 0;
        loop {
            let Err(interruption) = self.follow_undisturbed(held, source, &mut failures).await;
            match interruption {
                Interruption::Lost(error) => return error,
                Interruption::Overtaken => {}
                Interruption::Trouble(reason) => {
                    failures += 1;
                    self.report(failures, &reason);
                    pause(TROUBLE.pause(failures, self.random.as_ref())).await;
                }
            }
        }
    }

    async fn follow_undisturbed(
        &self,
        held: &HeldLease,
        source: &dyn Source,
        failures: &mut u32,
    ) -> Result<std::convert::Infallible, Interruption> {
        let database = self.committer.database();
        let moves = database.moves();
        let passed = Arc::new(self.inbox.passed(database).await?);
        let (held, inbox) = (held.clone(), self.inbox.clone());
        let place = FeedPlace { held, inbox, passed: Arc::clone(&passed) };
        let mut at = passed.feed();
        loop {
            if database.moves() != moves {
                // It may have gone back, and what came since has to come again.
                return Err(Interruption::Overtaken);
            }
            let types = vec![self.name.to_owned()];
            let query = Query { types, after: at, limit: PAGE, wait: self.settings.wait };
            let page = source.read(&query).await?;
            self.measures.arrived(&page, self.committer.clock().now());
            if page.reached != at {
                // What came over a broker before is kept already.
                let is_new = |it: &&Entry| !passed.contains(it.envelope.key, it.position);
                let new = page.entries.iter().filter(is_new).map(|it| &it.envelope);
                self.keep(&place, at, page.reached, self.records(new)?).await?;
                at = page.reached;
            }
            self.measures.taken(&page, self.committer.clock().now());
            *failures = 0;
            if page.behind == 0 && !page.entries.is_empty() {
                pause(GATHER).await;
            }
        }
    }

    /// The records. Of what a newer build wrote none is left out: the trail waits for such a build.
    fn records<'a>(
        &self,
        envelopes: impl Iterator<Item = &'a Envelope>,
    ) -> Result<Arc<[AuditRecord]>, Interruption> {
        let mut records = Vec::new();
        for envelope in envelopes {
            match AuditRecord::of(self.service, envelope.clone()) {
                Ok(record) => records.push(record),
                Err(NoRecord::Unreadable) => self.note_stranger(envelope),
                Err(NoRecord::Newer) => {
                    let (id, version) = (envelope.id, envelope.schema_version);
                    return Err(Interruption::Trouble(format!(
                        "record {id} of {} is of version {version}, which this build does not \
                         know; run a newer one",
                        self.name
                    )));
                }
            }
        }
        Ok(records.into())
    }

    /// Strangers are counted; that there are some is said once.
    fn note_stranger(&self, envelope: &Envelope) {
        self.measures.unknown();
        let (trail, event) = (self.name, envelope.id);
        if self.has_strangers.swap(true, Ordering::Relaxed) {
            tracing::debug!(trail, %event, "this is no record of the trail");
        } else {
            tracing::warn!(trail, %event, "this is no record of the trail; others are counted");
        }
    }

    async fn keep<P: Place>(
        &self,
        place: &P,
        from: P::Mark,
        to: P::Mark,
        records: Arc<[AuditRecord]>,
    ) -> Result<(), Interruption> {
        let (log, place) = (Arc::clone(&self.log), place.clone());
        let count = records.len();
        let kept: Result<(), Setback> = self
            .committer
            .transact(&self.context(), move |work: &mut Work<'_>| {
                let (log, place) = (Arc::clone(&log), place.clone());
                let records = Arc::clone(&records);
                Box::pin(async move {
                    place.enter(work.tx()).await?;
                    log.keep(work.tx(), &records).await?;
                    place.advance(work.tx(), from, to).await
                })
            })
            .await;
        kept.map_err(Setback::interruption)?;
        self.measures.handled(count);
        Ok(())
    }

    fn context(&self) -> Context {
        let principal = Principal::Service { name: self.consumer.to_owned() };
        let trace = TraceContext::start(self.random.as_ref());
        let correlation_id = self.committer.ids().next().to_string();
        Context::new(principal, Instant::now() + DEFAULT_DEADLINE, correlation_id, trace)
    }
}

#[async_trait]
impl Taker for Keeper {
    fn committer(&self) -> &Committer {
        &self.committer
    }

    fn inbox(&self) -> &Inbox {
        &self.inbox
    }

    fn batch(&self) -> usize {
        usize::try_from(PAGE).unwrap_or(1)
    }

    fn concerns(&self, envelope: &Envelope) -> bool {
        let is_record = envelope.event_type == self.name && envelope.fault.is_none();
        if !is_record {
            self.note_stranger(envelope);
        }
        is_record
    }

    async fn take(
        &self,
        place: &PartitionPlace,
        stretch: &[(Option<Mark>, Entry)],
        end: Option<Mark>,
        progress: &mut Progress<Option<Mark>>,
    ) -> Result<(), Interruption> {
        let records = self.records(stretch.iter().map(|(_, entry)| &entry.envelope))?;
        self.keep(place, progress.stored, end, records).await?;
        progress.stored = end;
        pause(GATHER).await;
        Ok(())
    }

    async fn step_over(
        &self,
        place: &PartitionPlace,
        to: Option<Mark>,
        progress: &mut Progress<Option<Mark>>,
    ) -> Result<(), Interruption> {
        self.keep(place, progress.stored, to, Arc::default()).await?;
        progress.stored = to;
        Ok(())
    }

    fn report(&self, failures: u32, reason: &str) {
        if failures.is_power_of_two() {
            tracing::warn!(trail = self.name, failures, reason, "the trail has to wait");
        }
    }

    fn go_on(&self, failures: &mut u32) {
        *failures = 0;
    }

    fn note_age(&self, last: Option<&Envelope>, is_all: bool) {
        let now = self.committer.clock().now();
        let oldest = last.filter(|_| !is_all).map_or(now, |envelope| envelope.time);
        self.measures.age(oldest, now);
    }
}
