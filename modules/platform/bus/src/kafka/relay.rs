//! Copies a publisher's log to its topic: in the log's order, without gaps, again rather than never.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use rdkafka::{
    ClientContext, Statistics,
    config::RDKafkaLogLevel,
    error::{KafkaError, RDKafkaErrorCode},
    producer::{DeliveryFuture, FutureProducer, FutureRecord, Producer as _},
};
use runtime::{CancellationToken, Ids, Random, pause};
use store::{
    Database, HeldLease, Lease, LeaseError, Position, RelayLog, RelayPosition, StoreError,
    partition_of,
};
use tokio::time::timeout;
use uuid::Uuid;

use super::{
    KafkaSettings,
    chain::Placing,
    client::{FORGOTTEN, has_forgotten_brokers, log},
    message::headers,
    refusals::{Refusals, is_about_size},
    relay_standing::{RelayStanding, UNACKNOWLEDGED},
    topics,
};
use crate::{
    BusSettings, Entry, Envelope, Page, Query, Source, SourceError,
    consumer::{TROUBLE, UNNOTED},
};

/// Events that are on their way to the brokers at once.
const BATCH: u32 = 500;
/// How often it is noted what brokers have acknowledged. What is not noted is published again after
/// a crash, which consumers pass over.
const NOTES: Duration = Duration::from_millis(250);
/// After how long without an acknowledgement something is said.
const PATIENCE: Duration = Duration::from_secs(3);

/// Copies one log to one topic. Of a publisher's replicas one does, under a lease.
pub struct Relay {
    source: Arc<dyn Source>,
    /// The names of the events that are published.
    types: Vec<String>,
    /// What consumers are told of who published: service and version.
    producer: String,
    database: Database,
    log: RelayLog,
    settings: KafkaSettings,
    wait: Duration,
    ids: Ids,
    random: Arc<dyn Random>,
    standing: Arc<RelayStanding>,
}

/// Why publishing does not go on.
#[derive(Debug, thiserror::Error)]
enum Setback {
    /// Another process publishes now.
    #[error(transparent)]
    Lost(LeaseError),
    /// What is stored is not what was noted last: somebody wants everything published again.
    #[error("somebody has moved the relay")]
    Moved,
    /// Brokers do not take something that was sent.
    #[error("the brokers refuse what is published: {0}")]
    Refused(KafkaError),
    /// Others wrote the same rows at the same moment.
    #[error("others keep changing the same rows: {0}")]
    Contended(String),
    #[error("{0}")]
    Trouble(String),
}

impl From<LeaseError> for Setback {
    fn from(error: LeaseError) -> Self {
        match error {
            LeaseError::Lost(_) => Self::Lost(error),
            LeaseError::Store(error) => error.into(),
        }
    }
}

impl From<StoreError> for Setback {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Contended(reason) => Self::Contended(reason),
            _ => Self::Trouble(error.to_string()),
        }
    }
}

impl From<store::sqlx::Error> for Setback {
    fn from(error: store::sqlx::Error) -> Self {
        StoreError::from(error).into()
    }
}

impl From<SourceError> for Setback {
    fn from(error: SourceError) -> Self {
        Self::Trouble(error.to_string())
    }
}

impl From<KafkaError> for Setback {
    fn from(error: KafkaError) -> Self {
        Self::Trouble(error.to_string())
    }
}

/// Where the relay is.
struct Progress {
    /// As it is stored.
    stored: Position,
    /// As brokers have acknowledged it.
    acknowledged: RelayPosition,
    noted: Instant,
    /// Whether there was nothing to publish the last time.
    is_idle: bool,
}

impl Progress {
    fn is_noted(&self) -> bool {
        self.stored == self.acknowledged.reached
    }
}

type Producer = FutureProducer<Context>;

