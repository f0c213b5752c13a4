//! `POST /v1/events/{event_id}/ticket-types`

use axum::extract::State;
use contracts::catalog::Capacity;
use edge::{Answered, IdempotencyKey, Json, Path, Problem};
use runtime::Context;
use uuid::Uuid;

use super::{TicketTypeInput, TicketTypeResource};
use crate::{
    domain::event::{Command, Offer, TicketType},
    http::{App, created},
    problems,
};

edge::problem_responses! {
    /// What adding a ticket type may be refused with.
    pub(super) AddProblems:
        problems::TICKET_TYPE_NAME_TAKEN,
        problems::TOO_MANY_TICKET_TYPES,
        problems::TOO_MANY_QUOTAS,
        problems::SECTION_UNKNOWN,
        problems::EVENT_IS_CANCELLED,
        problems::EVENT_HAS_ENDED,
}

/// Add a ticket type
///
/// Only members of the event's organizer may do this, also after the event was published. It is sold
/// once it draws on a quota: `capacity` makes one of its own.
#[utoipa::path(
    post,
    path = "/v1/events/{event_id}/ticket-types",
    params(("event_id" = Uuid, Path, description = "The event.")),
    request_body = TicketTypeInput,
    responses(
        (
            status = 201,
            description = "The ticket type, with the event's ETag",
            body = TicketTypeResource,
            headers(
            ("location" = String, description = "Where it is."),
            ("etag" = String, description = "Its version, for `If-Match`."),
        ),
        ),
        AddProblems,
    ),
    security(("bearer" = [])),
)]
pub(in crate::http) async fn create_ticket_type(
    State(app): State<App>,
    cx: Context,
    Path(event_id): Path<Uuid>,
    key: Option<IdempotencyKey>,
    Json(input): Json<TicketTypeInput>,
) -> Result<Answered, Problem> {
    let own = app.own_event(&cx, event_id).await?;
    let (id, now) = (app.ids.next(), app.clock.now());
    let offer = Offer::from(input);
    let supply = offer.capacity.unwrap_or(Capacity::limited(0));
    let ticket_type = TicketTypeResource::of(TicketType { id, offer: offer.clone() }, supply);
    let execution = app.events.execute(&cx, event_id, Command::AddTicketType { id, offer, now });
    let answered = created(execution, key, move |version| {
        let location = format!("/v1/events/{event_id}/ticket-types/{id}");
        edge::created(location, own.tag_at(version, now), &ticket_type)
    });
    let answered = answered.await;
    app.shown.event_changed(event_id);
    answered
}
