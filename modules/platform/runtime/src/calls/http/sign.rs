//! The layer that says who calls.

use std::{
    sync::Arc,
    task::{Context as Waker, Poll},
};

use futures_util::future::BoxFuture;
use http::HeaderValue;
use tower::{Layer, Service};

use super::{Incoming, Outgoing};
use crate::{Fault, calls::token::Signer};

/// Adds the caller's token.
pub(super) struct SignLayer(pub(super) Arc<Signer>);

impl<S> Layer<S> for SignLayer {
    type Service = Sign<S>;

    fn layer(&self, inner: S) -> Sign<S> {
        Sign { signer: Arc::clone(&self.0), inner }
    }
}

#[derive(Clone)]
pub(super) struct Sign<S> {
    signer: Arc<Signer>,
    inner: S,
}

/// A call with the caller's token.
pub(super) struct SignedCall {
    pub(super) call: Outgoing,
    pub(super) bearer: HeaderValue,
}

impl<S> Service<Outgoing> for Sign<S>
where
    S: Service<SignedCall, Response = Incoming, Error = Fault, Future: Send + 'static>,
{
    type Response = Incoming;
    type Error = Fault;
    type Future = BoxFuture<'static, Result<Incoming, Fault>>;

    fn poll_ready(&mut self, waker: &mut Waker<'_>) -> Poll<Result<(), Fault>> {
        self.inner.poll_ready(waker)
    }

    fn call(&mut self, call: Outgoing) -> Self::Future {
        match self.signer.bearer() {
            Ok(bearer) => Box::pin(self.inner.call(SignedCall { call, bearer })),
            Err(reason) => Box::pin(std::future::ready(Err(call.route.callee.not_sent(reason)))),
        }
    }
}
