//! `PUT /v1/events/{event_id}`

use axum::extract::State;
use contracts::money::TaxRounding;
use edge::{IfMatch, Json, Path, Problem, Tagged, openapi::IfMatchHeader};
use garde::Validate;
use iso_currency::Currency;
use runtime::{Context, Timestamp};
use serde::Deserialize;
use utoipa::ToSchema;
use uuid::Uuid;

use super::{EventResource, tagged};
use crate::{
    domain::event::{Command, Plan},
    http::{App, text},
    problems,
};

/// What can be said about an event.
#[derive(Debug, Clone, Deserialize, Validate, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({
    "venue_id": "01980e4c-8f5c-7b1e-a7c4-51d2f2a5c002",
    "name": "Quartet by the river",
    "description": "Haydn and Shostakovich.",
    "starts_at": "2027-06-18T18:00:00Z",
    "ends_at": "2027-06-18T20:30:00Z",
    "currency": "EUR",
}))]
pub(in crate::http) struct EventInput {
    /// Where it takes place: a venue of the organizer. Fixed once the event is published.
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
    /// When it begins. Fixed once the event is published.
    #[garde(custom(text::instant))]
    starts_at: Timestamp,
    /// When it is over; later than it begins.
    #[garde(custom(text::later_than(self.starts_at)))]
    ends_at: Timestamp,
    /// The currency of all its prices, an ISO 4217 code. Fixed once there are prices.
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

edge::problem_responses! {
    /// What changing an event may be refused with.
    pub(super) ChangeProblems:
        problems::FIXED_BY_PUBLISHING,
        problems::CURRENCY_IN_USE,
        problems::EVENT_IS_CANCELLED,
        problems::EVENT_HAS_ENDED,
}

/// Change an event
///
/// Replaces all of it. Only members of the organizer may do this. Once the event is published, only
/// `name`, `description`, `ends_at` and `tax_rounding` may change, since people rely on the rest; the currency is
/// fixed as soon as there are ticket types. Orders keep the name they were placed with.
#[utoipa::path(
    put,
    path = "/v1/events/{event_id}",
    params(("event_id" = Uuid, Path, description = "The event."), IfMatchHeader),
    request_body = EventInput,
    responses(
        (
            status = 200,
            description = "The event as it is now",
            body = EventResource,
            headers(("etag" = String, description = "Its version, for `If-Match`.")),
        ),
        ChangeProblems,
    ),
    security(("bearer" = [])),
)]
pub(in crate::http) async fn change_event(
    State(app): State<App>,
    cx: Context,
    Path(id): Path<Uuid>,
    seen: IfMatch,
    Json(input): Json<EventInput>,
) -> Result<Tagged<Json<EventResource>>, Problem> {
    let own = app.own_event(&cx, id).await?;
    if input.venue_id != own.venue_id {
        app.referred_venue(own.organizer_id, input.venue_id).await?;
    }
    let now = app.clock.now();
    let plan = Plan {
        venue_id: input.venue_id,
        name: text::trimmed(&input.name),
        description: input.description,
        starts_at: text::whole_microseconds(input.starts_at),
        ends_at: text::whole_microseconds(input.ends_at),
        currency: input.currency,
        tax_rounding: input.tax_rounding,
    };
    let row = app.command(&cx, &own, Some(seen), Command::Change { plan, now }).await?;
    Ok(tagged(row, now))
}
