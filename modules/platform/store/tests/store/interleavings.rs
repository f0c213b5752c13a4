//! Any interleaving of commands gives the state that replaying the log gives, and so do the views.

use std::collections::BTreeMap;

use futures_util::future::join_all;
use proptest::{prelude::*, test_runner::TestRunner};
use store::{ExecuteError, Work};
use uuid::Uuid;

use crate::{
    account::{Account, Command, Happened, REFUSED_BY_THE_VIEW, Refusal, all_accounts, replay},
    world::{Process, World, cx},
};

const ACCOUNTS: usize = 4;
const EVENTS: &str = "SELECT count(*) FROM events";

/// Something that processes are made to do.
#[derive(Debug, Clone)]
enum Step {
    /// Commands at the same time, each given to one of the processes.
    AtOnce(Vec<Action>),
    /// One process stops in order and starts again.
    Restart(usize),
}

#[derive(Debug, Clone)]
enum Action {
    Deposit { process: usize, account: usize, amount: i64 },
    Withdraw { process: usize, account: usize, amount: i64 },
    Transfer { process: usize, from: usize, to: usize, amount: i64 },
    Fail { process: usize, account: usize },
    Panic { process: usize, account: usize },
}

fn action() -> impl Strategy<Value = Action> {
    let account = || 0..ACCOUNTS;
    let process = || 0..2_usize;
    prop_oneof![
        6 => (process(), account(), 1..50_i64)
            .prop_map(|(process, account, amount)| Action::Deposit { process, account, amount }),
        4 => (process(), account(), 1..50_i64)
            .prop_map(|(process, account, amount)| Action::Withdraw { process, account, amount }),
        2 => (process(), account(), account(), 1..50_i64).prop_map(|(process, from, to, amount)| {
            Action::Transfer { process, from, to, amount }
        }),
        1 => (process(), account()).prop_map(|(process, account)| Action::Fail { process, account }),
        1 => (process(), account()).prop_map(|(process, account)| Action::Panic { process, account }),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        5 => prop::collection::vec(action(), 1..12).prop_map(Step::AtOnce),
        1 => (0..2_usize).prop_map(Step::Restart),
    ]
}

/// How many events a successful action writes; what it takes in or out of all accounts.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Effect {
    events: i64,
    money: i64,
}

async fn perform(processes: &[Process], ids: &[Uuid], action: Action) -> Effect {
    let single = async |process: usize, account: usize, command| {
        processes[process].accounts.execute(&cx(), ids[account], command).await
    };
    match action {
        Action::Deposit { process, account, amount } => {
            single(process, account, Command::Deposit(amount)).await.unwrap();
            Effect { events: 1, money: amount }
        }
        Action::Withdraw { process, account, amount } => {
            single(process, account, Command::Withdraw(amount)).await.map_or_else(
                |error| expect_failure(&error),
                |_| Effect { events: 1, money: -amount },
            )
        }
        Action::Fail { process, account } => {
            let outcome = single(process, account, Command::Deposit(REFUSED_BY_THE_VIEW)).await;
            expect_failure(&outcome.unwrap_err())
        }
        Action::Panic { process, account } => {
            let outcome = single(process, account, Command::PanicInEvolve).await;
            expect_failure(&outcome.unwrap_err())
        }
        Action::Transfer { process, from, to, amount } => {
            let process = &processes[process];
            let (accounts, from, to) = (process.accounts.clone(), ids[from], ids[to]);
            let transferred: Result<(), ExecuteError<Refusal>> = process
                .committer
                .transact(&cx(), move |work: &mut Work<'_>| {
                    let accounts = accounts.clone();
                    Box::pin(async move {
                        work.execute(&accounts, to, Command::Deposit(amount)).await?;
                        work.execute(&accounts, from, Command::Withdraw(amount)).await?;
                        Ok(())
                    })
                })
                .await;
            transferred
                .map_or_else(|error| expect_failure(&error), |()| Effect { events: 2, money: 0 })
        }
    }
}

/// Commands fail for reasons of their own, never because of each other.
fn expect_failure(error: &ExecuteError<Refusal>) -> Effect {
    let is_its_own = match error {
        ExecuteError::Rejected(_) => true,
        ExecuteError::Store(store::StoreError::Failed(reason)) => {
            reason.contains("panic") || reason.contains("CHECK") || reason.contains("check")
        }
        _ => false,
    };
    assert!(is_its_own, "{error:?}");
    Effect::default()
}

async fn check(world: World, steps: Vec<Step>) {
    let ids: Vec<Uuid> = (1..=ACCOUNTS as u128).map(Uuid::from_u128).collect();
    let mut processes = vec![world.start().await, world.start().await];
    let mut total = Effect::default();
    for step in steps {
        match step {
            Step::AtOnce(actions) => {
                let effects = actions.into_iter().map(|action| perform(&processes, &ids, action));
                for effect in join_all(effects).await {
                    total.events += effect.events;
                    total.money += effect.money;
                }
            }
            Step::Restart(index) => {
                processes.remove(index).stop().await;
                processes.insert(index, world.start().await);
            }
        }
    }

    let replayed = replay_all(&processes[0], &ids).await;
    for process in &processes {
        for (id, expected) in &replayed {
            let loaded = process.accounts.load(*id).await.unwrap();
            assert_eq!(loaded.map(|it| it.state), expected.clone());
        }
    }
    let rows = all_accounts(&processes[0].database).await;
    let seen: BTreeMap<Uuid, i64> = rows.iter().map(|row| (row.id, row.balance)).collect();
    let balances: BTreeMap<Uuid, i64> = replayed
        .iter()
        .filter_map(|(id, account)| Some((*id, account.as_ref()?.balance)))
        .collect();
    assert_eq!(seen, balances);
    assert_eq!(balances.values().sum::<i64>(), total.money);
    let (events,) = store::fetch_one!(&processes[0].database, (i64,), EVENTS).await.unwrap();
    assert_eq!(events, total.events);
    for process in processes {
        process.stop().await;
    }
}

async fn replay_all(process: &Process, ids: &[Uuid]) -> Vec<(Uuid, Option<Account>)> {
    let mut replayed = Vec::new();
    for id in ids {
        let history = process.accounts.history(*id).await.unwrap();
        let events: Vec<&Happened> = history.iter().map(|recorded| &recorded.event).collect();
        let account = (!events.is_empty()).then(|| replay(events));
        replayed.push((*id, account));
    }
    replayed
}

fn any_interleaving(cases: u32, world: impl AsyncFn() -> World) {
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let config = ProptestConfig { cases, failure_persistence: None, ..ProptestConfig::default() };
    let steps = prop::collection::vec(step(), 1..12);
    let outcome = TestRunner::new(config).run(&steps, |steps| {
        runtime.block_on(async { check(world().await, steps).await });
        Ok(())
    });
    if let Err(failure) = outcome {
        panic!("{failure}");
    }
}

#[test]
fn any_interleaving_gives_what_a_replay_gives_on_sqlite() {
    any_interleaving(24, async || World::sqlite());
}

#[test]
fn any_interleaving_gives_what_a_replay_gives_on_postgres() {
    any_interleaving(12, async || World::postgres().await);
}
