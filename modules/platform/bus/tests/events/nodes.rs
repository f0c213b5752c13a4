//! Whole nodes: publisher and consumer in one process, and in two that talk over their internal
//! listeners. What holds in one shape holds in the other.

use std::{collections::BTreeMap, sync::Arc};

use axum::{
    Json, Router,
    extract::Request,
    routing::{get, post},
};
use bus::{BusSettings, Delivered, Handler, HandlerError, Hub};
use runtime::{Boot, BoxFuture, Config, Launch, Module, SectionSpec, StartError, async_trait};
use store::{Committer, Database, DatabaseSettings, Events, RelayLog, Work};
use testkit::{
    Builder, Client, Composition, Sandbox, Shape, Storage, eventually,
    kafka::{self, KafkaPlace},
};
use uuid::Uuid;

use crate::support::{
    Account, Book, LEDGER, SALES, SalesEvent, Till, TillCommand, context, translator, uuid,
};

const PLAIN: Module = Module {
    name: "plain",
    about: "nothing",
    prefixes: &[],
    provides: &[],
    requires: &[],
    publishes: &[],
    consumes: &[],
    settings: None,
    schema: None,
    views: None,
    openapi: utoipa::openapi::OpenApi::default,
    start: |_| Box::pin(async { Ok(()) }),
};

static TILLS: Module = Module {
    name: "sales",
    about: "sells",
    prefixes: &["/v1/tills"],
    publishes: &["sales.sale_made"],
    start: start_tills,
    ..PLAIN
};

static ACCOUNTS: Module = Module {
    name: "ledger",
    about: "keeps the books",
    prefixes: &["/v1/accounts"],
    consumes: &["sales.sale_made"],
    start: start_accounts,
    ..PLAIN
};

/// The consumer starts first: events flow backwards.
const COMPOSITION: Composition = Composition {
    modules: &[&ACCOUNTS, &TILLS],
    sections: &[SectionSpec::of::<DatabaseSettings>(), SectionSpec::of::<BusSettings>()],
    launch: |config: Config| {
        Launch::new(config, COMPOSITION.modules).extension(Arc::new(Hub::new()))
    },
};

fn start_tills(boot: &mut Boot) -> BoxFuture<'_, Result<(), StartError>> {
    Box::pin(async move {
        let database = store::open(boot, &SALES).await?;
        let committer = Committer::start(boot, &database);
        let tills = Events::<Till>::new(&committer, ());
        bus::publish_all(boot, &database, vec![translator()])?;
        let sell = post(async move |request: Request| {
            let till = last_segment(&request);
            tills.execute(&context(), till, TillCommand::Sell).await.unwrap();
        });
        boot.public(Router::new().route("/v1/tills/{till}", sell));
        Ok(())
    })
}

fn start_accounts(boot: &mut Boot) -> BoxFuture<'_, Result<(), StartError>> {
    Box::pin(async move {
        let database = store::open(boot, &LEDGER).await?;
        let committer = Committer::start(boot, &database);
        let accounts = Events::<Account>::new(&committer, ());
        let bookkeeper = Bookkeeper(accounts.clone());
        bus::subscribe::<SalesEvent>(boot, &committer, "ledger", bookkeeper)?;
        let show = get(async move |request: Request| {
            let history = accounts.history(last_segment(&request)).await.unwrap();
            let booked: Vec<u64> = history.iter().map(|it| it.event.number()).collect();
            Json(booked)
        });
        boot.public(Router::new().route("/v1/accounts/{till}", show));
        Ok(())
    })
}

fn last_segment(request: &Request) -> Uuid {
    request.uri().path().rsplit('/').next().unwrap().parse().unwrap()
}

/// A till whose sales cannot be booked now, and nobody knows when.
pub(crate) const HELPLESS: u128 = 13;

struct Bookkeeper(Events<Account>);

#[async_trait]
impl Handler<SalesEvent> for Bookkeeper {
    async fn handle(
        &self,
        work: &mut Work<'_>,
        event: &Delivered<SalesEvent>,
    ) -> Result<(), HandlerError> {
        if let SalesEvent::SaleMade { till_id, number, .. } = event.event {
            if till_id == uuid(HELPLESS) {
                return Err(HandlerError::transient("the lights are out"));
            }
            work.execute(&self.0, till_id, Book { sale: event.id, number }).await?;
        }
        Ok(())
    }
}

/// What a test does to a sandbox, whatever its shape.
pub(crate) struct Town {
    pub(crate) sandbox: Sandbox,
    sold: BTreeMap<u128, u64>,
}

impl Town {
    async fn start(shape: Shape, storage: Storage) -> Self {
        let sandbox = Self::sandbox(shape, storage).start().await;
        Self { sandbox, sold: BTreeMap::new() }
    }

