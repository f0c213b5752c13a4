//! `POST /v1/events`

use axum::extract::State;
use contracts::money::TaxRounding;
use edge::{Answered, IdempotencyKey, Json, Problem};
use garde::Validate;
use iso_currency::Currency;
use runtime::{Context, Timestamp};
use serde::Deserialize;
use utoipa::ToSchema;
use uuid::Uuid;

use super::EventResource;
use crate::{
    domain::event::{Command, Plan},
    http::{App, created, text},
    views::events::EventRow,
};

/// An event to be drafted.
#[derive(Debug, Clone, Deserialize, Validate, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({
    "organizer_id": "01980e4c-8f5c-7b1e-a7c4-51d2f2a5c001",
    "venue_id": "01980e4c-8f5c-7b1e-a7c4-51d2f2a5c002",
    "name": "Quartet by the river",
    "description": "Haydn and Shostakovich.",
    "starts_at": "2027-06-18T18:00:00Z",
    "ends_at": "2027-06-18T20:30:00Z",
    "currency": "EUR",
}))]
pub(in crate::http) struct NewEvent {
    /// Who runs it; the caller must be a member.
    #[garde(skip)]
    organizer_id: Uuid,
    /// Where it takes place: a venue of the organizer.
    #[garde(skip)]
    venue_id: Uuid,
    /// Its name, one line.
    #[garde(length(chars, min = 1, max = 200), custom(text::line))]
    #[schema(min_length = 1, max_length = 200)]
    name: String,
    /// What awaits visitors; empty when absent.
    #[garde(length(chars, max = 10_000), custom(text::lines))]
    #[schema(max_length = 10_000)]
    #[serde(default)]
    description: String,
    /// When it begins.
    #[garde(custom(text::instant))]
    starts_at: Timestamp,
    /// When it is over; later than it begins.
    #[garde(custom(text::later_than(self.starts_at)))]
    ends_at: Timestamp,
    /// The currency of all its prices, an ISO 4217 code.
    #[garde(custom(text::currency))]
    #[schema(value_type = String, pattern = "^[A-Z]{3}$", example = "EUR")]
    currency: Currency,
    /// How the taxes of its orders are rounded: line by line, or on the sum of an order. An order
    /// keeps what held when it was placed. `per_line` when absent.
    #[garde(skip)]
    #[serde(default)]
    #[schema(default = "per_line")]
    tax_rounding: TaxRounding,
}

/// Draft an event
///
/// Only members of the organizer may do this, and only they see the draft. Then add ticket types,
/// publish the event and open sales.
#[utoipa::path(
    post,
    path = "/v1/events",
    request_body = NewEvent,
    responses((
        status = 201,
        description = "The draft",
        body = EventResource,
        headers(
            ("location" = String, description = "Where it is."),
            ("etag" = String, description = "Its version, for `If-Match`."),
        ),
    )),
    security(("bearer" = [])),
)]
pub(in crate::http) async fn create_event(
    State(app): State<App>,
    cx: Context,
    key: Option<IdempotencyKey>,
    Json(new): Json<NewEvent>,
) -> Result<Answered, Problem> {
    let organizer = app.referred_organizer(&cx, new.organizer_id).await?;
    let venue = app.referred_venue(organizer.id, new.venue_id).await?;
    let (id, now) = (app.ids.next(), app.clock.now());
    let plan = Plan {
        venue_id: new.venue_id,
        name: text::trimmed(&new.name),
        description: new.description,
        starts_at: text::whole_microseconds(new.starts_at),
        ends_at: text::whole_microseconds(new.ends_at),
        currency: new.currency,
        tax_rounding: new.tax_rounding,
    };
    let draft = EventRow::draft(id, &plan, &organizer, &venue);
    let command = Command::Draft { organizer_id: organizer.id, plan };
    let execution = app.events.execute(&cx, id, command);
    created(execution, key, move |version| {
        let event = EventResource::of(draft.clone(), now);
        edge::created(format!("/v1/events/{id}"), draft.tag_at(version, now), &event)
    })
    .await
}
