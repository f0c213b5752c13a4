//! `GET /v1/reports/customers/{customer_id}`.

use axum::extract::State;
use contracts::money::Money;
use edge::{Json, Listing, Page, Path, Problem, Query};
use garde::Validate;
use runtime::{Context, Role};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use super::{App, OrderStanding, Source};
use crate::views::orders::{CustomerSum, History, ReportedOrder};

/// Of whose events.
#[derive(Debug, Deserialize, Validate, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct CustomerFilter {
    /// The organizer. Only admins may leave it out, and then see the orders of all.
    #[garde(skip)]
    organizer_id: Option<Uuid>,
}

/// What a customer's orders in one currency add up to.
#[derive(Debug, Serialize, ToSchema)]
struct CustomerTotal {
    /// Orders that were confirmed, cancelled ones too.
    orders: i64,
    cancelled_orders: i64,
    /// Tickets that were bought, cancelled ones too.
    tickets: i64,
    cancelled_tickets: i64,
    gross: Money,
    refunded: Money,
    net: Money,
}

impl From<CustomerSum> for CustomerTotal {
    fn from(sum: CustomerSum) -> Self {
        let CustomerSum { orders, cancelled_orders, tickets, cancelled_tickets, gross, refunded } =
            sum;
        let net = Money::new(gross.amount - refunded.amount, gross.currency);
        Self { orders, cancelled_orders, tickets, cancelled_tickets, gross, refunded, net }
    }
}

/// What a customer has bought: the sums, and a page of the orders.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct CustomerReport {
    /// The account.
    customer_id: Uuid,
    /// One entry for each currency.
    totals: Vec<CustomerTotal>,
    /// The orders that were confirmed, newest first.
    items: Vec<OrderStanding>,
    /// Send it as `cursor` to get the next page; absent on the last page.
    #[serde(skip_serializing_if = "Option::is_none")]
    next_cursor: Option<String>,
    sources: Vec<Source>,
}

/// Report what a customer has bought
///
/// For members of an organizer what the customer bought of its events, with `organizer_id`; for
/// admins everything. Somebody who bought nothing there and somebody who does not exist look alike.
/// Who bought without an account is somebody else with each order.
#[utoipa::path(
    get,
    path = "/v1/reports/customers/{customer_id}",
    params(("customer_id" = Uuid, Path), CustomerFilter, Page),
    responses((status = 200, description = "The history", body = CustomerReport)),
    security(("bearer" = [])),
)]
pub(super) async fn get_customer_history(
    State(app): State<App>,
    cx: Context,
    Path(customer_id): Path<Uuid>,
    Query(filter): Query<CustomerFilter>,
    page: Page,
) -> Result<Json<CustomerReport>, Problem> {
    match filter.organizer_id {
        None => drop(edge::require(&cx, Role::Admin)?),
        Some(organizer_id) => app.require_member(&cx, organizer_id).await?,
    }
    let history = History { customer_id, organizer_id: filter.organizer_id };
    let sources = app.sources().await?;
    let rows = history.orders(&app.database, page.after()?, page.fetch()).await?;
    let sums = history.sums(&app.database).await?;
    let listing = Listing::of(rows, &page, ReportedOrder::key).map(OrderStanding::from);
    let Listing { items, next_cursor } = listing;
    let totals = sums.into_iter().map(CustomerTotal::from).collect();
    Ok(Json(CustomerReport { customer_id, totals, items, next_cursor, sources }))
}