    pub(crate) async fn over_kafka(shape: Shape, storage: Storage, place: &KafkaPlace) -> Self {
        Self::over_kafka_with(shape, storage, place, &[]).await
    }

    /// As [`Town::over_kafka`], with settings beside the usual.
    pub(crate) async fn over_kafka_with(
        shape: Shape,
        storage: Storage,
        place: &KafkaPlace,
        more: &[(&str, &str)],
    ) -> Self {
        let brokers = place.brokers.split(',').map(|broker| format!("\"{broker}\""));
        let brokers = brokers.collect::<Vec<_>>().join(",");
        let builder = Self::sandbox(shape, storage)
            .setting("bus.kind", "kafka")
            .setting("bus.kafka.brokers", format!("[{brokers}]"))
            .setting("bus.kafka.topic_prefix", &place.prefix)
            .setting("bus.kafka.partitions", "2")
            .setting("bus.kafka.replication", "1")
            .setting("bus.kafka.session_timeout", "6s");
        let builder =
            more.iter().fold(builder, |builder, (key, value)| builder.setting(key, *value));
        Self { sandbox: builder.start().await, sold: BTreeMap::new() }
    }

    /// Waits until `/readyz` of the service says this of what is degraded.
    pub(crate) async fn says(&self, service: &str, what: &str) {
        let client = Client::new(self.sandbox.node(service).admin_url());
        eventually(format!("readiness of {service} to say {what}"), || async {
            let report = client.get("/readyz").await.expect(200).value();
            let degraded = report["degraded"].to_string();
            if degraded.contains(what) { Ok(()) } else { Err(report.to_string()) }
        })
        .await;
    }

    fn sandbox(shape: Shape, storage: Storage) -> Builder {
        Sandbox::builder(COMPOSITION)
            .shape(shape)
            .database(storage)
            .setting("database.lease_timeout", "1s")
            .setting("shutdown.grace", "0s")
    }

    pub(crate) async fn sell(&mut self, till: u128, count: u64) {
        let client = Client::new(self.sandbox.node("sales").public_url());
        for _ in 0..count {
            let path = format!("/v1/tills/{}", uuid(till));
            let _reply = client.post(&path, &()).await.expect(200);
        }
        *self.sold.entry(till).or_default() += count;
    }

    /// Waits until the brokers have everything that was sold.
    pub(crate) async fn is_published(&self) {
        let client = Client::new(self.sandbox.node("sales").admin_url());
        // A sale is two events, of which the second is not published.
        let sold: u64 = self.sold.values().sum();
        eventually(format!("{sold} sales to be published"), || async {
            let report = client.get("/readyz").await.expect(200).value();
            let relay = &report["modules"]["sales"]["details"]["relay of sales"];
            let reached = relay["published_to"]["seq"].as_u64().unwrap_or(0);
            if reached + 1 >= 2 * sold { Ok(()) } else { Err(report.to_string()) }
        })
        .await;
    }

    /// Has everything published again, as the command does.
    pub(crate) async fn publish_again(&self, place: &KafkaPlace) {
        let folder = self.sandbox.data_dir();
        let settings = DatabaseSettings::default();
        let database = Database::connect(&settings, SALES.name(), &folder).await.unwrap();
        RelayLog::new(format!("{}.sales", place.prefix), 2).reset(&database).await.unwrap();
        database.close().await;
    }

    pub(crate) async fn booked(&self, till: u128) -> Vec<u64> {
        let client = Client::new(self.sandbox.node("ledger").public_url());
        client.get(&format!("/v1/accounts/{}", uuid(till))).await.expect(200).json()
    }

    /// Everything sold is booked once, in order.
    pub(crate) async fn books_are_right(&self) {
        let client = Client::new(self.sandbox.node("ledger").public_url());
        for (till, sold) in &self.sold {
            let expected: Vec<u64> = (1..=*sold).collect();
            eventually(format!("the account of till {till}"), || async {
                let account = client.get(&format!("/v1/accounts/{}", uuid(*till))).await;
                let booked: Vec<u64> = account.expect(200).json();
                if booked == expected { Ok(()) } else { Err(format!("{booked:?}")) }
            })
            .await;
        }
    }
}

