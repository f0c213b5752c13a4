//! Commands on aggregates: what they do, what they leave, and how they share commits.

use futures_util::future::join_all;
use runtime::{Context, Principal, TraceContext};
use store::{ExecuteError, Loaded, StoreError};
use testkit::eventually;
use tokio::time::Instant;
use uuid::Uuid;

use crate::{
    account::{Account, Command, Happened, REFUSED_BY_THE_VIEW, Refusal, all_accounts},
    world::{cx, on_all, on_both},
};

on_all! {
    async fn what_a_command_did_is_there_after_a_restart(world) {
        let process = world.start().await;
        let id = process.id();
        let opened = process.accounts.execute(&cx(), id, Command::Deposit(5)).await.unwrap();
        assert_eq!((opened.version, opened.state.balance), (1, 5));
        process.stop().await;

        let again = world.start().await;
        assert_eq!(again.accounts.load(id).await.unwrap(), Some(opened));
    }

    async fn an_aggregate_to_which_nothing_happened_is_not_there(world) {
        let process = world.start().await;
        let id = process.id();
        assert_eq!(process.accounts.load(id).await.unwrap(), None);
        let greeted = process.accounts.execute(&cx(), id, Command::Greet).await.unwrap();
        assert_eq!(greeted, Loaded { state: Account::default(), version: 0 });
        assert_eq!(process.accounts.load(id).await.unwrap(), None);
    }

    async fn a_refused_command_changes_nothing(world) {
        let process = world.start().await;
        let id = process.id();
        process.accounts.execute(&cx(), id, Command::Deposit(5)).await.unwrap();
        let refused = process.accounts.execute(&cx(), id, Command::Withdraw(6)).await;
        assert_eq!(refused, Err(ExecuteError::Rejected(Refusal::Overdrawn { balance: 5 })));
        assert_eq!(process.accounts.load(id).await.unwrap().unwrap().version, 1);
    }

    async fn a_command_meant_for_another_version_is_stale(world) {
        let process = world.start().await;
        let id = process.id();
        let accounts = &process.accounts;
        accounts.execute(&cx(), id, Command::Deposit(5)).await.unwrap();
        let at_version =
            |version| accounts.execute(&cx(), id, Command::Withdraw(1)).expect_version(version);
        assert_eq!(at_version(1).await.unwrap().version, 2);
        assert_eq!(at_version(1).await, Err(ExecuteError::Stale { current: 2 }));
        assert_eq!(accounts.load(id).await.unwrap().unwrap().version, 2);
    }

    async fn an_event_says_who_did_it_and_why(world) {
        let process = world.start().await;
        let (id, user, cause) = (process.id(), process.id(), process.id());
        let trace = TraceContext::parse("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01");
        let principal = Principal::User { id: user, roles: vec![] };
        let context =
            Context::new(principal, Instant::now() + runtime::DEFAULT_DEADLINE, "r-7", trace.unwrap())
                .caused_by(cause);
        process.accounts.execute(&context, id, Command::Deposit(5)).await.unwrap();

        let history = process.accounts.history(id).await.unwrap();
        let [event] = history.as_slice() else { panic!("{history:?}") };
        assert_eq!(event.event, Happened::Deposited { amount: 5 });
        assert_eq!((event.stream, event.version), (id, 1));
        assert_eq!(event.actor, format!("user:{user}"));
        assert_eq!(event.correlation_id, "r-7");
        assert_eq!(event.causation_id, Some(cause));
        assert_eq!(
            event.traceparent,
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
        );
        assert_eq!(event.recorded_at, "2026-11-20T19:00:00Z".parse().unwrap());
    }

    async fn commands_at_once_share_commits_and_none_is_lost(world) {
        let (process, commits) = world.start_observed().await;
        let (one, other) = (process.id(), process.id());
        let accounts = &process.accounts;
        let deposits = (0..200).map(|number| {
            let id = if number % 2 == 0 { one } else { other };
            async move { accounts.execute(&cx(), id, Command::Deposit(1)).await.unwrap() }
        });
        let mut versions: Vec<u64> = join_all(deposits).await.iter().map(|it| it.version).collect();
        versions.sort_unstable();
        let each_once: Vec<u64> = (1..=100).flat_map(|version| [version, version]).collect();
        assert_eq!(versions, each_once);
        let commits = commits.all().len();
        assert!(commits < 50, "{commits} commits for 200 commands");
        for row in all_accounts(&process.database).await {
            assert_eq!((row.version, row.balance), (100, 100));
        }
    }

    async fn positions_grow_along_a_stream(world) {
        let process = world.start().await;
        let id = process.id();
        let accounts = &process.accounts;
        join_all((0..20).map(|_| async { accounts.execute(&cx(), id, Command::Deposit(1)).await }))
            .await;
        let history = accounts.history(id).await.unwrap();
        assert_eq!(history.len(), 20);
        assert!(history.is_sorted_by(|one, next| one.position < next.position));
        assert!(history.is_sorted_by(|one, next| one.version < next.version));
    }

    async fn a_view_is_written_with_the_events(world) {
        let process = world.start().await;
        let id = process.id();
        process.accounts.execute(&cx(), id, Command::Deposit(5)).await.unwrap();
        process.accounts.execute(&cx(), id, Command::Withdraw(2)).await.unwrap();
        let rows = all_accounts(&process.database).await;
        let [row] = rows.as_slice() else { panic!("{rows:?}") };
        assert_eq!((row.id, row.version, row.balance), (id, 2, 3));
        assert_eq!(row.changed_at.0, "2026-11-20T19:00:00Z".parse().unwrap());
    }

    async fn of_a_batch_only_the_command_that_breaks_the_view_fails(world) {
        let process = world.start().await;
        let ids: Vec<Uuid> = (0..10).map(|_| process.id()).collect();
        let accounts = &process.accounts;
        let outcomes = join_all(ids.iter().enumerate().map(|(index, id)| async move {
            let amount = if index == 3 { REFUSED_BY_THE_VIEW } else { 10 };
            accounts.execute(&cx(), *id, Command::Deposit(amount)).await
        }))
        .await;
        for (index, outcome) in outcomes.iter().enumerate() {
            assert_eq!(outcome.is_err(), index == 3, "{index}: {outcome:?}");
        }
        assert!(matches!(&outcomes[3], Err(ExecuteError::Store(StoreError::Failed(_)))));
        assert_eq!(accounts.load(ids[3]).await.unwrap(), None);
        assert_eq!(all_accounts(&process.database).await.len(), 9);
    }

    async fn a_panic_fails_its_own_command_only(world) {
        let process = world.start().await;
        let (id, other) = (process.id(), process.id());
        let accounts = &process.accounts;
        accounts.execute(&cx(), id, Command::Deposit(5)).await.unwrap();
        for panicking in [Command::PanicInDecide, Command::PanicInEvolve] {
            let command = |id, command| async move { accounts.execute(&cx(), id, command).await };
            let (before, panicked, after, beside) = tokio::join!(
                command(id, Command::Deposit(1)),
                command(id, panicking),
                command(id, Command::Deposit(1)),
                command(other, Command::Deposit(1)),
            );
            assert!(before.is_ok() && after.is_ok() && beside.is_ok());
            let Err(ExecuteError::Store(StoreError::Failed(reason))) = panicked else {
                panic!("{panicked:?}")
            };
            assert!(reason.contains("panic"), "{reason}");
        }
        let account = accounts.load(id).await.unwrap().unwrap();
        assert_eq!((account.version, account.state.balance), (5, 9));
    }

    async fn text_with_a_nul_is_refused_on_all_databases(world) {
        let process = world.start().await;
        let id = process.id();
        let refused = process.accounts.execute(&cx(), id, Command::Note("a\0b")).await;
        assert!(matches!(refused, Err(ExecuteError::Store(StoreError::Unstorable(_)))));
        let kept = process.accounts.execute(&cx(), id, Command::Note("a\u{1F3AB}b\"\\")).await;
        assert_eq!(kept.unwrap().state.notes, ["a\u{1F3AB}b\"\\"]);
        process.stop().await;
        let account = world.start().await.accounts.load(id).await.unwrap().unwrap();
        assert_eq!(account.state.notes, ["a\u{1F3AB}b\"\\"]);
    }

    async fn a_command_can_yield_a_part_of_the_state(world) {
        let process = world.start().await;
        let execution = process.accounts.execute(&cx(), process.id(), Command::Deposit(5));
        let balance = execution.read(|account| account.state.balance).await;
        assert_eq!(balance, Ok(5));
    }

    async fn who_waits_for_commits_is_told(world) {
        let process = world.start().await;
        let mut commits = process.database.commits();
        commits.mark_unchanged();
        process.accounts.execute(&cx(), process.id(), Command::Deposit(5)).await.unwrap();
        eventually("a commit", || async { commits.has_changed().unwrap() }).await;
    }
}

on_both! {
    async fn two_processes_on_one_database_lose_no_command(world) {
        let (one, other) = (world.start().await, world.start().await);
        let id = one.id();
        let deposits = (0..100).map(|number| {
            let process = if number % 2 == 0 { &one } else { &other };
            async move { process.accounts.execute(&cx(), id, Command::Deposit(1)).await }
        });
        for outcome in join_all(deposits).await {
            outcome.unwrap();
        }
        for process in [&one, &other] {
            let account = process.accounts.load(id).await.unwrap().unwrap();
            assert_eq!((account.version, account.state.balance), (100, 100));
            let positions: Vec<_> =
                process.accounts.history(id).await.unwrap().iter().map(|it| it.position).collect();
            assert!(positions.is_sorted_by(|one, next| one < next), "{positions:?}");
        }
    }
}
