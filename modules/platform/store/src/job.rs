//! One piece of work that waits for a commit, and its outcome.

use std::{
    any::Any,
    panic::{AssertUnwindSafe, catch_unwind},
    time::Duration,
};

use futures_util::{FutureExt, future::BoxFuture};
use runtime::Context;
use tokio::sync::oneshot;

use crate::{
    Aggregate, Answer, ExecuteError, Execution, IdempotencyKey, Loaded, StoreError, Work,
    batch::Batch,
};

/// Where the outcome of a job goes; an error when the job was not done at all.
pub(crate) type Reply<T> = oneshot::Sender<Result<T, StoreError>>;

/// Work that shares a commit with others. It may be run more than once, each time on a batch that
/// knows nothing of the time before, and then ends by [`Job::reply`] or [`Job::fail`].
pub(crate) trait Job: Send {
    fn cx(&self) -> &Context;

    /// Says which streams it will need, so that all are read at once.
    fn announce(&self, batch: &mut Batch);

    /// Does it on the batch, keeps the outcome, and says whether there is something to commit.
    fn run<'a>(&'a mut self, batch: &'a mut Batch) -> BoxFuture<'a, Verdict>;

    /// Sends the outcome of the last run.
    fn reply(self: Box<Self>);

    /// Sends this error instead.
    fn fail(self: Box<Self>, error: StoreError);
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    Done,
    Failed,
}

impl Verdict {
    fn of<T, E>(outcome: &Result<T, E>) -> Self {
        if outcome.is_ok() { Self::Done } else { Self::Failed }
    }
}

/// What an [`Execution`] yields, and what of it is stored as the answer to a request.
pub(crate) struct Finish<A, T> {
    read: Box<Read<A, T>>,
    stored: Option<Stored<T>>,
}

type Read<A, T> = dyn Fn(&Loaded<A>) -> T + Send + Sync;

struct Stored<T> {
    key: IdempotencyKey,
    answer: fn(&T) -> &Answer,
}

impl<A, T> Finish<A, T> {
    pub(crate) fn returning(read: impl Fn(&Loaded<A>) -> T + Send + Sync + 'static) -> Self {
        Self { read: Box::new(read), stored: None }
    }
}

impl<A> Finish<A, Answer> {
    pub(crate) fn answering(
        key: IdempotencyKey,
        read: impl Fn(&Loaded<A>) -> Answer + Send + Sync + 'static,
    ) -> Self {
        let stored = Some(Stored { key, answer: |answer| answer });
        Self { read: Box::new(read), stored }
    }
}

/// An [`Execution`] in the queue.
pub(crate) struct Executing<A: Aggregate, T> {
    execution: Execution<A, T>,
    outcome: Option<Result<T, ExecuteError<A::Rejection>>>,
    reply: Reply<Result<T, ExecuteError<A::Rejection>>>,
}

impl<A: Aggregate, T: Send + 'static> Executing<A, T> {
    pub(crate) fn new(
        execution: Execution<A, T>,
        reply: Reply<Result<T, ExecuteError<A::Rejection>>>,
    ) -> Self {
        Self { execution, outcome: None, reply }
    }

    async fn attempt(
        execution: &Execution<A, T>,
        batch: &mut Batch,
    ) -> Result<T, ExecuteError<A::Rejection>> {
        let Execution { events, cx, id, command, expected, finish } = execution;
        let after = batch.decide(events, cx, *id, *expected, command.clone()).await?;
        let yielded = contain(A::NAME, || (finish.read)(after))?;
        if let Some(Stored { key, answer }) = &finish.stored {
            batch.answer(key, answer(&yielded));
        }
        Ok(yielded)
    }
}

impl<A: Aggregate, T: Send + 'static> Job for Executing<A, T>
where
    Execution<A, T>: Sync,
{
    fn cx(&self) -> &Context {
        &self.execution.cx
    }

    fn announce(&self, batch: &mut Batch) {
        batch.announce(&self.execution.events, self.execution.id);
    }

    fn run<'a>(&'a mut self, batch: &'a mut Batch) -> BoxFuture<'a, Verdict> {
        Box::pin(async move {
            let outcome = Self::attempt(&self.execution, batch).await;
            let verdict = Verdict::of(&outcome);
            self.outcome = Some(outcome);
            verdict
        })
    }

    fn reply(self: Box<Self>) {
        send(self.reply, self.outcome);
    }

    fn fail(self: Box<Self>, error: StoreError) {
        drop(self.reply.send(Err(error)));
    }
}

/// A piece of work of [`Committer::transact`](crate::Committer::transact) in the queue.
pub(crate) struct Transacting<F, T, E> {
    cx: Context,
    work: F,
    limit: Duration,
    outcome: Option<Result<T, E>>,
    reply: Reply<Result<T, E>>,
}

impl<F, T, E> Transacting<F, T, E> {
    pub(crate) fn new(cx: Context, work: F, limit: Duration, reply: Reply<Result<T, E>>) -> Self {
        Self { cx, work, limit, outcome: None, reply }
    }
}

impl<F, T, E> Job for Transacting<F, T, E>
where
    F: for<'a, 'w> Fn(&'a mut Work<'w>) -> BoxFuture<'a, Result<T, E>> + Send + Sync,
    T: Send,
    E: From<StoreError> + Send,
{
    fn cx(&self) -> &Context {
        &self.cx
    }

    fn announce(&self, _batch: &mut Batch) {}

    fn run<'a>(&'a mut self, batch: &'a mut Batch) -> BoxFuture<'a, Verdict> {
        Box::pin(async move {
            let mut work = Work::new(batch, &self.cx);
            // Its part before the first await may panic too.
            let whole = AssertUnwindSafe(async { (self.work)(&mut work).await }).catch_unwind();
            let outcome = match tokio::time::timeout(self.limit, whole).await {
                Ok(Ok(outcome)) => outcome,
                Ok(Err(panic)) => Err(broken("work in a commit", panic.as_ref()).into()),
                // Most of it is the database's time.
                Err(_) => Err(StoreError::Unavailable(format!(
                    "work in a commit took longer than {:?}",
                    self.limit
                ))
                .into()),
            };
            let verdict = Verdict::of(&outcome);
            self.outcome = Some(outcome);
            verdict
        })
    }

    fn reply(self: Box<Self>) {
        send(self.reply, self.outcome);
    }

    fn fail(self: Box<Self>, error: StoreError) {
        drop(self.reply.send(Err(error)));
    }
}

/// Who waited may have left.
fn send<T>(reply: Reply<T>, outcome: Option<T>) {
    if let Some(outcome) = outcome {
        drop(reply.send(Ok(outcome)));
    }
}

/// Runs code of somebody else's that must not take the committer down.
pub(crate) fn contain<T>(whose: &str, code: impl FnOnce() -> T) -> Result<T, StoreError> {
    catch_unwind(AssertUnwindSafe(code)).map_err(|panic| broken(whose, panic.as_ref()))
}

/// What remains of a panic.
pub(crate) fn broken(whose: &str, panic: &(dyn Any + Send)) -> StoreError {
    let words = panic
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("no message");
    tracing::error!(whose, panic = words, "code inside a commit panicked");
    StoreError::Failed(format!("{whose} panicked: {words}"))
}
