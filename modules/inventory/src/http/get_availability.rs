//! `GET /v1/availability/{event_id}`: what can be had of an event right now.

use std::hash::{DefaultHasher, Hash, Hasher};

use axum::{
    extract::State,
    http::{HeaderValue, header},
    response::{IntoResponse, Response},
};
use contracts::catalog::Capacity;
use edge::{Json, Path, Problem, Tagged};
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use super::App;
use crate::domain::{Availability, Sale};

/// Shown numbers may be this old; what is sold is decided on the true ones.
const FRESH_FOR: HeaderValue = HeaderValue::from_static("public, max-age=1");

/// What can be had of an event right now.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Availability, example = json!({
    "event_id": "01980e4c-8f5c-7b1e-a7c4-51d2f2a5c003",
    "on_sale": true,
    "ticket_types": [{
        "ticket_type_id": "01980e4c-8f5c-7b1e-a7c4-51d2f2a5c004",
        "name": "Stalls",
        "capacity": {"kind": "limited", "places": 100},
        "free": 42,
        "sold_out": false,
        "overbooked": 0,
    }],
}))]
pub(super) struct AvailabilityResource {
    event_id: Uuid,
    /// Whether places can be held now.
    on_sale: bool,
    ticket_types: Vec<TicketTypeAvailability>,
}

/// What can be had of one ticket type.
#[derive(Debug, Serialize, ToSchema)]
struct TicketTypeAvailability {
    ticket_type_id: Uuid,
    name: String,
    capacity: Capacity,
    /// How many can be held now; absent where there is no limit.
    #[serde(skip_serializing_if = "Option::is_none")]
    free: Option<u32>,
    /// Whether none can be had now. Holds that are not paid become free again.
    sold_out: bool,
    /// By how many more was sold than there is, since the capacity was lowered.
    overbooked: u32,
}

impl AvailabilityResource {
    /// Differs when what is shown differs. The version of the stock would not do: places also
    /// become free by time alone.
    fn fingerprint(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        self.on_sale.hash(&mut hasher);
        for shown in &self.ticket_types {
            let places = match shown.capacity {
                Capacity::Unlimited {} => None,
                Capacity::Limited { places } => Some(places),
            };
            (shown.ticket_type_id, &shown.name, places).hash(&mut hasher);
            (shown.free, shown.overbooked).hash(&mut hasher);
        }
        hasher.finish()
    }
}

impl From<Availability> for TicketTypeAvailability {
    fn from(availability: Availability) -> Self {
        Self {
            ticket_type_id: availability.ticket_type_id,
            name: availability.name,
            capacity: availability.capacity,
            free: availability.free,
            sold_out: availability.free == Some(0),
            overbooked: availability.overbooked,
        }
    }
}

/// Read what is available
///
/// For everybody. The numbers may be a second old; a hold is decided on the true ones.
#[utoipa::path(
    get,
    path = "/v1/availability/{event_id}",
    params(("event_id" = Uuid, Path)),
    responses(
        (
            status = 200,
            description = "What can be had",
            body = AvailabilityResource,
            headers(("etag" = String)),
        ),
        (status = 304, description = "What it was when the client read it with this `If-None-Match`"),
    ),
    security((), ("bearer" = [])),
)]
pub(super) async fn get_availability(
    State(app): State<App>,
    Path(event_id): Path<Uuid>,
) -> Result<Response, Problem> {
    let stock = app.service.stocks.load(event_id).await?.ok_or_else(Problem::not_found)?;
    let ticket_types = stock.state.availability(app.service.clock.now());
    let answer = AvailabilityResource {
        event_id,
        on_sale: stock.state.sale() == Sale::Open,
        ticket_types: ticket_types.into_iter().map(Into::into).collect(),
    };
    let answer = Tagged(answer.fingerprint(), Json(answer));
    Ok(([(header::CACHE_CONTROL, FRESH_FOR)], answer).into_response())
}
