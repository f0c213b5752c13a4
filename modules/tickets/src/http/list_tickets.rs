//! `GET /v1/tickets`.

use axum::extract::State;
use edge::{Json, Listing, Page, Problem, Query};
use garde::Validate;
use runtime::Context;
use serde::Deserialize;
use utoipa::IntoParams;
use uuid::Uuid;

use super::App;
use crate::views::tickets::{self, TicketResource, Whose};

/// Which tickets to list.
#[derive(Debug, Deserialize, Validate, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct TicketFilter {
    /// All tickets of this event, for those who may scan there.
    #[garde(skip)]
    event_id: Option<Uuid>,
    /// Only those of this order.
    #[garde(skip)]
    order_id: Option<Uuid>,
}

edge::problem_responses! {
    /// What listing may be refused with.
    pub(super) ListProblems: edge::problems::NOT_FOUND
}

/// List tickets
///
/// One's own; with `event_id` those of an event, for those who may scan there. An event without
/// tickets is not found.
#[utoipa::path(
    get,
    path = "/v1/tickets",
    params(TicketFilter, Page),
    responses(
        (status = 200, description = "A page of tickets", body = Listing<TicketResource>),
        ListProblems,
    ),
    security(("bearer" = [])),
)]
pub(super) async fn list_tickets(
    State(app): State<App>,
    cx: Context,
    Query(filter): Query<TicketFilter>,
    page: Page,
) -> Result<Json<Listing<TicketResource>>, Problem> {
    let caller = edge::user(&cx)?;
    let whose = match filter.event_id {
        None => Whose::Holder(caller),
        Some(event_id) => {
            let organizer = tickets::organizer_of(&app.database, event_id).await?;
            let organizer_id = organizer.ok_or_else(Problem::not_found)?;
            if !app.works_at_doors_of(&cx, organizer_id).await? {
                return Err(Problem::not_found());
            }
            Whose::Event(event_id)
        }
    };
    let after = page.after()?;
    let rows = tickets::list(&app.database, whose, filter.order_id, after, page.fetch()).await?;
    Ok(Json(Listing::of(rows, &page, |row| row.content.shown.id).map(|row| row.content.0.shown)))
}
