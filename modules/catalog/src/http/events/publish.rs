//! `POST /v1/events/{event_id}/publish`

use axum::extract::State;
use edge::{Json, Path, Problem, Tagged};
use runtime::Context;
use uuid::Uuid;

use super::{EventResource, tagged};
use crate::{
    domain::event::Command,
    http::{App, OptionalIfMatch, OptionalIfMatchHeader},
    problems,
};

edge::problem_responses! {
    /// What publishing may be refused with.
    pub(super) PublishProblems:
        problems::EVENT_INCOMPLETE,
        problems::EVENT_STARTS_IN_THE_PAST,
        problems::SECTION_UNKNOWN,
        problems::EVENT_IS_CANCELLED,
}

/// Publish an event
///
/// From now on everybody sees it. It needs a ticket type and a start in the future. Where a ticket
/// type is for numbered seats, the venue's seating is copied, and the event keeps it as it is now.
/// Tickets are for sale only once sales are opened.
#[utoipa::path(
    post,
    path = "/v1/events/{event_id}/publish",
    params(("event_id" = Uuid, Path, description = "The event."), OptionalIfMatchHeader),
    responses(
        (
            status = 200,
            description = "The event is published",
            body = EventResource,
            headers(("etag" = String, description = "Its version, for `If-Match`.")),
        ),
        PublishProblems,
    ),
    security(("bearer" = [])),
)]
pub(in crate::http) async fn publish_event(
    State(app): State<App>,
    cx: Context,
    Path(id): Path<Uuid>,
    OptionalIfMatch(seen): OptionalIfMatch,
) -> Result<Tagged<Json<EventResource>>, Problem> {
    let own = app.own_event(&cx, id).await?;
    let command = Command::Publish { setting: app.setting(&own).await?, now: app.clock.now() };
    let row = app.command(&cx, &own, seen, command).await?;
    Ok(tagged(row, app.clock.now()))
}
