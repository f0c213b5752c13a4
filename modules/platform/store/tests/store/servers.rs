//! PostgreSQL as it is run: servers stop, start, hang and change places, and the store goes on.

use std::time::Duration;

use sqlx::{Connection as _, Executor as _, PgConnection};
use store::{Database, ExecuteError, StoreError};
use testkit::{
    Server, eventually,
    postgres::{self, PostgresUrl},
};
use tokio::time::Instant;
use uuid::Uuid;

use crate::{
    account::{Command, Refusal},
    world::{Process, World, cx},
};

const ACCOUNT: Uuid = Uuid::from_u128(7);

/// How long sales may stand still while the database changes servers.
const FAILOVER: Duration = Duration::from_secs(20);

async fn deposit(process: &Process) -> Result<u64, ExecuteError<Refusal>> {
    let deposit = process.accounts.execute(&cx(), ACCOUNT, Command::Deposit(1));
    deposit.await.map(|account| account.version)
}

async fn say(url: &PostgresUrl, statement: &'static str) {
    let mut connection = PgConnection::connect(url.as_str()).await.unwrap();
    connection.execute(statement).await.unwrap();
}

/// Whoever is connected may only read from here on.
async fn lets_nobody_write(url: &PostgresUrl) {
    say(url, "ALTER SYSTEM SET default_transaction_read_only = on").await;
    say(url, "SELECT pg_reload_conf()").await;
    // A session that is begun after the settings were read is begun after all others were told.
    eventually("the settings to be read", || async {
        let mut session = PgConnection::connect(url.as_str()).await.unwrap();
        let show = "SHOW default_transaction_read_only";
        let (is_on,): (String,) = sqlx::query_as(show).fetch_one(&mut session).await.unwrap();
        is_on == "on"
    })
    .await;
}

/// Deposits until one goes through again, and answers with the version that it made.
async fn deposit_at_last(process: &Process) -> u64 {
    let began = Instant::now();
    let version = eventually("a commit", || deposit(process)).await;
    assert!(began.elapsed() < FAILOVER, "{:?}", began.elapsed());
    version
}

/// A primary and its standby.
struct Pair {
    first: (PostgresUrl, Server),
    second: (PostgresUrl, Server),
    world: World,
}

impl Pair {
    /// What the primary confirms is on the standby.
    async fn new() -> Self {
        let pair = Self::loose().await;
        say(&pair.first.0, "ALTER SYSTEM SET synchronous_standby_names = '*'").await;
        say(&pair.first.0, "SELECT pg_reload_conf()").await;
        pair
    }

    /// What the primary confirms may be lost with it.
    async fn loose() -> Self {
        let first = postgres::private().await;
        let second = postgres::standby_of(&first.0).await;
        let world = World::on(&both(&second.0, &first.0));
        Self { first, second, world }
    }

    async fn promote(&self) {
        say(&self.second.0, "SELECT pg_promote()").await;
    }
}