macro_rules! in_every_shape {
    ($(async fn $name:ident(mut $town:ident: Town) $body:block)*) => {
        $(mod $name {
            use super::*;

            async fn test(mut $town: Town) $body

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn in_one_process_on_sqlite() {
                test(Town::start(Shape::Monolith, Storage::Sqlite).await).await;
            }

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn in_two_processes_on_sqlite() {
                test(Town::start(Shape::Split, Storage::Sqlite).await).await;
            }

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn in_one_process_on_postgres() {
                test(Town::start(Shape::Monolith, Storage::Postgres).await).await;
            }

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn in_two_processes_on_postgres() {
                test(Town::start(Shape::Split, Storage::Postgres).await).await;
            }

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn in_one_process_over_kafka() {
                let place = kafka::fresh().await;
                test(Town::over_kafka(Shape::Monolith, Storage::Sqlite, &place).await).await;
            }

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn in_two_processes_over_kafka() {
                let place = kafka::fresh().await;
                test(Town::over_kafka(Shape::Split, Storage::Postgres, &place).await).await;
            }
        })*
    };
}

in_every_shape! {
    async fn what_is_sold_is_booked(mut town: Town) {
        town.sell(1, 5).await;
        town.sell(2, 3).await;
        town.books_are_right().await;
        town.sell(1, 5).await;
        town.books_are_right().await;
    }

    async fn a_consumer_that_crashes_and_comes_back_misses_nothing(mut town: Town) {
        town.sell(1, 5).await;
        let ledger = town.sandbox.node("ledger");
        ledger.crash().await;
        ledger.restart().await;
        ledger.ready().await;
        town.sell(1, 5).await;
        town.books_are_right().await;
    }

    async fn a_publisher_that_crashes_and_comes_back_is_found_again(mut town: Town) {
        town.sell(1, 2).await;
        town.books_are_right().await;
        let sales = town.sandbox.node("sales");
        sales.crash().await;
        sales.restart().await;
        sales.ready().await;
        town.sell(1, 2).await;
        town.books_are_right().await;
    }

    async fn a_node_that_stops_politely_goes_on_where_it_was(mut town: Town) {
        town.sell(1, 4).await;
        let ledger = town.sandbox.node("ledger");
        ledger.stop().await;
        ledger.restart().await;
        ledger.ready().await;
        town.sell(1, 4).await;
        town.books_are_right().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_consumer_does_not_need_its_publisher_to_be_ready() {
    let town = Town::start(Shape::Split, Storage::Sqlite).await;
    town.sandbox.node("sales").crash().await;
    let ledger = town.sandbox.node("ledger");
    ledger.stop().await;
    ledger.restart().await;
    ledger.ready().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_does_not_say_who_it_is_reads_no_feed() {
    let town = Town::start(Shape::Split, Storage::Sqlite).await;
    let client = Client::new(town.sandbox.node("sales").internal_url());
    let query = serde_json::json!({
        "types": ["sales.sale_made"], "after": { "txn": 0, "seq": 0 }, "limit": 1, "wait_ms": 0
    });
    let _refusal = client.post("/internal/sales/feed", &query).await.expect(401);
}

/// A module that starts wrongly, and what is said about it.
async fn fault_of(module: &'static [&'static Module]) -> String {
    let folder = tempfile::tempdir().unwrap();
    let keys = format!(
        "public.address = '127.0.0.1:0'\nadmin.address = '127.0.0.1:0'\nnode.data_dir = '{}'",
        folder.path().display()
    );
    let sources = runtime::Sources::new().toml("test", &keys);
    let config = Config::load(COMPOSITION.sections.iter().copied(), sources).unwrap();
    let launch = Launch::new(config, module).extension(Arc::new(Hub::new()));
    launch.start().await.err().unwrap().to_string()
}

#[tokio::test]
async fn a_module_that_consumes_nothing_cannot_subscribe() {
    static FORGETFUL: Module = Module { consumes: &[], prefixes: &[], ..ACCOUNTS_LIKE };
    static ALONE: &[&Module] = &[&FORGETFUL];
    assert_eq!(
        fault_of(ALONE).await,
        "- ledger cannot start: ledger subscribes to sales but consumes none of its events; list \
         them under its consumes: sales.sale_made"
    );
}

#[tokio::test]
async fn a_module_that_publishes_says_so() {
    static SECRETIVE: Module =
        Module { publishes: &[], start: start_tills, name: "sales", ..PLAIN };
    static ALONE: &[&Module] = &[&SECRETIVE];
    assert_eq!(
        fault_of(ALONE).await,
        "- sales cannot start: sales publishes sales.sale_made without saying so; list it under \
         its publishes"
    );
}

#[tokio::test]
async fn a_module_publishes_its_own_events_only() {
    static IMPOSTOR: Module = Module { start: start_tills, ..PLAIN };
    static ALONE: &[&Module] = &[&IMPOSTOR];
    assert_eq!(
        fault_of(ALONE).await,
        "- plain cannot start: plain publishes events of sales; publish events of its own"
    );
}

const ACCOUNTS_LIKE: Module = Module { name: "ledger", start: start_accounts, ..PLAIN };
