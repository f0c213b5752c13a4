//! Timers: aggregates are woken when their state asked for it.
//!
//! A timer is a row that the committer writes with the events, from
//! [`Aggregate::wake_at`]. What is due is claimed, many at once, by one of the processes that run
//! the service, and handed to the handler. A state that still asks to be woken afterwards is woken
//! again, each time after a longer wait.
//!
//! A claim names a lease of the process that made it. When the process dies, its lease falls
//! silent, and others take back what it had claimed.

use std::{collections::HashMap, panic::AssertUnwindSafe, sync::Arc, time::Duration};

use futures_util::{FutureExt, future::BoxFuture};
use metrics::Unit;
use runtime::{Boot, CancellationToken, Context, Principal, Random, Timestamp, TraceContext};
use serde::Serialize;
use sqlx::FromRow;
use tokio::{
    task::{Id, JoinError, JoinSet},
    time::{Instant, sleep_until},
};
use uuid::Uuid;

use crate::{
    Aggregate, At, Backoff, Committer, Dialect, Events, HandlerError, HeldLease, Json, Lease,
    LeaseError, Sql, StoreError, Work,
    job::broken,
    lease::{self, SilenceWatch, pause},
};

/// How long a handler may take. What it handed to the committer is committed nevertheless.
const HANDLER_LIMIT: Duration = Duration::from_secs(30);
/// How long handlers that are under way at stop may take to end.
const LAST_CALL: Duration = Duration::from_secs(3);
/// Commits follow each other fast under load; looking for timers after each one would be a waste.
const SHORTEST_LOOK: Duration = Duration::from_millis(3);
/// How often to look for timers that other processes set and did not fire.
const LONGEST_LOOK: Duration = Duration::from_secs(1);
/// How long to wait while something outside of the aggregate is the trouble.
const TROUBLE: Backoff =
    Backoff { first: Duration::from_millis(50), longest: Duration::from_secs(5) };
/// How long to wait while timers cannot be claimed.
const NO_DATABASE: Backoff =
    Backoff { first: Duration::from_millis(50), longest: Duration::from_secs(1) };
/// How long to wait before a state that was woken and still asks for it is woken again.
const BACKOFF: Backoff =
    Backoff { first: Duration::from_millis(200), longest: Duration::from_mins(1) };

const DELAY: &str = "store_timer_delay_seconds";
const FIRED: &str = "store_timers_fired_total";
const FAILED: &str = "store_timers_failed_total";

/// The statements of this file, for the test that prepares them.
#[cfg(test)]
pub(crate) const STATEMENTS: &[(&str, Sql)] =
    crate::statements![NEXT, CLAIM, CAUSES, RELEASE, RELEASE_OTHERS, RELEASE_ALL];

const NEXT: Sql = crate::sql!(
    "SELECT min(due) FROM timers WHERE category = $1 AND claimed_by IS NULL \
     AND stream NOT IN (SELECT stream FROM ",
    rows("$2", stream uuid),
    ")",
);
const CLAIM: Sql = Sql::new(
    crate::__sql!(sqlite []
        "UPDATE timers SET claimed_by = $1, attempts = attempts + 1 WHERE category = $2 \
         AND stream IN (SELECT stream FROM timers WHERE category = $2 AND due <= $3 \
         AND claimed_by IS NULL AND stream NOT IN (SELECT stream FROM "
        rows("$5", stream uuid)
        ") ORDER BY due LIMIT $4) RETURNING stream, due, attempts"
    ),
    crate::__sql!(postgres []
        "UPDATE timers SET claimed_by = $1, attempts = attempts + 1 WHERE category = $2 \
         AND stream IN (SELECT stream FROM timers WHERE category = $2 AND due <= $3 \
         AND claimed_by IS NULL AND stream NOT IN (SELECT stream FROM "
        rows("$5", stream uuid)
        ") ORDER BY due LIMIT $4 FOR UPDATE SKIP LOCKED) RETURNING stream, due, attempts"
    ),
);
const CAUSES: Sql = crate::sql!(
    "SELECT e.stream, e.id, e.correlation_id, e.traceparent FROM ",
    rows("$2", stream uuid),
    " CROSS JOIN events e WHERE e.category = $1 AND e.stream = given.stream \
     AND e.version = (SELECT max(l.version) FROM events l \
     WHERE l.category = $1 AND l.stream = given.stream)",
);
/// A timer that was set anew since it was claimed has no attempts, and keeps its time.
const RELEASE: Sql = crate::sql!(
    "UPDATE timers SET claimed_by = NULL, \
     due = CASE WHEN timers.attempts = 0 THEN timers.due ELSE given.due END FROM ",
    rows("$3", stream uuid, due instant),
    " WHERE timers.category = $2 AND timers.claimed_by = $1 AND timers.stream = given.stream",
);
const RELEASE_OTHERS: Sql = crate::sql!(
    "UPDATE timers SET claimed_by = NULL WHERE category = $2 AND claimed_by = $1 \
     AND stream NOT IN (SELECT stream FROM ",
    rows("$3", stream uuid),
    ")",
);
const RELEASE_ALL: &str =
    "UPDATE timers SET claimed_by = NULL WHERE category = $2 AND claimed_by = $1";

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

