//! A consumer that brokers refuse: it says so, and goes on as soon as they no longer do.

use testkit::{
    Shape, Storage,
    kafka::{Door, GuardedKafka},
};

use super::topic;
use crate::nodes::Town;

const USER: &str = "boxoffice";
const PASSWORD: &str = "correct horse";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_consumer_that_may_not_read_says_so_and_goes_on_once_it_may() {
    let broker = GuardedKafka::start(Door::Password, &[(USER, PASSWORD)]).await;
    let topic = topic(&broker.place);
    let of_topic = ["--topic", topic.as_str()];
    let publish = ["Write", "Describe", "DescribeConfigs", "Create"];
    broker.allow(USER, &publish, &of_topic).await;
    let settings = [
        ("bus.kafka.security", "sasl_plaintext"),
        ("bus.kafka.user", USER),
        ("bus.kafka.password", PASSWORD),
    ];
    let mut town =
        Town::over_kafka_with(Shape::Monolith, Storage::Sqlite, &broker.place, &settings).await;
    town.sell(1, 3).await;
    town.says("ledger", "Group authorization failed").await;

    let groups = ["--group", "*"];
    broker.allow(USER, &["Read"], &groups).await;
    town.says("ledger", "Topic authorization failed").await;
    assert_eq!(town.booked(1).await, Vec::<u64>::new());

    broker.allow(USER, &["Read"], &of_topic).await;
    town.books_are_right().await;
    town.says("ledger", "[]").await;
}
