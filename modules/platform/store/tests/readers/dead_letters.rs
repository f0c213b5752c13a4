//! Dead letters: listed, shown, retried, discarded.

use runtime::Clock;
use serde_json::json;
use std::sync::Arc;
use store::{
    Aside, Database, DeadLetter, DeadLetterState, DeadLetters, Discarded, Fate, Inbox, LetterError,
    Parked, Passed, Position, StoreError, Tx, WantedLetters,
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

fn ids(letters: &[DeadLetter]) -> Vec<Uuid> {
    letters.iter().map(|letter| letter.id).collect()
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
        let nothing = Passed::default();
        for (from, to, moves) in [(0, 5, true), (0, 7, false), (5, 9, true), (5, 6, false)] {
            let mut tx = database.begin().await.unwrap();
            let moved = inbox().advance(&mut tx, &nothing, at(from), at(to)).await.unwrap();
            assert_eq!(moved, moves, "from {from} to {to}");
            tx.commit().await.unwrap();
        }
        assert_eq!(inbox().position(&database).await.unwrap(), at(9));
        let other = Inbox::new("tickets", "payments");
        assert_eq!(other.position(&database).await.unwrap(), Position::START);
    }

    async fn whoever_has_taken_in_anything_is_a_consumer(shop: Shop) {
        let database = shop.connect().await;
        let letters = letters(&shop, &database);
        assert_eq!(letters.consumers().await.unwrap(), []);
        for (consumer, publisher) in [("tickets", "orders"), ("doors", "orders")] {
            let mut tx = database.begin().await.unwrap();
            let inbox = Inbox::new(consumer, publisher);
            inbox.advance(&mut tx, &Passed::default(), at(0), at(5)).await.unwrap();
            tx.commit().await.unwrap();
        }
        let known = [("doors", "orders"), ("tickets", "orders")];
        let known = known.map(|(consumer, publisher)| (consumer.to_owned(), publisher.to_owned()));
        assert_eq!(letters.consumers().await.unwrap(), known);
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
        let everything = WantedLetters::default();
        let listed = letters.list(&everything, None, 10).await.unwrap();
        assert_eq!(ids(&listed), [uuid(1), uuid(3)]);
        assert_eq!(letters.list(&everything, Some(uuid(1)), 10).await.unwrap(), listed[1..]);
        assert_eq!(letters.list(&everything, None, 1).await.unwrap(), listed[..1]);

        let shown = letters.show(uuid(1)).await.unwrap().unwrap();
        assert_eq!(shown, listed[0]);
        assert_eq!((shown.consumer.as_str(), shown.publisher.as_str()), ("tickets", "orders"));
        assert_eq!((shown.state, shown.attempts), (DeadLetterState::Dead, 5));
        assert_eq!(shown.error.as_deref(), Some("no such seat"));
        assert_eq!((shown.waiting, shown.position), (1, at(1)));
        assert_eq!(shown.event, json!({ "number": "1" }));
        assert_eq!(shown.discarded, None);
        assert_eq!(letters.show(uuid(2)).await.unwrap().unwrap().state, DeadLetterState::Waiting);
        assert_eq!(letters.show(uuid(9)).await.unwrap(), None);
    }

    async fn a_list_has_what_is_asked_for(shop: Shop) {
        let database = shop.connect().await;
        let due = shop.in_seconds(10);
        let retrying = Fate::Retrying { attempts: 1, error: "busy".to_owned(), due };
        park(&database, &[
            letter(&shop, 1, 100, dead()),
            letter(&shop, 2, 100, Fate::Waiting),
            letter(&shop, 3, 200, retrying),
        ])
        .await;
        let mut tx = database.begin().await.unwrap();
        let of_payments = [letter(&shop, 4, 100, dead())];
        Inbox::new("tickets", "payments").park(&mut tx, &of_payments).await.unwrap();
        let of_doors = [letter(&shop, 5, 100, dead())];
        Inbox::new("doors", "orders").park(&mut tx, &of_doors).await.unwrap();
        tx.commit().await.unwrap();
        let letters = letters(&shop, &database);
        letters.discard(uuid(5), "spoiled", "user:7").await.unwrap();

        let wanted = |consumer: &str, publisher: &str, state| WantedLetters {
            consumer: consumer.to_owned(),
            publisher: publisher.to_owned(),
            state,
        };
        for (wanted, expected) in [
            (wanted("", "", None), vec![1, 3, 4]),
            (wanted("tickets", "orders", None), vec![1, 3]),
            (wanted("", "payments", None), vec![4]),
            (wanted("doors", "", None), vec![]),
            (wanted("", "", Some(DeadLetterState::Dead)), vec![1, 4]),
            (wanted("", "", Some(DeadLetterState::Retrying)), vec![3]),
            (wanted("", "", Some(DeadLetterState::Waiting)), vec![2]),
            (wanted("", "", Some(DeadLetterState::Discarded)), vec![5]),
            (wanted("tickets", "", Some(DeadLetterState::Discarded)), vec![]),
        ] {
            let listed = letters.list(&wanted, None, 10).await.unwrap();
            let expected: Vec<Uuid> = expected.into_iter().map(uuid).collect();
            assert_eq!(ids(&listed), expected, "{wanted:?}");
        }
    }

    async fn a_retried_letter_runs_again_and_those_behind_it_follow(shop: Shop) {
        let database = shop.connect().await;
        park(&database, &[
            letter(&shop, 1, 100, dead()),
            letter(&shop, 2, 100, Fate::Waiting),
        ])
        .await;
        let letters = letters(&shop, &database);
        let too_early = letters.retry(uuid(2)).await;
        assert_eq!(too_early, Err(LetterError::Waiting { behind: Some(uuid(1)) }));
        assert_eq!(letters.retry(uuid(9)).await, Err(LetterError::Unknown));
        let retried = letters.retry(uuid(1)).await.unwrap();
        assert_eq!((retried.state, retried.attempts), (DeadLetterState::Retrying, 0));
        assert_eq!(letters.show(uuid(1)).await.unwrap(), Some(retried));
        assert_eq!(runnable(&shop, &database).await, [uuid(1)]);
        assert!(settle(&database, 1).await.unwrap());
        let its_turn_has_come = letters.retry(uuid(2)).await;
        assert_eq!(its_turn_has_come, Err(LetterError::Waiting { behind: None }));
        assert_eq!(runnable(&shop, &database).await, [uuid(2)]);
        assert!(settle(&database, 2).await.unwrap());
        assert!(!settle(&database, 2).await.unwrap(), "it took effect already");
        assert_eq!(letters.retry(uuid(2)).await, Err(LetterError::Unknown));
    }

    async fn all_letters_of_a_consumer_run_again_and_no_others(shop: Shop) {
        let database = shop.connect().await;
        let due = shop.in_seconds(1000);
        let retrying = Fate::Retrying { attempts: 2, error: "busy".to_owned(), due };
        park(&database, &[
            letter(&shop, 1, 100, dead()),
            letter(&shop, 2, 100, Fate::Waiting),
            letter(&shop, 3, 200, dead()),
            letter(&shop, 4, 300, retrying),
        ])
        .await;
        let mut tx = database.begin().await.unwrap();
        let of_doors = [letter(&shop, 5, 100, dead())];
        Inbox::new("doors", "orders").park(&mut tx, &of_doors).await.unwrap();
        tx.commit().await.unwrap();
        let letters = letters(&shop, &database);
        assert_eq!(letters.retry_all("tickets", "payments").await, Ok(0));
        assert_eq!(letters.retry_all("tickets", "").await, Ok(3));
        assert_eq!(runnable(&shop, &database).await, [uuid(1), uuid(3), uuid(4)]);
        let of_others = letters.show(uuid(5)).await.unwrap().unwrap();
        assert_eq!(of_others.state, DeadLetterState::Dead);
        assert_eq!(letters.retry_all("doors", "orders").await, Ok(1));
    }

    async fn behind_a_discarded_letter_the_next_goes_on(shop: Shop) {
        let database = shop.connect().await;
        park(&database, &[
            letter(&shop, 1, 100, dead()),
            letter(&shop, 2, 100, Fate::Waiting),
        ])
        .await;
        let letters = letters(&shop, &database);
        let before = letters.show(uuid(1)).await.unwrap().unwrap();
        let discarded = letters.discard(uuid(1), "sold by hand", "user:7").await.unwrap();
        assert_eq!(runnable(&shop, &database).await, [uuid(2)]);

        let kept = Discarded {
            reason: "sold by hand".to_owned(),
            by: "user:7".to_owned(),
            at: shop.clock.now(),
        };
        assert_eq!(discarded, DeadLetter {
            state: DeadLetterState::Discarded,
            discarded: Some(kept),
            waiting: 0,
            due: shop.clock.now(),
            ..before
        });
        assert_eq!(letters.show(uuid(1)).await.unwrap().as_ref(), Some(&discarded));
        let again = letters.discard(uuid(1), "for another reason", "user:8").await;
        assert_eq!(again, Err(LetterError::Discarded(Box::new(discarded.clone()))));
        let retried = letters.retry(uuid(1)).await;
        assert_eq!(retried, Err(LetterError::Discarded(Box::new(discarded))));
        assert_eq!(letters.discard(uuid(9), "nothing", "user:7").await, Err(LetterError::Unknown));
        assert_eq!(letters.list(&WantedLetters::default(), None, 10).await.unwrap(), []);
    }

    async fn what_waits_behind_another_letter_cannot_be_discarded_before_it(shop: Shop) {
        let database = shop.connect().await;
        park(&database, &[
            letter(&shop, 1, 100, dead()),
            letter(&shop, 2, 100, Fate::Waiting),
            letter(&shop, 3, 100, Fate::Waiting),
        ])
        .await;
        let letters = letters(&shop, &database);
        let before = letters.show(uuid(3)).await.unwrap();
        for waiting in [uuid(2), uuid(3)] {
            let too_early = letters.discard(waiting, "spoiled", "user:7").await;
            assert_eq!(too_early, Err(LetterError::Waiting { behind: Some(uuid(1)) }));
        }
        assert_eq!(letters.show(uuid(3)).await.unwrap(), before);
        // One after the other, whether anybody reads or not.
        for number in 1..=3 {
            let discarded = letters.discard(uuid(number), "spoiled", "user:7").await.unwrap();
            assert_eq!(discarded.id, uuid(number));
        }
        assert_eq!(inbox().aside(&database).await.unwrap(), Aside { events: 0, dead: 0 });
    }

    async fn of_operators_who_decide_at_once_each_learns_what_stands(shop: Shop) {
        let database = shop.connect().await;
        for number in 1..=10 {
            park(&database, &[letter(&shop, number, number, dead())]).await;
            let (ada, bob) = (letters(&shop, &database), letters(&shop, &shop.connect().await));
            let (ada, bob, eve) = tokio::join!(
                ada.discard(uuid(number), "spoiled", "ada"),
                bob.discard(uuid(number), "rotten", "bob"),
                ada.retry(uuid(number)),
            );
            let stands = letters(&shop, &database).show(uuid(number)).await.unwrap().unwrap();
            let was_discarded = |outcome: &Result<DeadLetter, LetterError>| match outcome {
                Ok(letter) => *letter == stands,
                Err(LetterError::Discarded(letter)) => **letter == stands,
                Err(_) => false,
            };
            assert_eq!([&ada, &bob].iter().filter(|outcome| outcome.is_ok()).count(), 1);
            assert!(was_discarded(&ada) && was_discarded(&bob), "{ada:?} {bob:?}");
            assert!(eve.is_ok() || was_discarded(&eve), "{eve:?}");
            assert_eq!(stands.state, DeadLetterState::Discarded);
        }
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
