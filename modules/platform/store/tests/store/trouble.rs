//! What goes wrong around the store: it says so, loses nothing, and goes on when it is over.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use futures_util::future::join_all;
use sqlx::{
    Connection as _, Executor as _, PgConnection, SqliteConnection, sqlite::SqliteConnectOptions,
};
use store::{CommitObserver, Database, DatabaseSettings, ExecuteError, StoreError, Work};
use testkit::{Port, eventually};
use tokio::{sync::Notify, time::Instant};

use crate::{
    account::{Command, all_accounts},
    proxy::{Cut, Proxy},
    world::{Process, SCHEMA, World, cx, cx_within, on_all},
};

/// Somebody else's connection to the same database, with a lock that keeps others from writing.
enum Blocker {
    Sqlite(SqliteConnection),
    Postgres(PgConnection),
}

impl Blocker {
    async fn lock(world: &World) -> Self {
        if !world.is_postgres() {
            let options = SqliteConnectOptions::new().filename(world.file());
            let mut connection = SqliteConnection::connect_with(&options).await.unwrap();
            connection.execute("BEGIN IMMEDIATE").await.unwrap();
            return Self::Sqlite(connection);
        }
        let mut connection = server(world).await;
        connection.execute("BEGIN").await.unwrap();
        connection.execute("LOCK TABLE ledger.events IN ACCESS EXCLUSIVE MODE").await.unwrap();
        Self::Postgres(connection)
    }

    async fn unlock(self) {
        match self {
            Self::Sqlite(mut connection) => {
                connection.execute("ROLLBACK").await.unwrap();
            }
            Self::Postgres(mut connection) => {
                connection.execute("ROLLBACK").await.unwrap();
            }
        }
    }
}

async fn server(world: &World) -> PgConnection {
    PgConnection::connect(world.settings.url.expose()).await.unwrap()
}

async fn deposit(process: &Process) -> Result<u64, ExecuteError<crate::account::Refusal>> {
    let deposit = process.accounts.execute(&cx(), uuid::Uuid::from_u128(7), Command::Deposit(1));
    deposit.await.map(|account| account.version)
}

fn is_unavailable<T, R>(outcome: &Result<T, ExecuteError<R>>) -> bool {
    matches!(outcome, Err(ExecuteError::Store(StoreError::Unavailable(_))))
}

