//! `GET /v1/venues`

use axum::extract::State;
use edge::{Json, Listing, Page, Problem, Query};
use garde::Validate;
use runtime::{Context, Role};
use serde::Deserialize;
use utoipa::IntoParams;
use uuid::Uuid;

use super::VenueResource;
use crate::{
    http::App,
    views::venues::{Whose, list},
};

/// Which venues to list.
#[derive(Debug, Deserialize, Validate, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(in crate::http) struct VenueFilter {
    /// Only those of this organizer; the caller must be a member.
    #[garde(skip)]
    organizer_id: Option<Uuid>,
}

/// List venues
///
/// Those of the organizers that the caller is a member of, in the order in which they were added.
#[utoipa::path(
    get,
    path = "/v1/venues",
    params(VenueFilter, Page),
    responses((status = 200, description = "A page of venues", body = Listing<VenueResource>)),
    security(("bearer" = [])),
)]
pub(in crate::http) async fn list_venues(
    State(app): State<App>,
    cx: Context,
    Query(filter): Query<VenueFilter>,
    page: Page,
) -> Result<Json<Listing<VenueResource>>, Problem> {
    let user = edge::user(&cx)?;
    let whose = match filter.organizer_id {
        Some(organizer) => {
            app.member(&cx, organizer).await?;
            Whose::OfOrganizer(organizer)
        }
        None if cx.principal().has_role(Role::Admin) => Whose::Everybodys,
        None => Whose::OfUser(user),
    };
    let rows = list(&app.database, whose, page.after()?, page.fetch()).await?;
    Ok(Json(Listing::of(rows, &page, |venue| venue.id).map(Into::into)))
}
