//! Bodies on their way through, piece by piece: what one side has sent is passed on before the rest
//! is there, and read no faster than the other side takes it.

use std::{
    convert::Infallible,
    sync::{Arc, Mutex, PoisonError},
    task::Context,
    time::Duration,
};

use axum::body::{Body, BodyDataStream};
use bytes::Bytes;
use futures_util::{StreamExt, stream};
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;

/// The body of a request could not be read from the client.
#[derive(Debug, thiserror::Error)]
#[error("the body did not arrive in full")]
pub(crate) struct NotReceived(#[source] axum::Error);

/// The body of an answer ended before its end. The client's connection is cut, so that it does not
/// take the part for the whole.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CutShort {
    #[error("{service} broke off in the middle of its answer")]
    BrokenOff { service: &'static str, source: reqwest::Error },
    #[error("{service} fell silent in the middle of its answer")]
    Silent { service: &'static str },
}

/// What the client sends, for the service. Nothing is read before there is a connection to send it
/// on, so that another replica can be given it as long as none was connected to.
pub(crate) struct Received(Arc<Mutex<BodyDataStream>>);

impl Received {
    pub(crate) fn new(body: Body) -> Self {
        Self(Arc::new(Mutex::new(body.into_data_stream())))
    }

    /// What has not been read yet, and when that was sent.
    pub(crate) fn rest(&self) -> (reqwest::Body, Sent) {
        let pieces = Arc::clone(&self.0);
        let (unsent, sent) = oneshot::channel();
        let next = move |waker: &mut Context<'_>| {
            let _kept_until_sent = &unsent;
            let mut pieces = pieces.lock().unwrap_or_else(PoisonError::into_inner);
            pieces.poll_next_unpin(waker).map_err(NotReceived)
        };
        (reqwest::Body::wrap_stream(stream::poll_fn(next)), Sent(sent))
    }
}

/// Whether a body is still on its way to the service.
pub(crate) struct Sent(oneshot::Receiver<Infallible>);

impl Sent {
    /// Waits until all of it is sent, or nothing more will be.
    pub(crate) async fn ended(self) {
        let _nobody_sends_any_more = self.0.await;
    }
}

/// What the service sends, for the client. It may pause for `idle` at most.
pub(crate) fn answered(service: &'static str, answer: reqwest::Response, idle: Duration) -> Body {
    let pieces = stream::unfold(Some(answer), move |open| async move {
        let mut answer = open?;
        match next_piece(service, &mut answer, idle).await {
            Ok(Some(piece)) => Some((Ok(piece), Some(answer))),
            Ok(None) => None,
            Err(cut) => {
                tracing::warn!(service, reason = %cut, "an answer was cut short");
                Some((Err(cut), None))
            }
        }
    });
    Body::from_stream(pieces)
}

/// As [`answered`], for an answer that goes on for as long as the client likes: it ends, as if the
/// service had ended it, when this process stops.
pub(crate) fn followed(
    service: &'static str,
    answer: reqwest::Response,
    idle: Duration,
    draining: CancellationToken,
) -> Body {
    let pieces = answered(service, answer, idle).into_data_stream();
    Body::from_stream(pieces.take_until(draining.cancelled_owned()))
}

async fn next_piece(
    service: &'static str,
    answer: &mut reqwest::Response,
    idle: Duration,
) -> Result<Option<Bytes>, CutShort> {
    match tokio::time::timeout(idle, answer.chunk()).await {
        Ok(piece) => piece.map_err(|source| CutShort::BrokenOff { service, source }),
        Err(_) => Err(CutShort::Silent { service }),
    }
}
