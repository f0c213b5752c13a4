//! `GET /v1/check-ins`: what happened at the doors.

use axum::extract::State;
use edge::{Json, Listing, Page, Problem, Query};
use garde::Validate;
use runtime::Context;
use serde::Deserialize;
use utoipa::IntoParams;
use uuid::Uuid;

use super::App;
use crate::views::{self, ScanResource};

/// Which scans to list.
#[derive(Debug, Deserialize, Validate, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct ScanFilter {
    /// The event.
    #[garde(skip)]
    event_id: Uuid,
}

edge::problem_responses! {
    /// What listing may be refused with.
    pub(super) ListProblems: edge::problems::NOT_FOUND
}

/// List scans
///
/// Everybody who was let in at an event, and every ticket that was refused, newest first. For those
/// who may scan there. A code that is not ours belongs to no event and is not listed.
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
    edge::user(&cx)?;
    let organizer = views::organizer_of(&app.database, filter.event_id).await?;
    let organizer_id = organizer.ok_or_else(Problem::not_found)?;
    if !app.works_at_doors_of(&cx, organizer_id).await? {
        return Err(Problem::not_found());
    }
    let rows = views::scans(&app.database, filter.event_id, page.after()?, page.fetch()).await?;
    Ok(Json(Listing::of(rows, &page, |row| row.scan_id).map(|row| row.content.0)))
}
