//! `POST /v1/events/{event_id}/open-sales`

use axum::extract::State;
use edge::{Json, Path, Problem, Tagged};
use runtime::Context;
use uuid::Uuid;

use super::{EventResource, bring};
use crate::{
    domain::event::Command,
    http::{App, OptionalIfMatch, OptionalIfMatchHeader},
    problems,
};

edge::problem_responses! {
    /// What opening sales may be refused with.
    pub(super) OpenProblems:
        problems::EVENT_IS_DRAFT,
        problems::EVENT_IS_CANCELLED,
        problems::EVENT_HAS_ENDED,
}

/// Open sales
///
/// From now on tickets can be bought. Sales that were closed can be opened again.
#[utoipa::path(
    post,
    path = "/v1/events/{event_id}/open-sales",
    params(("event_id" = Uuid, Path, description = "The event."), OptionalIfMatchHeader),
    responses(
        (
            status = 200,
            description = "Tickets are for sale",
            body = EventResource,
            headers(("etag" = String, description = "Its version, for `If-Match`.")),
        ),
        OpenProblems,
    ),
    security(("bearer" = [])),
)]
pub(in crate::http) async fn open_sales(
    State(app): State<App>,
    cx: Context,
    Path(id): Path<Uuid>,
    OptionalIfMatch(seen): OptionalIfMatch,
) -> Result<Tagged<Json<EventResource>>, Problem> {
    let command = Command::OpenSales { now: app.clock.now() };
    bring(&app, &cx, id, seen, command).await
}
