//! A replay of the log shows what is not as the log says.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use futures_util::future::join;
use runtime::{Checked, Finding, Timestamp};
use serde_json::json;
use store::{Change, Events, Feed, Json, Position, Tx, View};
use tokio::sync::Notify;
use uuid::Uuid;

use crate::{
    account::{Account, AccountsView, Command},
    world::{Process, World, cx, on_all},
};

const TABLES: &[&str] = &["accounts"];

const SPOIL_BALANCE: &str = "UPDATE accounts SET balance = 7 WHERE id = $1";
const REMOVE_ROW: &str = "DELETE FROM accounts WHERE id = $1";
const COPY_ROW: &str = "INSERT INTO accounts (id, version, balance, changed_at) \
     SELECT $2, version, balance, changed_at FROM accounts WHERE id = $1";
const SPOIL_SNAPSHOT: &str = "UPDATE snapshots SET state = $2 WHERE stream = $1";
const REMOVE_TIMER: &str = "DELETE FROM timers WHERE stream = $1";
const ACCOUNTS_OF: &str = "SELECT count(*) FROM accounts";

/// Accounts with deposits, more of them than are replayed at once.
async fn with_accounts(world: &World) -> (Process, Vec<Uuid>) {
    let process = world.start().await;
    let mut ids = Vec::new();
    for number in 0..120 {
        let id = process.id();
        process.accounts.execute(&cx(), id, Command::Deposit(number)).await.unwrap();
        ids.push(id);
    }
    for _ in 0..12 {
        process.accounts.execute(&cx(), ids[0], Command::Deposit(1)).await.unwrap();
    }
    let at = "2027-01-01T00:00:00Z".parse::<Timestamp>().unwrap();
    process.accounts.execute(&cx(), ids[1], Command::Remind(at)).await.unwrap();
    (process, ids)
}

async fn replayed(process: &Process) -> Checked {
    store::replay(TABLES, &[&process.accounts]).await.unwrap()
}

async fn change(process: &Process, run: impl AsyncFnOnce(&mut Tx)) {
    let mut tx = process.database.begin().await.unwrap();
    run(&mut tx).await;
    tx.commit().await.unwrap();
}

/// Reads and writes nothing that is not its own.
struct Straying;

