//! Snapshots shorten loading and decide nothing; old events are read by new code.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use store::{Aggregate, Database, Events, ExecuteError, Json, StoreError};
use uuid::Uuid;

use crate::{
    account::{Account, Command},
    world::{Process, World, cx, on_all},
};

const SNAPSHOT_VERSION: &str = "SELECT version FROM snapshots WHERE stream = $1";
const DROP_OLD_EVENTS: &str = "DELETE FROM events WHERE stream = $1 AND version <= $2";
const SPOIL_SNAPSHOT: &str = "UPDATE snapshots SET state = $2 WHERE stream = $1";
const AGE_SNAPSHOT: &str = "UPDATE snapshots SET state_schema = 0 WHERE stream = $1";
const REWRITE: &str = "UPDATE events SET schema_version = $2, type = $3, payload = $4 WHERE stream = $1 AND version = 1";

async fn with_deposits(world: &World, count: u64) -> (Process, Uuid) {
    let process = world.start().await;
    let id = process.id();
    for _ in 0..count {
        process.accounts.execute(&cx(), id, Command::Deposit(1)).await.unwrap();
    }
    (process, id)
}

async fn snapshot_version(database: &Database, id: Uuid) -> Option<i64> {
    let found = store::fetch_optional!(database, (i64,), SNAPSHOT_VERSION, id).await.unwrap();
    found.map(|(version,)| version)
}

async fn change(database: &Database, run: impl AsyncFnOnce(&mut store::Tx)) {
    let mut tx = database.begin().await.unwrap();
    run(&mut tx).await;
    tx.commit().await.unwrap();
}

async fn balance_after_restart(world: &World, process: Process, id: Uuid) -> i64 {
    process.stop().await;
    let again = world.start().await;
    let loaded = again.accounts.load(id).await.unwrap().unwrap();
    let greeted = again.accounts.execute(&cx(), id, Command::Greet).await.unwrap();
    assert_eq!(loaded, greeted);
    loaded.state.balance
}

