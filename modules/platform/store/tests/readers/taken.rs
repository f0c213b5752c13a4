//! What a consumer has taken in of a publisher's events, by which views are made anew.

use runtime::Clock;
use serde_json::json;
use std::sync::Arc;
use store::{
    Database, DeadLetters, Fate, Inbox, Mark, Parked, Passed, Position, Taken, partition_of,
};
use uuid::Uuid;

use crate::support::{Shop, on_both, uuid};

const COUNT: u32 = 2;

fn at(seq: i64) -> Position {
    Position { txn: 0, seq }
}

fn key_in(partition: u32) -> Uuid {
    let mut keys = (0..100).map(uuid);
    keys.find(|key| partition_of(*key, COUNT) == partition).unwrap()
}

/// The consumer has come by the feed to 5, and by the first of two partitions to 10.
async fn pass(database: &Database, inbox: &Inbox) {
    let mut tx = database.begin().await.unwrap();
    let begun = inbox.advance(&mut tx, &Passed::default(), Position::START, at(5)).await.unwrap();
    let partition = inbox.partition("orders.events", COUNT, 0);
    let to = Mark { next_offset: 4, last: at(10) };
    let moved = partition.advance(&mut tx, at(5), None, to).await.unwrap();
    assert!(begun && moved);
    tx.commit().await.unwrap();
}

/// These events are dead letters, named by their places.
async fn park(shop: &Shop, database: &Database, inbox: &Inbox, places: &[(u128, Uuid)]) {
    let letter = |(number, key): &(u128, Uuid)| Parked {
        id: uuid(*number),
        key: *key,
        position: at(i64::try_from(*number).unwrap()),
        event_type: "orders.order_confirmed".to_owned(),
        event: json!({}),
        fate: Fate::Dead { attempts: 5, error: "no such seat".to_owned() },
        at: shop.clock.now(),
    };
    let parked: Vec<Parked> = places.iter().map(letter).collect();
    let mut tx = database.begin().await.unwrap();
    inbox.park(&mut tx, &parked).await.unwrap();
    tx.commit().await.unwrap();
}

/// The places of events about `key` that have taken effect, in the consumer's view of `publisher`.
async fn taken(database: &Database, publisher: &str, key: Uuid) -> Vec<i64> {
    let mut tx = database.begin().await.unwrap();
    let mut live = tx.connection().await.unwrap();
    let taken = Taken::read(&mut live, "reports", publisher).await.unwrap();
    (1..=12).filter(|seq| taken.contains(key, at(*seq))).collect()
}

on_both! {
    async fn what_took_effect_is_what_was_passed_and_not_put_aside(shop: Shop) {
        let database = shop.connect().await;
        let (inbox, first, second) =
            (Inbox::new("reports", "orders"), key_in(0), key_in(1));
        pass(&database, &inbox).await;
        park(&shop, &database, &inbox, &[(2, first), (4, second), (7, first), (8, first)]).await;
        let others = Inbox::new("mails", "orders");
        park(&shop, &database, &others, &[(9, first)]).await;
        assert_eq!(taken(&database, "orders", first).await, [1, 3, 5, 6, 9, 10]);
        assert_eq!(taken(&database, "orders", second).await, [1, 3, 5]);
        assert_eq!(taken(&database, "payments", first).await, [0; 0]);

        // One was tried again and taken in; one is never going to be.
        let letters = DeadLetters::new(&database, Arc::new(shop.clock.clone()));
        letters.discard(uuid(7), "sold by hand", "user:7").await.unwrap();
        let mut tx = database.begin().await.unwrap();
        assert!(inbox.settle(&mut tx, uuid(8)).await.unwrap());
        tx.commit().await.unwrap();
        assert_eq!(taken(&database, "orders", first).await, [1, 3, 5, 6, 8, 9, 10]);
    }
}
