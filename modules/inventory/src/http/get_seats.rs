//! `GET /v1/availability/{event_id}/seats`: which seats there are, and which of them are free.

use axum::{
    extract::State,
    http::{HeaderValue, header},
    response::{IntoResponse, Response},
};
use edge::{Json, Path, Problem, Query};
use garde::Validate;
use serde::{Deserialize, Serialize};
use store::Loaded;
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use super::App;
use crate::domain::Stock;

const FRESH_FOR: HeaderValue = HeaderValue::from_static("public, max-age=1");

/// Which seats to show.
#[derive(Debug, Deserialize, Validate, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct SeatFilter {
    /// Only those of this section.
    #[garde(length(chars, max = 100))]
    #[param(max_length = 100)]
    section: Option<String>,
}

/// The seats of an event.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = SeatPlan, example = json!({
    "event_id": "01980e4c-8f5c-7b1e-a7c4-51d2f2a5c003",
    "sections": [{
        "name": "Stalls",
        "ticket_type_ids": ["01980e4c-8f5c-7b1e-a7c4-51d2f2a5c004"],
        "rows": [{"name": "A", "seats": ["1", "2", "3", "4"], "free": ["1", "4"]}],
    }],
}))]
pub(super) struct SeatPlan {
    event_id: Uuid,
    /// None for an event with general admission only.
    sections: Vec<PlannedSection>,
}

/// One section of the house.
#[derive(Debug, Serialize, ToSchema)]
struct PlannedSection {
    name: String,
    /// The ticket types that are for its seats.
    ticket_type_ids: Vec<Uuid>,
    /// The one nearest to the stage first.
    rows: Vec<PlannedRow>,
}

/// One row.
#[derive(Debug, Serialize, ToSchema)]
struct PlannedRow {
    name: String,
    /// All its seats, from one end to the other.
    seats: Vec<String>,
    /// Those that can be held now.
    free: Vec<String>,
}

/// Read which seats are free
///
/// For everybody; it may be a second old. Name the seats you want in `POST /v1/holds`, or name none
/// and get the best.
#[utoipa::path(
    get,
    path = "/v1/availability/{event_id}/seats",
    params(("event_id" = Uuid, Path), SeatFilter),
    responses((status = 200, description = "The seats", body = SeatPlan)),
    security((), ("bearer" = [])),
)]
pub(super) async fn get_seats(
    State(app): State<App>,
    Path(event_id): Path<Uuid>,
    Query(filter): Query<SeatFilter>,
) -> Result<Response, Problem> {
    let now = app.service.clock.now();
    let look = |stock: &Loaded<Stock>| {
        let (house, freed) = stock.state.seats(now);
        let wanted = house
            .plan(&freed)
            .filter(|(name, _)| filter.section.as_ref().is_none_or(|wanted| wanted == name));
        let sections = wanted.map(|(name, rows)| PlannedSection {
            name: name.to_owned(),
            ticket_type_ids: stock.state.types_of_section(name),
            rows: rows
                .into_iter()
                .map(|row| PlannedRow {
                    name: row.name.to_owned(),
                    seats: row.seats.to_vec(),
                    free: row.free.into_iter().map(str::to_owned).collect(),
                })
                .collect(),
        });
        SeatPlan { event_id, sections: sections.collect() }
    };
    let plan = app.service.stocks.read(event_id, look).await?.ok_or_else(Problem::not_found)?;
    Ok(([(header::CACHE_CONTROL, FRESH_FOR)], Json(plan)).into_response())
}