on_all! {
    async fn a_state_is_stored_again_after_so_many_events(world) {
        let (process, id) = with_deposits(&world, 9).await;
        assert_eq!(snapshot_version(&process.database, id).await, None);
        process.accounts.execute(&cx(), id, Command::Deposit(1)).await.unwrap();
        assert_eq!(snapshot_version(&process.database, id).await, Some(10));
        for _ in 0..15 {
            process.accounts.execute(&cx(), id, Command::Deposit(1)).await.unwrap();
        }
        assert_eq!(snapshot_version(&process.database, id).await, Some(20));
    }

    async fn loading_reads_only_what_is_newer_than_the_snapshot(world) {
        let (process, id) = with_deposits(&world, 25).await;
        change(&process.database, async |tx| {
            store::execute!(tx, DROP_OLD_EVENTS, id, 20_i64).await.unwrap();
        })
        .await;
        assert_eq!(balance_after_restart(&world, process, id).await, 25);
    }

    async fn a_snapshot_that_cannot_be_read_is_ignored(world) {
        let (process, id) = with_deposits(&world, 25).await;
        change(&process.database, async |tx| {
            store::execute!(tx, SPOIL_SNAPSHOT, id, Json(json!({"balance": "much"}))).await.unwrap();
        })
        .await;
        assert_eq!(balance_after_restart(&world, process, id).await, 25);
    }

    async fn a_snapshot_of_another_schema_is_ignored(world) {
        let (process, id) = with_deposits(&world, 25).await;
        change(&process.database, async |tx| {
            let lie = json!({"balance": 1_000, "notes": [], "reminder": null});
            store::execute!(tx, SPOIL_SNAPSHOT, id, Json(lie)).await.unwrap();
            store::execute!(tx, AGE_SNAPSHOT, id).await.unwrap();
        })
        .await;
        assert_eq!(balance_after_restart(&world, process, id).await, 25);
    }

    async fn an_event_of_an_older_schema_is_brought_to_the_present_one(world) {
        let process = world.start().await;
        let meters = Events::<Meter>::new(&process.committer, ());
        let id = process.id();
        meters.execute(&cx(), id, 7).await.unwrap();
        change(&process.database, async |tx| {
            let old = Json(json!({"type": "read", "kilowatts": "7"}));
            store::execute!(tx, REWRITE, id, 1_i64, "read", old).await.unwrap();
        })
        .await;
        process.stop().await;

        let again = world.start().await;
        let meters = Events::<Meter>::new(&again.committer, ());
        assert_eq!(meters.load(id).await.unwrap().unwrap().state, Meter { watts: 7_000 });
        assert_eq!(meters.execute(&cx(), id, 1).await.unwrap().state, Meter { watts: 7_001 });
        let versions: Vec<MeterEvent> =
            meters.history(id).await.unwrap().into_iter().map(|it| it.event).collect();
        assert_eq!(versions, [MeterEvent::Read { watts: 7_000 }, MeterEvent::Read { watts: 1 }]);
    }

    async fn an_event_that_nobody_understands_fails_its_aggregate_only(world) {
        let (process, id) = with_deposits(&world, 1).await;
        change(&process.database, async |tx| {
            let alien = Json(json!({"type": "abducted"}));
            store::execute!(tx, REWRITE, id, 1_i64, "abducted", alien).await.unwrap();
        })
        .await;
        process.stop().await;

        let again = world.start().await;
        let loaded = again.accounts.load(id).await;
        let Err(StoreError::Corrupt(reason)) = loaded else { panic!("{loaded:?}") };
        assert!(reason.contains("event 1 of account") && reason.contains("abducted"), "{reason}");
        let (failed, fine) = tokio::join!(
            async { again.accounts.execute(&cx(), id, Command::Deposit(1)).await },
            async { again.accounts.execute(&cx(), again.id(), Command::Deposit(1)).await },
        );
        assert!(matches!(failed, Err(ExecuteError::Store(StoreError::Corrupt(_)))), "{failed:?}");
        assert!(fine.is_ok());
    }

    async fn what_an_event_holds_that_cannot_be_read_is_not_repeated(world) {
        let (process, id) = with_deposits(&world, 1).await;
        change(&process.database, async |tx| {
            let spoilt = Json(json!({"type": "deposited", "amount": "4242 4242 4242 4242"}));
            store::execute!(tx, REWRITE, id, 1_i64, "deposited", spoilt).await.unwrap();
        })
        .await;
        process.stop().await;

        let again = world.start().await;
        let Err(StoreError::Corrupt(reason)) = again.accounts.load(id).await else {
            panic!("an amount is no text");
        };
        assert!(reason.contains("deposited") && !reason.contains("4242"), "{reason}");
    }
}

#[test]
fn a_state_of_the_tests_is_what_its_json_says() {
    let json = serde_json::to_value(Account::default()).unwrap();
    assert_eq!(json, json!({"balance": 0, "notes": [], "reminder": null}));
}

/// An aggregate whose event was in kilowatts, as text, once.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
struct Meter {
    watts: u64,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum MeterEvent {
    Read { watts: u64 },
}

impl Aggregate for Meter {
    const NAME: &'static str = "meter";
    const EVENT_SCHEMA: u16 = 2;
    type Command = u64;
    type Event = MeterEvent;
    type Rejection = std::convert::Infallible;

    fn decide(&self, watts: u64) -> Result<Vec<MeterEvent>, Self::Rejection> {
        Ok(vec![MeterEvent::Read { watts }])
    }

    fn evolve(&mut self, event: &MeterEvent) {
        let MeterEvent::Read { watts } = event;
        self.watts += watts;
    }

    fn upcast(event_type: &str, version: u16, payload: Value) -> Value {
        assert_eq!((event_type, version), ("read", 1));
        let kilowatts: u64 = payload["kilowatts"].as_str().unwrap().parse().unwrap();
        json!({"type": "read", "watts": kilowatts * 1_000})
    }
}
