//! `GET /v1/notifications`.

use axum::extract::State;
use edge::{Json, Listing, Page, Problem, Query};
use garde::Validate;
use runtime::{Context, Role};
use serde::Deserialize;
use utoipa::IntoParams;
use uuid::Uuid;

use super::{App, NotificationResource};
use crate::views::{self, NotificationRow};

/// Which notifications to list.
#[derive(Debug, Deserialize, Validate, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct NotificationFilter {
    /// Those of this account, for admins.
    #[garde(skip)]
    user_id: Option<Uuid>,
}

/// List notifications
///
/// One's own, newest first; with `user_id` those of that account, for admins. A notification appears
/// a moment after what it tells of.
#[utoipa::path(
    get,
    path = "/v1/notifications",
    params(NotificationFilter, Page),
    responses((
        status = 200,
        description = "A page of notifications",
        body = Listing<NotificationResource>,
    )),
    security(("bearer" = [])),
)]
pub(super) async fn list_notifications(
    State(app): State<App>,
    cx: Context,
    Query(filter): Query<NotificationFilter>,
    page: Page,
) -> Result<Json<Listing<NotificationResource>>, Problem> {
    let caller = edge::user(&cx)?;
    let user_id = filter.user_id.unwrap_or(caller);
    if user_id != caller {
        edge::require(&cx, Role::Admin)?;
    }
    let rows = views::list(&app.database, user_id, page.after()?, page.fetch()).await?;
    Ok(Json(Listing::of(rows, &page, NotificationRow::key).map(Into::into)))
}