impl Relay {
    /// A relay of the events `types` that `source` reads from `database`, to the topic of
    /// `publisher`: a service, or a trail such as `orders.audit`.
    pub fn new(
        database: &Database,
        publisher: &str,
        types: &[&str],
        source: Arc<dyn Source>,
        settings: &BusSettings,
        ids: Ids,
        random: Arc<dyn Random>,
    ) -> Self {
        let topic = settings.kafka.topic(publisher);
        Self {
            source,
            types: types.iter().map(|name| (*name).to_owned()).collect(),
            producer: format!("{publisher}/{}", env!("CARGO_PKG_VERSION")),
            database: database.clone(),
            log: RelayLog::new(&topic, settings.kafka.partitions),
            settings: settings.kafka.clone(),
            wait: settings.wait,
            ids,
            random,
            standing: Arc::new(RelayStanding::new(topic)),
        }
    }

    pub(crate) fn standing(&self) -> Arc<RelayStanding> {
        Arc::clone(&self.standing)
    }

    /// Publishes whenever it is this replica's turn, until `stop`.
    pub async fn run(self, stop: CancellationToken) {
        self.settings.warn_of_clear_password(self.standing.topic());
        let silence = self.database.settings().lease_timeout;
        let name = format!("relays/{}", self.standing.topic());
        while !stop.is_cancelled() {
            let lease = Lease::new(&self.database, name.clone(), self.ids.next(), silence);
            let Some(held) = stop.run_until_cancelled(lease.acquire()).await else {
                return;
            };
            self.standing.active(true);
            let lost = tokio::select! {
                () = stop.cancelled() => None,
                lost = held.keep() => Some(lost),
                lost = self.follow(&held) => Some(lost),
            };
            self.standing.active(false);
            let topic = self.standing.topic();
            match lost {
                None => {
                    if let Err(error) = held.release().await {
                        tracing::warn!(topic, %error, "its turn to publish ends by silence");
                    }
                }
                Some(error) => {
                    tracing::warn!(topic, %error, "another process publishes events now");
                    let _stopped = timeout(silence, stop.cancelled()).await;
                }
            }
        }
    }

    /// Publishes until the lease is lost.
    async fn follow(&self, held: &HeldLease) -> LeaseError {
        let mut failures = 0;
        let mut refusals = Refusals::default();
        loop {
            let Err(setback) = self.follow_undisturbed(held, &mut failures, &mut refusals).await;
            let reason = setback.to_string();
            match setback {
                Setback::Lost(error) => return error,
                Setback::Moved => {
                    refusals = Refusals::default();
                    tracing::info!(topic = self.standing.topic(), "publishes from another place");
                }
                Setback::Refused(_) | Setback::Contended(_) | Setback::Trouble(_) => {
                    failures += 1;
                    self.standing.problem(Some(reason));
                    pause(TROUBLE.pause(failures, self.random.as_ref())).await;
                }
            }
        }
    }

    async fn follow_undisturbed(
        &self,
        held: &HeldLease,
        failures: &mut u32,
        refusals: &mut Refusals,
    ) -> Result<std::convert::Infallible, Setback> {
        let ready = topics::ensure(&self.settings, self.standing.topic()).await;
        ready.map_err(|error| Setback::Trouble(error.to_string()))?;
        let log = store::own_log(&self.database, self.ids.next()).await?;
        let producer = self.connect(log)?;
        let acknowledged = self.log.read(&self.database).await?;
        let mut progress = Progress {
            stored: acknowledged.reached,
            acknowledged,
            noted: Instant::now(),
            is_idle: false,
        };
        loop {
            let wait = match progress.is_noted() {
                false => self.wait.min(NOTES),
                // Whether the trouble is over is to be known soon.
                true if *failures > 0 => Duration::ZERO,
                true => self.wait,
            };
            let after = progress.acknowledged.reached;
            let limit = if refusals.is_alone(after) { 1 } else { BATCH };
            let query = Query { types: self.types.clone(), after, limit, wait };
            // What is yet to be noted is noted while there is nothing to publish anyway.
            let reading = self.source.read(&query);
            let (page, noted) = tokio::join!(reading, self.note(held, &mut progress));
            let has_noted = noted?;
            self.publish(&producer, &page?, &mut progress, refusals).await?;
            // All is well once brokers have taken something and that is noted, or nothing is left.
            if has_noted || progress.is_noted() {
                *failures = 0;
                self.standing.problem(None);
            }
        }
    }

