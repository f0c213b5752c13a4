//! Work that a caller waits for but does not own: it is bound by a deadline, contains its panics,
//! and once begun is finished even if nobody waits any more.

use std::{
    panic::AssertUnwindSafe,
    pin::Pin,
    task::{Context as Waker, Poll},
};

use futures_util::{FutureExt, future::CatchUnwind};
use tokio::{
    runtime::Handle,
    time::{Instant, Sleep},
};
use tracing::{Instrument, Span, instrument::Instrumented};

use super::Callee;
use crate::{Fault, Tasks, tasks::panic_message};

/// Runs on its caller's task, which costs nothing. Only when it is dropped unfinished, or the
/// deadline passes, does the remainder move to a task of its own.
pub(super) struct Guarded<'a, F: Future<Output: Send + 'static> + Send + 'static> {
    callee: Callee,
    work: Option<Work<F>>,
    deadline: Instant,
    alarm: Option<Pin<Box<Sleep>>>,
    tasks: &'a Tasks,
}

type Work<F> = Pin<Box<CatchUnwind<AssertUnwindSafe<Instrumented<F>>>>>;

impl<'a, F: Future<Output: Send + 'static> + Send + 'static> Guarded<'a, F> {
    pub(super) fn new(
        callee: Callee,
        deadline: Instant,
        tasks: &'a Tasks,
        span: Span,
        work: F,
    ) -> Self {
        let contained = AssertUnwindSafe(work.instrument(span)).catch_unwind();
        Self { callee, work: Some(Box::pin(contained)), deadline, alarm: None, tasks }
    }

    fn hand_over(&mut self) {
        let Some(work) = self.work.take() else { return };
        // Outside a runtime nothing can go on.
        if Handle::try_current().is_err() {
            return;
        }
        let callee = self.callee;
        self.tasks.spawn(async move {
            if let Err(payload) = work.await {
                report_panic(callee, &panic_message(payload.as_ref()));
            }
        });
    }
}

impl<F: Future<Output: Send + 'static> + Send + 'static> Future for Guarded<'_, F> {
    type Output = Result<F::Output, Fault>;

    fn poll(mut self: Pin<&mut Self>, waker: &mut Waker<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        let Some(work) = this.work.as_mut() else { return Poll::Pending };
        if let Poll::Ready(outcome) = work.as_mut().poll(waker) {
            this.work = None;
            return Poll::Ready(outcome.map_err(|payload| {
                let words = panic_message(payload.as_ref());
                report_panic(this.callee, &words);
                this.callee.failed(format!("it panicked: {words}"))
            }));
        }
        let deadline = this.deadline;
        let alarm = this.alarm.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(deadline)));
        if alarm.as_mut().poll(waker).is_pending() {
            return Poll::Pending;
        }
        this.hand_over();
        Poll::Ready(Err(this.callee.unknown("no answer within the deadline")))
    }
}

impl<F: Future<Output: Send + 'static> + Send + 'static> Drop for Guarded<'_, F> {
    fn drop(&mut self) {
        self.hand_over();
    }
}

fn report_panic(callee: Callee, words: &str) {
    tracing::error!(
        service = callee.service,
        method = callee.method,
        panic = words,
        "a call panicked"
    );
}
