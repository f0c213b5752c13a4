//! Dead letters: listed, shown, retried, discarded.

use runtime::Clock;
use serde_json::json;
use std::sync::Arc;
use store::{
    Aside, Database, DeadLetterState, DeadLetters, Fate, Inbox, Parked, Position, StoreError, Tx,
};
use uuid::Uuid;

use crate::support::{Shop, on_both, uuid};

fn inbox() -> Inbox {
    Inbox::new("tickets", "orders")
}

fn at(seq: i64) -> Position {
    Position { txn: 0, seq }
}

fn letter(shop: &Shop, number: u128, key: u128, fate: Fate) -> Parked {
    Parked {
        id: uuid(number),
        key: uuid(key),
        position: at(i64::try_from(number).unwrap()),
        event_type: "orders.order_confirmed".to_owned(),
        event: json!({ "number": number.to_string() }),
        fate,
        at: shop.clock.now(),
    }
}

fn dead() -> Fate {
    Fate::Dead { attempts: 5, error: "no such seat".to_owned() }
}

async fn park(database: &Database, letters: &[Parked]) {
    let mut tx = database.begin().await.unwrap();
    inbox().park(&mut tx, letters).await.unwrap();
    tx.commit().await.unwrap();
}

async fn runnable(shop: &Shop, database: &Database) -> Vec<Uuid> {
    let letters = inbox().runnable(database, shop.clock.now(), 10).await.unwrap();
    letters.into_iter().map(|letter| letter.id).collect()
}

fn letters(shop: &Shop, database: &Database) -> DeadLetters {
    DeadLetters::new(database, Arc::new(shop.clock.clone()))
}

async fn settle(database: &Database, id: u128) -> Result<bool, StoreError> {
    let mut tx: Tx = database.begin().await?;
    let is_settled = inbox().settle(&mut tx, uuid(id)).await?;
    tx.commit().await?;
    Ok(is_settled)
}

on_both! {
    async fn a_consumer_comes_forward_only_from_where_it_is(shop: Shop) {
        let database = shop.connect().await;
        assert_eq!(inbox().position(&database).await.unwrap(), Position::START);
        for (from, to, moves) in [(0, 5, true), (0, 7, false), (5, 9, true), (5, 6, false)] {
            let mut tx = database.begin().await.unwrap();
            let moved = inbox().advance(&mut tx, at(from), at(to)).await.unwrap();
            assert_eq!(moved, moves, "from {from} to {to}");
            tx.commit().await.unwrap();
        }
        assert_eq!(inbox().position(&database).await.unwrap(), at(9));
        let other = Inbox::new("tickets", "payments");
        assert_eq!(other.position(&database).await.unwrap(), Position::START);
    }

    async fn later_events_of_a_key_wait_behind_the_dead_one(shop: Shop) {
        let database = shop.connect().await;
        park(&database, &[
            letter(&shop, 1, 100, dead()),
            letter(&shop, 2, 100, Fate::Waiting),
            letter(&shop, 3, 100, Fate::Waiting),
        ])
        .await;
        assert_eq!(runnable(&shop, &database).await, [] as [Uuid; 0]);
        let keys = [uuid(100), uuid(200)];
        assert_eq!(inbox().blocked(&database, keys).await.unwrap(), [uuid(100)].into());
        assert_eq!(
            inbox().aside(&database).await.unwrap(),
            Aside { events: 3, dead: 1 }
        );
    }

    async fn a_failed_event_is_runnable_when_it_is_due(shop: Shop) {
        let database = shop.connect().await;
        let due = shop.in_seconds(10);
        let retrying = Fate::Retrying { attempts: 1, error: "busy".to_owned(), due };
        park(&database, &[letter(&shop, 1, 100, retrying)]).await;
        assert_eq!(runnable(&shop, &database).await, [] as [Uuid; 0]);
        assert_eq!(inbox().next_due(&database).await.unwrap(), Some(due));
        shop.clock.set(due);
        assert_eq!(runnable(&shop, &database).await, [uuid(1)]);
    }

    async fn a_dead_letter_is_listed_and_shown_with_all_that_is_known(shop: Shop) {
        let database = shop.connect().await;
        park(&database, &[
            letter(&shop, 1, 100, dead()),
            letter(&shop, 2, 100, Fate::Waiting),
            letter(&shop, 3, 200, dead()),
        ])
        .await;
        let letters = letters(&shop, &database);
        let listed = letters.list(None, 10).await.unwrap();
        let ids: Vec<Uuid> = listed.iter().map(|letter| letter.id).collect();
        assert_eq!(ids, [uuid(1), uuid(3)]);
        assert_eq!(letters.list(Some(uuid(1)), 10).await.unwrap(), listed[1..]);

        let shown = letters.show(uuid(1)).await.unwrap().unwrap();
        assert_eq!(shown, listed[0]);
        assert_eq!((shown.consumer.as_str(), shown.publisher.as_str()), ("tickets", "orders"));
        assert_eq!((shown.state, shown.attempts), (DeadLetterState::Dead, 5));
        assert_eq!(shown.error.as_deref(), Some("no such seat"));
        assert_eq!((shown.waiting, shown.position), (1, at(1)));
        assert_eq!(shown.event, json!({ "number": "1" }));
        assert_eq!(letters.show(uuid(2)).await.unwrap().unwrap().state, DeadLetterState::Waiting);
        assert_eq!(letters.show(uuid(9)).await.unwrap(), None);
    }

    async fn a_retried_letter_runs_again_and_those_behind_it_follow(shop: Shop) {
        let database = shop.connect().await;
        park(&database, &[
            letter(&shop, 1, 100, dead()),
            letter(&shop, 2, 100, Fate::Waiting),
        ])
        .await;
        let letters = letters(&shop, &database);
        assert!(!letters.retry(uuid(2)).await.unwrap(), "it is not its turn");
        assert!(!letters.retry(uuid(9)).await.unwrap());
        assert!(letters.retry(uuid(1)).await.unwrap());
        assert_eq!(runnable(&shop, &database).await, [uuid(1)]);
        assert_eq!(letters.show(uuid(1)).await.unwrap().unwrap().attempts, 0);
        assert!(settle(&database, 1).await.unwrap());
        assert_eq!(runnable(&shop, &database).await, [uuid(2)]);
        assert!(settle(&database, 2).await.unwrap());
        assert!(!settle(&database, 2).await.unwrap(), "it took effect already");
    }

    async fn behind_a_discarded_letter_the_next_goes_on(shop: Shop) {
        let database = shop.connect().await;
        park(&database, &[
            letter(&shop, 1, 100, dead()),
            letter(&shop, 2, 100, Fate::Waiting),
        ])
        .await;
        let letters = letters(&shop, &database);
        assert!(letters.discard(uuid(1)).await.unwrap());
        assert!(!letters.discard(uuid(1)).await.unwrap());
        assert_eq!(runnable(&shop, &database).await, [uuid(2)]);
        assert_eq!(letters.list(None, 10).await.unwrap(), []);
    }

    async fn another_failure_is_noted(shop: Shop) {
        let database = shop.connect().await;
        park(&database, &[letter(&shop, 1, 100, Fate::Waiting)]).await;
        let mut tx = database.begin().await.unwrap();
        inbox().fail(&mut tx, uuid(1), &dead(), shop.clock.now()).await.unwrap();
        tx.commit().await.unwrap();
        assert_eq!(runnable(&shop, &database).await, [] as [Uuid; 0]);
        let shown = letters(&shop, &database).show(uuid(1)).await.unwrap().unwrap();
        assert_eq!((shown.state, shown.attempts), (DeadLetterState::Dead, 5));
    }
}
