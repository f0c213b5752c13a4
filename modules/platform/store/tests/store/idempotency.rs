//! One effect for a key, and one answer.

use futures_util::future::join_all;
use runtime::Timestamp;
use serde_json::json;
use store::{Answer, Claim, ExecuteError, Idempotency, IdempotencyKey, StoreError};

use crate::{
    account::Command,
    world::{cx, on_all, on_both},
};

fn key(name: &str) -> IdempotencyKey {
    IdempotencyKey { scope: "user:1 POST /v1/orders".to_owned(), key: name.to_owned() }
}

fn created(id: uuid::Uuid) -> Answer {
    Answer::json(201, &json!({"id": id, "name": "Ünïcode \u{1F3AB} \"\\"}))
        .header("location", format!("/v1/orders/{id}"))
}

on_all! {
    async fn the_answer_is_stored_with_the_effect_and_replayed(world) {
        let process = world.start().await;
        let keys = Idempotency::new(&process.committer);
        let (key, id) = (key("a"), process.id());
        assert_eq!(keys.claim(&cx(), &key, "hash").await, Ok(Claim::Claimed));
        let answer = process
            .accounts
            .execute(&cx(), id, Command::Deposit(5))
            .answer(&key, |id, after| {
                assert_eq!(after.version, 1);
                created(id)
            })
            .await;
        assert_eq!(answer, Ok(created(id)));
        process.stop().await;

        let again = world.start().await;
        let keys = Idempotency::new(&again.committer);
        assert_eq!(keys.claim(&cx(), &key, "hash").await, Ok(Claim::Replay(created(id))));
        assert_eq!(keys.claim(&cx(), &key, "other hash").await, Ok(Claim::OtherBody));
    }

    async fn of_fifty_at_once_one_gets_the_key(world) {
        let process = world.start().await;
        let keys = Idempotency::new(&process.committer);
        let claims = (0..50).map(|_| async { keys.claim(&cx(), &key("a"), "hash").await.unwrap() });
        let outcomes = join_all(claims).await;
        let count = |wanted: &Claim| outcomes.iter().filter(|outcome| *outcome == wanted).count();
        assert_eq!((count(&Claim::Claimed), count(&Claim::InFlight)), (1, 49));
        assert_eq!(keys.claim(&cx(), &key("a"), "other").await, Ok(Claim::OtherBody));
        assert_eq!(keys.claim(&cx(), &key("b"), "hash").await, Ok(Claim::Claimed));
    }

    async fn a_released_key_can_be_claimed_with_another_body(world) {
        let process = world.start().await;
        let keys = Idempotency::new(&process.committer);
        keys.claim(&cx(), &key("a"), "hash").await.unwrap();
        keys.release(&cx(), &key("a")).await.unwrap();
        assert_eq!(keys.claim(&cx(), &key("a"), "other").await, Ok(Claim::Claimed));
    }

    async fn an_answer_without_effect_is_stored_too(world) {
        let process = world.start().await;
        let keys = Idempotency::new(&process.committer);
        let refusal = Answer::json(409, &json!({"type": "/problems/sold-out"}));
        keys.claim(&cx(), &key("a"), "hash").await.unwrap();
        keys.store_answer(&cx(), &key("a"), &refusal).await.unwrap();
        assert_eq!(keys.claim(&cx(), &key("a"), "hash").await, Ok(Claim::Replay(refusal)));
        keys.release(&cx(), &key("a")).await.unwrap();
        assert!(matches!(keys.claim(&cx(), &key("a"), "hash").await, Ok(Claim::Replay(_))));
    }

    async fn a_key_has_one_effect_even_when_two_believe_it_theirs(world) {
        let process = world.start().await;
        let keys = Idempotency::new(&process.committer);
        let id = process.id();
        keys.claim(&cx(), &key("a"), "hash").await.unwrap();
        // The first seems dead for longer than a claim lasts, and another takes over.
        world.clock.advance(jiff::SignedDuration::from_secs(59));
        assert_eq!(keys.claim(&cx(), &key("a"), "hash").await, Ok(Claim::InFlight));
        world.clock.advance(jiff::SignedDuration::from_secs(2));
        assert_eq!(keys.claim(&cx(), &key("a"), "hash").await, Ok(Claim::Claimed));
        let effects = (0..2).map(|_| async {
            let deposit = process.accounts.execute(&cx(), id, Command::Deposit(5));
            deposit.answer(&key("a"), |id, _| created(id)).await
        });
        let outcomes = join_all(effects).await;
        let refused = |outcome: &&Result<_, _>| {
            matches!(outcome, Err(ExecuteError::Store(StoreError::NotClaimed(_))))
        };
        assert_eq!(outcomes.iter().filter(|outcome| outcome.is_ok()).count(), 1, "{outcomes:?}");
        assert_eq!(outcomes.iter().filter(refused).count(), 1, "{outcomes:?}");
        assert_eq!(process.accounts.load(id).await.unwrap().unwrap().version, 1);
    }

    async fn an_effect_under_a_key_that_is_not_claimed_is_refused(world) {
        let process = world.start().await;
        let id = process.id();
        let deposit = process.accounts.execute(&cx(), id, Command::Deposit(5));
        let outcome = deposit.answer(&key("a"), |id, _| created(id)).await;
        let refused = matches!(outcome, Err(ExecuteError::Store(StoreError::NotClaimed(_))));
        assert!(refused, "{outcome:?}");
        assert_eq!(process.accounts.load(id).await.unwrap(), None);
    }

    async fn old_keys_are_forgotten(world) {
        let process = world.start().await;
        let keys = Idempotency::new(&process.committer);
        keys.claim(&cx(), &key("old"), "hash").await.unwrap();
        keys.store_answer(&cx(), &key("old"), &Answer::json(409, &json!({}))).await.unwrap();
        let between: Timestamp = "2026-11-20T19:10:00Z".parse().unwrap();
        world.clock.set("2026-11-20T19:20:00Z".parse().unwrap());
        keys.claim(&cx(), &key("new"), "hash").await.unwrap();
        assert_eq!(keys.forget(&cx(), between).await, Ok(1));
        assert_eq!(keys.claim(&cx(), &key("old"), "other").await, Ok(Claim::Claimed));
        assert_eq!(keys.claim(&cx(), &key("new"), "hash").await, Ok(Claim::InFlight));
    }
}

on_both! {
    async fn of_two_processes_one_gets_the_key(world) {
        let (one, other) = (world.start().await, world.start().await);
        for round in 0..20 {
            let key = key(&round.to_string());
            let (here, there) =
                (Idempotency::new(&one.committer), Idempotency::new(&other.committer));
            let context = cx();
            let (first, second) = tokio::join!(
                here.claim(&context, &key, "hash"),
                there.claim(&context, &key, "hash")
            );
            let outcomes = [first.unwrap(), second.unwrap()];
            assert!(outcomes.contains(&Claim::Claimed), "{outcomes:?}");
            assert!(outcomes.contains(&Claim::InFlight), "{outcomes:?}");
        }
    }
}
