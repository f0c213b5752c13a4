//! `GET /v1/events/{event_id}/quotas/{quota_id}`

use axum::extract::State;
use edge::{Json, Path, Problem, Tagged};
use runtime::Context;
use uuid::Uuid;

use super::QuotaResource;
use crate::http::App;

/// Read a quota
///
/// A quota of a draft does not exist to others than the members of the event's organizer. How much
/// of it is left is told by `GET /v1/availability/{event_id}`.
#[utoipa::path(
    get,
    path = "/v1/events/{event_id}/quotas/{quota_id}",
    params(
        ("event_id" = Uuid, Path, description = "The event."),
        ("quota_id" = Uuid, Path, description = "The quota."),
    ),
    responses((
        status = 200,
        description = "The quota, with the event's ETag",
        body = QuotaResource,
        headers(("etag" = String, description = "Its version, for `If-Match`.")),
    )),
    security((), ("bearer" = [])),
)]
pub(in crate::http) async fn get_quota(
    State(app): State<App>,
    cx: Context,
    Path((event_id, id)): Path<(Uuid, Uuid)>,
) -> Result<Tagged<Json<QuotaResource>>, Problem> {
    let event = app.visible_event(&cx, event_id).await?;
    let tag = event.tag(app.clock.now());
    let quota = event.quota(id).ok_or_else(Problem::not_found)?;
    Ok(Tagged(tag, Json(quota.into())))
}
