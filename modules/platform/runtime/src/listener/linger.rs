//! What is left of a request's body when its reader has lost interest. A client that is still sending
//! when its connection closes gets a reset, and with it may lose the answer that says why it was refused
//! (RFC 9112, section 9.6). So the rest is read and thrown away, for a moment.

use std::{
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use axum::{
    body::{Body, Bytes, HttpBody},
    http::{Request, Version},
};
use http_body_util::BodyExt as _;
use hyper::body::{Frame, Incoming, SizeHint};

use crate::Tasks;

/// How long a client may go on sending what nobody reads.
const LINGER: Duration = Duration::from_secs(2);

/// The same request with a body that may be dropped in the middle. Over HTTP/2 it always may.
pub(super) fn over(request: Request<Incoming>, connections: &Tasks) -> Request<Body> {
    let is_alone_on_its_connection = request.version() < Version::HTTP_2;
    request.map(|body| {
        if is_alone_on_its_connection && !body.is_end_stream() {
            Body::new(Lingering { body: Some(body), connections: connections.clone() })
        } else {
            Body::new(body)
        }
    })
}

struct Lingering {
    /// Until it has ended.
    body: Option<Incoming>,
    connections: Tasks,
}

impl HttpBody for Lingering {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let Some(body) = self.body.as_mut() else { return Poll::Ready(None) };
        let frame = ready!(Pin::new(body).poll_frame(cx));
        if !matches!(frame, Some(Ok(_))) {
            self.body = None;
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.as_ref().is_none_or(HttpBody::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.body.as_ref().map_or_else(|| SizeHint::with_exact(0), HttpBody::size_hint)
    }
}

impl Drop for Lingering {
    fn drop(&mut self) {
        let Some(mut body) = self.body.take().filter(|body| !body.is_end_stream()) else { return };
        let rest = async move { while let Some(Ok(_)) = body.frame().await {} };
        drop(self.connections.spawn(tokio::time::timeout(LINGER, rest)));
    }
}
