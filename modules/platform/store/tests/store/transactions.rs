//! Several things in one commit.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use runtime::BoxFuture;
use store::{Committer, Database, Events, ExecuteError, StoreError, Work};
use testkit::eventually;
use tokio::task::JoinSet;
use uuid::Uuid;

use crate::{
    account::{Account, Command, Refusal},
    world::{cx, on_all, on_both},
};

const NOTE: &str = "INSERT INTO notes (id, text) VALUES ($1, $2)";
const NOTE_MORE: &str = "UPDATE notes SET amount = coalesce(amount, 0) + 1 WHERE id = $1";
const NOTED: &str = "SELECT amount FROM notes WHERE id = $1";
const COUNT_NOTES: &str = "SELECT count(*) FROM notes";
const NONSENSE: &str = "INSERT INTO nowhere VALUES (1)";
const OPEN_TRANSACTIONS: &str = "SELECT count(*) FROM pg_stat_activity \
     WHERE application_name = 'boxoffice-ledger' AND datname = current_database() AND state LIKE 'idle in transaction%'";

async fn notes(database: &Database) -> i64 {
    store::fetch_one!(database, (i64,), COUNT_NOTES).await.unwrap().0
}

async fn balance(accounts: &Events<Account>, id: Uuid) -> i64 {
    accounts.load(id).await.unwrap().map_or(0, |account| account.state.balance)
}

/// Moves money and writes a note about it.
async fn transfer(
    committer: &Committer,
    accounts: &Events<Account>,
    (from, to): (Uuid, Uuid),
    amount: i64,
) -> Result<i64, ExecuteError<Refusal>> {
    let accounts = accounts.clone();
    committer
        .transact(&cx(), move |work: &mut Work<'_>| {
            let accounts = accounts.clone();
            Box::pin(async move {
                store::execute!(work.tx(), NOTE, Uuid::from_u128(1), "a transfer").await?;
                work.execute(&accounts, to, Command::Deposit(amount)).await?;
                let after = work.execute(&accounts, from, Command::Withdraw(amount)).await?;
                Ok(after.state.balance)
            })
        })
        .await
}

/// Runs SQL that the database does not understand, and says that all went well.
fn swallow_an_error<'a>(work: &'a mut Work<'_>) -> BoxFuture<'a, Result<(), StoreError>> {
    Box::pin(async move {
        let refused = store::execute!(work.tx(), NONSENSE).await;
        assert!(refused.is_err());
        Ok(())
    })
}

