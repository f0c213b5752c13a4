//! `/v1/events`: the programme. Everybody reads what is published; drafts are there for the members
//! of their organizer only. The ticket types of an event are in `ticket_types.rs`.

pub(super) mod cancel;
pub(super) mod change;
pub(super) mod close_sales;
pub(super) mod create;
pub(super) mod delete;
pub(super) mod get;
pub(super) mod list;
pub(super) mod open_sales;
pub(super) mod publish;

use contracts::money::TaxRounding;
use edge::{IfMatch, Json, Problem, Tagged};
use runtime::{Context, Timestamp};
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use super::{App, quotas::QuotaResource, ticket_types::TicketTypeResource};
use crate::{
    domain::event::{Command, EventState, supply},
    views::events::EventRow,
};

/// An event.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Event, example = json!({
    "id": "01980e4c-8f5c-7b1e-a7c4-51d2f2a5c003",
    "organizer_id": "01980e4c-8f5c-7b1e-a7c4-51d2f2a5c001",
    "organizer_name": "Riverside Concerts",
    "venue_id": "01980e4c-8f5c-7b1e-a7c4-51d2f2a5c002",
    "venue_name": "Boathouse",
    "venue_address": "3 Quay Street, 10115 Berlin",
    "time_zone": "Europe/Berlin",
    "name": "Quartet by the river",
    "description": "Haydn and Shostakovich.",
    "state": "on_sale",
    "starts_at": "2027-06-18T18:00:00Z",
    "ends_at": "2027-06-18T20:30:00Z",
    "currency": "EUR",
    "ticket_types": [{
        "id": "01980e4c-8f5c-7b1e-a7c4-51d2f2a5c004",
        "name": "Stalls",
        "price": {"amount": 2500, "currency": "EUR"},
        "capacity": {"kind": "limited", "places": 100},
        "tax": {"rate_basis_points": 700, "name": "VAT"},
        "min_per_order": 0,
        "max_per_order": 8,
        "sections": [],
    }],
    "tax_rounding": "per_line",
    "quotas": [{
        "id": "01980e4c-8f5c-7b1e-a7c4-51d2f2a5c004",
        "name": "Stalls",
        "capacity": {"kind": "limited", "places": 100},
        "ticket_type_ids": ["01980e4c-8f5c-7b1e-a7c4-51d2f2a5c004"],
    }],
}))]
pub(super) struct EventResource {
    id: Uuid,
    organizer_id: Uuid,
    organizer_name: String,
    venue_id: Uuid,
    venue_name: String,
    venue_address: String,
    /// The IANA name of the venue's time zone.
    time_zone: String,
    name: String,
    description: String,
    state: EventState,
    starts_at: Timestamp,
    ends_at: Timestamp,
    #[schema(pattern = "^[A-Z]{3}$")]
    currency: String,
    /// How the taxes of its orders are rounded.
    tax_rounding: TaxRounding,
    ticket_types: Vec<TicketTypeResource>,
    /// The shares of places that the ticket types draw on.
    quotas: Vec<QuotaResource>,
    /// What the organizer tells buyers; only when the event is cancelled.
    #[serde(skip_serializing_if = "Option::is_none")]
    cancellation_reason: Option<String>,
}

impl EventResource {
    /// The event as it stands at `now`.
    pub(super) fn of(row: EventRow, now: Timestamp) -> Self {
        let state = row.state(now);
        let quotas = row.quotas.0;
        let ticket_types = row.ticket_types.0.into_iter().map(|ticket_type| {
            let capacity = supply(&quotas, ticket_type.id);
            TicketTypeResource::of(ticket_type, capacity)
        });
        Self {
            id: row.id,
            organizer_id: row.organizer_id,
            organizer_name: row.organizer_name,
            venue_id: row.venue_id,
            venue_name: row.venue_name,
            venue_address: row.venue_address,
            time_zone: row.time_zone,
            name: row.name,
            description: row.description,
            state,
            starts_at: row.starts_at.into(),
            ends_at: row.ends_at.into(),
            currency: row.currency,
            tax_rounding: row.tax_rounding.0,
            ticket_types: ticket_types.collect(),
            quotas: quotas.into_iter().map(Into::into).collect(),
            cancellation_reason: row.cancellation,
        }
    }
}

/// The event as an answer, tagged with what it follows from.
pub(super) fn tagged(row: EventRow, now: Timestamp) -> Tagged<Json<EventResource>> {
    Tagged(row.tag(now), Json(EventResource::of(row, now)))
}

/// Gives the caller's own event a command, and answers with the event as it is then.
async fn bring(
    app: &App,
    cx: &Context,
    id: Uuid,
    seen: Option<IfMatch>,
    command: Command,
) -> Result<Tagged<Json<EventResource>>, Problem> {
    let own = app.own_event(cx, id).await?;
    let row = app.command(cx, &own, seen, command).await?;
    Ok(tagged(row, app.clock.now()))
}
