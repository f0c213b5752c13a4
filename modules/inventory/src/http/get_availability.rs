//! `GET /v1/availability/{event_id}`: what can be had of an event right now.

use std::hash::{DefaultHasher, Hash, Hasher};

use axum::{
    extract::State,
    http::{HeaderValue, header},
    response::{IntoResponse, Response},
};
use contracts::catalog::Capacity;
use edge::{Path, Problem, Shown};
use runtime::Timestamp;
use serde::Serialize;
use store::Loaded;
use utoipa::ToSchema;
use uuid::Uuid;

use super::App;
use crate::domain::{QuotaAvailability, Stock, TypeAvailability};

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
        "on_sale": true,
        "seated": false,
    }],
    "quotas": [{
        "quota_id": "01980e4c-8f5c-7b1e-a7c4-51d2f2a5c004",
        "name": "Stalls",
        "capacity": {"kind": "limited", "places": 100},
        "ticket_type_ids": ["01980e4c-8f5c-7b1e-a7c4-51d2f2a5c004"],
        "free": 42,
        "overbooked": 0,
    }],
}))]
pub(super) struct AvailabilityResource {
    event_id: Uuid,
    /// Whether places can be held now, as far as the event is concerned.
    on_sale: bool,
    ticket_types: Vec<TicketTypeAvailability>,
    /// The shares of places that the ticket types draw on.
    quotas: Vec<QuotaResource>,
}

/// What can be had of one ticket type.
#[derive(Debug, Serialize, ToSchema)]
struct TicketTypeAvailability {
    ticket_type_id: Uuid,
    name: String,
    /// The capacity of the smallest of its quotas; no places when it is in none.
    capacity: Capacity,
    /// How many can be held now: in every quota, and on the seats; absent where there is no limit.
    #[serde(skip_serializing_if = "Option::is_none")]
    free: Option<u32>,
    /// Whether none can be had now. Holds that are not paid become free again.
    sold_out: bool,
    /// By how many more was sold than there is, since the capacity was lowered.
    overbooked: u32,
    /// Whether it can be held now: the event is on sale, and the time within the sales window.
    on_sale: bool,
    /// When its sale begins, where it does not begin with the event's.
    #[serde(skip_serializing_if = "Option::is_none")]
    sales_from: Option<Timestamp>,
    /// When its sale ends, where it does not end with the event's.
    #[serde(skip_serializing_if = "Option::is_none")]
    sales_until: Option<Timestamp>,
    /// Whether it is for numbered seats.
    seated: bool,
}

/// What can be had of one quota.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = QuotaAvailability)]
struct QuotaResource {
    quota_id: Uuid,
    name: String,
    capacity: Capacity,
    /// The ticket types that draw on it.
    ticket_type_ids: Vec<Uuid>,
    /// How many places are left; absent where there is no limit.
    #[serde(skip_serializing_if = "Option::is_none")]
    free: Option<u32>,
    /// By how many more was sold than there is, since the capacity was lowered.
    overbooked: u32,
}

impl From<&TypeAvailability> for TicketTypeAvailability {
    fn from(availability: &TypeAvailability) -> Self {
        Self {
            ticket_type_id: availability.ticket_type_id,
            name: availability.name.clone(),
            capacity: availability.capacity,
            free: availability.free,
            sold_out: availability.free == Some(0),
            overbooked: availability.overbooked,
            on_sale: availability.is_on_sale,
            sales_from: availability.sales_from,
            sales_until: availability.sales_until,
            seated: availability.is_seated,
        }
    }
}

impl From<&QuotaAvailability> for QuotaResource {
    fn from(availability: &QuotaAvailability) -> Self {
        Self {
            quota_id: availability.quota_id,
            name: availability.name.clone(),
            capacity: availability.capacity,
            ticket_type_ids: availability.ticket_type_ids.clone(),
            free: availability.free,
            overbooked: availability.overbooked,
        }
    }
}

/// What is available at `now`, until `changes_at`.
pub(crate) fn render(
    event_id: Uuid,
    stock: &Loaded<Stock>,
    now: Timestamp,
    changes_at: Option<Timestamp>,
) -> Result<Shown, Problem> {
    let availability = stock.state.availability(now);
    let resource = AvailabilityResource {
        event_id,
        on_sale: availability.is_on_sale,
        ticket_types: availability.ticket_types.iter().map(Into::into).collect(),
        quotas: availability.quotas.iter().map(Into::into).collect(),
    };
    // The version would not do as a tag: places also become free by time alone.
    let mut page = Shown::of(&resource, 0, stock.version, now, changes_at)?;
    let mut hasher = DefaultHasher::new();
    page.body.hash(&mut hasher);
    page.tag = hasher.finish();
    Ok(page)
}

/// Read what is available
///
/// For everybody. A hold is decided on the true numbers; those that are shown are true for whoever
/// reads what this process has just done, and may be a second old where another replica of the
/// service has sold.
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
    let page = app.page(event_id).await?.ok_or_else(Problem::not_found)?;
    Ok(([(header::CACHE_CONTROL, FRESH_FOR)], page).into_response())
}
