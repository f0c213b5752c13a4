//! `GET /v1/orders`.

use axum::extract::State;
use contracts::orders::OrderState;
use edge::{Json, Listing, Page, Problem, Query};
use garde::Validate;
use runtime::Context;
use serde::Deserialize;
use utoipa::IntoParams;
use uuid::Uuid;

use super::App;
use crate::{
    code,
    resource::OrderResource,
    views::{self, OrderRow, Whose},
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
    /// Only the order with this code.
    #[garde(length(bytes, min = 1, max = 64))]
    #[param(min_length = 1, max_length = 64)]
    code: Option<String>,
    /// With `true` only orders with money that has to go back.
    #[garde(skip)]
    overpaid: Option<bool>,
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
    let filter = views::Filter {
        event_id: filter.event_id,
        state: filter.state,
        code: filter.code.as_deref().map(code::normalise),
        is_overpaid: filter.overpaid.unwrap_or_default(),
    };
    let rows = views::list(&app.database, whose, filter, page.after()?, page.fetch()).await?;
    Ok(Json(Listing::of(rows, &page, OrderRow::key).map(|row| row.content.0)))
}
