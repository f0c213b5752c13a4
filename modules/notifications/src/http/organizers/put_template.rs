//! `PUT /v1/notifications/organizers/{organizer_id}/templates/{kind}`.

use axum::extract::State;
use edge::{IfMatch, Json, Path, Problem, Tagged, openapi::IfMatchHeader};
use runtime::Context;
use uuid::Uuid;

use super::{TemplateInput, TemplateResource};
use crate::{
    domain::{notice::Kind, stationery::Command},
    http::App,
};

/// Change a mail template
///
/// For members of the organizer. A template can print variables, ask about them with `if` and go
/// through lists with `for`, in the syntax of Jinja, and nothing else. It is tried with made-up
/// orders, and everything that is wrong with it is reported together.
#[utoipa::path(
    put,
    path = "/v1/notifications/organizers/{organizer_id}/templates/{kind}",
    params(("organizer_id" = Uuid, Path), ("kind" = Kind, Path), IfMatchHeader),
    request_body = TemplateInput,
    responses((
        status = 200,
        description = "The template as it is now",
        body = TemplateResource,
        headers(("etag" = String, description = "Its version, for `If-Match`.")),
    )),
    security(("bearer" = [])),
)]
pub(in crate::http) async fn put_mail_template(
    State(app): State<App>,
    cx: Context,
    Path((organizer_id, kind)): Path<(Uuid, Kind)>,
    IfMatch(version): IfMatch,
    Json(input): Json<TemplateInput>,
) -> Result<Tagged<Json<TemplateResource>>, Problem> {
    app.require_member(&cx, organizer_id).await?;
    let command = Command::ChangeTemplate { kind, template: input.checked()? };
    let changed = app.change_stationery(&cx, organizer_id, version, command).await?;
    Ok(Tagged(changed.version, Json(TemplateResource::of(&changed.state, kind))))
}
