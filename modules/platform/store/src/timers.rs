//! Timers: aggregates are woken when their state asked for it.
//!
//! A timer is a row that the committer writes with the events, from
//! [`Aggregate::wake_at`]. What is due is claimed, many at once, by one of the processes that run
//! the service, and handed to the handler. A state that still asks to be woken afterwards is woken
//! again, each time after a longer wait.
//!
//! A claim names a lease of the process that made it. When the process dies, its lease falls
//! silent, and others take back what it had claimed.

mod desk;
mod handling;
mod rows;

use std::{collections::HashMap, sync::Arc, time::Duration};

use futures_util::future::BoxFuture;
use metrics::Unit;
use runtime::{Boot, CancellationToken, Context, Random, Timestamp, pause};
use tokio::{
    task::{Id, JoinSet},
    time::{Instant, sleep_until},
};
use uuid::Uuid;

pub(crate) use self::rows::STATEMENTS;
use self::rows::{CAUSES, CLAIM, CauseRow, Claimed, NEXT, RELEASE_ALL, RELEASE_OTHERS, StreamRow};
pub(crate) use self::{
    desk::{Desk, Setting},
    rows::Cause,
};
use crate::{
    Aggregate, At, Backoff, Committer, Dialect, Events, HandlerError, HeldLease, Json, Lease,
    LeaseError, StoreError, Work,
    lease::{self, SilenceWatch},
};

/// How long handlers that are under way at stop may take to end.
const LAST_CALL: Duration = Duration::from_secs(3);
/// How often to look for timers that other processes set and did not fire.
const LONGEST_LOOK: Duration = Duration::from_secs(1);
/// How long to wait while timers cannot be claimed.
const NO_DATABASE: Backoff =
    Backoff { first: Duration::from_millis(50), longest: Duration::from_secs(1) };
const DELAY: &str = "store_timer_delay_seconds";
const FIRED: &str = "store_timers_fired_total";
const FAILED: &str = "store_timers_failed_total";

/// Has `handler` called when an aggregate of this kind wants to be woken: once its state's
/// [`wake_at`](Aggregate::wake_at) has come, in one of the processes that run the module.
///
/// `handler` gets a context that carries on the correlation and the trace of the aggregate's last
/// event, with the usual deadline, and the aggregate's id. It gives the aggregate the command that
/// moves it on; if the state still wants to be woken after that, or the handler fails, it is called
/// again, after a wait that grows up to a minute, or to five seconds while errors are transient.
/// Several run at once, never two for one aggregate in one process. After a crash the same wake-up
/// can come again.
pub fn on_wake<A, H, F>(boot: &Boot, events: &Events<A>, handler: H)
where
    A: Aggregate,
    H: Fn(Context, Uuid) -> F + Send + Sync + 'static,
    F: Future<Output = Result<(), HandlerError>> + Send + 'static,
{
    let runner = TimerRunner::new(events, boot.module().name, boot.random(), handler);
    boot.spawn("timers", move |stop| runner.run(stop));
}

/// Tells the metrics recorder what the metrics of timers mean. Once a process, after the recorder is
/// installed.
pub fn describe_timer_metrics() {
    metrics::describe_histogram!(
        DELAY,
        Unit::Seconds,
        "How long after its time an aggregate was woken, by category"
    );
    metrics::describe_counter!(
        FIRED,
        Unit::Count,
        "How often aggregates were woken, repetitions included, by category"
    );
    metrics::describe_counter!(
        FAILED,
        Unit::Count,
        "How often the handler of a timer failed, by category"
    );
}

type Handler =
    Arc<dyn Fn(Context, Uuid) -> BoxFuture<'static, Result<(), HandlerError>> + Send + Sync>;

/// Fires the timers of one kind of aggregate; [`on_wake`] makes one and runs it.
pub struct TimerRunner {
    committer: Committer,
    category: &'static str,
    module: &'static str,
    random: Arc<dyn Random>,
    handler: Handler,
    concurrency: usize,
    silence: Duration,
    /// What runs now: the stream and how often it was tried.
    running: HashMap<Id, Claimed>,
    handlers: JoinSet<Result<(), HandlerError>>,
    /// Whether there may be claims that nobody works on, since nobody knows what became of a commit.
    is_in_doubt: bool,
}

impl TimerRunner {
    /// A runner for the timers of `events`, on behalf of the service `module`.
    pub fn new<A, H, F>(
        events: &Events<A>,
        module: &'static str,
        random: Arc<dyn Random>,
        handler: H,
    ) -> Self
    where
        A: Aggregate,
        H: Fn(Context, Uuid) -> F + Send + Sync + 'static,
        F: Future<Output = Result<(), HandlerError>> + Send + 'static,
    {
        let settings = events.committer().database().settings();
        Self {
            committer: events.committer().clone(),
            category: A::NAME,
            module,
            random,
            handler: Arc::new(move |cx, id| Box::pin(handler(cx, id))),
            concurrency: settings.timer_concurrency,
            silence: settings.lease_timeout,
            running: HashMap::new(),
            handlers: JoinSet::new(),
            is_in_doubt: false,
        }
    }

