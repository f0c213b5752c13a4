//! `DELETE /v1/organizers/{organizer_id}/members/{user_id}`

use axum::{extract::State, http::StatusCode};
use edge::{Path, Problem};
use runtime::Context;
use uuid::Uuid;

use crate::{domain::organizer::Command, http::App, problems, service::asker};

edge::problem_responses! {
    /// What removing a member may be refused with.
    pub(super) RemoveProblems: problems::LAST_OWNER
}

/// Remove a member from an organizer
///
/// Owners may remove everybody, and members themselves; the last owner stays.
#[utoipa::path(
    delete,
    path = "/v1/organizers/{organizer_id}/members/{user_id}",
    params(
        ("organizer_id" = Uuid, Path, description = "The organizer."),
        ("user_id" = Uuid, Path, description = "The account."),
    ),
    responses((status = 204, description = "The account is no member any more"), RemoveProblems),
    security(("bearer" = [])),
)]
pub(in crate::http) async fn remove_member(
    State(app): State<App>,
    cx: Context,
    Path((organizer_id, user_id)): Path<(Uuid, Uuid)>,
) -> Result<StatusCode, Problem> {
    let command = Command::RemoveMember { user_id, by: asker(&cx)? };
    app.organizers.execute(&cx, organizer_id, command).await?;
    Ok(StatusCode::NO_CONTENT)
}