on_all! {
    async fn a_locked_database_is_not_ready_and_recovers(mut_world) {
        let mut world = mut_world;
        world.settings.lock_timeout = Duration::from_millis(100);
        world.settings.acquire_timeout = Duration::from_millis(500);
        let process = world.start().await;
        assert_eq!(deposit(&process).await, Ok(1));
        assert_eq!(process.database.check().await, Ok(()));

        let blocker = Blocker::lock(&world).await;
        let began = Instant::now();
        let outcomes = join_all((0..5).map(|_| deposit(&process))).await;
        assert!(outcomes.iter().all(is_unavailable), "{outcomes:?}");
        assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
        if !world.is_postgres() {
            let reason = process.database.check().await.unwrap_err();
            assert!(reason.contains("locked"), "{reason}");
        }
        blocker.unlock().await;

        assert_eq!(process.database.check().await, Ok(()));
        assert_eq!(deposit(&process).await, Ok(2));
        assert_eq!(all_accounts(&process.database).await[0].balance, 2);
    }

    async fn a_full_queue_refuses_at_once(mut_world) {
        let mut world = mut_world;
        world.settings.queue = 2;
        world.settings.batch = 1;
        let (gate, is_held) = (Arc::new(Notify::new()), Arc::new(AtomicBool::new(false)));
        let (waits, holds) = (Arc::clone(&gate), Arc::clone(&is_held));
        let observer = CommitObserver::new(move |_| {
            let (gate, is_first) = (Arc::clone(&waits), !holds.swap(true, Ordering::SeqCst));
            Box::pin(async move {
                if is_first {
                    gate.notified().await;
                }
            })
        });
        let process = world.start_with(Some(observer)).await;
        let outcomes = async {
            let first = deposit(&process);
            let later = async {
                eventually("a commit under way", || async { is_held.load(Ordering::SeqCst) }).await;
                let queued = join_all((0..2).map(|_| deposit(&process)));
                let refused = async {
                    // Nothing has moved on when this returns.
                    let refused = deposit(&process).await;
                    gate.notify_one();
                    refused
                };
                tokio::join!(biased; queued, refused)
            };
            tokio::join!(first, later)
        };
        let (first, (queued, refused)) = outcomes.await;
        assert_eq!(first, Ok(1));
        assert_eq!(queued, [Ok(2), Ok(3)]);
        assert!(matches!(refused, Err(ExecuteError::Store(StoreError::Overloaded(_)))));
        assert_eq!(deposit(&process).await, Ok(4));
    }

    async fn a_commit_that_is_not_confirmed_in_time_has_an_unknown_fate(world) {
        let observer = CommitObserver::new(|_| Box::pin(std::future::pending()));
        let process = world.start_with(Some(observer)).await;
        let id = process.id();
        let context = cx_within(Duration::from_millis(300));
        let outcome = process.accounts.execute(&context, id, Command::Deposit(1)).await;
        let is_unknown = matches!(outcome, Err(ExecuteError::Store(StoreError::Unknown(_))));
        assert!(is_unknown, "{outcome:?}");
        process.kill().await;
        let again = world.start().await;
        assert_eq!(again.accounts.load(id).await.unwrap().unwrap().version, 1);
    }

    async fn a_command_that_waited_past_its_deadline_is_not_begun(world) {
        let process = world.start().await;
        let late = cx_within(Duration::ZERO);
        let outcome = process.accounts.execute(&late, process.id(), Command::Deposit(1)).await;
        assert!(matches!(outcome, Err(ExecuteError::Store(_))), "{outcome:?}");
        assert_eq!(deposit(&process).await, Ok(1));
        assert_eq!(all_accounts(&process.database).await.len(), 1);
    }

    async fn a_process_killed_right_after_a_commit_has_not_lost_it(world) {
        let (committed, hears) = tokio::sync::mpsc::unbounded_channel();
        let mut hears = hears;
        let observer = CommitObserver::new(move |events| {
            let _test_is_over = committed.send(events.to_vec());
            Box::pin(std::future::pending())
        });
        let process = world.start_with(Some(observer)).await;
        let id = process.id();
        let context = cx();
        let execution = process.accounts.execute(&context, id, Command::Deposit(5));
        let events = tokio::select! {
            outcome = execution => panic!("replied before the crash: {outcome:?}"),
            events = hears.recv() => events.unwrap(),
        };
        assert_eq!(events.len(), 1);
        assert_eq!((events[0].category, events[0].stream), ("account", id));
        assert_eq!((events[0].version, events[0].event_type.as_str()), (1, "deposited"));
        assert_eq!(events[0].database, "ledger");
        process.kill().await;

        let again = world.start().await;
        let account = again.accounts.load(id).await.unwrap().unwrap();
        assert_eq!((account.version, account.state.balance), (1, 5));
    }

    async fn what_waits_when_the_committer_closes_is_committed(world) {
        let process = world.start().await;
        let deposits = join_all((0..20).map(|_| deposit(&process)));
        let closing = async { process.committer.close() };
        let (outcomes, ()) = tokio::join!(biased; deposits, closing);
        assert!(outcomes.iter().all(Result::is_ok), "{outcomes:?}");
        assert!(is_unavailable(&deposit(&process).await));
        process.stop().await;
        assert_eq!(all_accounts(&world.database().await).await[0].balance, 20);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_disk_is_not_ready_loses_nothing_and_recovers() {
    const TINY: &str = "PRAGMA max_page_count = 1";
    const LARGE: &str = "PRAGMA max_page_count = 1000000";
    const FILL: &str =
        "INSERT INTO notes (id, text) VALUES (zeroblob(16), printf('%.*c', 1000000, 'x'))";
    const NOTE: &str = "INSERT INTO notes (id) VALUES (randomblob(16))";

    async fn limit(database: &Database, pragma: &'static str) {
        let mut tx = database.begin().await.unwrap();
        store::fetch_one!(&mut tx, (i64,), pragma).await.unwrap();
        tx.commit().await.unwrap();
    }

    let world = World::sqlite();
    let process = world.start().await;
    assert_eq!(deposit(&process).await, Ok(1));
    // SQLite takes this for "no more than there are".
    limit(&process.database, TINY).await;
    let mut written = 1;
    let reason = loop {
        match deposit(&process).await {
            Ok(version) => {
                written += 1;
                assert_eq!(version, written);
                assert!(written < 10_000, "the disk is never full");
            }
            Err(ExecuteError::Store(StoreError::Unavailable(reason))) => break reason,
            Err(error) => panic!("{error:?}"),
        }
    };
    assert!(reason.contains("full"), "{reason}");
    let reason = process.database.check().await.unwrap_err();
    assert!(reason.contains("full"), "{reason}");
    let id = uuid::Uuid::from_u128(7);
    assert_eq!(process.accounts.load(id).await.unwrap().unwrap().version, written);

    // Work that does not mind its own failed statement does not bring others to half a commit.
    let careless: Result<(), StoreError> = process
        .committer
        .transact(&cx(), |work: &mut Work<'_>| {
            Box::pin(async move {
                let filled = store::execute!(work.tx(), FILL).await;
                assert!(filled.is_err());
                store::execute!(work.tx(), NOTE).await?;
                Ok(())
            })
        })
        .await;
    assert!(careless.is_err());

    limit(&process.database, LARGE).await;
    assert_eq!(process.database.check().await, Ok(()));
    assert_eq!(deposit(&process).await, Ok(written + 1));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_that_the_server_ends_are_replaced() {
    const END_ALL: &str = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
         WHERE application_name = 'boxoffice-ledger' AND datname = current_database()";
    let world = World::postgres().await;
    let process = world.start().await;
    let mut server = server(&world).await;
    let mut version = 0;
    for _ in 0..5 {
        for _ in 0..3 {
            version += 1;
            assert_eq!(deposit(&process).await, Ok(version));
        }
        sqlx::query(END_ALL).fetch_all(&mut server).await.unwrap();
    }
    // Amid the commands, too: each has an outcome, and what was confirmed is there.
    let ended = async {
        for _ in 0..20 {
            sqlx::query(END_ALL).fetch_all(&mut server).await.unwrap();
        }
    };
    let deposits = async {
        let mut confirmed = 0;
        for _ in 0..100 {
            confirmed += u64::from(deposit(&process).await.is_ok());
        }
        confirmed
    };
    let (confirmed, ()) = tokio::join!(deposits, ended);
    eventually("a commit", || async { deposit(&process).await }).await;
    let id = uuid::Uuid::from_u128(7);
    let stored = process.accounts.load(id).await.unwrap().unwrap().version;
    assert!(stored > version + confirmed, "{stored} of {version} + {confirmed} + 1");
    eventually("readiness", || process.database.check()).await;
}

#[tokio::test]
async fn a_server_that_is_not_there_is_unavailable_and_its_password_stays_secret() {
    let directory = tempfile::tempdir().unwrap();
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = nobody.local_addr().unwrap().port();
    drop(nobody);
    for (url, is_wrong) in [
        (format!("postgres://me:hunter2@127.0.0.1:{port}/boxoffice"), false),
        ("postgres://me:hunter2@127.0.0.1:many/boxoffice".to_owned(), true),
    ] {
        let settings = DatabaseSettings { url: url.into(), ..DatabaseSettings::default() };
        let refused = Database::connect(&settings, SCHEMA.name(), directory.path()).await;
        let error = refused.err().unwrap();
        assert_eq!(matches!(error, StoreError::Failed(_)), is_wrong, "{error}");
        assert_eq!(matches!(error, StoreError::Unavailable(_)), !is_wrong, "{error}");
        assert!(!error.to_string().contains("hunter2"), "{error}");
    }
}

#[tokio::test]
async fn a_database_with_an_odd_name_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    for name in ["", "../orders", "orders\"; DROP SCHEMA x", "Orders"] {
        let settings = DatabaseSettings::default();
        let refused = Database::connect(&settings, name, directory.path()).await;
        assert!(matches!(refused.err(), Some(StoreError::Failed(_))), "{name}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_that_breaks_during_the_commit_leaves_no_doubt() {
    let mut world = World::postgres().await;
    let way = Port::reserve();
    let server = world.detour(way.address());
    let proxy = Proxy::listen(way.address(), server).await;
    let process = world.start().await;
    for (cut, version) in [(Cut::BeforeTheServer, 1), (Cut::AfterTheServer, 2)] {
        proxy.cut(cut);
        assert_eq!(deposit(&process).await, Ok(version), "{cut:?}");
        assert!(proxy.has_cut(), "{cut:?}");
    }
    assert_eq!(all_accounts(&process.database).await[0].balance, 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_commit_without_events_that_nobody_confirmed_has_an_unknown_fate() {
    const NOTE: &str = "INSERT INTO notes (id) VALUES ($1)";
    const COUNT: &str = "SELECT count(*) FROM notes";
    let mut world = World::postgres().await;
    let way = Port::reserve();
    let server = world.detour(way.address());
    let proxy = Proxy::listen(way.address(), server).await;
    let process = world.start().await;
    for cut in [Cut::BeforeTheServer, Cut::AfterTheServer] {
        proxy.cut(cut);
        let id = process.id();
        let outcome: Result<(), StoreError> = process
            .committer
            .transact(&cx(), move |work: &mut Work<'_>| {
                Box::pin(async move {
                    store::execute!(work.tx(), NOTE, id).await?;
                    Ok(())
                })
            })
            .await;
        assert!(matches!(outcome, Err(StoreError::Unknown(_))), "{cut:?}: {outcome:?}");
    }
    let (notes,) = store::fetch_one!(&process.database, (i64,), COUNT).await.unwrap();
    assert_eq!(notes, 1);
}
