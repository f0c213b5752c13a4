//! Kafka is away, or has lost messages.

use std::time::{Duration, Instant};

use testkit::within;

use super::installation::Installation;
use crate::{house::House, rush::Rush};

/// How many buy at the same time.
const AT_ONCE: usize = 8;

/// Longer than any time that Kafka is away.
const PATIENCE: Duration = Duration::from_mins(2);

#[tokio::test]
async fn people_buy_while_kafka_is_stopped_and_have_their_tickets_when_it_is_back() {
    people_buy_while_kafka_is_away(60, Duration::from_secs(5)).await;
}

#[tokio::test]
#[ignore = "takes minutes"]
async fn people_buy_while_kafka_is_stopped_for_a_minute_and_have_their_tickets_when_it_is_back() {
    people_buy_while_kafka_is_away(300, Duration::from_mins(1)).await;
}

/// Kafka is stopped politely while people buy, for as long as said and until a third of them have
/// paid meanwhile.
async fn people_buy_while_kafka_is_away(people: u32, outage: Duration) {
    let Installation { house, kafka, .. } = &Installation::open().await;
    let rush = Rush::gather(house, people as usize, people + 10).await;
    let bought = rush
        .buys_during(AT_ONCE, async {
            rush.has_paid(people / 6).await;
            kafka.stop().await;
            let stopped = Instant::now();
            rush.has_paid(people / 2).await;
            says_that_brokers_are_away(house).await;
            within(PATIENCE, "the outage to be long enough", || async {
                stopped.elapsed() >= outage
            })
            .await;
            kafka.start().await;
        })
        .await;
    house.judge(&rush, &bought).await;
}

/// Waits until readiness of a node that takes events in says that brokers are away; it stays ready.
async fn says_that_brokers_are_away(house: &House) {
    let admin = house.client().at(house.sandbox.node("reporting").admin_url());
    within(PATIENCE, "readiness to say that Kafka is away", || async {
        let report = admin.get("/readyz").await.expect(200).value();
        let degraded = report["degraded"].to_string();
        if degraded.contains("no Kafka broker answers") { Ok(()) } else { Err(degraded) }
    })
    .await;
}
