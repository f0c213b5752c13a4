//! What the metrics say of partitions: how much each has left, and whether something is missing.

use std::sync::OnceLock;

use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};
use store::{RelayLog, partition_of};
use testkit::{eventually, kafka};

use super::{PARTITIONS, forget_messages, settings, topic};
use crate::support::{Clerk, Town, uuid};

/// Brokers are asked by threads that know the recorder of the process only. Each test has a consumer
/// with a name of its own.
fn recorded() -> &'static PrometheusHandle {
    static RECORDED: OnceLock<PrometheusHandle> = OnceLock::new();
    RECORDED.get_or_init(|| PrometheusBuilder::new().install_recorder().unwrap())
}

/// The value of a metric of a consumer's partition.
fn value(name: &str, consumer: &str, partition: u32) -> Option<f64> {
    let line =
        format!(r#"{name}{{consumer="{consumer}",publisher="sales",partition="{partition}"}} "#);
    let text = recorded().render();
    text.lines().find_map(|it| it.strip_prefix(&line)?.parse().ok())
}

async fn becomes(name: &str, consumer: &str, partition: u32, wanted: f64) {
    eventually(format!("{name} of {partition} to be {wanted}"), || async {
        match value(name, consumer, partition) {
            Some(seen) if (seen - wanted).abs() < f64::EPSILON => Ok(()),
            seen => Err(format!("{seen:?}")),
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_each_partition_has_left_is_measured() {
    const LAG: &str = "bus_consumer_lag_events";
    const ARCHIVE: &str = "archive";
    // Before anything is measured.
    let _recorder = recorded();
    let town = Town::on_sqlite().await;
    let settings = settings(&kafka::fresh().await);
    let (mut shop, mut office, clerk) = (town.shop().await, town.office().await, Clerk::default());
    clerk.with(|mood| mood.is_helpless = true);
    shop.publish(&settings);
    let consumer = office.consumer(ARCHIVE, settings, &clerk);
    office.tasks.spawn(consumer.run_on_kafka(None, office.stop.clone()));
    shop.sell(1, 5).await;
    let busy = partition_of(uuid(1), PARTITIONS);
    becomes(LAG, ARCHIVE, busy, 5.0).await;
    for idle in (0..PARTITIONS).filter(|number| *number != busy) {
        becomes(LAG, ARCHIVE, idle, 0.0).await;
    }
    clerk.with(|mood| mood.is_helpless = false);
    office.has_booked(1, 1..=5).await;
    becomes(LAG, ARCHIVE, busy, 0.0).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn that_messages_are_missing_is_measured_until_they_are_back() {
    const GAP: &str = "bus_consumer_gap";
    const MUSEUM: &str = "museum";
    // Before anything is measured.
    let _recorder = recorded();
    let town = Town::on_sqlite().await;
    let place = kafka::fresh().await;
    let settings = settings(&place);
    let mut shop = town.shop().await;
    shop.publish(&settings);
    let log = RelayLog::new(topic(&place), PARTITIONS);
    let database = shop.tills.committer().database();
    shop.sell(1, 2).await;
    eventually("both sales to be published", || async {
        log.read(database).await.unwrap().reached.seq >= 3
    })
    .await;
    forget_messages(&place, PARTITIONS).await;

    let mut office = town.office().await;
    let consumer = office.consumer(MUSEUM, settings, &Clerk::default());
    office.tasks.spawn(consumer.run_on_kafka(None, office.stop.clone()));
    let partition = partition_of(uuid(1), PARTITIONS);
    becomes(GAP, MUSEUM, partition, 1.0).await;
    log.reset(database).await.unwrap();
    office.has_booked(1, 1..=2).await;
    becomes(GAP, MUSEUM, partition, 0.0).await;
}
