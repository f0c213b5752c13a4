//! Processes of one consumer of which some read the feed and others the topic, as while the setting
//! is changed one process after the other.

use testkit::kafka;

use super::settings;
use crate::support::{Clerk, Town};

const TILLS: u128 = 6;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_one_took_by_the_feed_the_other_does_not_take_by_the_topic() {
    let town = Town::on_postgres().await;
    let settings = settings(&kafka::fresh().await);
    let mut shop = town.shop().await;
    shop.publish(&settings);
    let (mut old, mut new) = (town.office().await, town.office().await);
    let (by_feed, by_topic) = (Clerk::default(), Clerk::default());
    // The old one reads the feed before there is a new one.
    old.read(shop.feed(), &by_feed);
    shop.sell(1, 1).await;
    old.has_booked(1, [1]).await;
    new.read_topic(&settings, &by_topic);
    let mut sold = 1;
    while by_topic.calls() == 0 || sold < 20 {
        sold += 1;
        shop.sell(1, 1).await;
        for till in 2..=TILLS {
            shop.sell(till, 1).await;
        }
    }
    new.has_booked(1, 1..=sold).await;
    for till in 2..=TILLS {
        new.has_booked(till, 1..sold).await;
    }
    old.kill().await;
    for till in 2..=TILLS {
        shop.sell(till, 2).await;
        new.has_booked(till, 1..=sold + 1).await;
    }
    assert_eq!(new.dead_letters().await.len(), 0);
}
