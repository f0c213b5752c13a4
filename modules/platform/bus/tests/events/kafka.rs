//! Over Kafka: what holds when events travel through a broker.

mod alarm;
mod anew;
mod begun_again;
mod forgetful;
mod guarded;
mod helpless;
mod lag;
mod large;
mod missing;
mod refused;
mod silent;
mod strange;
mod unbegun;
mod unpublished;
mod versions;
mod ways;
mod went_back;

use std::time::Duration;

use bus::{BusKind, BusSettings, KafkaSettings};
use metrics_exporter_prometheus::PrometheusBuilder;
use rdkafka::{
    ClientConfig, Offset, TopicPartitionList,
    admin::{AdminClient, AdminOptions, NewTopic, TopicReplication},
    client::DefaultClientContext,
    consumer::{BaseConsumer, Consumer},
};
use store::RelayLog;
use testkit::{
    Shape, Storage, eventually,
    kafka::{self, KafkaPlace},
};

use tokio::time::timeout;

use crate::{
    nodes,
    support::{Clerk, Town, on_both},
};

/// Few enough that several tills share one.
const PARTITIONS: u32 = 3;

fn settings(place: &KafkaPlace) -> BusSettings {
    let kafka = KafkaSettings {
        brokers: place.brokers.split(',').map(str::to_owned).collect(),
        topic_prefix: place.prefix.clone(),
        partitions: PARTITIONS,
        replication: 1,
        session_timeout: Duration::from_secs(6),
        ..KafkaSettings::default()
    };
    BusSettings { kind: BusKind::Kafka, kafka, ..BusSettings::default() }
}

fn client(place: &KafkaPlace) -> ClientConfig {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", &place.brokers);
    config
}

fn topic(place: &KafkaPlace) -> String {
    format!("{}.sales", place.prefix)
}

/// Takes from the brokers all messages that are there now.
async fn forget_messages(place: &KafkaPlace, partitions: u32) {
    let topic = topic(place);
    let reader: BaseConsumer = client(place).create().unwrap();
    let mut ends = TopicPartitionList::new();
    for number in 0..i32::try_from(partitions).unwrap() {
        let (_, high) = reader.fetch_watermarks(&topic, number, Duration::from_secs(10)).unwrap();
        ends.add_partition_offset(&topic, number, Offset::Offset(high)).unwrap();
    }
    let admin: AdminClient<DefaultClientContext> = client(place).create().unwrap();
    admin.delete_records(&ends, &AdminOptions::new()).await.unwrap();
}

/// Has the brokers forget the topic with all its messages.
async fn remove_topic(place: &KafkaPlace) {
    let admin: AdminClient<DefaultClientContext> = client(place).create().unwrap();
    admin.delete_topics(&[&topic(place)], &AdminOptions::new()).await.unwrap();
    eventually("the topic to be gone", || async {
        let known = admin.inner().fetch_metadata(None, Duration::from_secs(5));
        let is_there = known.unwrap().topics().iter().any(|it| it.name() == topic(place));
        if is_there { Err("it is there".to_owned()) } else { Ok(()) }
    })
    .await;
}

