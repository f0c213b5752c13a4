//! A consumer whose database went back with a failover: it reads again what came since, even when
//! nothing new arrives by which it could notice.

use store::Sql;
use testkit::{Server, eventually, kafka, postgres};

use super::settings;
use crate::support::{Clerk, Office, Town, uuid};

const PARTITIONS: &str = "UPDATE partitions SET next_offset = 0, txn = 0, seq = 0";
const FEED: &str = "UPDATE consumers SET txn = 0, seq = 0";

/// As when another server goes on, which had not all of it. The books are not set back, so they
/// show what came again.
async fn go_back(server: &Server, office: &Office, set_back: impl Into<Sql>) {
    let mut tx = office.committer.database().begin().await.unwrap();
    assert!(store::execute!(&mut tx, set_back.into()).await.unwrap() > 0);
    tx.commit().await.unwrap();
    server.stop().await;
    server.start().await;
}

/// Both sales once more. What asks for them may have a connection that leads nowhere any more.
async fn has_booked_them_again(office: &Office) {
    eventually("both sales to be booked again", || async {
        let history = office.accounts.history(uuid(1)).await.map_err(|error| error.to_string())?;
        let booked: Vec<u64> = history.iter().map(|recorded| recorded.event.number()).collect();
        if booked == [1, 2, 1, 2] { Ok(()) } else { Err(format!("{booked:?}")) }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_its_database_lost_comes_again_over_kafka() {
    let (url, server) = postgres::private().await;
    let town = Town::at(&url).await;
    let settings = settings(&kafka::fresh().await);
    let (mut shop, mut office) = (town.shop().await, town.office().await);
    shop.publish(&settings);
    office.read_topic(&settings, &Clerk::default());
    shop.sell(1, 2).await;
    office.has_booked(1, 1..=2).await;
    go_back(&server, &office, PARTITIONS).await;
    has_booked_them_again(&office).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_its_database_lost_comes_again_by_the_feed() {
    let (url, server) = postgres::private().await;
    // The publisher has a database of its own, or it would show by the publisher's silence.
    let (publishers, town) = (Town::on_sqlite().await, Town::at(&url).await);
    let (shop, mut office) = (publishers.shop().await, town.office().await);
    office.read(shop.feed(), &Clerk::default());
    shop.sell(1, 2).await;
    office.has_booked(1, 1..=2).await;
    go_back(&server, &office, FEED).await;
    has_booked_them_again(&office).await;
}
