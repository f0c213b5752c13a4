//! `GET /v1/payments`.

use axum::{extract::State, http::StatusCode};
use edge::{Json, Listing, Page, Problem, Query};
use garde::Validate;
use runtime::Context;
use serde::Deserialize;
use utoipa::IntoParams;
use uuid::Uuid;

use super::App;
use crate::views::{self, PaymentResource, PaymentRow};

/// Which payments to list.
#[derive(Debug, Deserialize, Validate, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct PaymentFilter {
    /// Only the payment of this order; for members of its organizer, too.
    #[garde(skip)]
    order_id: Option<Uuid>,
}

/// List payments
///
/// One's own, newest first.
#[utoipa::path(
    get,
    path = "/v1/payments",
    params(PaymentFilter, Page),
    responses((status = 200, description = "A page of payments", body = Listing<PaymentResource>)),
    security(("bearer" = [])),
)]
pub(super) async fn list_payments(
    State(app): State<App>,
    cx: Context,
    Query(filter): Query<PaymentFilter>,
    page: Page,
) -> Result<Json<Listing<PaymentResource>>, Problem> {
    let caller = edge::user(&cx)?;
    let Some(order_id) = filter.order_id else {
        let (after, limit) = (page.after()?, page.fetch());
        let rows = views::payments_of_payer(&app.database, caller, after, limit).await?;
        return Ok(Json(Listing::of(rows, &page, PaymentRow::key).map(|row| row.content.0)));
    };
    let items = match app.visible(&cx, order_id).await {
        Ok(payment) => PaymentResource::of(order_id, &payment.state).into_iter().collect(),
        Err(problem) if problem.status() == StatusCode::NOT_FOUND => Vec::new(),
        Err(problem) => return Err(problem),
    };
    Ok(Json(Listing { items, next_cursor: None }))
}
