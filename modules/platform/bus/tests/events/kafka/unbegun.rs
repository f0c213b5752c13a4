//! Messages that brokers have deleted before a consumer began.

use testkit::{Shape, Storage, kafka};

use super::forget_messages;
use crate::nodes::Town;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_consumer_that_comes_too_late_for_the_first_messages_says_so_at_once() {
    let place = kafka::fresh().await;
    let mut town = Town::over_kafka(Shape::Split, Storage::Sqlite, &place).await;
    let ledger = town.sandbox.node("ledger");
    ledger.stop().await;
    town.sell(1, 3).await;
    town.is_published().await;
    forget_messages(&place, 2).await;

    // Nothing comes afterwards by which it could notice.
    let ledger = town.sandbox.node("ledger");
    ledger.restart().await;
    ledger.ready().await;
    town.says("ledger", "events between are missing").await;
    town.publish_again(&place).await;
    town.books_are_right().await;
    town.says("ledger", "[]").await;
}
