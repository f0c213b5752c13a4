//! `GET /v1/reports/events/{event_id}/orders`.

use axum::{
    extract::State,
    response::{IntoResponse, Response},
};
use edge::{Json, Listing, Page, Path, Problem, Query};
use futures_util::stream;
use garde::Validate;
use runtime::Context;
use serde::{Deserialize, Serialize};
use store::{Database, StoreError};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use super::{App, Form, OrderStanding, Source};
use crate::{
    csv::{self, Line},
    views::orders::{self, OrderKey, ReportedOrder},
};

/// Orders that are read at once for a table.
const STRETCH: i64 = 500;

/// In which form the orders are wanted.
#[derive(Debug, Deserialize, Validate, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct OrdersForm {
    /// JSON when absent.
    #[garde(skip)]
    format: Option<Form>,
}

/// The orders of an event: a page of them.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct EventOrdersReport {
    /// The orders that were confirmed, newest first.
    items: Vec<OrderStanding>,
    /// Send it as `cursor` to get the next page; absent on the last page.
    #[serde(skip_serializing_if = "Option::is_none")]
    next_cursor: Option<String>,
    sources: Vec<Source>,
}

/// List the orders of an event for the books
///
/// For members of its organizer: every order that was confirmed, what was paid for it and what went
/// back. Nothing about the buyer but the account's id. As JSON in pages, or as CSV, all of them.
#[utoipa::path(
    get,
    path = "/v1/reports/events/{event_id}/orders",
    params(("event_id" = Uuid, Path), OrdersForm, Page),
    responses((status = 200, description = "The orders", content(
        (EventOrdersReport = "application/json"), (String = "text/csv"),
    ))),
    security(("bearer" = [])),
)]
pub(super) async fn list_event_orders(
    State(app): State<App>,
    cx: Context,
    Path(event_id): Path<Uuid>,
    Query(form): Query<OrdersForm>,
    page: Page,
) -> Result<Response, Problem> {
    edge::user(&cx)?;
    let event = app.event(&cx, event_id).await?;
    if !app.acts_for(&cx, event.organizer_id).await? {
        return Err(Problem::not_found());
    }
    if form.format == Some(Form::Csv) {
        let table = Table { database: app.database.clone(), event_id, next: Next::Head };
        return Ok(csv::table(
            &format!("orders-{event_id}"),
            stream::try_unfold(table, Table::read),
        ));
    }
    let sources = app.sources().await?;
    let rows = orders::of_event(&app.database, event_id, page.after()?, page.fetch()).await?;
    let listing = Listing::of(rows, &page, ReportedOrder::key).map(OrderStanding::from);
    let Listing { items, next_cursor } = listing;
    Ok(Json(EventOrdersReport { items, next_cursor, sources }).into_response())
}

/// A table of all orders that is being read.
struct Table {
    database: Database,
    event_id: Uuid,
    next: Next,
}

/// What comes next.
enum Next {
    Head,
    After(Option<OrderKey>),
    Nothing,
}

impl Table {
    async fn read(mut self) -> Result<Option<(String, Self)>, StoreError> {
        let after = match self.next {
            Next::Head => {
                self.next = Next::After(None);
                return Ok(Some((head(), self)));
            }
            Next::After(after) => after,
            Next::Nothing => return Ok(None),
        };
        let rows = orders::of_event(&self.database, self.event_id, after, STRETCH).await?;
        let is_last = i64::try_from(rows.len()).is_ok_and(|read| read < STRETCH);
        self.next = match rows.last() {
            Some(last) if !is_last => Next::After(Some(last.key())),
            _ => Next::Nothing,
        };
        Ok(Some((rows.iter().map(line).collect(), self)))
    }
}

fn head() -> String {
    const NAMES: [&str; 11] = [
        "order_id",
        "order_code",
        "confirmed_at",
        "customer_id",
        "state",
        "tickets",
        "cancelled_tickets",
        "currency",
        "gross",
        "refunded",
        "net",
    ];
    Line::of(&NAMES).finish()
}

fn line(order: &ReportedOrder) -> String {
    let standing = OrderStanding::from(order.clone());
    Line::default()
        .text(&order.order_id.to_string())
        .text(&order.order_code)
        .text(&order.confirmed_at.to_string())
        .text(&order.buyer_id.to_string())
        .text(standing.state.name())
        .number(order.standing.tickets)
        .number(order.standing.cancelled_tickets)
        .text(order.total.currency.code())
        .money(standing.gross)
        .money(standing.refunded)
        .money(standing.net)
        .finish()
}
