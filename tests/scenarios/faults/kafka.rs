//! Kafka is away, or has lost messages.

use std::time::{Duration, Instant};

use store::Database;
use testkit::{Builder, postgres::Extra, within};

use super::installation::Installation;
use crate::{house::House, rush::Rush};

/// How many orders are confirmed, and where that of the last one stands in the log.
const CONFIRMED: &str =
    "SELECT count(*), coalesce(max(position), 0) FROM events WHERE type = 'places_confirmed'";

/// How many buy at the same time.
const AT_ONCE: usize = 8;

/// Longer than any time that Kafka is away.
const PATIENCE: Duration = Duration::from_mins(2);

/// How Kafka goes away.
#[derive(Debug, Clone, Copy)]
enum Exit {
    Stopped,
    Killed,
    /// Connections stay open, and nothing answers.
    StandsStill,
}

#[tokio::test]
async fn people_buy_while_kafka_is_stopped_is_killed_and_stands_still() {
    people_buy_while_kafka_is_away(&[
        (Exit::Stopped, Duration::from_secs(5)),
        (Exit::Killed, Duration::ZERO),
        (Exit::StandsStill, Duration::from_secs(10)),
    ])
    .await;
}

#[tokio::test]
#[ignore = "takes minutes"]
async fn people_buy_while_kafka_is_away_for_a_minute() {
    let minute = Duration::from_mins(1);
    people_buy_while_kafka_is_away(&[(Exit::Stopped, minute), (Exit::StandsStill, minute)]).await;
}

/// Each time some pay before Kafka goes, some while it is away, at least for as long as said, and
/// some after; whoever has paid and waits for the tickets gets them, also while it is away.
async fn people_buy_while_kafka_is_away(outages: &[(Exit, Duration)]) {
    let Installation { house, kafka, .. } = &Installation::open().await;
    let people = 30 * outages.len();
    let rush = Rush::gather(house, people, u32::try_from(people).expect("few people")).await;
    let fault = async {
        for (exit, outage) in outages {
            rush.lets_in_and_serves(10).await;
            rush.lets_in(5);
            match exit {
                Exit::Stopped => kafka.stop().await,
                Exit::Killed => kafka.crash().await,
                Exit::StandsStill => kafka.pause().await,
            }
            let gone = Instant::now();
            rush.lets_in_and_serves(10).await;
            if !matches!(exit, Exit::StandsStill) {
                says(house, "no Kafka broker answers").await;
            }
            within(PATIENCE, "the outage to be long enough", || async {
                gone.elapsed() >= *outage
            })
            .await;
            match exit {
                Exit::Stopped | Exit::Killed => kafka.start().await,
                Exit::StandsStill => kafka.resume().await,
            }
            rush.lets_in_and_serves(5).await;
        }
    };
    let bought = rush.waits_for_tickets_during(AT_ONCE, fault).await;
    house.judge(&rush, &bought).await;
}

#[tokio::test]
async fn a_consumer_whose_messages_kafka_has_deleted_says_so_and_skips_none() {
    // With one partition nothing that comes after what is missing may be taken.
    let narrow = |builder: Builder| builder.setting("bus.kafka.partitions", "1");
    let installation = Installation::open_with(Extra::default(), narrow).await;
    let Installation { house, topics, .. } = &installation;
    let topic = format!("{}.orders", topics.prefix);
    let rush = Rush::gather(house, 25, 30).await;
    let fault = async {
        rush.lets_in_and_serves(10).await;
        house.has_reported(&rush.sale, 10).await;
        for node in house.sandbox.nodes_of("reporting") {
            node.stop().await;
        }
        rush.lets_in_and_serves(10).await;
        is_published(house, &topic, 20).await;
        topics.delete_messages(&topic).await;
        for node in house.sandbox.nodes_of("reporting") {
            node.restart().await;
        }
        says(house, "events between are missing").await;
        rush.lets_in_and_serves(5).await;
        is_published(house, &topic, 25).await;
        says(house, "boxoffice events republish orders").await;
        house.has_reported(&rush.sale, 10).await;

        let republish = ["events", "republish", "orders"];
        let told = house.sandbox.node("orders").run(&republish).await;
        assert!(told.contains("is published again from the beginning of the log"), "{told}");
    };
    let bought = rush.buys_during(AT_ONCE, fault).await;
    house.judge(&rush, &bought).await;
}

/// Waits until so many orders are confirmed, and the brokers know of it.
async fn is_published(house: &House, topic: &str, orders: i64) {
    let folder = house.sandbox.data_dir();
    let database = Database::connect(&house.database, "orders", &folder).await.unwrap();
    within(PATIENCE, format!("{orders} orders to be published"), || async {
        let (confirmed, last) = store::fetch_one!(&database, (i64, i64), CONFIRMED).await.unwrap();
        let published = published(house, topic).await;
        let is_there = confirmed >= orders && published >= last;
        if is_there { Ok(()) } else { Err(format!("{confirmed} to {last}, of {published}")) }
    })
    .await;
    database.close().await;
}

/// How far the brokers have the log that goes to this topic, as operators see it.
async fn published(house: &House, topic: &str) -> i64 {
    let table = house.sandbox.node("orders").run(&["events", "relays"]).await;
    let line = table.lines().find(|line| line.split_whitespace().any(|cell| cell == topic));
    // Service, topic, the place that was published to last, how much is behind it.
    let place = line.and_then(|line| line.split_whitespace().nth(2)?.split_once('.'));
    place.and_then(|(_, seq)| seq.parse().ok()).unwrap_or_else(|| panic!("{topic}: {table}"))
}

/// Waits until readiness of a node that hosts reporting says this of what is degraded.
async fn says(house: &House, what: &str) {
    within(PATIENCE, format!("reporting to say that {what}"), || async {
        let mut said = String::new();
        for node in house.sandbox.nodes_of("reporting") {
            let admin = house.client().at(node.admin_url());
            said += &admin.get("/readyz").await.expect(200).value()["degraded"].to_string();
        }
        if said.contains(what) { Ok(()) } else { Err(said) }
    })
    .await;
}
