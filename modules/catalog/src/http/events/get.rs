//! `GET /v1/events/{event_id}`

use axum::extract::State;
use edge::{Path, Problem, Shown};
use runtime::Context;
use uuid::Uuid;

use super::EventResource;
use crate::{
    domain::event::{EventState, Phase},
    http::App,
    shown::may_change,
};

/// Read an event
///
/// A draft does not exist to others than the members of its organizer. Organizers read the event as
/// it is; to others, what another replica of the service has changed may be as old as
/// `cache.staleness` allows: half a second by default.
#[utoipa::path(
    get,
    path = "/v1/events/{event_id}",
    params(("event_id" = Uuid, Path, description = "The event.")),
    responses((
        status = 200,
        description = "The event",
        body = EventResource,
        headers(("etag" = String, description = "Its version, for `If-Match`.")),
    )),
    security((), ("bearer" = [])),
)]
pub(in crate::http) async fn get_event(
    State(app): State<App>,
    cx: Context,
    Path(id): Path<Uuid>,
) -> Result<Shown, Problem> {
    let now = app.clock.now();
    let known = app.shown.events.find(id);
    if let Some(page) = known.trusted_at(now).filter(|_| !may_change(&cx)) {
        return Ok(page.clone());
    }
    let row = app.visible_event(&cx, id).await?;
    let (tag, version, is_draft) = (row.tag(now), row.version, row.phase == Phase::Draft);
    let may_end = !matches!(row.state(now), EventState::Ended | EventState::Cancelled);
    let ends_at = may_end.then(|| row.ends_at.into());
    let event = EventResource::of(row, now);
    let page = Shown::of(&event, tag, version.unsigned_abs(), now, ends_at)?;
    if !is_draft {
        app.shown.events.remember(id, &known, &page);
    }
    Ok(page)
}
