//! Views are made anew from the log while others read and write them.

use std::sync::atomic::{AtomicBool, Ordering};

use futures_util::future::{join, join_all, join3};
use runtime::{
    RebuildProgress,
    RebuildStep::{self, Comparing, Correcting, Filling, Following},
    Rebuilt,
};
use store::{
    Change, Feed, LogView, LogViews, Position, Projected, Projection, StoreError, Tx, View,
};
use tokio::{runtime::Handle, sync::Semaphore, task::block_in_place};
use uuid::Uuid;

use crate::{
    account::{Account, AccountRow, AccountsView, Command, all_accounts},
    world::{Process, SCHEMA, World, cx, on_all},
};

static VIEWS: LogViews = LogViews {
    schema: &SCHEMA,
    views: &[LogView {
        name: "accounts",
        tables: &["accounts"],
        logs: &[&Projection::<Account, AccountsView>::by(&AccountsView)],
    }],
    tells: None,
};

const SPOIL_BALANCE: &str = "UPDATE accounts SET balance = 7 WHERE id = $1";
const REMOVE_ROW: &str = "DELETE FROM accounts WHERE id = $1";
const REMOVE_ALL: &str = "DELETE FROM accounts";
const COPY_ROW: &str = "INSERT INTO accounts (id, version, balance, changed_at) \
     SELECT $2, version, balance, changed_at FROM accounts WHERE id = $1";

/// Accounts, one of them with more events than are read at once.
async fn with_accounts(world: &World) -> (Process, Vec<Uuid>) {
    let process = world.start().await;
    let ids: Vec<Uuid> = (0..150).map(|_| process.id()).collect();
    for (number, id) in ids.iter().enumerate() {
        let amount = i64::try_from(number).unwrap();
        process.accounts.execute(&cx(), *id, Command::Deposit(amount)).await.unwrap();
    }
    let hot = ids[70];
    for _ in 0..5 {
        let many = (0..500).map(|_| process.accounts.execute(&cx(), hot, Command::Deposit(1)));
        let done = join_all(many.map(IntoFuture::into_future)).await;
        assert!(done.into_iter().all(|it| it.is_ok()));
    }
    (process, ids)
}

async fn change(process: &Process, run: impl AsyncFnOnce(&mut Tx)) {
    let mut tx = process.database.begin().await.unwrap();
    run(&mut tx).await;
    tx.commit().await.unwrap();
}

async fn rebuilt(process: &Process) -> Rebuilt {
    let rebuilt = VIEWS.rebuild_on(&process.database, Some("accounts"), &mut |_| ()).await;
    rebuilt.unwrap().pop().unwrap()
}

async fn is_as_the_log_says(process: &Process) -> bool {
    let checked = store::replay(&["accounts"], &[&process.accounts]).await.unwrap();
    checked.findings.is_empty()
}

/// Writes tables that it does not say.
struct Straying;

#[runtime::async_trait]
impl View<Account> for Straying {
    async fn apply(&self, tx: &mut Tx, changes: &[Change<'_, Account>]) -> Result<(), sqlx::Error> {
        let Some(change) = changes.first() else { return Ok(()) };
        store::execute!(tx, REMOVE_ROW, change.id).await?;
        Ok(())
    }
}

/// Stops after what it wrote, once it is asked to, until the test says so.
struct Pausing {
    is_asked: AtomicBool,
    is_paused: Semaphore,
    goes_on: Semaphore,
}

impl Pausing {
    const fn new(is_asked: bool) -> Self {
        Self {
            is_asked: AtomicBool::new(is_asked),
            is_paused: Semaphore::const_new(0),
            goes_on: Semaphore::const_new(0),
        }
    }

