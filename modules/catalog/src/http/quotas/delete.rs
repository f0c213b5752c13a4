//! `DELETE /v1/events/{event_id}/quotas/{quota_id}`

use axum::{extract::State, http::StatusCode};
use edge::{IfMatch, Path, Problem, openapi::IfMatchHeader};
use runtime::Context;
use uuid::Uuid;

use crate::{domain::event::Command, http::App, problems};

edge::problem_responses! {
    /// What deleting a quota may be refused with.
    pub(super) DeleteProblems: problems::EVENT_IS_CANCELLED, problems::EVENT_HAS_ENDED
}

/// Delete a quota
///
/// Only members of the event's organizer may do this. A ticket type that draws on no other quota is
/// not sold any more. `If-Match` takes the event's `ETag`.
#[utoipa::path(
    delete,
    path = "/v1/events/{event_id}/quotas/{quota_id}",
    params(
        ("event_id" = Uuid, Path, description = "The event."),
        ("quota_id" = Uuid, Path, description = "The quota."),
        IfMatchHeader,
    ),
    responses((status = 204, description = "The quota is gone"), DeleteProblems),
    security(("bearer" = [])),
)]
pub(in crate::http) async fn delete_quota(
    State(app): State<App>,
    cx: Context,
    Path((event_id, id)): Path<(Uuid, Uuid)>,
    seen: IfMatch,
) -> Result<StatusCode, Problem> {
    let own = app.own_event(&cx, event_id).await?;
    let command = Command::RemoveQuota { id, now: app.clock.now() };
    app.give(&cx, &own, Some(seen), command).await?;
    Ok(StatusCode::NO_CONTENT)
}
