//! `GET /v1/notifications/{notification_id}`.

use axum::extract::State;
use edge::{Json, Path, Problem};
use runtime::Context;
use uuid::Uuid;

use super::{App, NotificationResource};

/// Read a notification
///
/// For whoever is told, for members of the organizer whose event it is about, and for admins.
#[utoipa::path(
    get,
    path = "/v1/notifications/{notification_id}",
    params(("notification_id" = Uuid, Path)),
    responses((status = 200, description = "The notification", body = NotificationResource)),
    security(("bearer" = [])),
)]
pub(super) async fn get_notification(
    State(app): State<App>,
    cx: Context,
    Path(notification_id): Path<Uuid>,
) -> Result<Json<NotificationResource>, Problem> {
    Ok(Json(app.visible(&cx, notification_id, true).await?.into()))
}
