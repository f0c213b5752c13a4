//! Group commit: commands that wait for the same database are committed together.
//!
//! One task a database takes all jobs that wait, reads their streams at once, lets them decide one
//! after the other in memory, writes what came out as sets, commits, and only then replies. What
//! happens inside one such transaction is in [`crate::batch`].

use std::{
    mem,
    panic::AssertUnwindSafe,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use futures_util::{FutureExt, future::BoxFuture};
use runtime::{Boot, CancellationToken, Clock, Context, Ids};
use tokio::{
    sync::{mpsc, oneshot},
    task::JoinSet,
    time::{Instant, timeout_at},
};
use uuid::Uuid;

use crate::{
    Database, Dialect, StoreError, Work,
    batch::{Batch, Failure, Written},
    commits,
    database::Fate,
    job::{Job, Reply, Transacting, Verdict, broken},
};

/// How often a batch is tried again after others got in between.
const CONFLICTS: u32 = 10;
/// After so many times nobody else may append meanwhile: who is always a moment late would be late
/// for ever.
const PATIENT_CONFLICTS: u32 = 2;
/// When so many commands shared the last commit, the next one waits until as many have come, since
/// a commit costs the same for one as for many.
const CROWD: usize = 8;
/// How long it waits for them.
const GATHERING: Duration = Duration::from_millis(1);

/// Commits work on one database, many at a time. Cheap to clone; one for each [`Database`].
#[derive(Clone)]
pub struct Committer(Arc<Shared>);

struct Shared {
    database: Database,
    clock: Arc<dyn Clock>,
    ids: Ids,
    observer: Option<CommitObserver>,
    queue: mpsc::Sender<Box<dyn Job>>,
    closing: CancellationToken,
}

/// An event that was just committed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordedSummary {
    /// The database's name: the service's.
    pub database: String,
    /// The aggregate's kind.
    pub category: &'static str,
    /// The aggregate.
    pub stream: Uuid,
    /// The event's number in its stream.
    pub version: u64,
    /// The event's type.
    pub event_type: String,
}

/// Hears of events after they were committed and before anybody else does, replies included, which
/// wait until it returns. For tests that stop a node right after a certain event: put one into
/// [`Launch::extension`](runtime::Launch::extension).
#[derive(Clone)]
pub struct CommitObserver(Arc<Observe>);

type Observe = dyn Fn(&[RecordedSummary]) -> BoxFuture<'static, ()> + Send + Sync;

impl CommitObserver {
    /// An observer that runs `observe` for each commit that wrote events.
    pub fn new(
        observe: impl Fn(&[RecordedSummary]) -> BoxFuture<'static, ()> + Send + Sync + 'static,
    ) -> Self {
        Self(Arc::new(observe))
    }
}

impl Committer {
    /// The committer of a module's database, which works until all other tasks of the module have
    /// ended.
    pub fn start(boot: &Boot, database: &Database) -> Self {
        let observer = boot.extension::<CommitObserver>();
        let (committer, work) =
            Self::new(database, boot.clock(), boot.ids(), observer.as_deref().cloned());
        let mut running = JoinSet::new();
        running.spawn(work.run());
        // The task below ends when the module is told to stop, but hands the work over to the hook,
        // so that commands of tasks that are still ending are committed. When the process is to die
        // as if killed, it is dropped, and the work with it.
        let handed_over: Arc<Mutex<Option<JoinSet<()>>>> = Arc::default();
        let hand_over = Arc::clone(&handed_over);
        boot.spawn("committer", |stop| async move {
            tokio::select! {
                () = stop.cancelled() => {
                    *hand_over.lock().unwrap_or_else(PoisonError::into_inner) = Some(running);
                }
                _ = running.join_next() => {}
            }
        });
        let correspondence = committer.clone();
        boot.spawn("news of commits", |stop| async move { correspondence.correspond(stop).await });
        let closing = committer.clone();
        boot.at_stop(move || {
            Box::pin(async move {
                closing.close();
                let last = handed_over.lock().unwrap_or_else(PoisonError::into_inner).take();
                if let Some(mut last) = last {
                    last.join_next().await;
                }
            })
        });
        committer
    }