    fn connect(&self, log: Uuid) -> Result<Owned, KafkaError> {
        let forgotten = CancellationToken::new();
        let context =
            Context { standing: Arc::clone(&self.standing), forgotten: forgotten.clone() };
        let producer = self.settings.producer().create_with_context(context)?;
        Ok(Owned { producer: Some(producer), forgotten, log })
    }

    /// Publishes a page and waits until brokers have all of it.
    async fn publish(
        &self,
        producer: &Owned,
        page: &Page,
        progress: &mut Progress,
        refusals: &mut Refusals,
    ) -> Result<(), Setback> {
        let mut sent = Vec::with_capacity(page.entries.len());
        let mut tails = progress.acknowledged.tails.clone();
        if !page.entries.is_empty() {
            self.standing.waits(page.behind + count(page));
        }
        for entry in &page.entries {
            let partition = partition_of(entry.envelope.key, self.settings.partitions);
            let previous = tails.insert(partition, entry.position).unwrap_or(Position::START);
            let placing = Placing { position: entry.position, previous };
            let is_too_large = refusals.is_too_large(entry.position);
            let delivery = self.send(producer, entry, partition, placing, is_too_large);
            if let Err(Setback::Refused(_)) = &delivery {
                producer.is_let_in()?;
            }
            sent.push(delivery?);
        }
        for delivery in sent {
            let outcome = self.acknowledged(producer, delivery, page).await;
            if let Err(Setback::Refused(error)) = &outcome {
                producer.is_let_in()?;
                refusals.learn(progress.stored, page, error);
            }
            outcome?;
        }
        progress.acknowledged = RelayPosition { reached: page.reached, tails };
        progress.is_idle = page.entries.is_empty();
        self.standing.published(page.entries.len(), page.reached, page.behind);
        Ok(())
    }

    /// Waits until brokers have an event, for however long that takes; what takes long is told.
    async fn acknowledged(
        &self,
        producer: &Owned,
        mut delivery: DeliveryFuture,
        page: &Page,
    ) -> Result<(), Setback> {
        loop {
            let waiting = timeout(PATIENCE, &mut delivery);
            let Some(outcome) = producer.forgotten.run_until_cancelled(waiting).await else {
                return Err(Setback::Trouble(FORGOTTEN.to_owned()));
            };
            match outcome {
                Ok(Ok(Ok(_delivered))) => return Ok(()),
                Ok(Ok(Err((error, _message)))) => return Err(Setback::Refused(error)),
                Ok(Err(_gone)) => return Err(KafkaError::Canceled.into()),
                Err(_elapsed) => {
                    self.standing.problem(Some(UNACKNOWLEDGED.to_owned()));
                    self.look_how_much_waits(page).await;
                }
            }
        }
    }

    /// While a page waits for brokers, more is recorded behind it.
    async fn look_how_much_waits(&self, page: &Page) {
        let (types, after) = (self.types.clone(), page.reached);
        let query = Query { types, after, limit: 1, wait: Duration::ZERO };
        match self.source.read(&query).await {
            Ok(next) => self.standing.waits(count(page) + count(&next) + next.behind),
            Err(error) => tracing::debug!(topic = self.standing.topic(), %error, "cannot look"),
        }
    }

    /// Hands an event to the producer; of one that is too large, only what it is about.
    fn send(
        &self,
        producer: &Owned,
        entry: &Entry,
        partition: u32,
        placing: Placing,
        is_too_large: bool,
    ) -> Result<DeliveryFuture, Setback> {
        if !is_too_large {
            match self.hand_over(producer, &entry.envelope, partition, placing) {
                Err(Setback::Refused(error)) if is_about_size(&error) => {}
                handed_over => return handed_over,
            }
        }
        let (topic, event) = (self.standing.topic(), entry.envelope.id);
        tracing::error!(topic, %event, "too large for the brokers; consumers have to ask for it");
        self.hand_over(producer, &entry.envelope.without_payload(), partition, placing)
    }