    /// Fires timers until `stop`; then lets those that are under way end.
    pub async fn run(mut self, stop: CancellationToken) {
        while !stop.is_cancelled() {
            let Some(held) = stop.run_until_cancelled(self.join()).await else {
                return;
            };
            let desk = Desk::new(held.holder(), self.concurrency);
            let database = self.committer.database().clone();
            database.open_desk(self.category, Arc::clone(&desk));
            let lost = {
                let kept = held.keep();
                tokio::select! {
                    () = stop.cancelled() => None,
                    lost = kept => Some(lost),
                    lost = self.fire(&held, &desk) => Some(lost),
                }
            };
            database.close_desk(self.category);
            match lost {
                None => self.leave(held, &desk).await,
                Some(error) => {
                    tracing::warn!(category = self.category, %error, "timers start over");
                    pause(self.silence / 4).await;
                }
            }
        }
    }

    /// A lease of this runner's own, whose name nobody else asks for.
    async fn join(&self) -> HeldLease {
        let candidate = self.committer.ids().next();
        let name = format!("{}/{candidate}", self.lease_prefix());
        let database = self.committer.database();
        Lease::new(database, name, candidate, self.silence).acquire().await
    }

    fn lease_prefix(&self) -> String {
        format!("timers/{}", self.category)
    }

    /// Fires timers until the lease is lost.
    async fn fire(&mut self, held: &HeldLease, desk: &Desk) -> LeaseError {
        let clock = Arc::clone(self.committer.clock());
        let database = self.committer.database().clone();
        let mut watch = SilenceWatch::new(&database, self.silence);
        let mut next_sweep = Instant::now();
        let mut failures = 0;
        let mut next = None;
        let (mut looks, mut looked) = (true, Instant::now());
        loop {
            if Instant::now() >= next_sweep {
                looks |= self.sweep(held, &mut watch).await;
                next_sweep = Instant::now() + self.silence / 4;
            }
            if looks {
                looked = Instant::now();
                match self.look(held, desk).await {
                    Ok(due) => {
                        failures = 0;
                        next = due;
                    }
                    Err(LeaseError::Store(StoreError::Contended(reason))) => {
                        let category = self.category;
                        tracing::debug!(category, reason, "others claim timers, too");
                        continue;
                    }
                    Err(LeaseError::Store(error)) => {
                        tracing::warn!(category = self.category, %error, "cannot claim timers");
                        failures += 1;
                        self.is_in_doubt = true;
                        self.settle(held, desk).await;
                        pause(NO_DATABASE.pause(failures, self.random.as_ref())).await;
                        continue;
                    }
                    Err(lost) => return lost,
                }
            }
            let due = async {
                match next {
                    Some(due) => clock.sleep_until(due).await,
                    None => std::future::pending().await,
                }
            };
            let looks_again = async {
                match database.dialect() {
                    Dialect::Sqlite => std::future::pending().await,
                    Dialect::Postgres => sleep_until(looked + LONGEST_LOOK).await,
                }
            };
            let is_full = self.handlers.len() >= self.concurrency;
            tokio::select! {
                Some(ended) = self.handlers.join_next_with_id() => {
                    looks = self.settle_all(held, desk, ended).await || is_full;
                }
                () = desk.news() => {
                    let (handed_over, earliest) = desk.collect();
                    self.start_handed_over(handed_over);
                    next = [next, earliest].into_iter().flatten().min();
                    looks = false;
                }
                () = due, if !is_full => looks = true,
                () = looks_again => looks = true,
            }
        }
    }

    /// Starts handlers for what is due, as many as may run. The answer is when the next timer is
    /// due, if that is known.
    async fn look(
        &mut self,
        held: &HeldLease,
        desk: &Desk,
    ) -> Result<Option<Timestamp>, LeaseError> {
        let free = self.concurrency.saturating_sub(self.handlers.len());
        if free == 0 {
            return Ok(None);
        }
        let now = self.committer.clock().now();
        let next = self.next_due(desk).await?;
        if !self.is_in_doubt && next.is_none_or(|due| due > now) {
            return Ok(next);
        }
        let claimed = self.claim(held, desk, now, free).await?;
        self.is_in_doubt = false;
        let causes = self.causes(&claimed).await;
        for timer in claimed {
            desk.claim(timer.stream);
            let cause = causes.get(&timer.stream).cloned();
            self.start(timer, cause.as_ref(), now);
        }
        Ok(self.next_due(desk).await?)
    }

