//! A replica is killed, or stands still for so long that others take over.

use std::{collections::BTreeMap, time::Duration};

use store::Database;
use testkit::within;

use super::installation::Installation;
use crate::{house::House, rush::Rush};

/// How long leases may take to change hands. Long, because it only passes when they do not.
const PATIENCE: Duration = Duration::from_mins(1);

/// What holders of leases show: how often each has changed hands, and their last sign of life.
const LEASES: &str = "SELECT name, epoch, beat FROM leases";

#[tokio::test]
async fn fifty_buy_while_one_replica_of_orders_after_the_other_is_killed() {
    fifty_buy_while_replicas_are_killed(3).await;
}

#[tokio::test]
#[ignore = "takes minutes"]
async fn fifty_buy_while_replicas_of_orders_are_killed_thirty_times() {
    fifty_buy_while_replicas_are_killed(30).await;
}

/// At each kill some are in the middle of their purchase.
async fn fifty_buy_while_replicas_are_killed(kills: usize) {
    const AT_ONCE: usize = 50;

    let Installation { house, .. } = &Installation::open().await;
    let orders: Vec<_> = house.sandbox.nodes_of("orders").collect();
    let people = AT_ONCE * kills;
    let places = u32::try_from(people - AT_ONCE / 2).expect("few people");
    let rush = Rush::gather(house, people, places).await;
    let fault = async {
        for (kill, node) in (0..kills).zip(orders.iter().cycle()) {
            rush.lets_in(AT_ONCE);
            let enough = AT_ONCE * kill + AT_ONCE / 4;
            rush.has_served(u32::try_from(enough).expect("few people")).await;
            node.crash().await;
            node.restart().await;
        }
    };
    let bought = rush.buys_during(AT_ONCE, fault).await;
    house.judge(&rush, &bought).await;
}

#[tokio::test]
async fn a_replica_that_stood_still_past_its_leases_does_no_harm_when_it_goes_on() {
    const AT_ONCE: usize = 8;

    let Installation { house, .. } = &Installation::open().await;
    let orders: Vec<_> = house.sandbox.nodes_of("orders").collect();
    let rush = Rush::gather(house, 60, 70).await;
    let fault = async {
        let first = leases(house).await;
        for node in &orders {
            rush.lets_in_and_serves(5).await;
            rush.lets_in(10);
            let before = leases(house).await;
            node.pause().await;
            // Those of the other replica go on, and those of this one are taken.
            within(PATIENCE, "all leases to be in good hands", || async {
                let now = leases(house).await;
                if now.iter().all(|(name, it)| before.get(name) != Some(it)) {
                    Ok(())
                } else {
                    Err(format!("{before:?}, now {now:?}"))
                }
            })
            .await;
            rush.lets_in_and_serves(10).await;
            node.resume().await;
        }
        let last = leases(house).await;
        let kept =
            last.iter().filter(|(name, it)| first.get(*name).is_some_and(|was| was.0 == it.0));
        assert_eq!(kept.count(), 0, "each replica has lost its leases once: {first:?}, {last:?}");
        rush.lets_all_in();
    };
    let bought = rush.buys_during(AT_ONCE, fault).await;
    house.judge(&rush, &bought).await;
}

/// The leases of orders: how often each has changed hands, and its last sign of life.
async fn leases(house: &House) -> BTreeMap<String, (i64, i64)> {
    let folder = house.sandbox.data_dir();
    let database = Database::connect(&house.database, "orders", &folder).await.unwrap();
    let rows = store::fetch_all!(&database, (String, i64, i64), LEASES).await.unwrap();
    database.close().await;
    rows.into_iter().map(|(name, epoch, beat)| (name, (epoch, beat))).collect()
}
