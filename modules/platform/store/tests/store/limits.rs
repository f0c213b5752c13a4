//! The limits that the settings name, and that PostgreSQL keeps to them.

use std::time::Duration;

use futures_util::future::join_all;
use runtime::Section as _;
use sqlx::Connection as _;
use store::{Database, DatabaseSettings, Schema, StoreError, TlsMode};
use tokio::{task::JoinSet, time::Instant};

use crate::world::{SCHEMA, World};

const SLEEP: &str = "SELECT CAST(1 AS bigint) FROM pg_sleep(60)";
const ONE: &str = "SELECT CAST(1 AS bigint)";
const NOTE: &str = "INSERT INTO notes (id) VALUES ($1)";
const ID: uuid::Uuid = uuid::Uuid::from_u128(7);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_statement_takes_no_longer_than_it_may() {
    let mut world = World::postgres().await;
    world.settings.statement_timeout = Duration::from_millis(200);
    let database = world.database().await;
    let began = Instant::now();
    let refused = store::fetch_one!(&database, (i64,), SLEEP).await.map_err(StoreError::from);
    assert!(matches!(refused, Err(StoreError::Unavailable(_))), "{refused:?}");
    assert!(began.elapsed() < Duration::from_secs(30), "{:?}", began.elapsed());
    store::fetch_one!(&database, (i64,), ONE).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_waits_for_a_lock_for_longer_than_he_may() {
    let mut world = World::postgres().await;
    world.settings.lock_timeout = Duration::from_millis(200);
    let database = world.database().await;
    let (mut first, mut second) =
        (database.begin().await.unwrap(), database.begin().await.unwrap());
    store::execute!(&mut first, NOTE, ID).await.unwrap();
    let refused = store::execute!(&mut second, NOTE, ID).await.map_err(StoreError::from);
    let Err(StoreError::Unavailable(reason)) = refused else { panic!("{refused:?}") };
    assert!(reason.contains("lock timeout"), "{reason}");
    first.commit().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_transaction_in_which_nothing_happens_ends_and_its_locks_with_it() {
    let mut world = World::postgres().await;
    world.settings.idle_in_transaction_timeout = Duration::from_millis(300);
    world.settings.lock_timeout = Duration::from_secs(30);
    world.settings.statement_timeout = Duration::from_secs(30);
    let database = world.database().await;
    let mut forgotten = database.begin().await.unwrap();
    store::execute!(&mut forgotten, NOTE, ID).await.unwrap();
    let mut next = database.begin().await.unwrap();
    store::execute!(&mut next, NOTE, ID).await.unwrap();
    next.commit().await.unwrap();
    let refused = store::execute!(&mut forgotten, NOTE, ID).await.map_err(StoreError::from);
    assert!(matches!(refused, Err(StoreError::Unavailable(_))), "{refused:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_service_has_no_more_connections_than_it_may_and_others_wait_their_turn() {
    const COUNT: &str = "SELECT count(*) FROM pg_stat_activity \
         WHERE datname = current_database() AND application_name = 'boxoffice-ledger'";
    let mut world = World::postgres().await;
    world.settings.postgres_connections = 3;
    world.settings.acquire_timeout = Duration::from_secs(30);
    let database = world.database().await;
    let mut all = JoinSet::new();
    for _ in 0..30 {
        let database = database.clone();
        all.spawn(async move {
            let mut tx = database.begin().await.unwrap();
            let (connections,) = store::fetch_one!(&mut tx, (i64,), COUNT).await.unwrap();
            tx.commit().await.unwrap();
            connections
        });
    }
    let most = all.join_all().await.into_iter().max();
    assert!(most <= Some(3), "{most:?}");

    world.settings.acquire_timeout = Duration::from_millis(300);
    let hurried = world.database().await;
    let held = join_all((0..3).map(|_| hurried.begin())).await;
    assert!(held.iter().all(Result::is_ok));
    let refused = hurried.begin().await.map(drop);
    assert!(matches!(refused, Err(StoreError::Unavailable(_))), "{refused:?}");
    drop(held);
    hurried.begin().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn replicas_that_start_together_migrate_once() {
    let world = World::postgres().await;
    let mut all = JoinSet::new();
    for _ in 0..12 {
        let (settings, directory) = (world.settings.clone(), world.directory().to_owned());
        all.spawn(async move {
            let database = Database::connect(&settings, SCHEMA.name(), &directory).await.unwrap();
            SCHEMA.up_on(&database).await.map(|applied| applied.len())
        });
    }
    let applied: Vec<usize> = all.join_all().await.into_iter().map(Result::unwrap).collect();
    let all_steps = SCHEMA.status_on(&world.connect().await).await.unwrap().len();
    assert_eq!(applied.iter().sum::<usize>(), all_steps, "{applied:?}");
    assert_eq!(applied.iter().filter(|count| **count > 0).count(), 1, "{applied:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_migration_waits_its_turn_and_says_for_what() {
    const LOCK: &str = "SELECT pg_advisory_lock(hashtextextended('boxoffice schema ledger', 0))";
    static OTHER: Schema =
        Schema::new("notes", sqlx::migrate::Migrator::DEFAULT, sqlx::migrate::Migrator::DEFAULT);

    let mut world = World::postgres().await;
    world.settings.acquire_timeout = Duration::from_millis(300);
    let url = world.settings.url.expose().to_owned();
    let mut migrating = sqlx::PgConnection::connect(&url).await.unwrap();
    sqlx::query(LOCK).execute(&mut migrating).await.unwrap();
    let waits = SCHEMA.up_on(&world.connect().await).await;
    let Err(StoreError::Unavailable(reason)) = waits else { panic!("{waits:?}") };
    assert_eq!(reason, "another process is changing the schema of ledger");
    let other = Database::connect(&world.settings, "notes", world.directory()).await.unwrap();
    OTHER.up_on(&other).await.unwrap();
    migrating.close().await.unwrap();
    SCHEMA.up_on(&world.connect().await).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_migration_holds_nobody_up_while_it_waits_for_a_table() {
    let mut world = World::postgres().await;
    world.settings.lock_timeout = Duration::from_millis(200);
    let database = world.database().await;
    let mut reader = database.begin().await.unwrap();
    store::fetch_one!(&mut reader, (i64,), "SELECT count(*) FROM notes").await.unwrap();
    let refused = SCHEMA.down_on(&database, 1).await;
    assert!(matches!(refused, Err(StoreError::Unavailable(_))), "{refused:?}");
    reader.commit().await.unwrap();
    assert_eq!(SCHEMA.down_on(&database, 1).await.unwrap().len(), 1);
}

#[test]
fn settings_that_cannot_work_are_told_together() {
    let settings = DatabaseSettings {
        url: "postgres://db/boxoffice?sslmode=require".to_owned().into(),
        tls: Some(TlsMode::Require),
        certificate_file: Some("/nowhere/client.pem".into()),
        postgres_connections: 1,
        ..DatabaseSettings::default()
    };
    let faults = settings.check();
    assert_eq!(faults.len(), 4, "{faults:?}");
    assert!(faults[0].starts_with("tls: "), "{faults:?}");
    assert!(faults[1].contains("together"), "{faults:?}");
    assert!(faults[2].contains("/nowhere/client.pem cannot be read"), "{faults:?}");
    assert!(faults[3].contains("postgres_connections"), "{faults:?}");
    let unused = DatabaseSettings {
        ca_file: Some(concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml").into()),
        ..DatabaseSettings::default()
    };
    assert!(unused.check()[0].contains("verify-full"), "{:?}", unused.check());
}
