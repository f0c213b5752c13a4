//! The handlers of timers: started, waited for, and what they claimed given back.

use std::{panic::AssertUnwindSafe, sync::Arc, time::Duration};

use futures_util::FutureExt;
use runtime::{Context, Principal, Timestamp, TraceContext};
use tokio::{
    task::{Id, JoinError},
    time::Instant,
};

use super::{
    Cause, DELAY, FAILED, FIRED, TimerRunner,
    desk::{Desk, HandedOver},
    rows::{Claimed, RELEASE, ReleaseRow},
};
use crate::{At, Backoff, HandlerError, HeldLease, Json, StoreError, Work, job::broken};

/// How long a handler may take. What it handed to the committer is committed nevertheless.
const HANDLER_LIMIT: Duration = Duration::from_secs(30);
/// How long to wait while something outside of the aggregate is the trouble.
const TROUBLE: Backoff =
    Backoff { first: Duration::from_millis(50), longest: Duration::from_secs(5) };
/// How long to wait before a state that was woken and still asks for it is woken again.
const BACKOFF: Backoff =
    Backoff { first: Duration::from_millis(200), longest: Duration::from_mins(1) };

pub(super) type Ended = Result<(Id, Result<(), HandlerError>), JoinError>;

impl TimerRunner {
    /// Starts the handlers of timers that came with the commits that set them.
    pub(super) fn start_handed_over(&mut self, handed_over: Vec<HandedOver>) {
        let now = self.committer.clock().now();
        for HandedOver { stream, due, cause } in handed_over {
            let timer = Claimed { stream, due: At(due), attempts: 1 };
            self.start(timer, Some(&cause), now);
        }
    }

    pub(super) fn start(&mut self, timer: Claimed, cause: Option<&Cause>, now: Timestamp) {
        let cx = match cause {
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

    pub(super) fn context(&self) -> Context {
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
    pub(super) async fn settle_all(&mut self, held: &HeldLease, desk: &Desk, first: Ended) -> bool {
        let mut ended = vec![first];
        while let Some(other) = self.handlers.try_join_next_with_id() {
            ended.push(other);
        }
        self.give_back(held, desk, ended).await
    }

    pub(super) async fn settle(&mut self, held: &HeldLease, desk: &Desk) {
        if let Some(first) = self.handlers.try_join_next_with_id() {
            self.settle_all(held, desk, first).await;
        }
    }

    /// Most states do not ask to be woken any more; their rows are gone, and there is nothing to
    /// give back. Whether there was.
    async fn give_back(&mut self, held: &HeldLease, desk: &Desk, ended: Vec<Ended>) -> bool {
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
            if !desk.end(timer.stream) {
                continue;
            }
            let wait = backoff.pause(timer.attempts, self.random.as_ref());
            let due = now.checked_add(wait).unwrap_or(now);
            rows.push(ReleaseRow { stream: timer.stream, due: At(due) });
        }
        if rows.is_empty() {
            return false;
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
        match released {
            Ok(_) => {}
            // The next look gives them back.
            Err(StoreError::Contended(reason)) => {
                self.is_in_doubt = true;
                tracing::debug!(category, reason, "others claim timers, too");
            }
            Err(error) => {
                self.is_in_doubt = true;
                tracing::warn!(category, %error, "cannot give timers back");
            }
        }
        true
    }

    fn report(&self, timer: &Claimed, error: &HandlerError) {
        let (category, stream, attempts) = (self.category, timer.stream, timer.attempts);
        metrics::counter!(FAILED, "category" => category).increment(1);
        tracing::warn!(category, %stream, attempts, %error, "a timer's handler failed");
    }
}
