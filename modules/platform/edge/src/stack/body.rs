//! A request's body on its way in: no longer than allowed, and no later.

use std::{
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU8, Ordering},
    },
    task::{Context, Poll, ready},
};

use axum::{
    body::{Body, Bytes, HttpBody},
    extract::Request,
};
use hyper::body::{Frame, SizeHint};
use tokio::time::{Instant, Sleep};

use crate::{ProblemType, problems};

const TOO_LARGE: u8 = 1;
const TOO_SLOW: u8 = 2;

/// How the body's arrival went, as far as it is known.
#[derive(Clone, Default)]
pub(super) struct Upload(Arc<AtomicU8>);

impl Upload {
    /// The problem with it, when there is one.
    pub(super) fn fault(&self) -> Option<&'static ProblemType> {
        match self.0.load(Ordering::Relaxed) {
            TOO_LARGE => Some(&problems::PAYLOAD_TOO_LARGE),
            TOO_SLOW => Some(&problems::REQUEST_TIMEOUT),
            _ => None,
        }
    }

    fn failed(&self, fault: u8) -> axum::Error {
        self.0.store(fault, Ordering::Relaxed);
        axum::Error::new(Refused)
    }
}

#[derive(Debug, thiserror::Error)]
#[error("the body is longer than allowed, or came too late")]
struct Refused;

/// The same request with a body that fails beyond `limit` bytes and after `deadline`.
pub(super) fn watch(request: Request, limit: u64, deadline: Instant) -> (Request, Upload) {
    let upload = Upload::default();
    let watched = request.map(|body| {
        if body.is_end_stream() {
            return body;
        }
        let upload = upload.clone();
        Body::new(Watched { body, left: limit, deadline, alarm: None, upload })
    });
    (watched, upload)
}

struct Watched {
    body: Body,
    left: u64,
    deadline: Instant,
    /// Set once the body keeps its reader waiting.
    alarm: Option<Pin<Box<Sleep>>>,
    upload: Upload,
}

impl HttpBody for Watched {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        if let Poll::Ready(frame) = Pin::new(&mut self.body).poll_frame(cx) {
            return Poll::Ready(frame.map(|frame| self.count(frame?)));
        }
        let deadline = self.deadline;
        let alarm = self.alarm.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(deadline)));
        ready!(alarm.as_mut().poll(cx));
        Poll::Ready(Some(Err(self.upload.failed(TOO_SLOW))))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl Watched {
    fn count(&mut self, frame: Frame<Bytes>) -> Result<Frame<Bytes>, axum::Error> {
        let length = frame.data_ref().map_or(0, |data| data.len() as u64);
        match self.left.checked_sub(length) {
            Some(left) => {
                self.left = left;
                Ok(frame)
            }
            None => Err(self.upload.failed(TOO_LARGE)),
        }
    }
}