    fn hand_over(
        &self,
        producer: &Owned,
        envelope: &Envelope,
        partition: u32,
        placing: Placing,
    ) -> Result<DeliveryFuture, Setback> {
        let value = serde_json::to_vec(envelope)
            .map_err(|error| Setback::Trouble(format!("event {}: {error}", envelope.id)))?;
        let key = envelope.key.to_string();
        let record = FutureRecord::to(self.standing.topic())
            .partition(i32::try_from(partition).unwrap_or(0))
            .key(&key)
            .headers(headers(envelope, producer.log, placing, &self.producer))
            .payload(&value);
        let handed_over = producer.producer()?.send_result(record);
        handed_over.map_err(|(error, _record)| Setback::Refused(error))
    }

    /// Notes now and then what brokers have, and notices when somebody has moved the relay. Whether
    /// it did note something.
    async fn note(&self, held: &HeldLease, progress: &mut Progress) -> Result<bool, Setback> {
        let reached = progress.acknowledged.reached;
        if progress.is_noted() {
            if progress.is_idle && self.log.read(&self.database).await?.reached != progress.stored {
                return Err(Setback::Moved);
            }
            return Ok(false);
        }
        let is_far = reached.seq.saturating_sub(progress.stored.seq) >= UNNOTED;
        let is_time = progress.noted.elapsed() >= NOTES;
        if !is_time && !is_far {
            return Ok(false);
        }
        match self.advance(held, progress).await {
            Ok(()) => {
                (progress.stored, progress.noted) = (reached, Instant::now());
                Ok(true)
            }
            // It is noted with what comes next.
            Err(Setback::Contended(reason)) => {
                let topic = self.standing.topic();
                tracing::debug!(topic, reason, "others write where the relay is");
                Ok(false)
            }
            Err(setback) => Err(setback),
        }
    }

    async fn advance(&self, held: &HeldLease, progress: &Progress) -> Result<(), Setback> {
        let mut tx = self.database.begin().await?;
        held.fence(&mut tx).await?;
        if !self.log.advance(&mut tx, progress.stored, &progress.acknowledged).await? {
            tx.rollback().await?;
            return Err(Setback::Moved);
        }
        Ok(tx.commit().await?)
    }
}

/// How many events a page has.
fn count(page: &Page) -> u64 {
    u64::try_from(page.entries.len()).unwrap_or(u64::MAX)
}

/// A producer. Dropping one waits for its thread, which is not for those who must not wait.
struct Owned {
    producer: Option<Producer>,
    /// Cancelled when it no longer knows whom to send anything to.
    forgotten: CancellationToken,
    /// The log whose copies it makes.
    log: Uuid,
}

impl Owned {
    fn producer(&self) -> Result<&Producer, KafkaError> {
        self.producer.as_ref().ok_or(KafkaError::Canceled)
    }

    /// Fails when brokers let this producer do nothing at all, whatever it sends.
    fn is_let_in(&self) -> Result<(), Setback> {
        match self.producer()?.client().fatal_error() {
            // One message was refused, and so nothing may follow it.
            None | Some((RDKafkaErrorCode::GaplessGuarantee, _)) => Ok(()),
            // The words that come with it name a broker, each time another.
            Some((code, _)) => {
                Err(Setback::Trouble(format!("the brokers refuse our producer: {code}")))
            }
        }
    }
}

impl Drop for Owned {
    fn drop(&mut self) {
        if let Some(producer) = self.producer.take() {
            let name = std::thread::Builder::new().name("kafka producer ends".to_owned());
            let _ended_by_itself = name.spawn(move || drop(producer));
        }
    }
}

/// What librdkafka calls back.
struct Context {
    standing: Arc<RelayStanding>,
    forgotten: CancellationToken,
}

impl ClientContext for Context {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        log(level, facility, message);
    }

    fn stats(&self, statistics: Statistics) {
        self.standing.heard(&statistics);
        if has_forgotten_brokers(&statistics) {
            self.forgotten.cancel();
        }
    }

    fn error(&self, error: KafkaError, reason: &str) {
        tracing::debug!(topic = self.standing.topic(), %error, reason, "librdkafka");
    }
}
