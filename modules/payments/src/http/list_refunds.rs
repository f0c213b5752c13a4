//! `GET /v1/refunds`.

use axum::{extract::State, http::StatusCode};
use edge::{Json, Listing, Page, Problem, Query};
use garde::Validate;
use runtime::Context;
use serde::Deserialize;
use utoipa::IntoParams;
use uuid::Uuid;

use super::App;
use crate::views::{self, RefundResource, RefundRow, Whose};

/// Which refunds to list.
#[derive(Debug, Deserialize, Validate, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct RefundFilter {
    /// Only those of this order; for members of its organizer, too.
    #[garde(skip)]
    order_id: Option<Uuid>,
}

/// List refunds
///
/// Those of one's own payments, newest first.
#[utoipa::path(
    get,
    path = "/v1/refunds",
    params(RefundFilter, Page),
    responses((status = 200, description = "A page of refunds", body = Listing<RefundResource>)),
    security(("bearer" = [])),
)]
pub(super) async fn list_refunds(
    State(app): State<App>,
    cx: Context,
    Query(filter): Query<RefundFilter>,
    page: Page,
) -> Result<Json<Listing<RefundResource>>, Problem> {
    let caller = edge::user(&cx)?;
    let whose = match filter.order_id {
        None => Whose::Payer(caller),
        Some(order_id) => match app.visible(&cx, order_id).await {
            Ok(_) => Whose::Order(order_id),
            Err(problem) if problem.status() == StatusCode::NOT_FOUND => {
                return Ok(Json(Listing { items: Vec::new(), next_cursor: None }));
            }
            Err(problem) => return Err(problem),
        },
    };
    let rows = views::refunds(&app.database, whose, page.after()?, page.fetch()).await?;
    Ok(Json(Listing::of(rows, &page, RefundRow::key).map(|row| row.content.0)))
}