    async fn next_due(&self, desk: &Desk) -> Result<Option<Timestamp>, StoreError> {
        let (due,): (Option<At>,) = crate::fetch_one!(
            self.committer.database(),
            (Option<At>,),
            NEXT,
            self.category,
            Json(claimed_rows(desk))
        )
        .await?;
        Ok(due.map(|at| at.0))
    }

    async fn claim(
        &self,
        held: &HeldLease,
        desk: &Desk,
        now: Timestamp,
        limit: usize,
    ) -> Result<Vec<Claimed>, LeaseError> {
        let (held, is_in_doubt) = (held.clone(), self.is_in_doubt);
        let running = claimed_rows(desk);
        let category = self.category;
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        self.committer
            .transact(&self.context(), move |work: &mut Work<'_>| {
                let (held, running) = (held.clone(), running.clone());
                Box::pin(async move {
                    let (tx, holder) = (work.tx(), held.holder());
                    held.fence(tx).await?;
                    if is_in_doubt {
                        crate::execute!(tx, RELEASE_OTHERS, holder, category, Json(&running))
                            .await?;
                    }
                    let claimed: Vec<Claimed> = crate::fetch_all!(
                        tx,
                        Claimed,
                        CLAIM,
                        holder,
                        category,
                        At(now),
                        limit,
                        Json(&running)
                    )
                    .await?;
                    Ok(claimed)
                })
            })
            .await
    }

    /// The last event of each stream, which the work that starts now carries on. Without it, the
    /// work starts a trace of its own.
    async fn causes(&self, claimed: &[Claimed]) -> HashMap<Uuid, Cause> {
        if claimed.is_empty() {
            return HashMap::new();
        }
        let streams: Vec<StreamRow> =
            claimed.iter().map(|timer| StreamRow { stream: timer.stream }).collect();
        let database = self.committer.database();
        let found: Result<Vec<CauseRow>, sqlx::Error> =
            crate::fetch_all!(database, CauseRow, CAUSES, self.category, Json(&streams)).await;
        match found {
            Ok(causes) => causes.into_iter().map(|row| (row.stream, row.cause)).collect(),
            Err(error) => {
                tracing::warn!(category = self.category, %error, "timers lose their correlation");
                HashMap::new()
            }
        }
    }

    /// Takes back what processes have claimed that live no more. Whether there was any.
    async fn sweep(&self, held: &HeldLease, watch: &mut SilenceWatch) -> bool {
        let category = self.category;
        loop {
            match self.try_to_sweep(held, watch).await {
                Ok(any) => return any,
                Err(StoreError::Contended(reason)) => {
                    tracing::debug!(category, reason, "others take back claimed timers, too");
                }
                Err(error) => {
                    tracing::warn!(category, %error, "cannot take back claimed timers");
                    return false;
                }
            }
        }
    }

    async fn try_to_sweep(
        &self,
        held: &HeldLease,
        watch: &mut SilenceWatch,
    ) -> Result<bool, StoreError> {
        let mut any = false;
        let database = self.committer.database();
        let rows = lease::read_below(database, &self.lease_prefix()).await?;
        let others = rows.into_iter().filter(|row| row.holder != Some(held.holder()));
        for row in watch.silent(others) {
            let mut tx = database.begin().await?;
            if !lease::remove_silent(&mut tx, &row).await? {
                continue;
            }
            if let Some(holder) = row.holder {
                let freed = crate::execute!(&mut tx, RELEASE_ALL, holder, self.category).await?;
                if freed > 0 {
                    any = true;
                    let category = self.category;
                    tracing::info!(category, freed, "timers of a process that died are free again");
                }
            }
            tx.commit().await?;
        }
        Ok(any)
    }

    /// Lets handlers end, then gives everything back.
    async fn leave(&mut self, held: HeldLease, desk: &Desk) {
        let last_call = Instant::now() + LAST_CALL;
        while let Ok(Some(ended)) =
            tokio::time::timeout_at(last_call, self.handlers.join_next_with_id()).await
        {
            self.settle_all(&held, desk, ended).await;
        }
        self.handlers.shutdown().await;
        let (category, holder) = (self.category, held.holder());
        let released: Result<u64, StoreError> = self
            .committer
            .transact(&self.context(), move |work: &mut Work<'_>| {
                Box::pin(async move {
                    let tx = work.tx();
                    Ok(crate::execute!(tx, RELEASE_ALL, holder, category).await?)
                })
            })
            .await;
        let left = match released {
            Ok(_) => held.remove().await,
            Err(error) => Err(error),
        };
        if let Err(error) = left {
            tracing::warn!(category, %error, "claimed timers end by silence");
        }
    }
}

fn claimed_rows(desk: &Desk) -> Vec<StreamRow> {
    desk.claimed().into_iter().map(|stream| StreamRow { stream }).collect()
}