/// One address for two servers.
fn both(one: &PostgresUrl, other: &PostgresUrl) -> String {
    let host = |url: &PostgresUrl| {
        let (_, rest) = url.as_str().split_once('@').unwrap();
        rest.split_once('/').unwrap().0.to_owned()
    };
    let (user, rest) = one.as_str().split_once('@').unwrap();
    let (_, database) = rest.split_once('/').unwrap();
    format!("{user}@{},{}/{database}", host(one), host(other))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_stops_and_starts_again_is_used_again() {
    let (url, server) = postgres::private().await;
    let world = World::on(url.as_str());
    let process = world.start().await;
    assert_eq!(deposit(&process).await, Ok(1));
    let mut version = 1;
    for is_a_crash in [false, true] {
        if is_a_crash {
            server.crash().await;
        } else {
            server.stop().await;
        }
        let refused = deposit(&process).await;
        assert!(
            matches!(refused, Err(ExecuteError::Store(StoreError::Unavailable(_)))),
            "{refused:?}"
        );
        assert!(process.database.check().await.is_err());
        server.start().await;
        version += 1;
        assert_eq!(deposit(&process).await, Ok(version));
        assert_eq!(process.database.check().await, Ok(()));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_process_starts_before_its_server() {
    let (url, server) = postgres::private().await;
    server.stop().await;
    let world = World::on(url.as_str());
    let early = Database::connect(&world.settings, "ledger", world.directory()).await;
    let Err(StoreError::Unavailable(reason)) = early else { panic!("nobody is there") };
    assert!(reason.contains("refused"), "{reason}");
    server.start().await;
    assert_eq!(deposit(&world.start().await).await, Ok(1));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_standby_that_takes_over_is_used_and_nothing_confirmed_is_lost() {
    let pair = Pair::new().await;
    let process = pair.world.start().await;
    assert_eq!(deposit(&process).await, Ok(1));
    pair.first.1.crash().await;
    pair.promote().await;
    assert_eq!(deposit_at_last(&process).await, 2);
    let stored = process.accounts.load(ACCOUNT).await.unwrap().unwrap();
    assert_eq!((stored.version, stored.state.balance), (2, 2));
    eventually("readiness", || process.database.check()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_primary_that_became_read_only_is_left() {
    let pair = Pair::new().await;
    let process = pair.world.start().await;
    assert_eq!(deposit(&process).await, Ok(1));
    pair.promote().await;
    // Connections stay open, and may only read from here on.
    lets_nobody_write(&pair.first.0).await;
    assert_eq!(deposit_at_last(&process).await, 2);
    let mut second = PgConnection::connect(pair.second.0.as_str()).await.unwrap();
    let count = "SELECT count(*) FROM ledger.events";
    let (events,): (i64,) = sqlx::query_as(count).fetch_one(&mut second).await.unwrap();
    assert_eq!(events, 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_primary_that_hangs_is_left() {
    let pair = Pair::new().await;
    let process = pair.world.start().await;
    assert_eq!(deposit(&process).await, Ok(1));
    pair.first.1.pause().await;
    pair.promote().await;
    assert_eq!(deposit_at_last(&process).await, 2);
    pair.first.1.resume().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_is_read_only_is_not_used_until_it_takes_writes() {
    let (url, _server) = postgres::private().await;
    let mut world = World::on(url.as_str());
    world.settings.acquire_timeout = Duration::from_millis(500);
    let process = world.start().await;
    assert_eq!(deposit(&process).await, Ok(1));
    lets_nobody_write(&url).await;
    eventually("a refusal", || async { deposit(&process).await.is_err() }).await;
    let reason = process.database.check().await.unwrap_err();
    assert!(reason.contains("is read-only"), "{reason}");
    let refused = deposit(&process).await;
    let Err(ExecuteError::Store(StoreError::Unavailable(reason))) = refused else {
        panic!("{refused:?}")
    };
    assert!(reason.contains("is read-only"), "{reason}");
    let other = Database::connect(&world.settings, "ledger", world.directory()).await;
    let Err(StoreError::Unavailable(reason)) = other else { panic!("it is read-only") };
    assert!(reason.contains("is read-only"), "{reason}");
    say(&url, "ALTER SYSTEM RESET default_transaction_read_only").await;
    say(&url, "SELECT pg_reload_conf()").await;
    assert_eq!(deposit_at_last(&process).await, 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_commit_that_is_never_answered_has_an_unknown_fate_and_holds_up_nothing() {
    let mut pair = Pair::new().await;
    pair.world.settings.statement_timeout = Duration::from_secs(1);
    let process = pair.world.start().await;
    assert_eq!(deposit(&process).await, Ok(1));
    // The primary commits, and waits for a standby that does not answer.
    pair.second.1.pause().await;
    let unanswered = deposit(&process).await;
    assert!(
        matches!(unanswered, Err(ExecuteError::Store(StoreError::Unknown(_)))),
        "{unanswered:?}"
    );
    pair.first.1.crash().await;
    pair.second.1.resume().await;
    pair.promote().await;
    let version = deposit_at_last(&process).await;
    let stored = process.accounts.load(ACCOUNT).await.unwrap().unwrap();
    assert_eq!((stored.version, stored.state.balance.unsigned_abs()), (version, version));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_standby_never_heard_of_is_not_remembered_either() {
    let pair = Pair::loose().await;
    let process = pair.world.start().await;
    assert_eq!(deposit(&process).await, Ok(1));
    eventually("the first deposit on the standby", || async {
        let mut second = PgConnection::connect(pair.second.0.as_str()).await?;
        let (events,): (i64,) =
            sqlx::query_as("SELECT count(*) FROM ledger.events").fetch_one(&mut second).await?;
        if events == 1 { Ok(()) } else { Err(sqlx::Error::RowNotFound) }
    })
    .await;
    pair.second.1.stop().await;
    assert_eq!(deposit(&process).await, Ok(2));
    pair.first.1.crash().await;
    pair.second.1.start().await;
    pair.promote().await;
    // Without synchronous replication the second deposit is gone, and so is the memory of it.
    assert_eq!(deposit_at_last(&process).await, 2);
    let stored = process.accounts.load(ACCOUNT).await.unwrap().unwrap();
    assert_eq!((stored.version, stored.state.balance), (2, 2));
}