#[runtime::async_trait]
impl View<Account> for Straying {
    async fn apply(&self, tx: &mut Tx, changes: &[Change<'_, Account>]) -> Result<(), sqlx::Error> {
        let Some(change) = changes.first() else { return Ok(()) };
        store::execute!(tx, REMOVE_ROW, change.id).await?;
        Ok(())
    }
}

/// The second page waits to be written, until somebody says so.
#[derive(Default)]
struct Slow {
    pages: AtomicUsize,
    is_waiting: Notify,
    go_on: Notify,
}

struct SlowView(Arc<Slow>);

#[runtime::async_trait]
impl View<Account> for SlowView {
    async fn apply(&self, tx: &mut Tx, changes: &[Change<'_, Account>]) -> Result<(), sqlx::Error> {
        if self.0.pages.fetch_add(1, Ordering::Relaxed) == 1 {
            self.0.is_waiting.notify_one();
            self.0.go_on.notified().await;
        }
        AccountsView.apply(tx, changes).await
    }
}

on_all! {
    async fn what_the_log_says_is_all_there_is(world) {
        let (process, ids) = with_accounts(&world).await;
        let checked = replayed(&process).await;
        assert_eq!(checked, Checked { looked_at: ids.len() as u64, findings: Vec::new() });
    }

    async fn rows_that_differ_are_missing_or_nobodys_are_found(world) {
        let (process, ids) = with_accounts(&world).await;
        let stranger = process.id();
        change(&process, async |tx| {
            store::execute!(&mut *tx, COPY_ROW, ids[5], stranger).await.unwrap();
            store::execute!(&mut *tx, SPOIL_BALANCE, ids[3]).await.unwrap();
            store::execute!(&mut *tx, REMOVE_ROW, ids[4]).await.unwrap();
        })
        .await;
        let row = |id: Uuid, what: &str| Finding::new(format!("row {id} of accounts"), what);
        assert_eq!(
            replayed(&process).await.findings,
            [
                row(ids[3], "is not what the events make of it"),
                row(stranger, "is there, and no event made it"),
                row(ids[4], "is missing, and events made it"),
            ]
        );
    }

    async fn a_snapshot_that_differs_is_found(world) {
        let (process, ids) = with_accounts(&world).await;
        let wrong = json!({ "balance": 1, "notes": [], "reminder": null });
        change(&process, async |tx| {
            store::execute!(&mut *tx, SPOIL_SNAPSHOT, ids[0], Json(&wrong)).await.unwrap();
        })
        .await;
        let found = replayed(&process).await.findings;
        let what = "its snapshot of version 10 is not what its events make of it";
        assert_eq!(found, [Finding::new(format!("account {}", ids[0]), what)]);
    }

    async fn a_timer_that_is_missing_is_found(world) {
        let (process, ids) = with_accounts(&world).await;
        change(&process, async |tx| {
            store::execute!(&mut *tx, REMOVE_TIMER, ids[1]).await.unwrap();
        })
        .await;
        let what = "it wants to be woken, and has no timer";
        let found = replayed(&process).await.findings;
        assert_eq!(found, [Finding::new(format!("account {}", ids[1]), what)]);
    }

    async fn a_view_that_writes_other_tables_than_it_says_fails_and_changes_nothing(world) {
        let (process, ids) = with_accounts(&world).await;
        let straying: Events<Account> = Events::new(&process.committer, Straying);
        let refused = store::replay(&[], &[&straying]).await.unwrap_err();
        assert!(refused.to_string().contains("accounts"), "{refused}");
        let (rows,) =
            store::fetch_one!(&process.database, (i64,), ACCOUNTS_OF).await.unwrap();
        assert_eq!(rows, i64::try_from(ids.len()).unwrap());
    }

    async fn a_table_that_is_not_there_is_an_error(world) {
        let (process, _) = with_accounts(&world).await;
        let refused = store::replay(&["accountz"], &[&process.accounts]).await.unwrap_err();
        assert!(refused.to_string().contains("accountz"), "{refused}");
    }

    async fn a_replay_goes_on_beside_commands_and_sees_one_moment(world) {
        let (process, ids) = with_accounts(&world).await;
        let accounts = process.accounts.clone();
        let writing = async {
            for _ in 0..100 {
                accounts.execute(&cx(), ids[2], Command::Deposit(1)).await.unwrap();
            }
        };
        let looking = async {
            for _ in 0..5 {
                assert_eq!(replayed(&process).await.findings, []);
            }
        };
        join(writing, looking).await;
    }

    async fn feeds_go_on_beside_a_replay_that_takes_long(world) {
        let (process, ids) = with_accounts(&world).await;
        let slow = Arc::new(Slow::default());
        let slowly: Events<Account> =
            Events::new(&process.committer, SlowView(Arc::clone(&slow)));
        let feed = Feed::of_everything(&process.database);
        let watching = async {
            slow.is_waiting.notified().await;
            process.accounts.execute(&cx(), ids[7], Command::Deposit(1)).await.unwrap();
            testkit::eventually("the feed has it", async || {
                let all = feed.read(Position::default(), 1_000).await.unwrap();
                (Some(all.reached) == feed.head().await.unwrap()).then_some(())
            })
            .await;
            slow.go_on.notify_one();
        };
        let (checked, ()) = join(store::replay(TABLES, &[&slowly]), watching).await;
        assert_eq!(checked.unwrap().findings, []);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_remembered_state_that_differs_is_found() {
    let world = World::alone();
    let (process, ids) = with_accounts(&world).await;
    // Written past the process, which remembers the former state.
    let rewrite = "UPDATE events SET payload = json_set(payload, '$.amount', 5) \
                   WHERE stream = $1 AND version = 1";
    change(&process, async |tx| {
        store::execute!(&mut *tx, rewrite, ids[9]).await.unwrap();
    })
    .await;
    let found = replayed(&process).await.findings;
    let what = "its remembered state of version 1 is not what its events make of it";
    assert!(found.contains(&Finding::new(format!("account {}", ids[9]), what)), "{found:?}");
}
