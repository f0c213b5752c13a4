//! `DELETE /v1/notifications/organizers/{organizer_id}/templates/{kind}`.

use axum::extract::State;
use edge::{IfMatch, Json, Path, Problem, Tagged, openapi::IfMatchHeader};
use runtime::Context;
use uuid::Uuid;

use super::TemplateResource;
use crate::{
    domain::{notice::Kind, stationery::Command},
    http::App,
};

/// Reset a mail template
///
/// For members of the organizer: its own words are gone, and the built-in ones are back.
#[utoipa::path(
    delete,
    path = "/v1/notifications/organizers/{organizer_id}/templates/{kind}",
    params(("organizer_id" = Uuid, Path), ("kind" = Kind, Path), IfMatchHeader),
    responses((
        status = 200,
        description = "The built-in template",
        body = TemplateResource,
        headers(("etag" = String, description = "Its version, for `If-Match`.")),
    )),
    security(("bearer" = [])),
)]
pub(in crate::http) async fn reset_mail_template(
    State(app): State<App>,
    cx: Context,
    Path((organizer_id, kind)): Path<(Uuid, Kind)>,
    IfMatch(version): IfMatch,
) -> Result<Tagged<Json<TemplateResource>>, Problem> {
    let command = Command::ResetTemplate { kind };
    let changed = app.change_stationery(&cx, organizer_id, version, command).await?;
    Ok(Tagged(changed.version, Json(TemplateResource::of(&changed.state, kind))))
}
