//! A consumer that cannot go on: neither its events nor the brokers are the trouble.

use testkit::{Shape, Storage, kafka};

use crate::nodes::{HELPLESS, Town};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_consumer_that_cannot_go_on_for_long_says_why() {
    let place = kafka::fresh().await;
    let mut town = Town::over_kafka(Shape::Monolith, Storage::Sqlite, &place).await;
    town.sell(HELPLESS, 1).await;
    town.says("ledger", "events of sales have to wait: the lights are out").await;
}