    /// One of a test's own, and the views that it is of.
    fn alone() -> (&'static Self, LogViews) {
        let pausing: &Self = Box::leak(Box::new(Self::new(false)));
        let log: &dyn Projected = Box::leak(Box::new(Projection::<Account, _>::by(pausing)));
        let (name, tables) = ("accounts", &["accounts"]);
        let view = LogView { name, tables, logs: Box::leak(Box::new([log])) };
        let views = LogViews { schema: &SCHEMA, views: Box::leak(Box::new([view])), tells: None };
        (pausing, views)
    }
}

#[runtime::async_trait]
impl View<Account> for Pausing {
    async fn apply(&self, tx: &mut Tx, changes: &[Change<'_, Account>]) -> Result<(), sqlx::Error> {
        AccountsView.apply(tx, changes).await?;
        if self.is_asked.load(Ordering::Relaxed) {
            self.is_paused.add_permits(1);
            let _permit = self.goes_on.acquire().await.expect("it is not closed");
        }
        Ok(())
    }
}

static PAUSING: Pausing = Pausing::new(true);
static PAUSING_VIEWS: LogViews = LogViews {
    schema: &SCHEMA,
    views: &[LogView {
        name: "accounts",
        tables: &["accounts"],
        logs: &[&Projection::<Account, Pausing>::by(&PAUSING)],
    }],
    tells: None,
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn feeds_go_on_when_a_rebuild_is_paused() {
    let world = World::postgres().await;
    let process = world.start().await;
    process.accounts.execute(&cx(), process.id(), Command::Deposit(1)).await.unwrap();
    let feed = Feed::of_everything(&process.database);
    let watching = async {
        drop(PAUSING.is_paused.acquire().await.unwrap());
        process.accounts.execute(&cx(), process.id(), Command::Deposit(1)).await.unwrap();
        testkit::eventually("the feed has it", async || {
            let all = feed.read(Position::default(), 10).await.unwrap();
            (all.events.len() == 2).then_some(())
        })
        .await;
        PAUSING.goes_on.add_permits(1);
    };
    let mut unwatched = |_: RebuildProgress| ();
    let rebuilding = PAUSING_VIEWS.rebuild_on(&process.database, None, &mut unwatched);
    let (outcome, ()) = join(rebuilding, watching).await;
    assert!(matches!(outcome, Err(StoreError::Unavailable(_))), "{outcome:?}");
    assert_eq!(rebuilt(&process).await.corrected, 0);
}

static STRAYING: LogViews = LogViews {
    schema: &SCHEMA,
    views: &[LogView {
        name: "notes",
        tables: &["notes"],
        logs: &[&Projection::<Account, Straying>::by(&Straying)],
    }],
    tells: None,
};

on_all! {
    async fn a_view_that_is_right_stays_as_it_is(world) {
        let (process, ids) = with_accounts(&world).await;
        let before = all_accounts(&process.database).await;
        let done = rebuilt(&process).await;
        assert_eq!(done, Rebuilt { view: "accounts", events: ids.len() as u64 + 2_500, corrected: 0 });
        assert_eq!(all_accounts(&process.database).await, before);
    }

    async fn rows_that_differ_are_missing_or_nobodys_are_corrected(world) {
        let (process, ids) = with_accounts(&world).await;
        let before = all_accounts(&process.database).await;
        let stranger = process.id();
        change(&process, async |tx| {
            store::execute!(&mut *tx, COPY_ROW, ids[5], stranger).await.unwrap();
            store::execute!(&mut *tx, SPOIL_BALANCE, ids[3]).await.unwrap();
            store::execute!(&mut *tx, REMOVE_ROW, ids[4]).await.unwrap();
        })
        .await;
        assert_eq!(rebuilt(&process).await.corrected, 3);
        assert_eq!(all_accounts(&process.database).await, before);
    }

    async fn an_empty_view_is_filled_again_while_commands_go_on(world) {
        let (process, ids) = with_accounts(&world).await;
        change(&process, async |tx| {
            store::execute!(&mut *tx, REMOVE_ALL).await.unwrap();
        })
        .await;
        let accounts = process.accounts.clone();
        let is_done = AtomicBool::new(false);
        let writing = async {
            let mut commands = 0;
            while !is_done.load(Ordering::Relaxed) || commands < 50 {
                let id = if commands % 3 == 0 { process.id() } else { ids[commands % ids.len()] };
                accounts.execute(&cx(), id, Command::Deposit(1)).await.unwrap();
                commands += 1;
            }
        };
        let rebuilding = async {
            let done = rebuilt(&process).await;
            is_done.store(true, Ordering::Relaxed);
            done
        };
        let ((), done) = join(writing, rebuilding).await;
        assert!(done.corrected >= 100, "{done:?}");
        assert!(is_as_the_log_says(&process).await);
    }

    async fn a_view_is_read_all_the_while_its_rows_are_corrected(world) {
        let (process, ids) = with_accounts(&world).await;
        let (spoiled, hot) = (ids[3], ids[70]);
        change(&process, async |tx| {
            store::execute!(&mut *tx, SPOIL_BALANCE, spoiled).await.unwrap();
        })
        .await;
        let (pausing, views) = Pausing::alone();
        let accounts = process.accounts.clone();
        let mut watch = |progress: RebuildProgress| {
            if progress.step == Correcting && !pausing.is_asked.swap(true, Ordering::Relaxed) {
                // It is taken in while writers are held, and then everything stands still.
                let deposit = accounts.execute(&cx(), hot, Command::Deposit(1)).into_future();
                block_in_place(|| Handle::current().block_on(deposit)).unwrap();
            }
        };
        let is_done = AtomicBool::new(false);
        let rebuilding = async {
            let done = views.rebuild_on(&process.database, None, &mut watch).await;
            is_done.store(true, Ordering::Relaxed);
            pausing.is_paused.close();
            done.unwrap()
        };
        let reading = async {
            while !is_done.load(Ordering::Relaxed) {
                assert_eq!(all_accounts(&process.database).await.len(), ids.len());
            }
        };
        let reading_what_is_held = async {
            drop(pausing.is_paused.acquire().await.expect("it stands still before it is done"));
            let shown = all_accounts(&process.database).await;
            pausing.goes_on.add_permits(1);
            shown
        };
        let all = Box::pin(join3(rebuilding, reading, reading_what_is_held));
        let (done, (), shown) = all.await;
        assert_eq!(done[0].corrected, 1);
        let balance = |rows: &[AccountRow]| {
            rows.iter().find(|row| row.id == spoiled).map(|row| row.balance)
        };
        assert_eq!((shown.len(), balance(&shown)), (ids.len(), Some(7)), "as it was before");
        assert_eq!(balance(&all_accounts(&process.database).await), Some(3));
    }

    async fn how_far_it_is_can_be_watched(world) {
        let (process, ids) = with_accounts(&world).await;
        change(&process, async |tx| {
            store::execute!(&mut *tx, REMOVE_ROW, ids[4]).await.unwrap();
        })
        .await;
        let mut seen: Vec<RebuildProgress> = Vec::new();
        VIEWS.rebuild_on(&process.database, None, &mut |progress| seen.push(progress)).await.unwrap();
        let mut steps: Vec<RebuildStep> = seen.iter().map(|progress| progress.step).collect();
        steps.dedup();
        assert_eq!(
            steps,
            [Filling, Following, Comparing, Correcting, Following, Comparing]
        );
        let total = ids.len() as u64 + 2_500;
        let filling: Vec<u64> = seen
            .iter()
            .filter(|progress| progress.step == Filling)
            .map(|progress| progress.done)
            .collect();
        assert_eq!(filling, [0, 2_000, total]);
    }

    async fn a_rebuild_that_was_interrupted_is_done_again(world) {
        let (process, _) = with_accounts(&world).await;
        let before = all_accounts(&process.database).await;
        let mut pages = 0;
        let (interrupt, interrupted) = tokio::sync::oneshot::channel::<()>();
        let mut interrupt = Some(interrupt);
        let mut watch = |_: RebuildProgress| {
            pages += 1;
            if pages == 2 {
                drop(interrupt.take());
            }
        };
        let begun = VIEWS.rebuild_on(&process.database, None, &mut watch);
        tokio::select! {
            biased;
            _ = interrupted => {}
            _ = begun => panic!("it was to be interrupted"),
        }
        assert_eq!(all_accounts(&process.database).await, before);
        let again = testkit::eventually("the other one is gone", async || {
            VIEWS.rebuild_on(&process.database, None, &mut |_| ()).await.ok()
        });
        assert_eq!(again.await[0].corrected, 0);
    }

    async fn two_rebuilds_do_not_meet(world) {
        let (process, _) = with_accounts(&world).await;
        let database = process.database.clone();
        let (first, second) = join(
            Box::pin(VIEWS.rebuild_on(&process.database, None, &mut |_| ())),
            Box::pin(VIEWS.rebuild_on(&database, None, &mut |_| ())),
        )
        .await;
        let refused: Vec<StoreError> = [first, second].into_iter().filter_map(Result::err).collect();
        assert_eq!(refused.len(), 1, "{refused:?}");
        assert!(refused[0].to_string().contains("another process"), "{refused:?}");
    }

    async fn a_view_that_writes_other_tables_than_it_says_fails_and_changes_nothing(world) {
        let (process, _) = with_accounts(&world).await;
        let before = all_accounts(&process.database).await;
        let refused = STRAYING.rebuild_on(&process.database, None, &mut |_| ()).await.unwrap_err();
        assert!(refused.to_string().contains("accounts"), "{refused}");
        assert_eq!(all_accounts(&process.database).await, before);
    }

    async fn a_view_that_is_not_there_is_an_error_that_names_those_that_are(world) {
        let process = world.start().await;
        let refused = VIEWS.rebuild_on(&process.database, Some("x"), &mut |_| ()).await.unwrap_err();
        assert!(refused.to_string().contains("choose from accounts"), "{refused}");
    }
}
