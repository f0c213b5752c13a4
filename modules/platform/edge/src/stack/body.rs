//! A request's body on its way in: no longer than allowed, and no later. While it keeps its reader
//! waiting, the request has a place among those that wait.

use std::{
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU8, Ordering},
    },
    task::{Context, Poll, ready},
    time::Duration,
};

use axum::{
    body::{Body, Bytes, HttpBody},
    extract::Request,
};
use hyper::body::{Frame, SizeHint};
use tokio::time::{Instant, Sleep};

use super::place::Place;
use crate::{Problem, problems};

const TOO_LARGE: u8 = 1;
const TOO_SLOW: u8 = 2;
const TOO_BUSY: u8 = 3;
/// Its reader waits for more of it.
const AWAITED: u8 = 4;
/// Nothing is known to be wrong.
const ARRIVING: u8 = 0;

const BUSY_RETRY: Duration = Duration::from_secs(1);

/// How the body's arrival went, as far as it is known.
#[derive(Clone, Default)]
pub(super) struct Upload(Arc<AtomicU8>);

impl Upload {
    /// The problem with it, when there is one.
    pub(super) fn problem(&self) -> Option<Problem> {
        match self.0.load(Ordering::Relaxed) {
            TOO_LARGE => Some(Problem::new(&problems::PAYLOAD_TOO_LARGE)),
            TOO_SLOW => Some(Problem::new(&problems::REQUEST_TIMEOUT)),
            TOO_BUSY => Some(too_busy()),
            _ => None,
        }
    }

    /// Whether its reader waits for more of it.
    pub(super) fn is_awaited(&self) -> bool {
        self.0.load(Ordering::Relaxed) == AWAITED
    }

    fn failed(&self, fault: u8) -> axum::Error {
        self.0.store(fault, Ordering::Relaxed);
        axum::Error::new(Refused)
    }
}

/// There is no place for the request.
pub(super) fn too_busy() -> Problem {
    Problem::new(&problems::TOO_BUSY).retry_after(BUSY_RETRY)
}

#[derive(Debug, thiserror::Error)]
#[error("the body is longer than allowed, came too late, or found no place to wait")]
struct Refused;

/// The same request with a body that fails beyond `limit` bytes and after `deadline`.
pub(super) fn watch(
    request: Request,
    limit: u64,
    deadline: Instant,
    place: &Place,
) -> (Request, Upload) {
    let upload = Upload::default();
    let watched = request.map(|body| {
        if body.is_end_stream() {
            return body;
        }
        let upload = upload.clone();
        let place = place.clone();
        Body::new(Watched { body, left: limit, deadline, alarm: None, upload, place })
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
    place: Place,
}

impl HttpBody for Watched {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        if let Poll::Ready(frame) = Pin::new(&mut self.body).poll_frame(cx) {
            self.upload.0.store(ARRIVING, Ordering::Relaxed);
            if !self.place.work() {
                return Poll::Ready(Some(Err(self.upload.failed(TOO_BUSY))));
            }
            return Poll::Ready(frame.map(|frame| self.count(frame?)));
        }
        if !self.place.wait() {
            return Poll::Ready(Some(Err(self.upload.failed(TOO_BUSY))));
        }
        self.upload.0.store(AWAITED, Ordering::Relaxed);
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
