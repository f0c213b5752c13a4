//! `PUT /v1/organizers/{organizer_id}`

use axum::extract::State;
use edge::{IfMatch, Json, Path, Problem, Tagged, openapi::IfMatchHeader};
use runtime::Context;
use uuid::Uuid;

use super::{OrganizerInput, OrganizerResource};
use crate::{domain::organizer::Command, http::App, service::asker};

/// Change an organizer
///
/// Replaces name and description. Only members may do this.
#[utoipa::path(
    put,
    path = "/v1/organizers/{organizer_id}",
    params(("organizer_id" = Uuid, Path, description = "The organizer."), IfMatchHeader),
    request_body = OrganizerInput,
    responses((
        status = 200,
        description = "The organizer as it is now",
        body = OrganizerResource,
        headers(("etag" = String, description = "Its version, for `If-Match`.")),
    )),
    security(("bearer" = [])),
)]
pub(in crate::http) async fn change_organizer(
    State(app): State<App>,
    cx: Context,
    Path(id): Path<Uuid>,
    IfMatch(version): IfMatch,
    Json(input): Json<OrganizerInput>,
) -> Result<Tagged<Json<OrganizerResource>>, Problem> {
    app.own_organizer(&cx, id).await?;
    let OrganizerInput { name, description } = input.trimmed();
    let command = Command::Change { name, description, by: asker(&cx)? };
    let changed = app.organizers.execute(&cx, id, command).expect_version(version).await;
    app.shown.anything_changed();
    let changed = changed?;
    Ok(Tagged(changed.version, Json(OrganizerResource::of(id, &changed.state))))
}
