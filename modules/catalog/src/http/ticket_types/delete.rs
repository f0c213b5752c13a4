//! `DELETE /v1/events/{event_id}/ticket-types/{ticket_type_id}`

use axum::{extract::State, http::StatusCode};
use edge::{IfMatch, Path, Problem, openapi::IfMatchHeader};
use runtime::Context;
use uuid::Uuid;

use crate::{domain::event::Command, http::App, problems};

edge::problem_responses! {
    /// What deleting a ticket type may be refused with.
    pub(super) DeleteProblems: problems::EVENT_IS_PUBLISHED
}

/// Delete a ticket type
///
/// Only while the event is a draft, and only by members of its organizer. `If-Match` takes the
/// event's `ETag`.
#[utoipa::path(
    delete,
    path = "/v1/events/{event_id}/ticket-types/{ticket_type_id}",
    params(
        ("event_id" = Uuid, Path, description = "The event."),
        ("ticket_type_id" = Uuid, Path, description = "The ticket type."),
        IfMatchHeader,
    ),
    responses((status = 204, description = "The ticket type is gone"), DeleteProblems),
    security(("bearer" = [])),
)]
pub(in crate::http) async fn delete_ticket_type(
    State(app): State<App>,
    cx: Context,
    Path((event_id, id)): Path<(Uuid, Uuid)>,
    seen: IfMatch,
) -> Result<StatusCode, Problem> {
    let own = app.own_event(&cx, event_id).await?;
    app.give(&cx, &own, Some(seen), Command::RemoveTicketType { id }).await?;
    Ok(StatusCode::NO_CONTENT)
}
