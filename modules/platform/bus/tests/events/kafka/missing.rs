//! Messages that brokers no longer have: consumers say so, take nothing that comes after them, and
//! go on when everything is published again.

use testkit::{Shape, Storage, kafka};

use super::{forget_messages, remove_topic};
use crate::nodes::Town;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_consumer_says_that_messages_are_missing_and_skips_none() {
    let place = kafka::fresh().await;
    let mut town = Town::over_kafka(Shape::Split, Storage::Sqlite, &place).await;
    town.sell(1, 3).await;
    town.books_are_right().await;
    town.sandbox.node("ledger").stop().await;
    town.sell(1, 2).await;
    town.is_published().await;
    forget_messages(&place, 2).await;

    let ledger = town.sandbox.node("ledger");
    ledger.restart().await;
    ledger.ready().await;
    town.says("ledger", "events between are missing").await;
    // What comes afterwards is not taken, either.
    town.sell(1, 1).await;
    town.is_published().await;
    town.says("ledger", "boxoffice events republish sales").await;
    assert_eq!(town.booked(1).await, [1, 2, 3]);

    town.publish_again(&place).await;
    town.books_are_right().await;
    town.says("ledger", "[]").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_consumer_says_that_the_brokers_have_lost_what_it_had_taken() {
    let place = kafka::fresh().await;
    let mut town = Town::over_kafka(Shape::Split, Storage::Sqlite, &place).await;
    town.sell(1, 3).await;
    town.books_are_right().await;
    town.sandbox.node("sales").stop().await;
    town.sandbox.node("ledger").stop().await;
    remove_topic(&place).await;

    // Without the publisher, which may not have noted how far it came, and then publishes again.
    let (ledger, sales) = (town.sandbox.node("ledger"), town.sandbox.node("sales"));
    ledger.restart().await;
    ledger.ready().await;
    town.says("ledger", "they have lost some").await;
    sales.restart().await;
    sales.ready().await;
    town.publish_again(&place).await;
    town.says("ledger", "[]").await;
    town.sell(1, 1).await;
    town.books_are_right().await;
}
