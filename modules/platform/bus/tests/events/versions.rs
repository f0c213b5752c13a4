//! Events are read in whatever version they were written; what is newer than the reader waits for
//! its update.

use std::sync::Arc;

use bus::{
    BusSettings, Consumer, Delivered, Entry, Envelope, Handler, HandlerError, Page, PublishedFeed,
    Query, Source, SourceError, Translator,
};
use runtime::{FIRST_EVENT_VERSION, IntegrationEvents, async_trait};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use store::{Events, Position, Work};
use testkit::eventually;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::support::{Account, Book, Office, Till, TillEvent, on_both, random, uuid};

pub(crate) const PRICE_SET: &str = "sales.price_set";

/// What the tills tell of prices, as today's build has it: cents with a currency. Cents alone were
/// version 1.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(crate) enum Today {
    PriceSet {
        till_id: Uuid,
        price: Price,
    },
    #[serde(other)]
    Unknown,
}

/// As tomorrow's build has it: version 3, in which a thing may have several prices.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(crate) enum Tomorrow {
    PriceSet {
        till_id: Uuid,
        prices: Vec<Price>,
    },
    #[serde(other)]
    Unknown,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub(crate) struct Price {
    cents: u64,
    currency: String,
}

impl IntegrationEvents for Today {
    const PUBLISHER: &'static str = "sales";
    const NAMES: &'static [&'static str] = &[PRICE_SET];

    fn key(&self) -> Uuid {
        match self {
            Self::PriceSet { till_id, .. } => *till_id,
            Self::Unknown => Uuid::nil(),
        }
    }

    fn version(name: &str) -> u16 {
        if name == PRICE_SET { 2 } else { FIRST_EVENT_VERSION }
    }

    fn upcast(_name: &str, _version: u16, mut payload: Value) -> Value {
        if let Some(fields) = payload.as_object_mut() {
            let cents = fields.remove("cents");
            fields.insert("price".to_owned(), json!({ "cents": cents, "currency": "EUR" }));
        }
        payload
    }
}

impl IntegrationEvents for Tomorrow {
    const PUBLISHER: &'static str = "sales";
    const NAMES: &'static [&'static str] = &[PRICE_SET];

    fn key(&self) -> Uuid {
        Uuid::nil()
    }

    fn version(_name: &str) -> u16 {
        3
    }

    fn upcast(name: &str, version: u16, payload: Value) -> Value {
        if version < 2 {
            return Today::upcast(name, version, payload);
        }
        let mut payload = payload;
        if let Some(fields) = payload.as_object_mut() {
            let price = fields.remove("price");
            fields.insert("prices".to_owned(), json!([price]));
        }
        payload
    }
}

/// Books the cents of each price.
pub(crate) trait Priced: IntegrationEvents {
    fn cents(&self) -> Option<u64>;
}

impl Priced for Today {
    fn cents(&self) -> Option<u64> {
        match self {
            Self::PriceSet { price, .. } => Some(price.cents),
            Self::Unknown => None,
        }
    }
}

impl Priced for Tomorrow {
    fn cents(&self) -> Option<u64> {
        match self {
            Self::PriceSet { prices, .. } => Some(prices.iter().map(|price| price.cents).sum()),
            Self::Unknown => None,
        }
    }
}

struct Bookkeeper(Events<Account>);

#[async_trait]
impl<E: Priced> Handler<E> for Bookkeeper {
    async fn handle(&self, work: &mut Work<'_>, event: &Delivered<E>) -> Result<(), HandlerError> {
        let number = event.event.cents().ok_or_else(|| HandlerError::new("no such price"))?;
        work.execute(&self.0, event.key, Book { sale: event.id, number }).await?;
        Ok(())
    }
}

/// What was written, by key and version.
pub(crate) struct Written(pub(crate) Vec<(u128, u16, Value)>);

#[async_trait]
impl Source for Written {
    async fn read(&self, query: &Query) -> Result<Page, SourceError> {
        let entry = |(index, (key, version, payload)): (usize, &(u128, u16, Value))| Entry {
            position: Position { txn: 0, seq: i64::try_from(index).unwrap() + 1 },
            envelope: Envelope {
                id: uuid(100 + index as u128),
                event_type: PRICE_SET.to_owned(),
                schema_version: *version,
                key: uuid(*key),
                time: "2026-11-20T19:00:00Z".parse().unwrap(),
                correlation_id: "req-1".to_owned(),
                causation_id: None,
                traceparent: "not a trace".to_owned(),
                payload: payload.clone(),
                fault: None,
            },
        };
        let entries = self.0.iter().enumerate().map(entry);
        let entries: Vec<Entry> = entries.filter(|it| it.position > query.after).collect();
        if entries.is_empty() {
            let _passed = tokio::time::timeout(query.wait, std::future::pending::<()>()).await;
        }
        let reached = entries.last().map_or(query.after, |entry| entry.position);
        Ok(Page { entries, reached, behind: 0 })
    }
}

