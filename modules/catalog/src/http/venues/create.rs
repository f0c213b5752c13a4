//! `POST /v1/venues`

use axum::extract::State;
use edge::{Answered, IdempotencyKey, Json, Problem};
use garde::Validate;
use runtime::Context;
use serde::Deserialize;
use utoipa::ToSchema;
use uuid::Uuid;

use super::{VenueResource, place};
use crate::{
    domain::venue::Command,
    http::{App, created, text},
};

/// A venue to be added.
#[derive(Debug, Clone, Deserialize, Validate, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({
    "organizer_id": "01980e4c-8f5c-7b1e-a7c4-51d2f2a5c001",
    "name": "Boathouse",
    "address": "3 Quay Street, 10115 Berlin",
    "time_zone": "Europe/Berlin",
}))]
pub(in crate::http) struct NewVenue {
    /// The organizer it belongs to; the caller must be a member.
    #[garde(skip)]
    organizer_id: Uuid,
    /// Its name, one line.
    #[garde(length(chars, min = 1, max = 200), custom(text::line))]
    #[schema(min_length = 1, max_length = 200)]
    name: String,
    /// How to get there.
    #[garde(length(chars, min = 1, max = 500), custom(text::some_lines))]
    #[schema(min_length = 1, max_length = 500)]
    address: String,
    /// The IANA name of its time zone.
    #[garde(length(chars, max = 64), custom(text::time_zone))]
    #[schema(max_length = 64, example = "Europe/Berlin")]
    time_zone: String,
}

/// Add a venue
///
/// Only members of the organizer may do this.
#[utoipa::path(
    post,
    path = "/v1/venues",
    request_body = NewVenue,
    responses((
        status = 201,
        description = "The venue",
        body = VenueResource,
        headers(
            ("location" = String, description = "Where it is."),
            ("etag" = String, description = "Its version, for `If-Match`."),
        ),
    )),
    security(("bearer" = [])),
)]
pub(in crate::http) async fn create_venue(
    State(app): State<App>,
    cx: Context,
    key: Option<IdempotencyKey>,
    Json(new): Json<NewVenue>,
) -> Result<Answered, Problem> {
    let organizer_id = new.organizer_id;
    app.referred_organizer(&cx, organizer_id).await?;
    let id = app.ids.next();
    let place = place(&new.name, &new.address, &new.time_zone)?;
    let venue = VenueResource::of(id, organizer_id, &place);
    let execution = app.venues.execute(&cx, id, Command::Add { organizer_id, place });
    created(execution, key, move |version| {
        edge::created(format!("/v1/venues/{id}"), version, &venue)
    })
    .await
}