on_all! {
    async fn what_one_transaction_does_to_two_aggregates_is_done_to_both(world) {
        let process = world.start().await;
        let (from, to) = (process.id(), process.id());
        process.accounts.execute(&cx(), from, Command::Deposit(10)).await.unwrap();
        let left = transfer(&process.committer, &process.accounts, (from, to), 4).await;
        assert_eq!(left, Ok(6));
        assert_eq!(balance(&process.accounts, from).await, 6);
        assert_eq!(balance(&process.accounts, to).await, 4);
        assert_eq!(notes(&process.database).await, 1);
    }

    async fn a_transaction_that_fails_leaves_nothing(world) {
        let process = world.start().await;
        let (from, to) = (process.id(), process.id());
        process.accounts.execute(&cx(), from, Command::Deposit(3)).await.unwrap();
        let refused = transfer(&process.committer, &process.accounts, (from, to), 4).await;
        assert_eq!(refused, Err(ExecuteError::Rejected(Refusal::Overdrawn { balance: 3 })));
        assert_eq!(balance(&process.accounts, from).await, 3);
        assert_eq!(process.accounts.load(to).await.unwrap(), None);
        assert_eq!(notes(&process.database).await, 0);
    }

    async fn a_transaction_that_fails_takes_no_other_down(world) {
        let process = world.start().await;
        let (from, to) = (process.id(), process.id());
        let accounts = &process.accounts;
        accounts.execute(&cx(), from, Command::Deposit(3)).await.unwrap();
        let (before, refused, after) = tokio::join!(
            async { accounts.execute(&cx(), from, Command::Deposit(1)).await },
            transfer(&process.committer, accounts, (from, to), 100),
            async { accounts.execute(&cx(), from, Command::Withdraw(4)).await },
        );
        assert!(before.is_ok() && after.is_ok(), "{before:?} {after:?}");
        assert!(matches!(refused, Err(ExecuteError::Rejected(_))), "{refused:?}");
        assert_eq!(balance(accounts, from).await, 0);
    }

    async fn a_statement_sees_the_statements_before_it(world) {
        let process = world.start().await;
        let seen: Result<i64, StoreError> = process
            .committer
            .transact(&cx(), |work: &mut Work<'_>| {
                Box::pin(async move {
                    store::execute!(work.tx(), NOTE, Uuid::from_u128(1), "one").await?;
                    Ok(store::fetch_one!(work.tx(), (i64,), COUNT_NOTES).await?.0)
                })
            })
            .await;
        assert_eq!(seen, Ok(1));
    }

    async fn an_aggregate_is_seen_as_this_transaction_left_it(world) {
        let process = world.start().await;
        let (id, accounts) = (process.id(), process.accounts.clone());
        let seen: Result<_, ExecuteError<Refusal>> = process
            .committer
            .transact(&cx(), move |work: &mut Work<'_>| {
                let accounts = accounts.clone();
                Box::pin(async move {
                    let before = work.load(&accounts, id).await?.cloned();
                    work.execute(&accounts, id, Command::Deposit(2)).await?;
                    let after = work.load(&accounts, id).await?.map(|it| it.state.balance);
                    Ok((before, after))
                })
            })
            .await;
        assert_eq!(seen, Ok((None, Some(2))));
    }

    async fn an_error_that_the_work_hides_is_no_success_on_postgres(world) {
        let process = world.start().await;
        let outcome = process.committer.transact(&cx(), swallow_an_error).await;
        // SQLite undoes the statement alone; PostgreSQL gives up the whole transaction.
        assert_eq!(outcome.is_err(), world.is_postgres(), "{outcome:?}");
        assert!(process.accounts.execute(&cx(), process.id(), Command::Deposit(1)).await.is_ok());
    }

    async fn work_that_panics_or_takes_too_long_fails_alone(mut_world) {
        let mut world = mut_world;
        world.settings.job_timeout = Duration::from_millis(50);
        let process = world.start().await;
        let panicking: Result<(), StoreError> = process
            .committer
            .transact(&cx(), |_work: &mut Work<'_>| Box::pin(async { panic!("at the disco") }))
            .await;
        let Err(StoreError::Failed(reason)) = panicking else { panic!("{panicking:?}") };
        assert!(reason.contains("at the disco"), "{reason}");
        let endless: Result<(), StoreError> = process
            .committer
            .transact(&cx(), |_work: &mut Work<'_>| Box::pin(std::future::pending()))
            .await;
        let Err(StoreError::Unavailable(reason)) = endless else { panic!("{endless:?}") };
        assert!(reason.contains("longer than"), "{reason}");
        assert!(process.accounts.execute(&cx(), process.id(), Command::Deposit(1)).await.is_ok());
    }

    async fn a_transaction_of_ones_own_is_taken_back_unless_committed(world) {
        let database = world.database().await;
        let mut dropped = database.begin().await.unwrap();
        store::execute!(&mut dropped, NOTE, Uuid::from_u128(1), "lost").await.unwrap();
        drop(dropped);
        let mut kept = database.begin().await.unwrap();
        store::execute!(&mut kept, NOTE, Uuid::from_u128(2), "kept").await.unwrap();
        kept.commit().await.unwrap();
        assert_eq!(notes(&database).await, 1);
    }

    async fn a_transaction_that_nobody_waits_for_any_more_is_not_left_open(world) {
        let database = world.database().await;
        let begun = Arc::new(AtomicU32::new(0));
        let mut tasks = JoinSet::new();
        for _ in 0..200 {
            let (database, begun) = (database.clone(), Arc::clone(&begun));
            tasks.spawn(async move {
                // Gives up at every possible moment.
                let limit = Duration::from_micros(u64::from(begun.fetch_add(1, Ordering::Relaxed)));
                let _given_up = tokio::time::timeout(limit * 10, database.begin()).await;
            });
        }
        tasks.join_all().await;
        if world.is_postgres() {
            eventually("no open transactions", || async {
                store::fetch_one!(&database, (i64,), OPEN_TRANSACTIONS).await.unwrap().0 == 0
            })
            .await;
        }
        let mut tx = database.begin().await.unwrap();
        store::execute!(&mut tx, NOTE, Uuid::from_u128(1), "after all").await.unwrap();
        tx.commit().await.unwrap();
        assert_eq!(notes(&database).await, 1);
    }
}

on_both! {
    async fn statements_of_two_replicas_on_one_row_are_all_done(world) {
        const EACH: usize = 30;
        let (one, other) = (world.start().await, world.start().await);
        let id = Uuid::from_u128(1);
        let mut tx = one.database.begin().await.unwrap();
        store::execute!(&mut tx, NOTE, id, "many at once").await.unwrap();
        tx.commit().await.unwrap();

        let note_more = |committer: &Committer| {
            let committer = committer.clone();
            async move {
                committer
                    .transact(&cx(), move |work: &mut Work<'_>| {
                        Box::pin(async move {
                            store::execute!(work.tx(), NOTE_MORE, id).await?;
                            Ok::<(), StoreError>(())
                        })
                    })
                    .await
            }
        };
        let mut at_once = JoinSet::new();
        for _ in 0..EACH {
            at_once.spawn(note_more(&one.committer));
            at_once.spawn(note_more(&other.committer));
        }
        let outcomes = at_once.join_all().await;
        assert!(outcomes.iter().all(Result::is_ok), "{outcomes:?}");
        let (noted,) = store::fetch_one!(&one.database, (i64,), NOTED, id).await.unwrap();
        assert_eq!(usize::try_from(noted), Ok(2 * EACH));
    }

    async fn an_aggregate_of_another_database_is_refused(world) {
        let (one, other) = (world.start().await, world.start().await);
        let accounts = other.accounts.clone();
        let id = one.id();
        let outcome: Result<(), ExecuteError<Refusal>> = one
            .committer
            .transact(&cx(), move |work: &mut Work<'_>| {
                let accounts = accounts.clone();
                Box::pin(async move {
                    work.execute(&accounts, id, Command::Deposit(1)).await?;
                    Ok(())
                })
            })
            .await;
        assert!(matches!(outcome, Err(ExecuteError::Store(StoreError::Failed(_)))), "{outcome:?}");
    }
}
