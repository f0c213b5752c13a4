//! Relays and consumers that are started again go on where they were.

use std::time::Duration;

use bus::BusSettings;
use metrics_exporter_prometheus::PrometheusBuilder;
use rdkafka::consumer::{BaseConsumer, Consumer};
use store::RelayLog;
use testkit::{
    eventually,
    kafka::{self, KafkaPlace},
};

use super::{
    PARTITIONS, client, settings,
    strange::{dead_letters, own_partition, put_into},
    topic,
};
use crate::{
    measures::{becomes, value},
    support::{Clerk, Shop, on_both, uuid},
};

/// Waits until it is noted that everything the first till sold is with the brokers.
async fn is_noted(shop: &Shop, place: &KafkaPlace) {
    let history = shop.tills.history(uuid(1)).await.unwrap();
    // Behind each sale there is something that is not published.
    let last = history[history.len() - 2].position;
    let log = RelayLog::new(topic(place), PARTITIONS);
    eventually(format!("{last:?} to be noted"), || async {
        let reached = log.read(shop.tills.committer().database()).await.unwrap().reached;
        if reached >= last { Ok(()) } else { Err(format!("{reached:?}")) }
    })
    .await;
}

/// How many messages the topic has ever had.
fn messages(place: &KafkaPlace) -> i64 {
    let reader: BaseConsumer = client(place).create().unwrap();
    let count = |number| {
        let ends = reader.fetch_watermarks(&topic(place), number, Duration::from_secs(10));
        ends.unwrap().1
    };
    (0..i32::try_from(PARTITIONS).unwrap()).map(count).sum()
}

on_both! {
    async fn a_relay_publishes_what_is_new_and_nothing_again(town: Town) {
        let place = kafka::fresh().await;
        let settings = settings(&place);
        let mut shop = town.shop().await;
        shop.publish(&settings);
        shop.sell(1, 5).await;
        is_noted(&shop, &place).await;
        shop.kill().await;
        let before = messages(&place);

        let mut again = town.shop().await;
        again.publish(&settings);
        again.sell(1, 1).await;
        is_noted(&again, &place).await;
        assert_eq!(messages(&place), before + 1);
    }

    async fn a_consumer_reads_what_is_new_and_nothing_again(town: Town) {
        let place = kafka::fresh().await;
        // One at a time, so that none shows by what comes with it that it was taken.
        let settings = BusSettings { batch: 1, ..settings(&place) };
        let (mut shop, mut office) = (town.shop().await, town.office().await);
        shop.publish(&settings);
        office.read_topic(&settings, &Clerk::default());
        shop.sell(1, 1).await;
        office.has_booked(1, 1..=1).await;
        put_into(&place, own_partition(), "no JSON at all", &[]).await;
        shop.sell(1, 1).await;
        office.has_booked(1, 1..=2).await;
        dead_letters(&office, 1).await;
        office.kill().await;

        let (recorder, mut again) =
            (PrometheusBuilder::new().build_recorder(), town.office().await);
        let clerk = Clerk::default();
        metrics::with_local_recorder(&recorder, || again.read_topic(&settings, &clerk));
        shop.sell(1, 1).await;
        again.has_booked(1, 1..=3).await;
        becomes(&recorder, "bus_events_total", Some("handled"), 1.0).await;
        // An event is known again when it is read again. What is none is not, and would be counted.
        assert_eq!(value(&recorder, "bus_events_total", Some("dead")), Some(0.0));
    }
}
