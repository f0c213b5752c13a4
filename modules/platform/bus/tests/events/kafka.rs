//! Over Kafka: what holds when events travel through a broker.

use std::time::Duration;

use bus::{BusKind, BusSettings, KafkaSettings};
use testkit::kafka::{self, KafkaPlace};

use crate::support::{Clerk, Town, on_both};

/// Few enough that several tills share one.
const PARTITIONS: u32 = 3;

pub(crate) fn settings(place: &KafkaPlace) -> BusSettings {
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
}
