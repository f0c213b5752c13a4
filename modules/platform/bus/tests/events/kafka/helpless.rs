//! A consumer that cannot go on: neither its events nor the brokers are the trouble.

use store::partition_of;
use testkit::{Client, Shape, Storage, eventually, kafka};

use crate::{
    nodes::{HELPLESS, Town},
    support::uuid,
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_consumer_that_cannot_go_on_for_long_says_why() {
    let place = kafka::fresh().await;
    let mut town = Town::over_kafka(Shape::Monolith, Storage::Sqlite, &place).await;
    town.sell(HELPLESS, 1).await;
    town.says("ledger", "events of sales have to wait: the lights are out").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn readiness_tells_what_each_partition_has_left_and_stays_ready() {
    let place = kafka::fresh().await;
    let mut town = Town::over_kafka(Shape::Split, Storage::Sqlite, &place).await;
    town.sell(HELPLESS, 5).await;
    let busy = partition_of(uuid(HELPLESS), 2);
    let readiness = Client::new(town.sandbox.node("ledger").admin_url());
    eventually("five messages to be left in one partition", || async {
        let report = readiness.get("/readyz").await.expect(200).value();
        let partitions = &report["modules"]["ledger"]["details"]["events of sales"]["partitions"];
        let left = [busy, 1 - busy].map(|it| partitions[it.to_string()]["lag"].as_u64());
        if left == [Some(5), Some(0)] { Ok(()) } else { Err(report.to_string()) }
    })
    .await;
}