    /// A committer and the work it gives, which somebody must [run](CommitLoop::run).
    pub fn new(
        database: &Database,
        clock: Arc<dyn Clock>,
        ids: Ids,
        observer: Option<CommitObserver>,
    ) -> (Self, CommitLoop) {
        let (queue, waiting) = mpsc::channel(database.settings().queue);
        let committer = Self(Arc::new(Shared {
            database: database.clone(),
            clock,
            ids,
            observer,
            queue,
            closing: CancellationToken::new(),
        }));
        (committer.clone(), CommitLoop { committer, waiting })
    }

    /// The database it commits to.
    pub fn database(&self) -> &Database {
        &self.0.database
    }

    /// Tells the time that events are recorded at.
    pub fn clock(&self) -> &Arc<dyn Clock> {
        &self.0.clock
    }

    /// Makes the ids of events.
    pub fn ids(&self) -> &Ids {
        &self.0.ids
    }

    /// On PostgreSQL, tells the other processes that work on the same schema of this one's commits,
    /// and hears of theirs, until `stop`. Without it, those who wait for what others commit wait
    /// longer.
    pub async fn correspond(&self, stop: CancellationToken) {
        if self.database().dialect() == Dialect::Postgres {
            let me = self.ids().next();
            commits::correspond(self.database().clone(), me, stop).await;
        }
    }

    /// Commits what waits, and refuses further work.
    pub fn close(&self) {
        self.0.closing.cancel();
    }

    /// Does several things in one commit: commands on aggregates, statements, an answer. All of it
    /// is durable when this returns, or nothing was done.
    ///
    /// `work` is run again when others got in between, so it must have no effects but through what
    /// it is given, and it clones what it needs for each run. It shares a transaction with others,
    /// so it awaits nothing else, and may not take longer than `database.job_timeout`.
    ///
    /// ```ignore
    /// committer
    ///     .transact(&cx, move |work: &mut Work<'_>| {
    ///         let (events, command) = (events.clone(), command.clone());
    ///         Box::pin(async move {
    ///             work.execute(&events, id, command).await?;
    ///             store::execute!(work.tx(), NOTE, id).await?;
    ///             Ok(())
    ///         })
    ///     })
    ///     .await?;
    /// ```
    ///
    /// # Errors
    /// What `work` fails with, or a [`StoreError`] of the commit.
    pub async fn transact<T, E, F>(&self, cx: &Context, work: F) -> Result<T, E>
    where
        F: for<'a, 'w> Fn(&'a mut Work<'w>) -> BoxFuture<'a, Result<T, E>> + Send + Sync + 'static,
        T: Send + 'static,
        E: From<StoreError> + Send + 'static,
    {
        let limit = self.database().settings().job_timeout;
        let job = |reply| Box::new(Transacting::new(cx.clone(), work, limit, reply)) as _;
        self.submit(cx, job).await?
    }

    /// Queues a job and waits for its outcome until the context's deadline.
    pub(crate) async fn submit<T>(
        &self,
        cx: &Context,
        job: impl FnOnce(Reply<T>) -> Box<dyn Job>,
    ) -> Result<T, StoreError> {
        let (reply, outcome) = oneshot::channel();
        self.0.queue.try_send(job(reply)).map_err(|refusal| match refusal {
            mpsc::error::TrySendError::Full(_) => {
                StoreError::Overloaded(format!("{} commands wait", self.0.queue.max_capacity()))
            }
            mpsc::error::TrySendError::Closed(_) => stopping(),
        })?;
        match tokio::time::timeout_at(cx.deadline(), outcome).await {
            Ok(Ok(outcome)) => outcome,
            Ok(Err(_)) => Err(StoreError::Unknown("the process stopped meanwhile".to_owned())),
            Err(_) => Err(StoreError::Unknown("it did not come within the deadline".to_owned())),
        }
    }

