//! `POST /v1/notifications/{notification_id}/resend`.

use axum::extract::State;
use edge::{Json, Path, Problem};
use runtime::Context;
use uuid::Uuid;

use super::{App, NotificationResource};
use crate::{domain::mail::Command, views};

/// Send a notification once more
///
/// For members of the organizer whose event it is about, and for admins. What was sent is sent once
/// more, as another copy; what was given up is tried for another day; what waits after a failure is
/// tried right now. The mail says what is true now: the tickets that are valid, the address that the
/// account has.
#[utoipa::path(
    post,
    path = "/v1/notifications/{notification_id}/resend",
    params(("notification_id" = Uuid, Path)),
    responses((
        status = 200,
        description = "The notification as it is now",
        body = NotificationResource,
    )),
    security(("bearer" = [])),
)]
pub(super) async fn resend_notification(
    State(app): State<App>,
    cx: Context,
    Path(id): Path<Uuid>,
) -> Result<Json<NotificationResource>, Problem> {
    app.visible(&cx, id, false).await?;
    app.mails.execute(&cx, id, Command::Resend { at: app.clock.now() }).await?;
    tracing::info!(mail = %id, "a mail is sent once more");
    let row = views::find(&app.database, id).await?.ok_or_else(Problem::not_found)?;
    Ok(Json(row.into()))
}
