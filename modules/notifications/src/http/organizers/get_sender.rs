//! `GET /v1/notifications/organizers/{organizer_id}/sender`.

use axum::extract::State;
use edge::{Json, Path, Problem, Tagged};
use runtime::Context;
use uuid::Uuid;

use super::SenderResource;
use crate::http::App;

/// Read an organizer's sender name
///
/// For members of the organizer: the name beside the address that its mail comes from.
#[utoipa::path(
    get,
    path = "/v1/notifications/organizers/{organizer_id}/sender",
    params(("organizer_id" = Uuid, Path)),
    responses((
        status = 200,
        description = "The name",
        body = SenderResource,
        headers(("etag" = String, description = "Its version, for `If-Match`.")),
    )),
    security(("bearer" = [])),
)]
pub(in crate::http) async fn get_mail_sender(
    State(app): State<App>,
    cx: Context,
    Path(organizer_id): Path<Uuid>,
) -> Result<Tagged<Json<SenderResource>>, Problem> {
    Ok(app.sender(&app.stationery(&cx, organizer_id).await?))
}