    /// Sees each job through to its reply.
    async fn see_through(&self, jobs: Vec<Box<dyn Job>>) {
        let mut groups = vec![Group::new(in_time(jobs))];
        while let Some(mut group) = groups.pop() {
            if group.jobs.is_empty() {
                continue;
            }
            match self.attempt(&mut group.jobs, group.conflicts).await {
                Ok(()) => group.jobs.into_iter().for_each(Job::reply),
                Err(Setback::Job(_)) if group.is_single() => {
                    group.jobs.into_iter().for_each(Job::reply);
                }
                Err(Setback::Job(index)) => {
                    let guilty = group.jobs.remove(index);
                    groups.push(Group::new(vec![guilty]));
                    groups.push(group);
                }
                Err(Setback::Batch(Failure::Conflict(_))) if group.conflicts < CONFLICTS => {
                    group.conflicts += 1;
                    groups.push(group);
                }
                Err(Setback::Batch(Failure::Conflict(error) | Failure::Store(error))) => {
                    if group.is_single() || is_everybodys(&error) {
                        group.jobs.into_iter().for_each(|job| job.fail(error.clone()));
                    } else {
                        // Somebody in here is guilty: each alone.
                        groups
                            .extend(group.jobs.into_iter().rev().map(|job| Group::new(vec![job])));
                    }
                }
            }
        }
    }

    async fn attempt(&self, jobs: &mut [Box<dyn Job>], conflicts: u32) -> Result<(), Setback> {
        let database = self.database();
        let began = Instant::now();
        database.committing();
        let attempted = self.write(jobs, conflicts).await;
        let labels = [("database", database.name().to_owned())];
        metrics::histogram!("store_commit_seconds", &labels).record(began.elapsed());
        metrics::histogram!("store_commit_jobs", &labels).record(size(jobs.len()));
        match attempted {
            Ok(written) => {
                if !written.events.is_empty()
                    && let Some(observer) = &self.0.observer
                {
                    (observer.0)(&written.events).await;
                }
                database.committed();
                Ok(())
            }
            Err(setback) => {
                let error = setback.error();
                database.commit_failed(error);
                let kind = error.map_or("job", StoreError::kind);
                let labels = [labels[0].clone(), ("kind", kind.to_owned())];
                metrics::counter!("store_commit_failures_total", &labels).increment(1);
                Err(setback)
            }
        }
    }

    /// What was assumed the first time and was wrong is not assumed again.
    async fn write(&self, jobs: &mut [Box<dyn Job>], conflicts: u32) -> Result<Written, Setback> {
        let (clock, ids) = (Arc::clone(&self.0.clock), self.0.ids.clone());
        let mut batch = Batch::begin(self.database(), clock, ids, conflicts == 0).await?;
        let run = async {
            if conflicts > PATIENT_CONFLICTS {
                batch.go_alone().await?;
            }
            self.run(&mut batch, jobs).await
        };
        if let Err(setback) = run.await {
            batch.abandon().await;
            return Err(setback);
        }
        match self.in_time(batch.commit()).await {
            None => Err(silence(StoreError::Unknown)),
            Some(Ok(written)) => Ok(written),
            Some(Err((Failure::Store(StoreError::Unknown(reason)), written))) => {
                self.find_out(written, reason).await
            }
            Some(Err((failure, _))) => Err(failure.into()),
        }
    }

    /// Nothing, when it takes too long: a server that is gone without a word, or waits for a standby
    /// that is, answers no statement, and its own limits of time end none either.
    async fn in_time<T>(&self, talk: impl Future<Output = T>) -> Option<T> {
        if self.database().dialect() == Dialect::Sqlite {
            return Some(talk.await);
        }
        let limit = self.database().settings().statement_timeout * 2;
        tokio::time::timeout(limit, talk).await.ok()
    }

    async fn run(&self, batch: &mut Batch, jobs: &mut [Box<dyn Job>]) -> Result<(), Setback> {
        for job in &*jobs {
            job.announce(batch);
        }
        match self.in_time(batch.read_announced()).await {
            None => return Err(silence(StoreError::Unavailable)),
            Some(read) => read?,
        }
        for (index, job) in jobs.iter_mut().enumerate() {
            let before = batch.traces();
            let verdict = job.run(batch).await;
            if let Some(reason) = batch.tx().contention() {
                return Err(StoreError::Contended(reason.to_owned()).into());
            }
            if verdict == Verdict::Failed && batch.traces() != before {
                return Err(Setback::Job(index));
            }
        }
        Ok(())
    }

    /// The connection broke while committing: asks the server, on another one, what came of it.
    async fn find_out(&self, written: Option<Written>, reason: String) -> Result<Written, Setback> {
        let unknown = Setback::Batch(Failure::Store(StoreError::Unknown(reason)));
        let Some(written) = written else { return Err(unknown) };
        let (Some(txn), Some(event)) = (written.txn, written.events.first()) else {
            return Err(unknown);
        };
        match self.database().fate_of(txn, event).await {
            Fate::Committed => Ok(written),
            Fate::RolledBack => {
                let reason = "the connection broke before the commit".to_owned();
                Err(Setback::Batch(Failure::Conflict(StoreError::Unavailable(reason))))
            }
            Fate::Unknown => Err(unknown),
        }
    }
}

