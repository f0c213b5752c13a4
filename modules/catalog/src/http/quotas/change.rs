//! `PUT /v1/events/{event_id}/quotas/{quota_id}`

use axum::extract::State;
use edge::{IfMatch, Json, Path, Problem, Tagged, openapi::IfMatchHeader};
use runtime::Context;
use uuid::Uuid;

use super::{QuotaInput, QuotaResource};
use crate::{domain::event::Command, http::App, problems};

edge::problem_responses! {
    /// What changing a quota may be refused with.
    pub(super) ChangeProblems: problems::EVENT_IS_CANCELLED, problems::EVENT_HAS_ENDED
}

/// Change a quota
///
/// Replaces name, capacity and ticket types. Only members of the event's organizer may do this. The
/// capacity may become less than what is sold: then nothing more is sold, and nothing is taken back.
/// What was sold of a ticket type counts in every quota that it draws on now. `If-Match` takes the
/// event's `ETag`.
#[utoipa::path(
    put,
    path = "/v1/events/{event_id}/quotas/{quota_id}",
    params(
        ("event_id" = Uuid, Path, description = "The event."),
        ("quota_id" = Uuid, Path, description = "The quota."),
        IfMatchHeader,
    ),
    request_body = QuotaInput,
    responses(
        (
            status = 200,
            description = "The quota as it is now, with the event's ETag",
            body = QuotaResource,
            headers(("etag" = String, description = "Its version, for `If-Match`.")),
        ),
        ChangeProblems,
    ),
    security(("bearer" = [])),
)]
pub(in crate::http) async fn change_quota(
    State(app): State<App>,
    cx: Context,
    Path((event_id, id)): Path<(Uuid, Uuid)>,
    seen: IfMatch,
    Json(input): Json<QuotaInput>,
) -> Result<Tagged<Json<QuotaResource>>, Problem> {
    let own = app.own_event(&cx, event_id).await?;
    own.clone().quota(id).ok_or_else(Problem::not_found)?;
    let now = app.clock.now();
    let command = Command::PutQuota { quota: input.into_quota(id), now };
    let event = app.command(&cx, &own, Some(seen), command).await?;
    let tag = event.tag(now);
    let quota = event.quota(id).ok_or_else(Problem::not_found)?;
    Ok(Tagged(tag, Json(quota.into())))
}
