//! `POST /v1/events/{event_id}/cancel`

use axum::extract::State;
use edge::{Json, Path, Problem, Tagged};
use garde::Validate;
use runtime::Context;
use serde::Deserialize;
use utoipa::ToSchema;
use uuid::Uuid;

use super::{EventResource, bring};
use crate::{
    domain::event::Command,
    http::{App, OptionalIfMatch, OptionalIfMatchHeader, text},
    problems,
};

/// Why an event is cancelled.
#[derive(Debug, Clone, Deserialize, Validate, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"reason": "The soloist is ill."}))]
pub(in crate::http) struct Cancellation {
    /// What to tell buyers.
    #[garde(length(chars, min = 1, max = 500), custom(text::some_lines))]
    #[schema(min_length = 1, max_length = 500)]
    reason: String,
}

edge::problem_responses! {
    /// What cancelling may be refused with.
    pub(super) CancelProblems: problems::EVENT_IS_DRAFT
}

/// Cancel an event
///
/// It will not take place; this cannot be taken back. An event that is over can be cancelled, too,
/// when it did not take place. The first reason given stands.
#[utoipa::path(
    post,
    path = "/v1/events/{event_id}/cancel",
    params(("event_id" = Uuid, Path, description = "The event."), OptionalIfMatchHeader),
    request_body = Cancellation,
    responses(
        (
            status = 200,
            description = "The event is cancelled",
            body = EventResource,
            headers(("etag" = String, description = "Its version, for `If-Match`.")),
        ),
        CancelProblems,
    ),
    security(("bearer" = [])),
)]
pub(in crate::http) async fn cancel_event(
    State(app): State<App>,
    cx: Context,
    Path(id): Path<Uuid>,
    OptionalIfMatch(seen): OptionalIfMatch,
    Json(cancellation): Json<Cancellation>,
) -> Result<Tagged<Json<EventResource>>, Problem> {
    let reason = text::trimmed(&cancellation.reason);
    bring(&app, &cx, id, seen, Command::Cancel { reason }).await
}
