//! `GET /v1/organizers/{organizer_id}/members`

use axum::extract::State;
use edge::{Json, Listing, Page, Path, Problem};
use runtime::Context;
use uuid::Uuid;

use super::MemberResource;
use crate::{http::App, views::organizers};

/// List the members of an organizer
///
/// Only members may do this. Ordered by account.
#[utoipa::path(
    get,
    path = "/v1/organizers/{organizer_id}/members",
    params(("organizer_id" = Uuid, Path, description = "The organizer."), Page),
    responses((status = 200, description = "A page of members", body = Listing<MemberResource>)),
    security(("bearer" = [])),
)]
pub(in crate::http) async fn list_members(
    State(app): State<App>,
    cx: Context,
    Path(organizer_id): Path<Uuid>,
    page: Page,
) -> Result<Json<Listing<MemberResource>>, Problem> {
    app.own_organizer(&cx, organizer_id).await?;
    let rows =
        organizers::list_members(&app.database, organizer_id, page.after()?, page.fetch()).await?;
    Ok(Json(Listing::of(rows, &page, |member| member.user_id).map(Into::into)))
}
