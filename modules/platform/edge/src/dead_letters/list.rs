//! `GET /v1/admin/<service>/dead-letters`.

use axum::extract::State;
use garde::Validate;
use runtime::Context;
use serde::Deserialize;
use store::WantedLetters;
use utoipa::IntoParams;

use super::{Desk, resource::DeadLetterResource, resource::DeadLetterStateName};
use crate::{Json, Listing, Page, Problem, Query};

/// Which dead letters to list: those that fulfil every condition.
#[derive(Debug, Deserialize, Validate, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct DeadLetterFilter {
    /// Who could not take the event in.
    #[serde(default)]
    #[garde(length(chars, max = 100), custom(super::plain))]
    #[param(required = false, max_length = 100, example = "orders")]
    consumer: String,
    /// The service that published the event.
    #[serde(default)]
    #[garde(length(chars, max = 100), custom(super::plain))]
    #[param(required = false, max_length = 100, example = "payments")]
    publisher: String,
    /// What becomes of it. When absent: `dead` and `retrying`, which is what may need somebody.
    #[garde(skip)]
    state: Option<DeadLetterStateName>,
}

/// List the events that this service could not take in
///
/// For admins: oldest first, the dead ones and those that are tried again by themselves. Events that
/// wait behind one of them are only counted; list them with `state=waiting`, and those that were
/// thrown away with `state=discarded`.
#[utoipa::path(
    get,
    path = "/dead-letters",
    params(DeadLetterFilter, Page),
    responses(
        (status = 200, description = "A page of dead letters", body = Listing<DeadLetterResource>),
    ),
    security(("bearer" = [])),
)]
pub(super) async fn list_dead_letters(
    State(desk): State<Desk>,
    cx: Context,
    Query(filter): Query<DeadLetterFilter>,
    page: Page,
) -> Result<Json<Listing<DeadLetterResource>>, Problem> {
    Desk::admin(&cx)?;
    let DeadLetterFilter { consumer, publisher, state } = filter;
    let wanted = WantedLetters { consumer, publisher, state: state.map(Into::into) };
    let letters = desk.letters.list(&wanted, page.after()?, page.fetch()).await?;
    let listing = Listing::of(letters, &page, |letter| letter.id);
    Ok(Json(listing.map(DeadLetterResource::from)))
}
