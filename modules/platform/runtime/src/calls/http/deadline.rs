//! The outermost layer: nothing is sent too late, and nothing waited for too long.

use std::task::{Context as Waker, Poll};

use futures_util::future::BoxFuture;
use tokio::time::Instant;
use tower::{Layer, Service};

use super::{Incoming, Outgoing};
use crate::Fault;

/// Sends nothing when the deadline has passed, and waits no longer than it.
pub(super) struct DeadlineLayer;

impl<S> Layer<S> for DeadlineLayer {
    type Service = Deadline<S>;

    fn layer(&self, inner: S) -> Deadline<S> {
        Deadline(inner)
    }
}

#[derive(Clone)]
pub(super) struct Deadline<S>(S);

impl<S> Service<Outgoing> for Deadline<S>
where
    S: Service<Outgoing, Response = Incoming, Error = Fault, Future: Send + 'static>,
{
    type Response = Incoming;
    type Error = Fault;
    type Future = BoxFuture<'static, Result<Incoming, Fault>>;

    fn poll_ready(&mut self, waker: &mut Waker<'_>) -> Poll<Result<(), Fault>> {
        self.0.poll_ready(waker)
    }

    fn call(&mut self, call: Outgoing) -> Self::Future {
        let callee = call.route.callee;
        let deadline = call.cx.deadline();
        if deadline <= Instant::now() {
            let fault = callee.not_sent("the deadline has passed");
            return Box::pin(std::future::ready(Err(fault)));
        }
        let answer = tokio::time::timeout_at(deadline, self.0.call(call));
        Box::pin(async move {
            answer.await.unwrap_or_else(|_| Err(callee.unknown("no answer within the deadline")))
        })
    }
}
