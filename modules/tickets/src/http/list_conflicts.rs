//! `GET /v1/check-in-lists/{list_id}/conflicts`: where doors without a network let in whom they should
//! not have.

use axum::extract::State;
use edge::{Json, Listing, Page, Path, Problem};
use runtime::Context;
use uuid::Uuid;

use super::App;
use crate::views::scans::{self, ConflictResource};

/// List conflicts
///
/// Each entry that a device without a network has allowed and that would have been refused with a
/// network: which door admitted a copy and when, and which entry stands against it. Newest first, for
/// those who may scan there.
#[utoipa::path(
    get,
    path = "/v1/check-in-lists/{list_id}/conflicts",
    params(("list_id" = Uuid, Path), Page),
    responses((
        status = 200, description = "A page of conflicts", body = Listing<ConflictResource>
    )),
    security(("bearer" = [])),
)]
pub(super) async fn list_conflicts(
    State(app): State<App>,
    cx: Context,
    Path(list_id): Path<Uuid>,
    page: Page,
) -> Result<Json<Listing<ConflictResource>>, Problem> {
    let _post = app.worked_post(&cx, list_id).await?;
    let rows = scans::conflicts(&app.database, list_id, page.after()?, page.fetch()).await?;
    Ok(Json(Listing::of(rows, &page, |row| row.conflict_id).map(|row| row.content.0)))
}
