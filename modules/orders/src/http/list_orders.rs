//! `GET /v1/orders`.

use axum::extract::State;
use edge::{Json, Listing, Page, Problem, Query};
use garde::Validate;
use runtime::Context;
use serde::Deserialize;
use utoipa::IntoParams;
use uuid::Uuid;

use super::App;
use crate::{
    domain::OrderState,
    views::{self, OrderResource, OrderRow, Whose},
};

/// Which orders to list.
#[derive(Debug, Deserialize, Validate, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct OrderFilter {
    /// All orders of this organizer, for its members.
    #[garde(skip)]
    organizer_id: Option<Uuid>,
    /// Only orders for this event.
    #[garde(skip)]
    event_id: Option<Uuid>,
    /// Only orders that stand there.
    #[garde(skip)]
    state: Option<OrderState>,
}

/// List orders
///
/// One's own, newest first; with `organizer_id` those of an organizer, for its members.
#[utoipa::path(
    get,
    path = "/v1/orders",
    params(OrderFilter, Page),
    responses((status = 200, description = "A page of orders", body = Listing<OrderResource>)),
    security(("bearer" = [])),
)]
pub(super) async fn list_orders(
    State(app): State<App>,
    cx: Context,
    Query(filter): Query<OrderFilter>,
    page: Page,
) -> Result<Json<Listing<OrderResource>>, Problem> {
    let caller = edge::user(&cx)?;
    let whose = match filter.organizer_id {
        None => Whose::Buyer(caller),
        Some(organizer_id) if app.acts_for(&cx, organizer_id).await? => {
            Whose::Organizer(organizer_id)
        }
        Some(_) => {
            return Err(Problem::new(&edge::problems::FORBIDDEN)
                .detail("only members of the organizer may list its orders"));
        }
    };
    let filter = views::Filter { event_id: filter.event_id, state: filter.state };
    let rows = views::list(&app.database, whose, filter, page.after()?, page.fetch()).await?;
    Ok(Json(Listing::of(rows, &page, OrderRow::key).map(|row| row.content.0)))
}
