//! `GET /v1/reports/events/{event_id}/sales`.

use std::iter;

use axum::extract::State;
use edge::{Json, Path, Problem};
use runtime::Context;
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use super::{App, EventSales, Source};
use crate::views::Books;

/// What was sold of an event.
#[derive(Debug, Serialize, ToSchema)]
#[schema(example = json!({
    "event_id": "01980e4c-8f5c-7b1e-a7c4-51d2f2a5c003",
    "event_name": "Quartet by the river",
    "organizer_id": "01980e4c-8f5c-7b1e-a7c4-51d2f2a5c001",
    "orders": {"confirmed": 41, "cancelled": 1},
    "tickets": {"sold": 96, "cancelled": 2, "admitted": 90},
    "ticket_types": [{
        "ticket_type_id": "01980e4c-8f5c-7b1e-a7c4-51d2f2a5c004",
        "name": "Stalls",
        "sold": 96,
        "cancelled": 2,
    }],
    "revenue": [{
        "gross": {"amount": 245_000, "currency": "EUR"},
        "refunded": {"amount": 5000, "currency": "EUR"},
        "net": {"amount": 240_000, "currency": "EUR"},
    }],
    "sources": [
        {
            "publisher": "orders",
            "as_of": "2027-06-18T17:45:00Z",
            "lag_seconds": 0.012,
            "position": 1812,
            "missing": 0,
        },
        {
            "publisher": "tickets",
            "as_of": "2027-06-18T18:04:11Z",
            "lag_seconds": 0.015,
            "position": 133,
            "missing": 0,
        },
    ],
}))]
pub(super) struct EventSalesReport {
    #[serde(flatten)]
    event: EventSales,
    sources: Vec<Source>,
}

/// Report the sales of an event
///
/// For members of its organizer. `sources` says how far the report goes: it is a moment behind.
#[utoipa::path(
    get,
    path = "/v1/reports/events/{event_id}/sales",
    params(("event_id" = Uuid, Path)),
    responses((status = 200, description = "What was sold", body = EventSalesReport)),
    security(("bearer" = [])),
)]
pub(super) async fn get_event_sales(
    State(app): State<App>,
    cx: Context,
    Path(event_id): Path<Uuid>,
) -> Result<Json<EventSalesReport>, Problem> {
    edge::user(&cx)?;
    let event = app.event(&cx, event_id).await?;
    if !app.acts_for(&cx, event.organizer_id).await? {
        return Err(Problem::not_found());
    }
    let sources = app.sources().await?;
    let books = Books::open(&app.database, iter::once(event_id)).await?;
    Ok(Json(EventSalesReport { event: EventSales::new(event, &books), sources }))
}
