//! `POST /v1/events/{event_id}/close-sales`

use axum::extract::State;
use edge::{Json, Path, Problem, Tagged};
use runtime::Context;
use uuid::Uuid;

use super::{EventResource, bring};
use crate::{
    domain::event::Command,
    http::{App, OptionalIfMatch, OptionalIfMatchHeader},
    problems,
};

edge::problem_responses! {
    /// What closing sales may be refused with.
    pub(super) CloseProblems:
        problems::EVENT_IS_DRAFT,
        problems::SALES_NEVER_OPENED,
        problems::EVENT_IS_CANCELLED,
}

/// Close sales
///
/// From now on no more tickets can be bought. Orders that hold places may still be paid.
#[utoipa::path(
    post,
    path = "/v1/events/{event_id}/close-sales",
    params(("event_id" = Uuid, Path, description = "The event."), OptionalIfMatchHeader),
    responses(
        (
            status = 200,
            description = "No tickets are for sale",
            body = EventResource,
            headers(("etag" = String, description = "Its version, for `If-Match`.")),
        ),
        CloseProblems,
    ),
    security(("bearer" = [])),
)]
pub(in crate::http) async fn close_sales(
    State(app): State<App>,
    cx: Context,
    Path(id): Path<Uuid>,
    OptionalIfMatch(seen): OptionalIfMatch,
) -> Result<Tagged<Json<EventResource>>, Problem> {
    bring(&app, &cx, id, seen, Command::CloseSales).await
}
