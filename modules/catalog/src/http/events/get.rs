//! `GET /v1/events/{event_id}`

use axum::extract::State;
use edge::{Json, Path, Problem, Tagged};
use runtime::Context;
use uuid::Uuid;

use super::{EventResource, tagged};
use crate::http::App;

/// Read an event
///
/// A draft does not exist to others than the members of its organizer.
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
) -> Result<Tagged<Json<EventResource>>, Problem> {
    let row = app.visible_event(&cx, id).await?;
    Ok(tagged(row, app.clock.now()))
}
