//! Timers: they fire when due, once, and again where that failed.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
    time::Duration,
};

use futures_util::future::{join_all, pending};
use jiff::SignedDuration;
use runtime::{CancellationToken, Context, Principal};
use store::{HandlerError, TimerRunner};
use testkit::eventually;
use uuid::Uuid;

use crate::support::{LampCommand, Process, Shop, context, on_all, random, uuid};

/// How often each lamp's handler was called.
#[derive(Clone, Default)]
struct Calls(Arc<Mutex<HashMap<Uuid, Vec<Context>>>>);

impl Calls {
    fn note(&self, cx: &Context, lamp: Uuid) -> usize {
        let mut calls = self.0.lock().unwrap();
        let of_lamp = calls.entry(lamp).or_default();
        of_lamp.push(cx.clone());
        of_lamp.len()
    }

    fn of(&self, lamp: Uuid) -> usize {
        self.0.lock().unwrap().get(&lamp).map_or(0, Vec::len)
    }

    fn lamps(&self) -> usize {
        self.0.lock().unwrap().len()
    }

    fn most(&self) -> usize {
        self.0.lock().unwrap().values().map(Vec::len).max().unwrap_or(0)
    }
}

fn run<F>(
    process: &mut Process,
    stop: &CancellationToken,
    handler: impl Fn(Context, Uuid) -> F + Send + Sync + 'static,
) where
    F: Future<Output = Result<(), HandlerError>> + Send + 'static,
{
    let runner = TimerRunner::new(&process.lamps, "shop", random(), handler);
    process.tasks.spawn(runner.run(stop.clone()));
}

/// Has due lamps turned off.
fn turn_off_lamps(process: &mut Process, calls: &Calls) -> CancellationToken {
    let (stop, calls, lamps) = (CancellationToken::new(), calls.clone(), process.lamps.clone());
    run(process, &stop, move |cx, lamp| {
        calls.note(&cx, lamp);
        let lamps = lamps.clone();
        async move {
            lamps.execute(&cx, lamp, LampCommand::TurnOff).await?;
            Ok(())
        }
    });
    stop
}

async fn turn_on(process: &Process, lamp: u128, off_at: runtime::Timestamp) {
    process.give(uuid(lamp), LampCommand::TurnOn { off_at: Some(off_at) }).await;
}

async fn is_off(process: &Process, lamp: u128) -> bool {
    !process.lamps.load(uuid(lamp)).await.unwrap().unwrap().state.is_on
}

