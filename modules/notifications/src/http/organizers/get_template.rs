//! `GET /v1/notifications/organizers/{organizer_id}/templates/{kind}`.

use axum::extract::State;
use edge::{Json, Path, Problem, Tagged};
use runtime::Context;
use uuid::Uuid;

use super::TemplateResource;
use crate::{domain::notice::Kind, http::App};

/// Read a mail template
///
/// For members of the organizer: its own words or the built-in ones, with the variables that a
/// template can use.
#[utoipa::path(
    get,
    path = "/v1/notifications/organizers/{organizer_id}/templates/{kind}",
    params(("organizer_id" = Uuid, Path), ("kind" = Kind, Path)),
    responses((
        status = 200,
        description = "The template",
        body = TemplateResource,
        headers(("etag" = String, description = "Its version, for `If-Match`.")),
    )),
    security(("bearer" = [])),
)]
pub(in crate::http) async fn get_mail_template(
    State(app): State<App>,
    cx: Context,
    Path((organizer_id, kind)): Path<(Uuid, Kind)>,
) -> Result<Tagged<Json<TemplateResource>>, Problem> {
    let stationery = app.stationery(&cx, organizer_id).await?;
    let resource = TemplateResource::of(&stationery.state, kind);
    Ok(Tagged(stationery.version, Json(resource)))
}
