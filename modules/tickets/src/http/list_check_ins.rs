//! `GET /v1/check-ins`: what happened at the doors.

use axum::extract::State;
use edge::{Json, Listing, Page, Problem, Query};
use garde::Validate;
use runtime::Context;
use serde::Deserialize;
use utoipa::IntoParams;
use uuid::Uuid;

use super::App;
use crate::views::scans::{self, ScanResource};

/// Which scans to list.
#[derive(Debug, Deserialize, Validate, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct ScanFilter {
    /// The event.
    #[garde(skip)]
    event_id: Uuid,
    /// Only those of this check-in list.
    #[garde(skip)]
    list_id: Option<Uuid>,
}

edge::problem_responses! {
    /// What listing may be refused with.
    pub(super) ListProblems: edge::problems::NOT_FOUND
}

/// List scans
///
/// Everybody who was let in or out at an event, and everybody who was refused, newest first. For those
/// who may scan there. A code that is not ours is listed where its scan named a list or an event.
#[utoipa::path(
    get,
    path = "/v1/check-ins",
    params(ScanFilter, Page),
    responses(
        (status = 200, description = "A page of scans", body = Listing<ScanResource>),
        ListProblems,
    ),
    security(("bearer" = [])),
)]
pub(super) async fn list_check_ins(
    State(app): State<App>,
    cx: Context,
    Query(filter): Query<ScanFilter>,
    page: Page,
) -> Result<Json<Listing<ScanResource>>, Problem> {
    let _default_list = app.worked_post(&cx, filter.event_id).await?;
    let (ScanFilter { event_id, list_id }, after) = (filter, page.after()?);
    let rows = scans::list(&app.database, event_id, list_id, after, page.fetch()).await?;
    Ok(Json(Listing::of(rows, &page, |row| row.scan_id).map(|row| row.content.0)))
}
