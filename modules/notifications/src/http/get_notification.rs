//! `GET /v1/notifications/{notification_id}`.

use axum::extract::State;
use edge::{Json, Path, Problem};
use runtime::Context;
use uuid::Uuid;

use super::{App, NotificationResource};
use crate::views;

/// Read a notification
///
/// For whoever is told, and for admins.
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
    edge::user(&cx)?;
    let found = views::find(&app.database, notification_id).await?;
    let row = found.ok_or_else(Problem::not_found)?;
    edge::owner(&cx, row.user_id)?;
    Ok(Json(row.into()))
}
