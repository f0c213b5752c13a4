//! `GET /v1/reports/sales`.

use axum::extract::State;
use edge::{Json, Listing, Page, Problem, Query};
use garde::Validate;
use runtime::Context;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use super::{App, EventSales, Source};
use crate::views::{self, Books};

/// Whose sales to report.
#[derive(Debug, Deserialize, Validate, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct SalesFilter {
    /// The organizer.
    #[garde(skip)]
    organizer_id: Uuid,
}

/// What was sold of an organizer's events: a page of them.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct SalesReport {
    /// The events that something was sold of.
    items: Vec<EventSales>,
    /// Send it as `cursor` to get the next page; absent on the last page.
    #[serde(skip_serializing_if = "Option::is_none")]
    next_cursor: Option<String>,
    sources: Vec<Source>,
}

/// Report the sales of an organizer
///
/// For its members: the events that something was sold of, newest first. `sources` says how far the
/// report goes: it is a moment behind.
#[utoipa::path(
    get,
    path = "/v1/reports/sales",
    params(SalesFilter, Page),
    responses((status = 200, description = "A page of events", body = SalesReport)),
    security(("bearer" = [])),
)]
pub(super) async fn list_sales(
    State(app): State<App>,
    cx: Context,
    Query(filter): Query<SalesFilter>,
    page: Page,
) -> Result<Json<SalesReport>, Problem> {
    app.require_member(&cx, filter.organizer_id).await?;
    let sources = app.sources().await?;
    let after = page.after()?;
    let events =
        views::list_events(&app.database, filter.organizer_id, after, page.fetch()).await?;
    let listing = Listing::of(events, &page, |event| event.event_id);
    let books = Books::open(&app.database, listing.items.iter().map(|it| it.event_id)).await?;
    let Listing { items, next_cursor } = listing.map(|event| EventSales::new(event, &books));
    Ok(Json(SalesReport { items, next_cursor, sources }))
}
