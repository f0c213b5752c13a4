//! Schemas go up, down and up again.

use runtime::{Config, Migration, Migrations as _, SectionSpec, Sources};
use sqlx::migrate::Migrator;
use store::{Database, DatabaseSettings, Schema, StoreError};

use crate::{
    account::Command,
    world::{SCHEMA, World, cx, on_both},
};

/// The same service, a step of whose schema was edited after it had been applied.
static EDITED: Schema = Schema::new("ledger", EDITED_STEPS, EDITED_STEPS);
const EDITED_STEPS: Migrator = sqlx::migrate!("tests/store/migrations/edited");

/// The same service before it had any table.
static OLDER: Schema = Schema::new("ledger", Migrator::DEFAULT, Migrator::DEFAULT);

const COUNT_ACCOUNTS: &str = "SELECT count(*) FROM accounts";

/// The service's steps, after those of the store, which are all applied or none.
async fn steps(database: &Database) -> Vec<(String, i64, bool)> {
    let mut steps = SCHEMA.status_on(database).await.unwrap();
    let stores: Vec<Migration> = steps.extract_if(.., |step| step.set == "store").collect();
    assert!(stores.iter().all(|step| step.applied == stores[0].applied), "{stores:?}");
    let of_store = ("store".to_owned(), 1, stores[0].applied);
    let of_service = steps.into_iter().map(|step| (step.set, step.version, step.applied));
    std::iter::once(of_store).chain(of_service).collect()
}

/// Without those of the store.
fn named(steps: &[Migration]) -> Vec<(&str, i64, &str)> {
    let of_service = steps.iter().filter(|step| step.set != "store");
    of_service.map(|step| (step.set.as_str(), step.version, step.description.as_str())).collect()
}

fn state(store: bool, accounts: bool, notes: bool) -> Vec<(String, i64, bool)> {
    vec![
        ("store".to_owned(), 1, store),
        ("ledger".to_owned(), 1, accounts),
        ("ledger".to_owned(), 2, notes),
    ]
}

/// What the command line knows of the world.
fn config(world: &World) -> Config {
    let data_dir = world.directory().display().to_string();
    let url = world.settings.url.expose();
    let sources = Sources::new().set("test", "node.data_dir", data_dir);
    Config::load([SectionSpec::of::<DatabaseSettings>()], sources.set("test", "database.url", url))
        .unwrap()
}

on_both! {
    async fn steps_back_wait_until_nobody_uses_the_database_and_name_what_is_gone(world) {
        let known = config(&world);
        let before = SCHEMA.status(&known).await.unwrap();
        assert!(before.iter().all(|step| !step.applied), "{before:?}");
        assert!(!world.file().exists(), "looking made a file");
        SCHEMA.up(&known).await.unwrap();
        let serving = Database::connect_alone(&world.settings, SCHEMA.name(), world.directory());
        let serving = serving.await.unwrap();
        let refused = SCHEMA.down(&known, 9).await.unwrap_err().to_string();
        assert!(refused.contains("another process"), "{refused}");
        assert!(SCHEMA.status(&known).await.unwrap().iter().all(|step| step.applied));
        serving.close().await;
        let gone = SCHEMA.down(&known, 9).await.unwrap();
        assert_eq!(named(&gone.steps), [("ledger", 2, "notes"), ("ledger", 1, "accounts")]);
        assert!(gone.tables.contains(&"accounts".to_owned()), "{:?}", gone.tables);
        let after = SCHEMA.status(&known).await.unwrap();
        let stays = |step: &Migration| step.applied == (step.set == "store");
        assert!(after.iter().all(stays), "the store's own stay: {after:?}");
    }

    async fn a_schema_goes_up_down_and_up_again(world) {
        let database = world.connect().await;
        assert_eq!(steps(&database).await, state(false, false, false));
        let applied = SCHEMA.up_on(&database).await.unwrap();
        assert_eq!(named(&applied), [("ledger", 1, "accounts"), ("ledger", 2, "notes")]);
        assert_eq!((applied[0].set.as_str(), applied[0].description.as_str()), ("store", "store"));
        assert_eq!(steps(&database).await, state(true, true, true));
        assert_eq!(SCHEMA.up_on(&database).await.unwrap(), []);

        let gone = SCHEMA.down_on(&database, 1).await.unwrap();
        assert_eq!(named(&gone), [("ledger", 2, "notes")]);
        assert_eq!(steps(&database).await, state(true, true, false));
        let gone = SCHEMA.down_on(&database, 5).await.unwrap();
        assert_eq!(named(&gone), [("ledger", 1, "accounts")]);
        assert!(store::fetch_one!(&database, (i64,), COUNT_ACCOUNTS).await.is_err());
        assert_eq!(SCHEMA.down_on(&database, 1).await.unwrap(), []);

        let applied = SCHEMA.up_on(&database).await.unwrap();
        assert_eq!(named(&applied), [("ledger", 1, "accounts"), ("ledger", 2, "notes")]);
        SCHEMA.remove_from(&database).await.unwrap();
        assert_eq!(steps(&database).await, state(false, false, false));
        SCHEMA.up_on(&database).await.unwrap();
        assert_eq!(steps(&database).await, state(true, true, true));
    }

    async fn a_migrated_database_works(world) {
        let database = world.database().await;
        SCHEMA.remove_from(&database).await.unwrap();
        database.close().await;
        let process = world.start().await;
        let id = process.id();
        process.accounts.execute(&cx(), id, Command::Deposit(5)).await.unwrap();
        assert_eq!(store::fetch_one!(&process.database, (i64,), COUNT_ACCOUNTS).await.unwrap(), (1,));
    }

    async fn a_step_that_was_edited_is_refused(world) {
        let database = world.database().await;
        SCHEMA.down_on(&database, 1).await.unwrap();
        let refused = EDITED.up_on(&database).await;
        let Err(StoreError::Failed(reason)) = refused else { panic!("{refused:?}") };
        assert!(reason.contains("migration 1 of ledger was applied with another text"), "{reason}");
    }

    async fn a_database_of_a_newer_build_is_taken_as_it_is(world) {
        let database = world.database().await;
        assert_eq!(OLDER.up_on(&database).await.unwrap(), []);
        assert_eq!(steps(&database).await, state(true, true, true));
    }
}