#[derive(Debug, Clone, FromRow)]
struct Claimed {
    stream: Uuid,
    due: At,
    #[sqlx(try_from = "i64")]
    attempts: u32,
}

#[derive(FromRow)]
struct Cause {
    stream: Uuid,
    id: Uuid,
    correlation_id: String,
    traceparent: String,
}

#[derive(Clone, Serialize)]
struct StreamRow {
    stream: Uuid,
}

#[derive(Clone, Serialize)]
struct ReleaseRow {
    stream: Uuid,
    due: At,
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
            let lost = {
                let kept = held.keep();
                tokio::select! {
                    () = stop.cancelled() => None,
                    lost = kept => Some(lost),
                    lost = self.fire(&held) => Some(lost),
                }
            };
            match lost {
                None => self.leave(held).await,
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
    async fn fire(&mut self, held: &HeldLease) -> LeaseError {
        let clock = Arc::clone(self.committer.clock());
        let database = self.committer.database().clone();
        let mut commits = database.commits();
        let mut watch = SilenceWatch::new(&database, self.silence);
        let mut next_sweep = Instant::now();
        let mut failures = 0;
        loop {
            if Instant::now() >= next_sweep {
                self.sweep(held, &mut watch).await;
                next_sweep = Instant::now() + self.silence / 4;
            }
            commits.mark_unchanged();
            let looked = Instant::now();
            let next = match self.look(held).await {
                Ok(next) => {
                    failures = 0;
                    next
                }
                Err(LeaseError::Store(error)) => {
                    tracing::warn!(category = self.category, %error, "cannot claim timers");
                    failures += 1;
                    self.is_in_doubt = true;
                    self.settle(held).await;
                    pause(NO_DATABASE.pause(failures, self.random.as_ref())).await;
                    continue;
                }
                Err(lost) => return lost,
            };
            let due = async {
                match next {
                    Next::At(due) => clock.sleep_until(due).await,
                    Next::Unknown => std::future::pending().await,
                }
            };
            let changed = async {
                let _closed = commits.changed().await;
                sleep_until(looked + SHORTEST_LOOK).await;
            };
            let last_look = match database.dialect() {
                Dialect::Sqlite => None,
                Dialect::Postgres => Some(looked + LONGEST_LOOK),
            };
            let looks_again = async {
                match last_look {
                    Some(at) => sleep_until(at).await,
                    None => std::future::pending().await,
                }
            };
            let is_full = self.handlers.len() >= self.concurrency;
            tokio::select! {
                Some(ended) = self.handlers.join_next_with_id() => {
                    self.settle_all(held, ended).await;
                }
                () = due, if !is_full => {}
                () = changed, if !is_full => {}
                () = looks_again => {}
            }
        }
    }

    /// Starts handlers for what is due, as many as may run. The answer says when to look again.
    async fn look(&mut self, held: &HeldLease) -> Result<Next, LeaseError> {
        let free = self.concurrency.saturating_sub(self.handlers.len());
        if free == 0 {
            return Ok(Next::Unknown);
        }
        let now = self.committer.clock().now();
        let next = self.next_due().await?;
        if !self.is_in_doubt && next.is_none_or(|due| due > now) {
            return Ok(next.map_or(Next::Unknown, Next::At));
        }
        let claimed = self.claim(held, now, free).await?;
        self.is_in_doubt = false;
        let causes = self.causes(&claimed).await;
        for timer in claimed {
            self.start(timer, &causes, now);
        }
        let next = self.next_due().await?;
        Ok(next.map_or(Next::Unknown, Next::At))
    }

    async fn next_due(&self) -> Result<Option<Timestamp>, StoreError> {
        let (due,): (Option<At>,) = crate::fetch_one!(
            self.committer.database(),
            (Option<At>,),
            NEXT,
            self.category,
            Json(self.running_streams())
        )
        .await?;
        Ok(due.map(|at| at.0))
    }

    fn running_streams(&self) -> Vec<StreamRow> {
        self.running.values().map(|timer| StreamRow { stream: timer.stream }).collect()
    }

    async fn claim(
        &self,
        held: &HeldLease,
        now: Timestamp,
        limit: usize,
    ) -> Result<Vec<Claimed>, LeaseError> {
        let (held, is_in_doubt) = (held.clone(), self.is_in_doubt);
        let running = self.running_streams();
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
        let found: Result<Vec<Cause>, sqlx::Error> =
            crate::fetch_all!(database, Cause, CAUSES, self.category, Json(&streams)).await;
        match found {
            Ok(causes) => causes.into_iter().map(|cause| (cause.stream, cause)).collect(),
            Err(error) => {
                tracing::warn!(category = self.category, %error, "timers lose their correlation");
                HashMap::new()
            }
        }
    }

    fn start(&mut self, timer: Claimed, causes: &HashMap<Uuid, Cause>, now: Timestamp) {
        let cx = match causes.get(&timer.stream) {
            Some(cause) => self.context_after(cause),
            None => self.context(),
        };
        let late = now.duration_since(timer.due.0).as_secs_f64();
        metrics::histogram!(DELAY, "category" => self.category).record(late);
        metrics::counter!(FIRED, "category" => self.category).increment(1);
        let (handler, stream) = (Arc::clone(&self.handler), timer.stream);
        let work = AssertUnwindSafe(async move { handler(cx, stream).await }).catch_unwind();
        let handle = self.handlers.spawn(async move {
            match tokio::time::timeout(HANDLER_LIMIT, work).await {
                Ok(Ok(outcome)) => outcome,
                Ok(Err(panic)) => Err(broken("a timer's handler", panic.as_ref()).into()),
                Err(_) => Err(HandlerError::new(format!("it took longer than {HANDLER_LIMIT:?}"))),
            }
        });
        self.running.insert(handle.id(), timer);
    }

    fn context(&self) -> Context {
        let trace = TraceContext::start(self.random.as_ref());
        let correlation_id = self.committer.ids().next().to_string();
        self.context_of(correlation_id, trace)
    }

    fn context_after(&self, cause: &Cause) -> Context {
        let trace = TraceContext::parse(&cause.traceparent).map_or_else(
            || TraceContext::start(self.random.as_ref()),
            |trace| trace.child(self.random.as_ref()),
        );
        self.context_of(cause.correlation_id.clone(), trace).caused_by(cause.id)
    }

    fn context_of(&self, correlation_id: String, trace: TraceContext) -> Context {
        let principal = Principal::Service { name: self.module.to_owned() };
        Context::new(principal, Instant::now() + runtime::DEFAULT_DEADLINE, correlation_id, trace)
    }

    /// Gives back the claims of all handlers that have ended: `first` and whoever else.
    async fn settle_all(&mut self, held: &HeldLease, first: Ended) {
        let mut ended = vec![first];
        while let Some(other) = self.handlers.try_join_next_with_id() {
            ended.push(other);
        }
        self.give_back(held, ended).await;
    }

    async fn settle(&mut self, held: &HeldLease) {
        if let Some(first) = self.handlers.try_join_next_with_id() {
            self.settle_all(held, first).await;
        }
    }

    /// Most states do not ask to be woken any more; their rows are gone.
    async fn give_back(&mut self, held: &HeldLease, ended: Vec<Ended>) {
        let now = self.committer.clock().now();
        let mut rows = Vec::new();
        for end in ended {
            let (id, outcome) = match end {
                Ok((id, outcome)) => (id, outcome),
                Err(error) => (error.id(), Err(HandlerError::new(error.to_string()))),
            };
            let Some(timer) = self.running.remove(&id) else {
                continue;
            };
            let mut backoff = BACKOFF;
            if let Err(error) = outcome {
                self.report(&timer, &error);
                if error.is_transient() {
                    backoff = TROUBLE;
                }
            }
            let wait = backoff.pause(timer.attempts, self.random.as_ref());
            let due = now.checked_add(wait).unwrap_or(now);
            rows.push(ReleaseRow { stream: timer.stream, due: At(due) });
        }
        let (category, holder) = (self.category, held.holder());
        let released: Result<u64, StoreError> = self
            .committer
            .transact(&self.context(), move |work: &mut Work<'_>| {
                let rows = rows.clone();
                Box::pin(async move {
                    let tx = work.tx();
                    let released =
                        crate::execute!(tx, RELEASE, holder, category, Json(&rows)).await?;
                    Ok(released)
                })
            })
            .await;
        if let Err(error) = released {
            self.is_in_doubt = true;
            tracing::warn!(category, %error, "cannot give timers back");
        }
    }

