//! `GET /v1/availability/{event_id}/stream`: what can be had of an event, told whenever it changes.

use std::{convert::Infallible, time::Duration};

use axum::{
    body::{Body, Bytes},
    extract::State,
    http::{HeaderMap, HeaderValue, header},
    response::{IntoResponse, Response},
};
use edge::{ConcurrencyPermit, Network, Path, Problem, Shown};
use futures_util::stream;
use tokio::time::{Instant, Interval, MissedTickBehavior, interval_at, timeout_at};
use uuid::Uuid;

use super::App;
use crate::problems;

/// How often it is looked whether something has changed; no more is told than one change each time.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// A stream is not silent for longer, so that whoever is in between does not take it for dead.
const HEARTBEAT: Duration = Duration::from_secs(10);
/// How long clients wait before they come back.
const RETRY: &str = "retry: 2000\n\n";
const STILL_HERE: Bytes = Bytes::from_static(b": still here\n\n");

const EVENT_STREAM: HeaderValue = HeaderValue::from_static("text/event-stream");
const NOT_KEPT: HeaderValue = HeaderValue::from_static("no-store");
/// Tells nginx and its kind to pass on each piece at once.
const UNBUFFERED: HeaderValue = HeaderValue::from_static("no");

edge::problem_responses! {
    /// What following may be refused with.
    pub(super) StreamProblems: problems::TOO_MANY_STREAMS
}

/// Follow what is available
///
/// Server-sent events, for everybody: each has the name `availability`, the same JSON as
/// `GET /v1/availability/{event_id}` as its data, and an id. The first comes at once, unless
/// `Last-Event-ID` names what is available now; the others whenever something has changed, at most
/// two a second. Between them come comments. The stream ends after some minutes, and when the server
/// stops; come back then, as browsers do by themselves. Where too many follow, read
/// `GET /v1/availability/{event_id}` now and then instead.
#[utoipa::path(
    get,
    path = "/v1/availability/{event_id}/stream",
    params(
        ("event_id" = Uuid, Path),
        ("Last-Event-ID" = Option<String>, Header, description = "The id of the last event that \
         the client has got."),
    ),
    responses(
        (
            status = 200,
            description = "A stream of events",
            body = String,
            content_type = "text/event-stream",
        ),
        StreamProblems,
    ),
    security((), ("bearer" = [])),
)]
pub(super) async fn stream_availability(
    State(app): State<App>,
    Path(event_id): Path<Uuid>,
    network: Network,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let first = app.page(event_id).await?.ok_or_else(Problem::not_found)?;
    let permit = app.streams.open(network)?;
    let ends_at = Instant::now() + app.streams.lifetime;
    let known = headers.get("last-event-id").and_then(|value| value.to_str().ok());
    let is_known = known == Some(first.tag.to_string().as_str());
    let opening = if is_known { RETRY.to_owned() } else { format!("{RETRY}{}", event(&first)) };
    let mut looks = interval_at(Instant::now() + LOOK_EVERY, LOOK_EVERY);
    looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let follower = Follower {
        app,
        event_id,
        looks,
        told_tag: first.tag,
        told_at: Instant::now(),
        ends_at,
        opening: Some(opening.into()),
        _permit: permit,
    };
    let pieces = stream::unfold(follower, |mut follower| async move {
        let piece = follower.next().await?;
        Some((Ok::<_, Infallible>(piece), follower))
    });
    let headers = [
        (header::CONTENT_TYPE, EVENT_STREAM),
        (header::CACHE_CONTROL, NOT_KEPT),
        (header::HeaderName::from_static("x-accel-buffering"), UNBUFFERED),
    ];
    Ok((headers, Body::from_stream(pieces)).into_response())
}

/// Somebody who follows what is available.
struct Follower {
    app: App,
    event_id: Uuid,
    looks: Interval,
    told_tag: u64,
    told_at: Instant,
    ends_at: Instant,
    opening: Option<Bytes>,
    _permit: ConcurrencyPermit<Network>,
}

impl Follower {
    /// What there is to tell next; `None` at the stream's end and when the server stops.
    async fn next(&mut self) -> Option<Bytes> {
        if let Some(opening) = self.opening.take() {
            return Some(opening);
        }
        loop {
            let draining = self.app.draining.clone();
            let looking = timeout_at(self.ends_at, self.looks.tick());
            draining.run_until_cancelled(looking).await?.ok()?;
            // What cannot be read now is looked at again in a moment.
            let page = self.app.page(self.event_id).await.ok().flatten();
            if let Some(page) = page.filter(|page| page.tag != self.told_tag) {
                (self.told_tag, self.told_at) = (page.tag, Instant::now());
                return Some(event(&page).into());
            }
            if self.told_at.elapsed() >= HEARTBEAT {
                self.told_at = Instant::now();
                return Some(STILL_HERE);
            }
        }
    }
}

/// What is available, as an event of the stream. The JSON has no line breaks.
fn event(page: &Shown) -> String {
    let data = String::from_utf8_lossy(&page.body);
    format!("id: {}\nevent: availability\ndata: {data}\n\n", page.tag)
}
