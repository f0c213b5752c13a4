//! `DELETE /v1/check-in-lists/{list_id}`.

use axum::{extract::State, http::StatusCode};
use edge::{IfMatch, Path, Problem, openapi::IfMatchHeader};
use runtime::Context;
use uuid::Uuid;

use super::{App, create_list::unkept};
use crate::{domain::list::Command, problems};

edge::problem_responses! {
    /// Why a list stays.
    pub(super) RemoveProblems: problems::DEFAULT_LIST
}

/// Remove a check-in list
///
/// It admits nobody from now on. What was scanned there stays known, and what devices without a network
/// have scanned there can still be uploaded. Only members of the organizer may do this.
#[utoipa::path(
    delete,
    path = "/v1/check-in-lists/{list_id}",
    params(("list_id" = Uuid, Path), IfMatchHeader),
    responses((status = 204, description = "It is removed"), RemoveProblems),
    security(("bearer" = [])),
)]
pub(super) async fn remove_list(
    State(app): State<App>,
    cx: Context,
    Path(list_id): Path<Uuid>,
    IfMatch(version): IfMatch,
) -> Result<StatusCode, Problem> {
    let post = app.own_post(&cx, list_id).await?;
    if post.rules.event_id == list_id {
        return Err(Problem::new(&problems::DEFAULT_LIST));
    }
    let removed = app.lists.execute(&cx, list_id, Command::Remove).expect_version(version);
    let removed = removed.read(|_| ()).await;
    app.forget_post(list_id);
    removed.map_err(unkept)?;
    Ok(StatusCode::NO_CONTENT)
}
