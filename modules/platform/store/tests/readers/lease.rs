//! Leases: one holder, fenced by its epoch.

use std::time::Duration;

use store::{Database, HeldLease, Lease, LeaseError};
use testkit::{Journal, eventually, postgres};
use tokio::time::timeout;

use crate::support::{SILENCE, Shop, on_both, uuid};

const SOON: Duration = Duration::from_secs(20);

fn lease(database: &Database, candidate: u128) -> Lease {
    Lease::new(database, "reports", uuid(candidate), SILENCE)
}

/// Writes on the strength of the lease.
async fn write(database: &Database, held: &HeldLease) -> Result<(), LeaseError> {
    let mut tx = database.begin().await?;
    held.fence(&mut tx).await?;
    store::execute!(&mut tx, "DELETE FROM snapshots").await?;
    Ok(tx.commit().await?)
}

on_both! {
    async fn a_lease_that_nobody_holds_is_given_at_once(shop: Shop) {
        let database = shop.connect().await;
        let held = lease(&database, 1).acquire().await;
        assert_eq!((held.epoch(), held.holder()), (1, uuid(1)));
        write(&database, &held).await.unwrap();
    }

    async fn a_released_lease_is_given_to_the_next_at_once(shop: Shop) {
        let database = shop.connect().await;
        let first = lease(&database, 1).acquire().await;
        first.clone().release().await.unwrap();
        let second = timeout(SILENCE, lease(&database, 2).acquire()).await.unwrap();
        assert_eq!((second.epoch(), second.holder()), (2, uuid(2)));
        assert!(matches!(write(&database, &first).await, Err(LeaseError::Lost(_))));
    }

    async fn a_holder_that_was_paused_cannot_write_any_more(shop: Shop) {
        let (one, other) = (shop.connect().await, shop.connect().await);
        // Nobody runs `keep` for this one: it is paused.
        let paused = lease(&one, 1).acquire().await;
        write(&one, &paused).await.unwrap();
        let successor = timeout(SOON, lease(&other, 2).acquire()).await.unwrap();
        assert!(successor.epoch() > paused.epoch());
        assert_eq!(
            write(&one, &paused).await,
            Err(LeaseError::Lost("reports".to_owned())),
            "the stale epoch commits nothing"
        );
        write(&other, &successor).await.unwrap();
    }

    async fn releasing_a_lost_lease_takes_nothing_from_the_successor(shop: Shop) {
        let database = shop.connect().await;
        let lost = lease(&database, 1).acquire().await;
        let successor = timeout(SOON, lease(&database, 2).acquire()).await.unwrap();
        lost.release().await.unwrap();
        write(&database, &successor).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_holder_that_lives_keeps_its_lease() {
    let shop = Shop::on_postgres().await;
    let (one, other) = (shop.connect().await, shop.connect().await);
    let held = lease(&one, 1).acquire().await;
    let candidate = lease(&other, 2);
    tokio::select! {
        lost = held.keep() => panic!("{lost}"),
        _ = candidate.acquire() => panic!("two holders"),
        _ = timeout(SILENCE * 3, std::future::pending::<()>()) => {}
    }
    write(&one, &held).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn writing_is_a_sign_of_life() {
    let shop = Shop::on_postgres().await;
    let (one, other) = (shop.connect().await, shop.connect().await);
    let held = lease(&one, 1).acquire().await;
    let candidate = lease(&other, 2);
    let writing = async {
        for _ in 0..12 {
            write(&one, &held).await.unwrap();
            let _passed = timeout(SILENCE / 4, std::future::pending::<()>()).await;
        }
    };
    tokio::select! {
        () = writing => {}
        _ = candidate.acquire() => panic!("two holders"),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_holder_learns_that_its_lease_is_lost() {
    let shop = Shop::on_postgres().await;
    let (one, other) = (shop.connect().await, shop.connect().await);
    let paused = lease(&one, 1).acquire().await;
    lease(&other, 2).acquire().await;
    let learned = timeout(SOON, paused.keep()).await.unwrap();
    assert_eq!(learned, LeaseError::Lost("reports".to_owned()));
}

/// PostgreSQL refuses one of two that write the same row; that one need not wait before it asks again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_loses_a_race_for_a_lease_asks_again_at_once() {
    let shop = Shop::on_postgres().await;
    let (one, other) = (shop.connect().await, shop.connect().await);
    lease(&one, 1).acquire().await.release().await.unwrap();
    let mut tx = one.begin().await.unwrap();
    store::execute!(&mut tx, "UPDATE leases SET beat = beat + 1").await.unwrap();
    // It would look again only after a quarter of this.
    let patient = Lease::new(&other, "reports", uuid(2), SOON * 100);
    let freeing = async {
        eventually("the candidate to wait for the row", || async {
            let waiting = "SELECT count(*) FROM pg_locks WHERE NOT granted";
            store::fetch_one!(&one, (i64,), waiting).await.unwrap().0 > 0
        })
        .await;
        tx.commit().await.unwrap();
    };
    let (held, ()) = tokio::join!(timeout(SOON * 10, patient.acquire()), freeing);
    let held = held.unwrap();
    assert_eq!(held.holder(), uuid(2));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_many_candidates_one_gets_the_lease() {
    let shop = Shop::on_postgres().await;
    let mut candidates = tokio::task::JoinSet::new();
    for number in 1..=6 {
        let database = shop.connect().await;
        candidates.spawn(async move { lease(&database, number).acquire().await });
    }
    let holder = candidates.join_next().await.unwrap().unwrap();
    tokio::select! {
        lost = holder.keep() => panic!("{lost}"),
        _ = candidates.join_next() => panic!("two holders"),
        _ = timeout(SILENCE * 2, std::future::pending::<()>()) => {}
    }
}

/// A process holds some dozens of leases, and a database may be away for an hour.
#[test]
fn that_a_lease_cannot_be_renewed_is_said_once() {
    let (journal, subscriber) = Journal::open();
    let levels = || {
        let lines = journal.lines_with("cannot renew a lease").into_iter();
        lines.map(|line| line["level"].clone()).collect::<Vec<_>>()
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    tracing::dispatcher::with_default(&subscriber, || {
        runtime.block_on(async {
            let (url, server) = postgres::private().await;
            let shop = Shop::at(&url).await;
            let held = lease(&shop.connect().await, 1).acquire().await;
            server.stop().await;
            let failing = eventually("three failures", || async {
                let levels = levels();
                if levels.len() >= 3 { Ok(()) } else { Err(format!("{levels:?}")) }
            });
            tokio::select! {
                lost = held.keep() => panic!("{lost}"),
                () = failing => {}
            }
        });
    });
    assert_eq!(levels()[..3], ["WARN", "DEBUG", "DEBUG"]);
}
