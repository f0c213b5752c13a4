//! Tills publish what they sell; a ledger takes it in.

use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use bus::{
    BusSettings, Consumer, Delivered, Handler, HandlerError, PublishedFeed, Relay, Source,
    Translator,
};
use runtime::{
    CancellationToken, Clock, Context, Ids, IntegrationEvents, Principal, Random, SystemRandom,
    TraceContext, async_trait,
};
use serde::{Deserialize, Serialize};
use store::{
    Aggregate, CommitObserver, Committer, Database, DatabaseSettings, DeadLetter, DeadLetters,
    Events, Schema, WantedLetters, Work,
};
use testkit::{TestClock, eventually, postgres};
use tokio::{task::JoinSet, time::Instant};
use utoipa::ToSchema;
use uuid::Uuid;

/// Runs each test on SQLite and on PostgreSQL.
macro_rules! on_both {
    ($($(#[$attribute:meta])* async fn $name:ident($town:ident: Town $(,)?) $body:block)*) => {
        $(mod $name {
            use super::*;

            async fn test($town: $crate::support::Town) $body

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn on_sqlite() {
                test($crate::support::Town::on_sqlite().await).await;
            }

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn on_postgres() {
                test($crate::support::Town::on_postgres().await).await;
            }
        })*
    };
}
pub(crate) use on_both;

/// After how long a silent process is taken for dead. Short, since tests wait for it.
pub(crate) const SILENCE: Duration = Duration::from_millis(800);

pub(crate) static SALES: Schema = Schema::new(
    "sales",
    store::sqlx::migrate::Migrator::DEFAULT,
    store::sqlx::migrate::Migrator::DEFAULT,
);
pub(crate) static LEDGER: Schema = Schema::new(
    "ledger",
    store::sqlx::migrate::Migrator::DEFAULT,
    store::sqlx::migrate::Migrator::DEFAULT,
);

/// The databases of both services.
pub(crate) struct Town {
    pub(crate) clock: TestClock,
    settings: DatabaseSettings,
    folder: tempfile::TempDir,
}

impl Town {
    pub(crate) async fn on_sqlite() -> Self {
        Self::with(DatabaseSettings::default()).await
    }

    pub(crate) async fn on_postgres() -> Self {
        Self::at(&postgres::fresh_database().await).await
    }

    pub(crate) async fn at(url: &postgres::PostgresUrl) -> Self {
        let settings = serde_json::json!({ "url": url.as_str() });
        Self::with(serde_json::from_value(settings).unwrap()).await
    }

    async fn with(settings: DatabaseSettings) -> Self {
        let town = Self {
            clock: TestClock::running(),
            settings: DatabaseSettings { lease_timeout: SILENCE, ..settings },
            folder: tempfile::tempdir().unwrap(),
        };
        for schema in [&SALES, &LEDGER] {
            let database = town.connect(schema).await;
            schema.up_on(&database).await.unwrap();
            database.close().await;
        }
        town
    }

    pub(crate) fn with_silence(mut self, silence: Duration) -> Self {
        self.settings.lease_timeout = silence;
        self
    }

    async fn connect(&self, schema: &Schema) -> Database {
        Database::connect(&self.settings, schema.name(), self.folder.path()).await.unwrap()
    }

    async fn committer(
        &self,
        schema: &Schema,
        tasks: &mut JoinSet<()>,
        observer: Option<CommitObserver>,
    ) -> Committer {
        let database = self.connect(schema).await;
        let clock: Arc<dyn Clock> = Arc::new(self.clock.clone());
        let ids = Ids::new(Arc::clone(&clock), random());
        let (committer, work) = Committer::new(&database, clock, ids, observer);
        tasks.spawn(work.run());
        committer
    }

    /// A process of the publisher.
    pub(crate) async fn shop(&self) -> Shop {
        let mut tasks = JoinSet::new();
        let committer = self.committer(&SALES, &mut tasks, None).await;
        Shop { tills: Events::new(&committer, ()), tasks, stop: CancellationToken::new() }
    }

    /// A process of the consumer that does not read yet.
    pub(crate) async fn office(&self) -> Office {
        self.office_with(None).await
    }

    pub(crate) async fn office_with(&self, observer: Option<CommitObserver>) -> Office {
        let mut tasks = JoinSet::new();
        let committer = self.committer(&LEDGER, &mut tasks, observer).await;
        let letters = DeadLetters::new(committer.database(), Arc::new(self.clock.clone()));
        Office {
            accounts: Events::new(&committer, ()),
            committer,
            letters,
            tasks,
            stop: CancellationToken::new(),
        }
    }
}

/// Dropped, it is dead.
pub(crate) struct Shop {
    pub(crate) tills: Events<Till>,
    pub(crate) tasks: JoinSet<()>,
    pub(crate) stop: CancellationToken,
}

impl Shop {
    pub(crate) fn feed(&self) -> Arc<dyn Source> {
        Arc::new(PublishedFeed::new(self.tills.committer().database(), vec![translator()]))
    }

    /// Copies what it sells to its topic.
    pub(crate) fn publish(&mut self, settings: &BusSettings) {
        let committer = self.tills.committer();
        let relay = Relay::new(
            committer.database(),
            "sales",
            SalesEvent::NAMES,
            self.feed(),
            settings,
            committer.ids().clone(),
            random(),
        );
        self.tasks.spawn(relay.run(self.stop.clone()));
    }

    /// Ends it as a kill does, and waits until it is gone.
    pub(crate) async fn kill(mut self) {
        self.tasks.shutdown().await;
        self.tills.committer().database().close().await;
    }

    /// Sells `count` things at a till. Each sale is followed by something that is not published.
    pub(crate) async fn sell(&self, till: u128, count: u64) {
        for _ in 0..count {
            self.tills.execute(&context(), uuid(till), TillCommand::Sell).await.unwrap();
        }
    }
}

pub(crate) fn translator() -> Translator<SalesEvent> {
    Translator::of::<Till>(|recorded| match recorded.event {
        TillEvent::Sold { number } => {
            assert!(number != UNSPEAKABLE, "words fail");
            let receipt = receipt(number);
            Some(SalesEvent::SaleMade { till_id: recorded.stream, number, receipt })
        }
        TillEvent::DrawerClosed => None,
    })
}

/// The number of a sale of so many things that its receipt is larger than messages may be.
pub(crate) const ENDLESS: u64 = 5_000;
/// The number of a sale whose receipt is large, and cannot be made much smaller.
pub(crate) const LENGTHY: u64 = 4_000;

fn receipt(number: u64) -> String {
    let lines = match number {
        ENDLESS => 50_000,
        LENGTHY => 1_500,
        _ => 0,
    };
    let items = (1..=lines).scan(number, |item, line: u64| {
        *item = item.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(line);
        Some(format!("{item:016x}{line:04x}"))
    });
    items.collect()
}

/// The number of a sale that cannot be translated.
pub(crate) const UNSPEAKABLE: u64 = 666;

/// Dropped, it is dead.
pub(crate) struct Office {
    pub(crate) committer: Committer,
    pub(crate) accounts: Events<Account>,
    pub(crate) letters: DeadLetters,
    pub(crate) tasks: JoinSet<()>,
    pub(crate) stop: CancellationToken,
}

impl Office {
    /// Takes in what `source` tells, in the mood of `clerk`.
    pub(crate) fn read(&mut self, source: Arc<dyn Source>, clerk: &Clerk) {
        let consumer = self.consumer(LEDGER.name(), BusSettings::default(), clerk);
        self.tasks.spawn(consumer.run(source, self.stop.clone()));
    }

    /// Takes in what comes over Kafka, in the mood of `clerk`.
    pub(crate) fn read_topic(&mut self, settings: &BusSettings, clerk: &Clerk) {
        let consumer = self.consumer(LEDGER.name(), settings.clone(), clerk);
        self.tasks.spawn(consumer.run_on_kafka(None, self.stop.clone()));
    }

    /// As [`Office::read_topic`], able to ask the publisher itself.
    pub(crate) fn read_topic_of(
        &mut self,
        feed: Arc<dyn Source>,
        settings: &BusSettings,
        clerk: &Clerk,
    ) {
        let consumer = self.consumer(LEDGER.name(), settings.clone(), clerk);
        self.tasks.spawn(consumer.run_on_kafka(Some(feed), self.stop.clone()));
    }

    pub(crate) fn consumer(
        &self,
        name: &'static str,
        settings: BusSettings,
        clerk: &Clerk,
    ) -> Consumer {
        let bookkeeper = Bookkeeper { accounts: self.accounts.clone(), clerk: clerk.clone() };
        let settings = BusSettings {
            first_pause: Duration::from_millis(5),
            longest_pause: Duration::from_millis(20),
            attempts: ATTEMPTS,
            ..settings
        };
        Consumer::new::<SalesEvent>(
            &self.committer,
            name,
            SalesEvent::NAMES.to_vec(),
            bookkeeper,
            settings,
            random(),
        )
    }

    /// What is dead or tried again.
    pub(crate) async fn dead_letters(&self) -> Vec<DeadLetter> {
        self.letters.list(&WantedLetters::default(), None, 10).await.unwrap()
    }

    /// The numbers of the sales that took effect, in the order in which they did.
    pub(crate) async fn booked(&self, till: u128) -> Vec<u64> {
        let history = self.accounts.history(uuid(till)).await.unwrap();
        history.into_iter().map(|recorded| recorded.event.number()).collect()
    }

    pub(crate) async fn has_booked(&self, till: u128, numbers: impl IntoIterator<Item = u64>) {
        let expected: Vec<u64> = numbers.into_iter().collect();
        eventually(format!("sales {expected:?} of till {till}"), || async {
            let booked = self.booked(till).await;
            if booked == expected { Ok(()) } else { Err(format!("{booked:?}")) }
        })
        .await;
    }

    /// Ends it as a kill does, and waits until it is gone.
    pub(crate) async fn kill(mut self) {
        self.tasks.shutdown().await;
        self.committer.database().close().await;
    }
}

pub(crate) const ATTEMPTS: u32 = 3;

/// How the handler behaves, and what it was asked to do.
#[derive(Clone, Default)]
pub(crate) struct Clerk(Arc<Mutex<Mood>>);

#[derive(Default)]
pub(crate) struct Mood {
    /// How often each sale fails from now on, by till and number.
    pub(crate) stumbles: HashMap<(u128, u64), u32>,
    /// Sales at which the handler panics.
    pub(crate) panics: HashSet<(u128, u64)>,
    /// What the handler needs is not there.
    pub(crate) is_helpless: bool,
    /// Each call, by till and number.
    pub(crate) calls: Vec<(u128, u64)>,
    /// What the handler last got.
    pub(crate) last: Option<(Delivered<SalesEvent>, Context)>,
}

impl Clerk {
    pub(crate) fn with<T>(&self, look: impl FnOnce(&mut Mood) -> T) -> T {
        look(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Fails at this sale until told otherwise.
    pub(crate) fn stumble(&self, till: u128, number: u64, times: u32) {
        self.with(|mood| mood.stumbles.insert((till, number), times));
    }

    pub(crate) fn calls_for(&self, till: u128, number: u64) -> usize {
        self.with(|mood| mood.calls.iter().filter(|call| **call == (till, number)).count())
    }

    pub(crate) fn calls(&self) -> usize {
        self.with(|mood| mood.calls.len())
    }
}

struct Bookkeeper {
    accounts: Events<Account>,
    clerk: Clerk,
}

#[async_trait]
impl Handler<SalesEvent> for Bookkeeper {
    async fn handle(
        &self,
        work: &mut Work<'_>,
        event: &Delivered<SalesEvent>,
    ) -> Result<(), HandlerError> {
        let SalesEvent::SaleMade { till_id, number, .. } = event.event else {
            return Err(HandlerError::new("no such sale"));
        };
        let sale = (till_id.as_u128(), number);
        // The effect comes before the failure, so that it must be taken back.
        work.execute(&self.accounts, till_id, Book { sale: event.id, number }).await?;
        self.clerk.with(|mood| {
            mood.calls.push(sale);
            mood.last = Some((event.clone(), work.cx().clone()));
            assert!(!mood.panics.contains(&sale), "the clerk has fainted");
            if mood.is_helpless {
                return Err(HandlerError::transient("the lights are out"));
            }
            match mood.stumbles.get_mut(&sale) {
                Some(left) if *left > 0 => {
                    *left -= 1;
                    Err(HandlerError::new("the ink has run dry"))
                }
                _ => Ok(()),
            }
        })
    }
}

pub(crate) fn random() -> Arc<dyn Random> {
    Arc::new(SystemRandom::default())
}

pub(crate) fn context() -> Context {
    let deadline = Instant::now() + Duration::from_secs(30);
    let trace = TraceContext::start(random().as_ref());
    Context::new(Principal::Anonymous, deadline, "req-1", trace)
}

pub(crate) fn uuid(number: u128) -> Uuid {
    Uuid::from_u128(number)
}

/// Published by the tills.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(crate) enum SalesEvent {
    SaleMade {
        till_id: Uuid,
        number: u64,
        #[serde(default, skip_serializing_if = "String::is_empty")]
        receipt: String,
    },
    #[serde(other)]
    Unknown,
}

impl IntegrationEvents for SalesEvent {
    const PUBLISHER: &'static str = "sales";
    const NAMES: &'static [&'static str] = &["sales.sale_made"];

    fn key(&self) -> Uuid {
        match self {
            Self::SaleMade { till_id, .. } => *till_id,
            Self::Unknown => Uuid::nil(),
        }
    }
}

/// Numbers its sales.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Till {
    sold: u64,
}

#[derive(Debug, Clone)]
pub(crate) enum TillCommand {
    Sell,
    SellAs(u64),
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(crate) enum TillEvent {
    Sold { number: u64 },
    DrawerClosed,
}

impl Aggregate for Till {
    const NAME: &'static str = "till";
    type Command = TillCommand;
    type Event = TillEvent;
    type Rejection = std::convert::Infallible;

    fn decide(&self, command: TillCommand) -> Result<Vec<TillEvent>, Self::Rejection> {
        let number = match command {
            TillCommand::Sell => self.sold + 1,
            TillCommand::SellAs(number) => number,
        };
        Ok(vec![TillEvent::Sold { number }, TillEvent::DrawerClosed])
    }

    fn evolve(&mut self, event: &TillEvent) {
        if let TillEvent::Sold { number } = event {
            self.sold = *number;
        }
    }
}

/// What the ledger knows of one till.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Account {
    booked: u64,
}

#[derive(Debug, Clone)]
pub(crate) struct Book {
    pub(crate) sale: Uuid,
    pub(crate) number: u64,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(crate) enum AccountEvent {
    Booked { sale: Uuid, number: u64 },
}

impl AccountEvent {
    pub(crate) fn number(&self) -> u64 {
        let Self::Booked { number, .. } = self;
        *number
    }
}

impl Aggregate for Account {
    const NAME: &'static str = "account";
    type Command = Book;
    type Event = AccountEvent;
    type Rejection = std::convert::Infallible;

    // Books whatever it is told, twice if it is told twice.
    fn decide(&self, command: Book) -> Result<Vec<AccountEvent>, Self::Rejection> {
        Ok(vec![AccountEvent::Booked { sale: command.sale, number: command.number }])
    }

    fn evolve(&mut self, _event: &AccountEvent) {
        self.booked += 1;
    }
}
