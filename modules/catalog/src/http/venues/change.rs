//! `PUT /v1/venues/{venue_id}`

use axum::extract::State;
use edge::{IfMatch, Json, Path, Problem, Tagged, openapi::IfMatchHeader};
use garde::Validate;
use runtime::Context;
use serde::Deserialize;
use utoipa::ToSchema;
use uuid::Uuid;

use super::{VenueResource, place};
use crate::{
    domain::venue::Command,
    http::{App, text},
    problems,
    views::{events, venues::VenueRow},
};

/// What can be said about a venue.
#[derive(Debug, Clone, Deserialize, Validate, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({
    "name": "Boathouse",
    "address": "3 Quay Street, 10115 Berlin",
    "time_zone": "Europe/Berlin",
}))]
pub(in crate::http) struct VenueInput {
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

edge::problem_responses! {
    /// What changing a venue may be refused with.
    pub(super) ChangeProblems: problems::TIME_ZONE_IN_USE
}

/// Change a venue
///
/// Replaces name, address and time zone. Only members of the organizer may do this. The time zone
/// stays while published events that are not over take place at the venue; drafts keep their instants,
/// and what people see of them follows the venue's clock.
#[utoipa::path(
    put,
    path = "/v1/venues/{venue_id}",
    params(("venue_id" = Uuid, Path, description = "The venue."), IfMatchHeader),
    request_body = VenueInput,
    responses((
        status = 200,
        description = "The venue as it is now",
        body = VenueResource,
        headers(("etag" = String, description = "Its version, for `If-Match`.")),
    ), ChangeProblems),
    security(("bearer" = [])),
)]
pub(in crate::http) async fn change_venue(
    State(app): State<App>,
    cx: Context,
    Path(id): Path<Uuid>,
    IfMatch(version): IfMatch,
    Json(input): Json<VenueInput>,
) -> Result<Tagged<Json<VenueResource>>, Problem> {
    let VenueRow { organizer_id, time_zone, .. } = app.own_venue(&cx, id).await?;
    let place = place(&input.name, &input.address, &input.time_zone)?;
    if place.time_zone.as_str() != time_zone
        && events::is_venue_awaited(&app.database, id, app.clock.now()).await?
    {
        return Err(
            Problem::new(&problems::TIME_ZONE_IN_USE).detail("published events take place there")
        );
    }
    let command = Command::Change { place };
    let changed = app.venues.execute(&cx, id, command).expect_version(version).await;
    app.shown.anything_changed();
    let changed = changed?;
    Ok(Tagged(changed.version, Json(VenueResource::of(id, organizer_id, &changed.state.place))))
}
