//! Relays that brokers do not acknowledge, or refuse: they say so until it is over.

use std::time::Duration;

use bus::{BusSettings, Relay, Security};
use rdkafka::{
    Message, Offset, TopicPartitionList,
    consumer::{BaseConsumer, Consumer},
};
use runtime::IntegrationEvents as _;
use serde_json::Value;
use store::{Position, RelayLog, partition_of};
use testkit::{
    Client, Journal, Shape, Storage, eventually,
    kafka::{self, Door, GuardedKafka},
};
use tracing::instrument::WithSubscriber;

use super::{PARTITIONS, client, settings, topic};
use crate::{
    nodes,
    support::{Clerk, SalesEvent, Shop, Town, random, uuid},
};

/// As [`Shop::publish`], with what the relay logs in the journal.
fn publish_and_note(shop: &mut Shop, settings: &BusSettings) -> Journal {
    let (journal, subscriber) = Journal::open();
    let committer = shop.tills.committer();
    let relay = Relay::new(
        committer.database(),
        SalesEvent::PUBLISHER,
        SalesEvent::NAMES,
        shop.feed(),
        settings,
        committer.ids().clone(),
        random(),
    );
    shop.tasks.spawn(relay.run(shop.stop.clone()).with_subscriber(subscriber));
    journal
}

async fn says(journal: &Journal, words: &str) -> Value {
    eventually(format!("a line with {words}"), || async {
        journal.lines_with(words).pop().ok_or_else(|| journal.text())
    })
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_relay_that_may_not_write_says_so_until_it_may() {
    let broker = GuardedKafka::start(Door::Password, &[("sales", "secret")]).await;
    let topic = topic(&broker.place);
    let of_topic = ["--topic", topic.as_str()];
    broker.allow("sales", &["Read", "DescribeConfigs", "Create"], &of_topic).await;
    broker.allow("sales", &["Read"], &["--group", "*"]).await;
    let mut settings = settings(&broker.place);
    settings.kafka.security = Security::SaslPlaintext;
    settings.kafka.user = "sales".to_owned();
    settings.kafka.password = "secret".to_owned().into();

    let town = Town::on_sqlite().await;
    let (mut shop, mut office) = (town.shop().await, town.office().await);
    shop.sell(1, 2).await;
    let journal = publish_and_note(&mut shop, &settings);
    let line = says(&journal, "events cannot be published").await;
    assert!(line.to_string().contains("authorization failed"), "{line}");
    assert_eq!(journal.lines_with("events are published again"), [Value::Null; 0]);

    broker.allow("sales", &["Write"], &of_topic).await;
    let _over = says(&journal, "events are published again").await;
    office.read_topic(&settings, &Clerk::default());
    office.has_booked(1, 1..=2).await;
    assert_eq!(journal.lines_with("events cannot be published"), [line], "said once");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_relay_that_brokers_do_not_acknowledge_says_so_and_how_much_waits() {
    let (place, broker) = kafka::private().await;
    let mut town = nodes::Town::over_kafka(Shape::Monolith, Storage::Sqlite, &place).await;
    town.sell(1, 2).await;
    town.is_published().await;
    town.books_are_right().await;
    broker.pause().await;
    town.sell(1, 3).await;
    town.says("sales", "the brokers do not acknowledge what was sent to them").await;
    town.sell(1, 20).await;
    let readiness = Client::new(town.sandbox.node("sales").admin_url());
    eventually("what was sold since to be counted", || async {
        let report = readiness.get("/readyz").await.expect(200).value();
        let relay = &report["modules"]["sales"]["details"]["relay of sales"];
        if relay["behind"].as_u64() > Some(20) { Ok(()) } else { Err(report.to_string()) }
    })
    .await;
    broker.resume().await;
    town.books_are_right().await;
    town.says("sales", "[]").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_published_again_is_kept_as_long_as_what_is_new() {
    const YEAR: jiff::SignedDuration = jiff::SignedDuration::from_hours(24 * 365);
    let town = Town::on_sqlite().await;
    town.clock.advance(-YEAR);
    let mut shop = town.shop().await;
    shop.sell(1, 1).await;
    town.clock.advance(YEAR);
    let place = kafka::fresh().await;
    shop.publish(&settings(&place));

    let (topic, till) = (topic(&place), uuid(1));
    let log = RelayLog::new(&topic, PARTITIONS);
    let database = shop.tills.committer().database();
    eventually("the sale to be published", || async {
        log.read(database).await.unwrap().reached > Position::START
    })
    .await;
    let mut config = client(&place);
    config.set("group.id", &place.prefix);
    let reader: BaseConsumer = config.create().unwrap();
    let mut wanted = TopicPartitionList::new();
    let partition = i32::try_from(partition_of(till, PARTITIONS)).unwrap();
    wanted.add_partition_offset(&topic, partition, Offset::Beginning).unwrap();
    reader.assign(&wanted).unwrap();
    let message = eventually("the sale in its topic", || async {
        tokio::task::block_in_place(|| reader.poll(Duration::from_millis(100)))?.ok()
    })
    .await;
    let event: serde_json::Value = serde_json::from_slice(message.payload().unwrap()).unwrap();
    let sold: runtime::Timestamp = event["time"].as_str().unwrap().parse().unwrap();
    // By this brokers decide what is old enough to be deleted.
    let published = message.timestamp().to_millis().unwrap();
    let age = jiff::SignedDuration::from_millis(published - sold.as_millisecond());
    assert!(age > YEAR - jiff::SignedDuration::from_hours(1), "{age:?}");
}
