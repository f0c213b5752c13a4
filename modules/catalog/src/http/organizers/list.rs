//! `GET /v1/organizers`

use axum::extract::State;
use edge::{Json, Listing, Page, Problem, Query};
use garde::Validate;
use runtime::Context;
use serde::Deserialize;
use utoipa::IntoParams;

use super::OrganizerResource;
use crate::{
    http::{App, text},
    views::organizers::{OrganizerRow, Wanted, list},
};

/// Which organizers to list.
#[derive(Debug, Deserialize, Validate, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(in crate::http) struct OrganizerFilter {
    /// Only those whose name begins with this, in any case.
    #[garde(length(chars, max = 200), inner(custom(text::prefix)))]
    #[param(max_length = 200)]
    q: Option<String>,
    /// Only those that the caller is a member of.
    #[garde(skip)]
    #[serde(default)]
    mine: bool,
}

/// List organizers
///
/// Ordered by name. With `mine=true` the caller must be logged in.
#[utoipa::path(
    get,
    path = "/v1/organizers",
    params(OrganizerFilter, Page),
    responses((status = 200, description = "A page of organizers", body = Listing<OrganizerResource>)),
    security((), ("bearer" = [])),
)]
pub(in crate::http) async fn list_organizers(
    State(app): State<App>,
    cx: Context,
    Query(filter): Query<OrganizerFilter>,
    page: Page,
) -> Result<Json<Listing<OrganizerResource>>, Problem> {
    let member = if filter.mine { Some(edge::user(&cx)?) } else { None };
    let wanted = Wanted {
        member,
        name_prefix: filter.q.as_deref(),
        after: page.after()?,
        limit: page.fetch(),
    };
    let rows = list(&app.database, wanted).await?;
    Ok(Json(Listing::of(rows, &page, OrganizerRow::key).map(Into::into)))
}