fn silence(error: fn(String) -> StoreError) -> Setback {
    Setback::Batch(Failure::Store(error("the database did not answer".to_owned())))
}

/// As metrics take it.
fn size(count: usize) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}

fn stopping() -> StoreError {
    StoreError::Unavailable("the process is stopping".to_owned())
}

/// Refuses the jobs that waited too long to be worth beginning.
fn in_time(jobs: Vec<Box<dyn Job>>) -> Vec<Box<dyn Job>> {
    let (in_time, late): (Vec<_>, Vec<_>) =
        jobs.into_iter().partition(|job| !job.cx().remaining().is_zero());
    for job in late {
        let reason = "it waited longer than its deadline";
        job.fail(StoreError::Overloaded(reason.to_owned()));
    }
    in_time
}

/// Whether all jobs of a batch must share the error, because trying each alone makes no sense or
/// might do it twice.
fn is_everybodys(error: &StoreError) -> bool {
    matches!(error, StoreError::Unavailable(_) | StoreError::Unknown(_))
}

/// Jobs that are committed together.
struct Group {
    jobs: Vec<Box<dyn Job>>,
    conflicts: u32,
}

impl Group {
    fn new(jobs: Vec<Box<dyn Job>>) -> Self {
        Self { jobs, conflicts: 0 }
    }

    fn is_single(&self) -> bool {
        self.jobs.len() == 1
    }
}

/// Why a group of jobs was not committed.
enum Setback {
    /// The job at this index failed after it had done something.
    Job(usize),
    Batch(Failure),
}

impl Setback {
    fn error(&self) -> Option<&StoreError> {
        match self {
            Self::Job(_) => None,
            Self::Batch(Failure::Conflict(error) | Failure::Store(error)) => Some(error),
        }
    }
}

impl From<Failure> for Setback {
    fn from(failure: Failure) -> Self {
        Self::Batch(failure)
    }
}

impl From<StoreError> for Setback {
    fn from(error: StoreError) -> Self {
        Self::Batch(error.into())
    }
}

/// The work of a [`Committer`].
pub struct CommitLoop {
    committer: Committer,
    waiting: mpsc::Receiver<Box<dyn Job>>,
}

impl CommitLoop {
    /// Commits what comes until the committer is [closed](Committer::close) and nothing waits.
    pub async fn run(mut self) {
        let most = self.committer.database().settings().batch;
        let (mut jobs, mut before) = (Vec::new(), 0);
        loop {
            tokio::select! {
                biased;
                () = self.committer.0.closing.cancelled(), if !self.waiting.is_closed() => {
                    self.waiting.close();
                }
                received = self.waiting.recv_many(&mut jobs, most) => {
                    if received == 0 {
                        return;
                    }
                    if before >= CROWD {
                        self.gather(&mut jobs, before.min(most)).await;
                    }
                    before = jobs.len();
                    self.commit(mem::take(&mut jobs)).await;
                }
            }
        }
    }

    /// Waits for a moment until there are `enough` jobs.
    async fn gather(&mut self, jobs: &mut Vec<Box<dyn Job>>, enough: usize) {
        let until = Instant::now() + GATHERING;
        while let Some(missing) = enough.checked_sub(jobs.len()).filter(|missing| *missing > 0) {
            match timeout_at(until, self.waiting.recv_many(jobs, missing)).await {
                Ok(received) if received > 0 => {}
                Ok(_) | Err(_) => return,
            }
        }
    }

    async fn commit(&self, jobs: Vec<Box<dyn Job>>) {
        let labels = [("database", self.committer.database().name().to_owned())];
        metrics::gauge!("store_queue_jobs", &labels).set(size(self.waiting.len()));
        let seen_through = AssertUnwindSafe(self.committer.see_through(jobs)).catch_unwind();
        if let Err(panic) = seen_through.await {
            // Their replies were dropped, which says that their fate is unknown.
            broken("the committer", panic.as_ref());
        }
    }
}
