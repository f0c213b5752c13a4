//! A consumer's two ways to events, the feed and partitions: while both are used, as when the
//! setting is changed one process after the other, nobody takes what came by the other way.

use store::{Database, Inbox, Mark, Passed, Position, StoreError, Tx, sqlx};

use crate::support::{Shop, on_both};

fn inbox() -> Inbox {
    Inbox::new("tickets", "orders")
}

fn at(seq: i64) -> Position {
    Position { txn: 0, seq }
}

fn mark(seq: i64) -> Mark {
    Mark { next_offset: seq, last: at(seq) }
}

async fn passed(database: &Database) -> Passed {
    inbox().passed(database).await.unwrap()
}

/// Moves on by the feed, believing in `passed`.
async fn read_feed(tx: &mut Tx, passed: &Passed, to: i64) -> Result<bool, sqlx::Error> {
    inbox().advance(tx, passed, passed.feed(), at(to)).await
}

/// Moves on in one partition, believing in `passed`.
async fn read_topic(
    tx: &mut Tx,
    passed: &Passed,
    number: u32,
    to: i64,
) -> Result<bool, sqlx::Error> {
    let partition = inbox().partition("orders", 2, number);
    partition.advance(tx, passed.feed(), passed.mark(&partition), mark(to)).await
}

/// What was written is written, or somebody else was there.
async fn end(tx: Tx, moved: Result<bool, sqlx::Error>) -> bool {
    match moved.map_err(StoreError::from) {
        Ok(true) => tx.commit().await.is_ok(),
        Ok(false) | Err(StoreError::Contended(_)) => false,
        Err(error) => unreachable!("nothing but a race keeps it from being written: {error}"),
    }
}

async fn by_feed(database: &Database, passed: &Passed, to: i64) -> bool {
    let mut tx = database.begin().await.unwrap();
    let moved = read_feed(&mut tx, passed, to).await;
    end(tx, moved).await
}

async fn by_topic(database: &Database, passed: &Passed, number: u32, to: i64) -> bool {
    let mut tx = database.begin().await.unwrap();
    let moved = read_topic(&mut tx, passed, number, to).await;
    end(tx, moved).await
}

on_both! {
    async fn each_way_goes_on_where_the_other_has_come_to(shop: Shop) {
        let database = shop.connect().await;
        for round in [0, 10, 20] {
            assert!(by_feed(&database, &passed(&database).await, round + 2).await);
            assert!(by_topic(&database, &passed(&database).await, 0, round + 5).await);
            assert!(by_topic(&database, &passed(&database).await, 1, round + 6).await);
            assert!(by_feed(&database, &passed(&database).await, round + 9).await);
        }
    }

    async fn partitions_do_not_stand_in_each_others_way(shop: Shop) {
        let database = shop.connect().await;
        let known = passed(&database).await;
        assert!(by_topic(&database, &known, 0, 3).await);
        assert!(by_topic(&database, &known, 1, 4).await);
    }

    async fn nobody_goes_on_who_has_not_seen_what_came_by_the_other_way(shop: Shop) {
        let database = shop.connect().await;
        let nothing = passed(&database).await;
        assert!(by_topic(&database, &nothing, 0, 3).await);
        assert!(!by_feed(&database, &nothing, 3).await, "a partition was begun");
        let one = passed(&database).await;
        assert!(by_topic(&database, &one, 0, 5).await);
        assert!(!by_feed(&database, &one, 5).await, "a partition went on");
        let two = passed(&database).await;
        assert!(by_feed(&database, &two, 7).await);
        assert!(!by_topic(&database, &two, 0, 7).await, "the feed went on");
        assert!(!by_topic(&database, &two, 1, 7).await, "the feed went on");
        assert_eq!(passed(&database).await.feed(), at(7));
    }
}

/// Both have begun before either goes on, so neither sees the other.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_at_the_same_moment_one_goes_on() {
    let shop = Shop::on_postgres().await;
    let database = shop.connect().await;
    // Partition 0 is begun in the first round, and goes on in the others.
    for round in 1..=4 {
        let known = passed(&database).await;
        let (mut feed, mut topic) =
            (database.begin().await.unwrap(), database.begin().await.unwrap());
        for tx in [&mut feed, &mut topic] {
            store::execute!(tx, "DELETE FROM snapshots").await.unwrap();
        }
        let to = round * 10;
        let (by_feed, by_topic) = if round % 2 == 0 {
            let moved = read_feed(&mut feed, &known, to).await;
            let by_feed = end(feed, moved).await;
            let moved = read_topic(&mut topic, &known, 0, to).await;
            (by_feed, end(topic, moved).await)
        } else {
            let moved = read_topic(&mut topic, &known, 0, to).await;
            let by_topic = end(topic, moved).await;
            let moved = read_feed(&mut feed, &known, to).await;
            (end(feed, moved).await, by_topic)
        };
        assert_ne!(by_feed, by_topic, "round {round}");
    }
}
