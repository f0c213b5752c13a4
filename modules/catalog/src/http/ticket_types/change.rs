//! `PUT /v1/events/{event_id}/ticket-types/{ticket_type_id}`

use axum::extract::State;
use edge::{IfMatch, Json, Path, Problem, Tagged, openapi::IfMatchHeader};
use runtime::Context;
use uuid::Uuid;

use super::{TicketTypeInput, TicketTypeResource};
use crate::{domain::event::Command, http::App, problems};

edge::problem_responses! {
    /// What changing a ticket type may be refused with.
    pub(super) ChangeProblems:
        problems::TICKET_TYPE_NAME_TAKEN,
        problems::TICKET_TYPE_NAME_FIXED,
        problems::FIXED_BY_PUBLISHING,
        problems::TOO_MANY_QUOTAS,
        problems::EVENT_IS_CANCELLED,
        problems::EVENT_HAS_ENDED,
}

/// Change a ticket type
///
/// Replaces all of it. Only members of the event's organizer may do this. The name is fixed once
/// sales were opened, since buyers have tickets with it, and the sections once the event is
/// published. Another price or tax holds for orders from now on. The capacity is that of a quota of
/// the ticket type's own, which stays as it is where none is given; it may become less than what is
/// sold: then nothing more is sold, and nothing is taken back. `If-Match` takes the event's `ETag`.
#[utoipa::path(
    put,
    path = "/v1/events/{event_id}/ticket-types/{ticket_type_id}",
    params(
        ("event_id" = Uuid, Path, description = "The event."),
        ("ticket_type_id" = Uuid, Path, description = "The ticket type."),
        IfMatchHeader,
    ),
    request_body = TicketTypeInput,
    responses(
        (
            status = 200,
            description = "The ticket type as it is now, with the event's ETag",
            body = TicketTypeResource,
            headers(("etag" = String, description = "Its version, for `If-Match`.")),
        ),
        ChangeProblems,
    ),
    security(("bearer" = [])),
)]
pub(in crate::http) async fn change_ticket_type(
    State(app): State<App>,
    cx: Context,
    Path((event_id, id)): Path<(Uuid, Uuid)>,
    seen: IfMatch,
    Json(input): Json<TicketTypeInput>,
) -> Result<Tagged<Json<TicketTypeResource>>, Problem> {
    let own = app.own_event(&cx, event_id).await?;
    let now = app.clock.now();
    let command = Command::ChangeTicketType { id, offer: input.into(), now };
    let event = app.command(&cx, &own, Some(seen), command).await?;
    let tag = event.tag(now);
    let (ticket_type, supply) = event.ticket_type(id).ok_or_else(Problem::not_found)?;
    Ok(Tagged(tag, Json(TicketTypeResource::of(ticket_type, supply))))
}
