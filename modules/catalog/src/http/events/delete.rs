//! `DELETE /v1/events/{event_id}`

use axum::{extract::State, http::StatusCode};
use edge::{IfMatch, Path, Problem, openapi::IfMatchHeader};
use runtime::Context;
use uuid::Uuid;

use crate::{domain::event::Command, http::App, problems};

edge::problem_responses! {
    /// What deleting may be refused with.
    pub(super) DeleteProblems: problems::EVENT_IS_PUBLISHED
}

/// Delete a draft
///
/// Only members of the organizer may do this. An event that was published is cancelled instead.
#[utoipa::path(
    delete,
    path = "/v1/events/{event_id}",
    params(("event_id" = Uuid, Path, description = "The event."), IfMatchHeader),
    responses((status = 204, description = "The draft is gone"), DeleteProblems),
    security(("bearer" = [])),
)]
pub(in crate::http) async fn delete_event(
    State(app): State<App>,
    cx: Context,
    Path(id): Path<Uuid>,
    seen: IfMatch,
) -> Result<StatusCode, Problem> {
    let own = app.own_event(&cx, id).await?;
    app.give(&cx, &own, Some(seen), Command::Discard).await?;
    Ok(StatusCode::NO_CONTENT)
}
