//! `GET /v1/events/{event_id}/ticket-types/{ticket_type_id}`

use axum::extract::State;
use edge::{Json, Path, Problem, Tagged};
use runtime::Context;
use uuid::Uuid;

use super::TicketTypeResource;
use crate::http::App;

/// Read a ticket type
///
/// A ticket type of a draft does not exist to others than the members of the event's organizer.
#[utoipa::path(
    get,
    path = "/v1/events/{event_id}/ticket-types/{ticket_type_id}",
    params(
        ("event_id" = Uuid, Path, description = "The event."),
        ("ticket_type_id" = Uuid, Path, description = "The ticket type."),
    ),
    responses((
        status = 200,
        description = "The ticket type, with the event's ETag",
        body = TicketTypeResource,
        headers(("etag" = String, description = "Its version, for `If-Match`.")),
    )),
    security((), ("bearer" = [])),
)]
pub(in crate::http) async fn get_ticket_type(
    State(app): State<App>,
    cx: Context,
    Path((event_id, id)): Path<(Uuid, Uuid)>,
) -> Result<Tagged<Json<TicketTypeResource>>, Problem> {
    let event = app.visible_event(&cx, event_id).await?;
    let tag = event.tag(app.clock.now());
    let (ticket_type, supply) = event.ticket_type(id).ok_or_else(Problem::not_found)?;
    Ok(Tagged(tag, Json(TicketTypeResource::of(ticket_type, supply))))
}