    fn report(&self, timer: &Claimed, error: &HandlerError) {
        let (category, stream, attempts) = (self.category, timer.stream, timer.attempts);
        metrics::counter!(FAILED, "category" => category).increment(1);
        tracing::warn!(category, %stream, attempts, %error, "a timer's handler failed");
    }

    /// Takes back what processes have claimed that live no more.
    async fn sweep(&self, held: &HeldLease, watch: &mut SilenceWatch) {
        if let Err(error) = self.try_to_sweep(held, watch).await {
            tracing::warn!(category = self.category, %error, "cannot take back claimed timers");
        }
    }

    async fn try_to_sweep(
        &self,
        held: &HeldLease,
        watch: &mut SilenceWatch,
    ) -> Result<(), StoreError> {
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
                    let category = self.category;
                    tracing::info!(category, freed, "timers of a process that died are free again");
                }
            }
            tx.commit().await?;
        }
        Ok(())
    }

    /// Lets handlers end, then gives everything back.
    async fn leave(&mut self, held: HeldLease) {
        let last_call = Instant::now() + LAST_CALL;
        while let Ok(Some(ended)) =
            tokio::time::timeout_at(last_call, self.handlers.join_next_with_id()).await
        {
            self.settle_all(&held, ended).await;
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

type Ended = Result<(Id, Result<(), HandlerError>), JoinError>;

/// When to look for timers again, besides at commits.
enum Next {
    At(Timestamp),
    Unknown,
}
