//! `PUT /v1/check-in-lists/{list_id}`.

use axum::extract::State;
use edge::{IfMatch, Json, Path, Problem, Tagged, openapi::IfMatchHeader};
use runtime::Context;
use uuid::Uuid;

use super::{
    App,
    create_list::{ListInput, unkept},
};
use crate::{domain::list::Command, views::lists::ListResource};

/// Change a check-in list
///
/// Replaces what it admits, from the next scan on: who is in stays in. Only members of the organizer may
/// do this. The default list can be changed, too.
#[utoipa::path(
    put,
    path = "/v1/check-in-lists/{list_id}",
    params(("list_id" = Uuid, Path), IfMatchHeader),
    request_body = ListInput,
    responses((
        status = 200,
        description = "The list as it is now",
        body = ListResource,
        headers(("etag" = String, description = "Its version, for `If-Match`.")),
    )),
    security(("bearer" = [])),
)]
pub(super) async fn change_list(
    State(app): State<App>,
    cx: Context,
    Path(list_id): Path<Uuid>,
    IfMatch(version): IfMatch,
    Json(input): Json<ListInput>,
) -> Result<Tagged<Json<ListResource>>, Problem> {
    let post = app.own_post(&cx, list_id).await?;
    let (event_id, organizer_id) = (post.rules.event_id, post.rules.organizer_id);
    let terms = app.terms(&cx, event_id, input).await?;
    let shown = ListResource::of(list_id, event_id, &terms);
    let command = Command::Put { event_id, organizer_id, terms };
    let changed = app.lists.execute(&cx, list_id, command).expect_version(version);
    let changed = changed.read(|after| after.version).await;
    app.forget_post(list_id);
    Ok(Tagged(changed.map_err(unkept)?, Json(shown)))
}
