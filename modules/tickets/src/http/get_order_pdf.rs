//! `GET /v1/tickets/pdf`: the tickets of an order on paper.

use axum::{extract::State, response::Response};
use contracts::tickets::TicketState;
use edge::{Problem, Query};
use garde::Validate;
use runtime::Context;
use serde::Deserialize;
use utoipa::IntoParams;
use uuid::Uuid;

use super::{App, get_pdf::PrintProblems};
use crate::{
    domain::order::MOST_TICKETS,
    views::tickets::{self, Whose},
};

/// Which tickets to print.
#[derive(Debug, Deserialize, Validate, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct OrderToPrint {
    /// The order.
    #[garde(skip)]
    order_id: Uuid,
}

edge::problem_responses! {
    /// What printing may be refused with.
    pub(super) OrderPrintProblems: edge::problems::NOT_FOUND
}

/// Print the tickets of an order
///
/// One PDF document with a page for each ticket of the order that the caller holds and that is not
/// worthless. For their holder alone: whoever has the codes gets in.
#[utoipa::path(
    get,
    path = "/v1/tickets/pdf",
    params(OrderToPrint),
    responses(
        (status = 200, description = "The tickets", body = Vec<u8>, content_type = "application/pdf"),
        PrintProblems,
        OrderPrintProblems,
    ),
    security(("bearer" = [])),
)]
pub(super) async fn get_order_pdf(
    State(app): State<App>,
    cx: Context,
    Query(OrderToPrint { order_id }): Query<OrderToPrint>,
) -> Result<Response, Problem> {
    let caller = edge::user(&cx)?;
    let most = i64::try_from(MOST_TICKETS).unwrap_or(i64::MAX);
    let whose = Whose::Holder(caller);
    let mut rows = tickets::list(&app.database, whose, Some(order_id), None, most).await?;
    let Some(last_id) = rows.last().map(|row| row.content.shown.id) else {
        return Err(Problem::not_found());
    };
    rows.retain(|row| row.content.shown.state != TicketState::Voided);
    if rows.is_empty() {
        return Err(app.worthless(order_id, last_id).await);
    }
    rows.sort_by_key(|row| (row.content.shown.position, row.content.shown.id));
    let sheets = rows.iter().map(|row| app.sheet(&row.content.shown, row.content.serial));
    app.printed_on_paper(&cx, sheets.collect(), &format!("tickets-{order_id}.pdf")).await
}
