//! `GET /v1/organizers/{organizer_id}`

use axum::extract::State;
use edge::{Json, Path, Problem, Tagged};
use uuid::Uuid;

use super::OrganizerResource;
use crate::{http::App, views::organizers::find};

/// Read an organizer
#[utoipa::path(
    get,
    path = "/v1/organizers/{organizer_id}",
    params(("organizer_id" = Uuid, Path, description = "The organizer.")),
    responses((
        status = 200,
        description = "The organizer",
        body = OrganizerResource,
        headers(("etag" = String, description = "Its version, for `If-Match`.")),
    )),
)]
pub(in crate::http) async fn get_organizer(
    State(app): State<App>,
    Path(id): Path<Uuid>,
) -> Result<Tagged<Json<OrganizerResource>>, Problem> {
    let row = find(&app.database, id).await?.ok_or_else(Problem::not_found)?;
    Ok(Tagged(row.version.unsigned_abs(), Json(row.into())))
}