pub(crate) fn price(till: u128, cents: u64) -> [Value; 3] {
    let (till_id, price) = (uuid(till), json!({ "cents": cents, "currency": "EUR" }));
    [
        json!({ "type": "price_set", "till_id": till_id, "cents": cents }),
        json!({ "type": "price_set", "till_id": till_id, "price": price }),
        json!({ "type": "price_set", "till_id": till_id, "prices": [price] }),
    ]
}

impl Office {
    fn read_prices<E: Priced>(&mut self, source: Arc<dyn Source>) {
        let consumer = self.bookkeeper::<E>(BusSettings::default());
        self.tasks.spawn(consumer.run(source, self.stop.clone()));
    }

    pub(crate) fn read_prices_from_topic<E: Priced>(&mut self, settings: &BusSettings) {
        let consumer = self.bookkeeper::<E>(settings.clone());
        self.tasks.spawn(consumer.run_on_kafka(None, self.stop.clone()));
    }

    fn bookkeeper<E: Priced>(&self, settings: BusSettings) -> Consumer {
        let bookkeeper = Bookkeeper(self.accounts.clone());
        let names = E::NAMES.to_vec();
        Consumer::new::<E>(&self.committer, "ledger", names, bookkeeper, settings, random())
    }
}

on_both! {
    async fn an_event_of_an_older_version_is_taken_in_as_todays(town: Town) {
        let mut office = town.office().await;
        let ([first, _, _], [_, second, _]) = (price(1, 5), price(1, 6));
        office.read_prices::<Today>(Arc::new(Written(vec![(1, 1, first), (1, 2, second)])));
        office.has_booked(1, [5, 6]).await;
        assert_eq!(office.dead_letters().await, []);
    }

    async fn an_event_of_a_newer_version_waits_for_an_update_and_holds_back_its_key_alone(
        town: Town,
    ) {
        let ([_, _, third], [_, second, _], [_, other, _]) = (price(1, 5), price(1, 6), price(2, 7));
        let written = vec![(1, 3, third), (1, 2, second), (2, 2, other)];
        let mut office = town.office().await;
        office.read_prices::<Today>(Arc::new(Written(written.clone())));
        office.has_booked(2, [7]).await;
        let letters = office.dead_letters().await;
        assert_eq!(letters.len(), 1, "{letters:?}");
        assert_eq!((letters[0].attempts, letters[0].waiting), (1, 1));
        let error = letters[0].error.as_deref().unwrap();
        assert!(error.contains("sales.price_set has version 3"), "{error}");
        assert_eq!(office.booked(1).await, [] as [u64; 0]);
        office.kill().await;

        let mut updated = town.office().await;
        updated.read_prices::<Tomorrow>(Arc::new(Written(written)));
        updated.letters.retry(letters[0].id).await.unwrap();
        updated.has_booked(1, [5, 6]).await;
        eventually("no dead letter", || async {
            let left = updated.dead_letters().await;
            if left.is_empty() { Ok(()) } else { Err(format!("{left:?}")) }
        })
        .await;
    }

    async fn a_publisher_writes_the_version_of_its_build(town: Town) {
        let shop = town.shop().await;
        shop.sell(1, 1).await;
        let translator = Translator::of::<Till>(|recorded| match recorded.event {
            TillEvent::Sold { number } => Some(Today::PriceSet {
                till_id: recorded.stream,
                price: Price { cents: number, currency: "EUR".to_owned() },
            }),
            TillEvent::DrawerClosed => None,
        });
        let feed = PublishedFeed::new(shop.tills.committer().database(), vec![translator]);
        let query = Query {
            types: vec![PRICE_SET.to_owned()],
            after: Position::START,
            limit: 10,
            wait: std::time::Duration::from_secs(10),
        };
        let page = feed.read(&query).await.unwrap();
        let versions: Vec<u16> = page.entries.iter().map(|it| it.envelope.schema_version).collect();
        assert_eq!(versions, [2]);
    }
}