on_all! {
    async fn an_aggregate_is_woken_when_its_time_has_come(shop: Shop) {
        let (mut process, calls) = (shop.process().await, Calls::default());
        turn_off_lamps(&mut process, &calls);
        turn_on(&process, 1, shop.in_seconds(3_600)).await;
        turn_on(&process, 2, shop.in_seconds(7_200)).await;

        shop.clock.advance(SignedDuration::from_secs(3_600));
        eventually("the first lamp to be off", || is_off(&process, 1)).await;
        assert!(!is_off(&process, 2).await);

        shop.clock.advance(SignedDuration::from_secs(3_600));
        eventually("the second lamp to be off", || is_off(&process, 2)).await;
        assert_eq!((calls.of(uuid(1)), calls.of(uuid(2))), (1, 1));
    }

    async fn what_is_due_already_is_woken_at_once(shop: Shop) {
        let (mut process, calls) = (shop.process().await, Calls::default());
        turn_on(&process, 1, shop.in_seconds(-10)).await;
        turn_off_lamps(&mut process, &calls);
        eventually("the lamp to be off", || is_off(&process, 1)).await;
        turn_on(&process, 2, shop.in_seconds(0)).await;
        eventually("the other lamp to be off", || is_off(&process, 2)).await;
    }

    async fn a_timer_that_the_state_takes_back_does_not_fire(shop: Shop) {
        let (mut process, calls) = (shop.process().await, Calls::default());
        turn_on(&process, 1, shop.in_seconds(10)).await;
        turn_on(&process, 2, shop.in_seconds(20)).await;
        process.give(uuid(1), LampCommand::TurnOff).await;
        turn_off_lamps(&mut process, &calls);
        shop.clock.advance(SignedDuration::from_secs(30));
        eventually("the second lamp to be off", || is_off(&process, 2)).await;
        assert_eq!(calls.of(uuid(1)), 0);
    }

    async fn a_handler_that_fails_or_panics_is_called_again(shop: Shop) {
        let (mut process, calls) = (shop.process().await, Calls::default());
        let (noted, lamps) = (calls.clone(), process.lamps.clone());
        turn_on(&process, 1, shop.in_seconds(0)).await;
        run(&mut process, &CancellationToken::new(), move |cx, lamp| {
            let (call, lamps) = (noted.note(&cx, lamp), lamps.clone());
            async move {
                assert!(call != 2, "short circuit");
                if call == 1 {
                    return Err(HandlerError::new("the switch is stuck"));
                }
                lamps.execute(&cx, lamp, LampCommand::TurnOff).await?;
                Ok(())
            }
        });
        eventually("the lamp to be off", || async {
            // The pauses between the attempts pass.
            shop.clock.advance(SignedDuration::from_secs(1));
            is_off(&process, 1).await
        })
        .await;
        assert_eq!(calls.of(uuid(1)), 3);
    }

    async fn a_state_that_still_asks_to_be_woken_is_woken_again_later(shop: Shop) {
        let (mut process, calls) = (shop.process().await, Calls::default());
        let noted = calls.clone();
        turn_on(&process, 1, shop.in_seconds(0)).await;
        run(&mut process, &CancellationToken::new(), move |cx, lamp| {
            noted.note(&cx, lamp);
            async { Ok(()) }
        });
        eventually("a third call", || async {
            shop.clock.advance(SignedDuration::from_secs(1));
            calls.of(uuid(1)) >= 3
        })
        .await;
        // Standing still, the clock holds back the next one.
        turn_on(&process, 2, shop.in_seconds(0)).await;
        eventually("the other lamp's call", || async { calls.of(uuid(2)) > 0 }).await;
    }

    async fn a_timer_set_anew_by_its_handler_keeps_its_time(shop: Shop) {
        let (mut process, calls) = (shop.process().await, Calls::default());
        let (noted, lamps, again) = (calls.clone(), process.lamps.clone(), shop.in_seconds(5));
        turn_on(&process, 1, shop.in_seconds(0)).await;
        run(&mut process, &CancellationToken::new(), move |cx, lamp| {
            let (call, lamps) = (noted.note(&cx, lamp), lamps.clone());
            async move {
                let command = match call {
                    1 => LampCommand::TurnOn { off_at: Some(again) },
                    _ => LampCommand::TurnOff,
                };
                lamps.execute(&cx, lamp, command).await?;
                Ok(())
            }
        });
        eventually("the timer to be set anew and given back", || async {
            let anew: Option<(i64,)> = store::fetch_optional!(
                &process.database,
                (i64,),
                "SELECT attempts FROM timers WHERE attempts = 0 AND claimed_by IS NULL"
            )
            .await
            .unwrap();
            anew.is_some() && calls.of(uuid(1)) == 1
        })
        .await;
        turn_on(&process, 2, shop.in_seconds(1)).await;
        shop.clock.advance(SignedDuration::from_secs(1));
        eventually("the other lamp's call", || async { calls.of(uuid(2)) == 1 }).await;
        assert_eq!(calls.of(uuid(1)), 1, "its time has not come");
        shop.clock.advance(SignedDuration::from_secs(4));
        eventually("the lamp to be off for good", || is_off(&process, 1)).await;
        assert_eq!(calls.of(uuid(1)), 2);
    }

    async fn the_handler_carries_on_the_correlation_of_what_set_the_timer(shop: Shop) {
        let (mut process, calls) = (shop.process().await, Calls::default());
        turn_on(&process, 1, shop.in_seconds(0)).await;
        let set = process.lamps.history(uuid(1)).await.unwrap().remove(0);
        turn_off_lamps(&mut process, &calls);
        eventually("the lamp to be off", || is_off(&process, 1)).await;

        let cx = calls.0.lock().unwrap()[&uuid(1)][0].clone();
        assert_eq!(cx.correlation_id(), set.correlation_id);
        assert_eq!(cx.causation_id(), Some(set.id));
        assert_eq!(cx.principal(), &Principal::Service { name: "shop".to_owned() });
        assert!(set.traceparent.contains(&cx.trace().trace_id()));
        assert_ne!(set.traceparent, cx.trace().traceparent());
    }

    async fn thousands_that_are_due_at_once_are_each_woken_once(shop: Shop) {
        const LAMPS: u128 = 3_000;
        let (mut process, calls) = (shop.process().await, Calls::default());
        let off_at = shop.in_seconds(60);
        for some in (0..LAMPS).collect::<Vec<_>>().chunks(500) {
            join_all(some.iter().map(|lamp| turn_on(&process, *lamp, off_at))).await;
        }
        turn_off_lamps(&mut process, &calls);
        shop.clock.advance(SignedDuration::from_secs(60));
        eventually("all lamps to be off", || async { calls.lamps() == 3_000 }).await;
        eventually("the last to be off", || async {
            let mut lamps = (0..LAMPS).collect::<Vec<_>>().into_iter();
            lamps.next_back().is_some() && is_off(&process, LAMPS - 1).await
        })
        .await;
        assert_eq!(calls.most(), 1);
    }

    async fn what_a_dead_process_was_busy_with_is_taken_over(shop: Shop) {
        let (mut doomed, calls) = (shop.process().await, Calls::default());
        turn_on(&doomed, 1, shop.in_seconds(0)).await;
        let noted = calls.clone();
        run(&mut doomed, &CancellationToken::new(), move |cx, lamp| {
            noted.note(&cx, lamp);
            pending()
        });
        eventually("the handler to begin", || async { calls.of(uuid(1)) == 1 }).await;
        doomed.kill().await;

        let mut successor = shop.process().await;
        turn_off_lamps(&mut successor, &calls);
        eventually("the lamp to be off", || is_off(&successor, 1)).await;
        assert_eq!(calls.of(uuid(1)), 2);
    }

    async fn a_process_that_stops_gives_back_what_it_was_busy_with(shop: Shop) {
        let (mut stopping, calls) = (shop.process().await, Calls::default());
        turn_on(&stopping, 1, shop.in_seconds(0)).await;
        let (noted, stop, lamps) =
            (calls.clone(), CancellationToken::new(), stopping.lamps.clone());
        run(&mut stopping, &stop, move |cx, lamp| {
            noted.note(&cx, lamp);
            let lamps = lamps.clone();
            async move {
                // It ends what it has begun.
                lamps.load(lamp).await?;
                Err(HandlerError::new("not now"))
            }
        });
        eventually("the handler to begin", || async { calls.of(uuid(1)) == 1 }).await;
        stop.cancel();
        eventually("no claim and no runner", || async {
            let left: (i64, i64) = store::fetch_one!(
                &stopping.database,
                (i64, i64),
                "SELECT (SELECT count(*) FROM timers WHERE claimed_by IS NOT NULL), \
                 (SELECT count(*) FROM leases)"
            )
            .await
            .unwrap();
            left == (0, 0)
        })
        .await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_several_processes_one_wakes_each_aggregate() {
    const LAMPS: u128 = 300;
    let shop = Shop::on_postgres().await;
    let (mut one, mut other) = (shop.process().await, shop.process().await);
    let (by_one, by_other) = (Calls::default(), Calls::default());
    let off_at = shop.in_seconds(60);
    join_all((0..LAMPS).map(|lamp| turn_on(&one, lamp, off_at))).await;
    turn_off_lamps(&mut one, &by_one);
    turn_off_lamps(&mut other, &by_other);
    shop.clock.advance(SignedDuration::from_secs(60));
    eventually("all lamps to be woken", || async { by_one.lamps() + by_other.lamps() == 300 })
        .await;
    eventually("the timers to be gone", || async {
        let (left,): (i64,) =
            store::fetch_one!(&one.database, (i64,), "SELECT count(*) FROM timers").await.unwrap();
        left == 0
    })
    .await;
    assert_eq!(by_one.lamps() + by_other.lamps(), 300);
    assert_eq!((by_one.most().max(1), by_other.most().max(1)), (1, 1));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_process_fires_what_one_set_and_cannot_fire() {
    let shop = Shop::on_postgres().await;
    let (setter, mut other) = (shop.process().await, shop.process().await);
    let calls = Calls::default();
    turn_off_lamps(&mut other, &calls);
    turn_on(&setter, 1, shop.in_seconds(0)).await;
    testkit::within(Duration::from_secs(5), "the lamp to be off", || is_off(&setter, 1)).await;
    assert_eq!(context().correlation_id(), "req-1");
}
