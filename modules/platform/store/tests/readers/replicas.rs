//! Several processes on one PostgreSQL schema: they hear of each other's commits at once.

use std::time::Duration;

use runtime::CancellationToken;
use store::{Feed, Position};
use testkit::eventually;
use tokio::time::Instant;

use crate::support::{LampCommand, Process, Shop, uuid};

const ON: LampCommand = LampCommand::TurnOn { off_at: None };
const PATIENCE: Duration = Duration::from_secs(20);
/// A reader that is told nothing looks every 100 ms, and one that relies on being told every second.
const SOON: Duration = Duration::from_millis(40);

/// A process that tells of its commits, and hears of those of others.
async fn process(shop: &Shop) -> Process {
    let mut process = shop.process().await;
    let committer = process.lamps.committer().clone();
    process.tasks.spawn(async move { committer.correspond(CancellationToken::new()).await });
    process
}

/// The median of how long after commits of `writer` whoever waits at `reader` has read them.
async fn delay(writer: &Process, reader: &Process, lamp: u128) -> Duration {
    let feed = Feed::new(&reader.database, ["lamp"]);
    let mut after = feed.head().await.unwrap().unwrap_or(Position::START);
    let mut delays = Vec::new();
    for _ in 0..9 {
        let read = async {
            let page = feed.wait(after, 10, PATIENCE).await.unwrap();
            assert!(!page.events.is_empty());
            (page.reached, Instant::now())
        };
        let write = async {
            writer.give(uuid(lamp), ON).await;
            Instant::now()
        };
        let ((reached, read), written) = tokio::join!(read, write);
        after = reached;
        delays.push(read.saturating_duration_since(written));
    }
    delays.sort_unstable();
    delays[4]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_another_process_commits_is_read_at_once() {
    let shop = Shop::on_postgres().await;
    let (one, other) = (process(&shop).await, process(&shop).await);
    eventually("both hear of each other", || async {
        delay(&one, &other, 1).await < SOON && delay(&other, &one, 2).await < SOON
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_comes_later_is_told_too() {
    let shop = Shop::on_postgres().await;
    let one = process(&shop).await;
    one.give(uuid(1), ON).await;
    let other = process(&shop).await;
    eventually("the newcomer is told", || async { delay(&one, &other, 1).await < SOON }).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_that_is_cut_is_made_again() {
    const CUT: &str = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity \
         WHERE datname = current_database() AND query LIKE 'LISTEN%'";
    let shop = Shop::on_postgres().await;
    let (one, other) = (process(&shop).await, process(&shop).await);
    eventually("the other is told", || async { delay(&one, &other, 1).await < SOON }).await;
    let (cut,): (i64,) = store::fetch_one!(&one.database, (i64,), CUT).await.unwrap();
    assert_eq!(cut, 2);
    eventually("the other is told again", || async { delay(&one, &other, 1).await < SOON }).await;
}

/// An event that stands behind a transaction in flight comes soon after that has ended, although
/// nothing tells of its end.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_held_back_is_read_soon_after() {
    let shop = Shop::on_postgres().await;
    let (writer, reader) = (process(&shop).await, process(&shop).await);
    eventually("the reader is told", || async { delay(&writer, &reader, 1).await < SOON }).await;
    let feed = Feed::new(&reader.database, ["lamp"]);
    let after = feed.head().await.unwrap().unwrap();

    let mut in_flight = writer.database.begin().await.unwrap();
    store::execute!(&mut in_flight, "DELETE FROM write_probe").await.unwrap();
    store::execute!(&mut in_flight, "INSERT INTO write_probe (id, filling) VALUES (7, '')")
        .await
        .unwrap();
    writer.give(uuid(2), ON).await;
    let read = async {
        feed.wait(after, 10, PATIENCE).await.unwrap();
        Instant::now()
    };
    let end = async {
        assert_eq!(feed.read(after, 10).await.unwrap().events.len(), 0, "it is held back");
        in_flight.rollback().await.unwrap();
        Instant::now()
    };
    let (read, ended) = tokio::join!(read, end);
    assert!(read.saturating_duration_since(ended) < Duration::from_millis(500));
}
