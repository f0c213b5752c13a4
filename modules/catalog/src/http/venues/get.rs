//! `GET /v1/venues/{venue_id}`

use axum::extract::State;
use edge::{Json, Path, Problem, Tagged};
use runtime::Context;
use uuid::Uuid;

use super::VenueResource;
use crate::http::App;

/// Read a venue
///
/// To others than the members of its organizer it does not exist.
#[utoipa::path(
    get,
    path = "/v1/venues/{venue_id}",
    params(("venue_id" = Uuid, Path, description = "The venue.")),
    responses((
        status = 200,
        description = "The venue",
        body = VenueResource,
        headers(("etag" = String, description = "Its version, for `If-Match`.")),
    )),
    security(("bearer" = [])),
)]
pub(in crate::http) async fn get_venue(
    State(app): State<App>,
    cx: Context,
    Path(id): Path<Uuid>,
) -> Result<Tagged<Json<VenueResource>>, Problem> {
    let venue = app.own_venue(&cx, id).await?;
    Ok(Tagged(venue.version.unsigned_abs(), Json(venue.into())))
}