on_both! {
    async fn what_is_sold_is_booked_once_and_in_order(town: Town) {
        let settings = settings(&kafka::fresh().await);
        let mut shop = town.shop().await;
        shop.publish(&settings);
        shop.sell(1, 5).await;
        shop.sell(2, 3).await;
        let mut office = town.office().await;
        office.read_topic(&settings, &Clerk::default());
        office.has_booked(1, 1..=5).await;
        office.has_booked(2, 1..=3).await;
        shop.sell(1, 5).await;
        office.has_booked(1, 1..=10).await;
    }

    async fn relays_and_consumers_that_are_killed_neither_lose_nor_repeat(town: Town) {
        let settings = settings(&kafka::fresh().await);
        let clerk = Clerk::default();
        for round in 1..=3 {
            let (mut shop, mut office) = (town.shop().await, town.office().await);
            shop.publish(&settings);
            office.read_topic(&settings, &clerk);
            for till in 1..=4 {
                shop.sell(till, 5).await;
            }
            office.has_booked(1, 1..=round * 5).await;
            shop.kill().await;
            office.kill().await;
        }
        let (mut shop, mut office) = (town.shop().await, town.office().await);
        shop.publish(&settings);
        office.read_topic(&settings, &clerk);
        for till in 1..=4 {
            office.has_booked(till, 1..=15).await;
        }
    }

    async fn what_is_published_again_is_passed_over(town: Town) {
        let place = kafka::fresh().await;
        let settings = settings(&place);
        let clerk = Clerk::default();
        let (mut shop, mut office) = (town.shop().await, town.office().await);
        shop.publish(&settings);
        office.read_topic(&settings, &clerk);
        shop.sell(1, 5).await;
        office.has_booked(1, 1..=5).await;

        let log = RelayLog::new(topic(&place), PARTITIONS);
        let database = shop.tills.committer().database();
        eventually("what was published to be noted", || async {
            log.read(database).await.unwrap().reached.seq >= 9
        })
        .await;
        log.reset(database).await.unwrap();
        eventually("everything to be published again", || async {
            log.read(database).await.unwrap().reached.seq >= 9
        })
        .await;
        shop.sell(1, 1).await;
        office.has_booked(1, 1..=6).await;
        assert_eq!(clerk.calls(), 6);
    }

    async fn an_event_that_fails_is_put_aside_and_its_key_waits(town: Town) {
        let settings = settings(&kafka::fresh().await);
        let (mut shop, mut office, clerk) =
            (town.shop().await, town.office().await, Clerk::default());
        clerk.stumble(1, 2, u32::MAX);
        shop.publish(&settings);
        office.read_topic(&settings, &clerk);
        shop.sell(1, 4).await;
        shop.sell(2, 4).await;
        office.has_booked(2, 1..=4).await;
        let letter = eventually("a dead letter", || async {
            let letters = office.dead_letters().await;
            let dead = letters.into_iter().find(|it| it.waiting == 2);
            dead.filter(|it| it.attempts == crate::support::ATTEMPTS).ok_or("none")
        })
        .await;
        assert_eq!(office.booked(1).await, [1]);
        clerk.stumble(1, 2, 0);
        office.letters.retry(letter.id).await.unwrap();
        office.has_booked(1, 1..=4).await;
        shop.sell(1, 1).await;
        office.has_booked(1, 1..=5).await;
    }

    async fn one_may_change_from_feed_to_kafka_and_back(town: Town) {
        let settings = settings(&kafka::fresh().await);
        let clerk = Clerk::default();
        let mut shop = town.shop().await;
        shop.publish(&settings);
        for round in 0..3 {
            for till in 1..=4 {
                shop.sell(till, 2).await;
            }
            let mut by_feed = town.office().await;
            by_feed.read(shop.feed(), &clerk);
            for till in 1..=4 {
                by_feed.has_booked(till, 1..=round * 4 + 2).await;
            }
            by_feed.kill().await;
            for till in 1..=4 {
                shop.sell(till, 2).await;
            }
            let mut by_topic = town.office().await;
            by_topic.read_topic(&settings, &clerk);
            for till in 1..=4 {
                by_topic.has_booked(till, 1..=round * 4 + 4).await;
            }
            by_topic.kill().await;
        }
        assert_eq!(clerk.calls(), 48);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn replicas_share_the_partitions_and_take_over_from_each_other() {
    let town = Town::on_postgres().await;
    let settings = settings(&kafka::fresh().await);
    let mut shop = town.shop().await;
    shop.publish(&settings);
    let (mut one, mut other) = (town.office().await, town.office().await);
    let (by_one, by_other) = (Clerk::default(), Clerk::default());
    one.read_topic(&settings, &by_one);
    other.read_topic(&settings, &by_other);
    let mut sold = 0;
    while by_one.calls() == 0 || by_other.calls() == 0 {
        sold += 1;
        for till in 1..=6 {
            shop.sell(till, 1).await;
        }
        for till in 1..=6 {
            one.has_booked(till, 1..=sold).await;
        }
    }
    one.kill().await;
    for till in 1..=6 {
        shop.sell(till, 2).await;
    }
    for till in 1..=6 {
        other.has_booked(till, 1..=sold + 2).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sales_go_on_while_the_broker_is_away() {
    let town = Town::on_sqlite().await;
    let (place, broker) = kafka::private().await;
    let settings = settings(&place);
    let (mut shop, mut office) = (town.shop().await, town.office().await);
    let recorder = PrometheusBuilder::new().build_recorder();
    metrics::with_local_recorder(&recorder, || shop.publish(&settings));
    let measured = |name: &str| {
        let line = format!("{name}{{topic=\"{}\"}} ", topic(&place));
        let text = recorder.handle().render();
        text.lines().find_map(|it| it.strip_prefix(&line)?.parse::<u64>().ok())
    };
    let left = || measured("bus_relay_lag_events");
    office.read_topic(&settings, &Clerk::default());
    shop.sell(1, 2).await;
    office.has_booked(1, 1..=2).await;
    eventually("nothing to be left", || async { left() == Some(0) }).await;
    broker.stop().await;
    shop.sell(1, 3).await;
    assert_eq!(office.booked(1).await, [1, 2]);
    eventually("three sales to be left", || async { left() >= Some(3) }).await;
    broker.start().await;
    office.has_booked(1, 1..=5).await;
    eventually("nothing to be left", || async { left() == Some(0) }).await;
    assert!(measured("bus_relay_published_total") >= Some(5), "{}", recorder.handle().render());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_waits_for_the_broker_before_stopping() {
    let town = Town::on_sqlite().await;
    let (place, broker) = kafka::private().await;
    let settings = settings(&place);
    let (mut shop, mut office) = (town.shop().await, town.office().await);
    shop.publish(&settings);
    office.read_topic(&settings, &Clerk::default());
    shop.sell(1, 2).await;
    office.has_booked(1, 1..=2).await;
    broker.crash().await;
    shop.sell(1, 2).await;
    shop.stop.cancel();
    office.stop.cancel();
    let both_end = async {
        // The committers remain, which nobody has told to stop.
        while office.tasks.len() > 1 {
            office.tasks.join_next().await;
        }
        while shop.tasks.len() > 1 {
            shop.tasks.join_next().await;
        }
    };
    timeout(Duration::from_secs(5), both_end).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_topic_with_another_number_of_partitions_is_left_alone() {
    let place = kafka::fresh().await;
    let admin: AdminClient<DefaultClientContext> = client(&place).create().unwrap();
    let topic = topic(&place);
    let other = NewTopic::new(&topic, 5, TopicReplication::Fixed(1));
    admin.create_topics([&other], &AdminOptions::new()).await.unwrap();

    let mut wrong = nodes::Town::over_kafka(Shape::Split, Storage::Sqlite, &place).await;
    wrong.sell(1, 2).await;
    for service in ["sales", "ledger"] {
        wrong.says(service, "has 5 partitions, and bus.kafka.partitions is 2").await;
    }
    assert_eq!(wrong.booked(1).await, Vec::<u64>::new());

    let town = Town::on_sqlite().await;
    let mut settings = settings(&place);
    settings.kafka.partitions = 5;
    let (mut shop, mut office) = (town.shop().await, town.office().await);
    shop.publish(&settings);
    office.read_topic(&settings, &Clerk::default());
    shop.sell(1, 2).await;
    office.has_booked(1, 1..=2).await;
    let count: i64 = (0..5)
        .map(|number| {
            let ends = admin.inner().fetch_watermarks(&topic, number, Duration::from_secs(10));
            ends.unwrap().1
        })
        .sum();
    assert_eq!(count, 2, "messages of the right shop alone");
}
