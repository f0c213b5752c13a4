//! Several replicas of one consumer: one reads, and another takes over.

use std::time::Duration;

use testkit::eventually;
use tokio::time::{Instant, timeout};

use crate::support::{Clerk, SILENCE, Town, on_both};

on_both! {
    async fn a_successor_goes_on_where_the_predecessor_stopped(town: Town) {
        let (shop, clerk) = (town.shop().await, Clerk::default());
        shop.sell(1, 3).await;
        let mut first = town.office().await;
        first.read(shop.feed(), &clerk);
        first.has_booked(1, 1..=3).await;
        first.stop.cancel();
        let mut second = town.office().await;
        second.read(shop.feed(), &clerk);
        shop.sell(1, 3).await;
        second.has_booked(1, 1..=6).await;
        assert_eq!(clerk.calls(), 6);
    }

    async fn two_processes_at_once_do_each_thing_once(town: Town) {
        let (shop, clerk) = (town.shop().await, Clerk::default());
        let (mut one, mut other) = (town.office().await, town.office().await);
        one.read(shop.feed(), &clerk);
        other.read(shop.feed(), &clerk);
        for _ in 0..10 {
            shop.sell(1, 5).await;
            shop.sell(2, 5).await;
        }
        one.has_booked(1, 1..=50).await;
        other.has_booked(2, 1..=50).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_replicas_one_reads() {
    let town = Town::on_postgres().await;
    let shop = town.shop().await;
    let (mut one, mut other) = (town.office().await, town.office().await);
    let (by_one, by_other) = (Clerk::default(), Clerk::default());
    one.read(shop.feed(), &by_one);
    other.read(shop.feed(), &by_other);
    for round in 1..=10 {
        shop.sell(1, 4).await;
        one.has_booked(1, 1..=round * 4).await;
        let _passed = timeout(SILENCE / 4, std::future::pending::<()>()).await;
    }
    let mut calls = [by_one.calls(), by_other.calls()];
    calls.sort_unstable();
    assert_eq!(calls, [0, 40]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn when_the_reader_dies_another_takes_over() {
    let town = Town::on_postgres().await;
    let (shop, by_doomed, by_heir) = (town.shop().await, Clerk::default(), Clerk::default());
    let (mut doomed, mut heir) = (town.office().await, town.office().await);
    doomed.read(shop.feed(), &by_doomed);
    shop.sell(1, 3).await;
    doomed.has_booked(1, 1..=3).await;
    heir.read(shop.feed(), &by_heir);
    doomed.kill().await;

    shop.sell(1, 3).await;
    heir.has_booked(1, 1..=6).await;
    assert_eq!((by_doomed.calls(), by_heir.calls()), (3, 3));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn when_the_reader_stops_politely_another_takes_over_at_once() {
    // Far longer than the test takes.
    const LONG: Duration = Duration::from_mins(1);

    let town = Town::on_postgres().await.with_silence(LONG);
    let (shop, clerk) = (town.shop().await, Clerk::default());
    let (mut leaving, mut heir) = (town.office().await, town.office().await);
    leaving.read(shop.feed(), &clerk);
    shop.sell(1, 1).await;
    leaving.has_booked(1, [1]).await;
    leaving.stop.cancel();
    eventually("the lease to be free", || async {
        let database = leaving.committer.database();
        let (held,): (i64,) = store::fetch_one!(
            database,
            (i64,),
            "SELECT count(*) FROM leases WHERE holder IS NOT NULL"
        )
        .await
        .unwrap();
        held == 0
    })
    .await;

    let began = Instant::now();
    heir.read(shop.feed(), &clerk);
    shop.sell(1, 1).await;
    heir.has_booked(1, 1..=2).await;
    assert!(began.elapsed() < LONG / 2);
}
