//! `POST /v1/events/{event_id}/quotas`

use axum::extract::State;
use edge::{Answered, IdempotencyKey, Json, Path, Problem};
use runtime::Context;
use uuid::Uuid;

use super::{QuotaInput, QuotaResource};
use crate::{
    domain::event::Command,
    http::{App, created},
    problems,
};

edge::problem_responses! {
    /// What adding a quota may be refused with.
    pub(super) AddProblems:
        problems::TOO_MANY_QUOTAS,
        problems::EVENT_IS_CANCELLED,
        problems::EVENT_HAS_ENDED,
}

/// Add a quota
///
/// Only members of the event's organizer may do this, also after the event was published.
#[utoipa::path(
    post,
    path = "/v1/events/{event_id}/quotas",
    params(("event_id" = Uuid, Path, description = "The event.")),
    request_body = QuotaInput,
    responses(
        (
            status = 201,
            description = "The quota, with the event's ETag",
            body = QuotaResource,
            headers(
                ("location" = String, description = "Where it is."),
                ("etag" = String, description = "Its version, for `If-Match`."),
            ),
        ),
        AddProblems,
    ),
    security(("bearer" = [])),
)]
pub(in crate::http) async fn create_quota(
    State(app): State<App>,
    cx: Context,
    Path(event_id): Path<Uuid>,
    key: Option<IdempotencyKey>,
    Json(input): Json<QuotaInput>,
) -> Result<Answered, Problem> {
    let own = app.own_event(&cx, event_id).await?;
    let (id, now) = (app.ids.next(), app.clock.now());
    let quota = input.into_quota(id);
    let resource = QuotaResource::from(quota.clone());
    let execution = app.events.execute(&cx, event_id, Command::PutQuota { quota, now });
    let answered = created(execution, key, move |version| {
        let location = format!("/v1/events/{event_id}/quotas/{id}");
        edge::created(location, own.tag_at(version, now), &resource)
    });
    let answered = answered.await;
    app.shown.event_changed(event_id);
    answered
}
