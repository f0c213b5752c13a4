//! `GET /v1/events/{event_id}/quotas`

use axum::extract::State;
use edge::{Json, Path, Problem, Tagged};
use runtime::Context;
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use super::QuotaResource;
use crate::http::App;

/// All quotas of an event.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::http) struct QuotaList {
    /// In the order in which they were added; at most 200.
    items: Vec<QuotaResource>,
}

/// List quotas
///
/// All of them. Those of a draft do not exist to others than the members of the event's organizer.
#[utoipa::path(
    get,
    path = "/v1/events/{event_id}/quotas",
    params(("event_id" = Uuid, Path, description = "The event.")),
    responses((
        status = 200,
        description = "The quotas, with the event's ETag",
        body = QuotaList,
        headers(("etag" = String, description = "Its version, for `If-Match`.")),
    )),
    security((), ("bearer" = [])),
)]
pub(in crate::http) async fn list_quotas(
    State(app): State<App>,
    cx: Context,
    Path(event_id): Path<Uuid>,
) -> Result<Tagged<Json<QuotaList>>, Problem> {
    let event = app.visible_event(&cx, event_id).await?;
    let tag = event.tag(app.clock.now());
    let items = event.quotas.0.into_iter().map(Into::into).collect();
    Ok(Tagged(tag, Json(QuotaList { items })))
}
