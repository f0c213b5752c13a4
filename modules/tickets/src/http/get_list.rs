//! `GET /v1/check-in-lists/{list_id}`.

use axum::extract::State;
use edge::{Json, Path, Problem, Tagged};
use runtime::Context;
use uuid::Uuid;

use super::App;
use crate::views::lists::ListResource;

/// Read a check-in list
///
/// For those who may scan there. An event's default list has the event's id.
#[utoipa::path(
    get,
    path = "/v1/check-in-lists/{list_id}",
    params(("list_id" = Uuid, Path)),
    responses((
        status = 200,
        description = "The list",
        body = ListResource,
        headers(("etag" = String, description = "Its version, for `If-Match`.")),
    )),
    security(("bearer" = [])),
)]
pub(super) async fn get_list(
    State(app): State<App>,
    cx: Context,
    Path(list_id): Path<Uuid>,
) -> Result<Tagged<Json<ListResource>>, Problem> {
    edge::user(&cx)?;
    app.forget_post(list_id);
    let post = app.worked_post(&cx, list_id).await?;
    if post.is_removed {
        return Err(Problem::not_found());
    }
    Ok(Tagged(post.version, Json(post.rules.as_ref().into())))
}
