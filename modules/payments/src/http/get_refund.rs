//! `GET /v1/refunds/{refund_id}`.

use axum::extract::State;
use edge::{Json, Path, Problem, Tagged};
use runtime::Context;
use uuid::Uuid;

use super::App;
use crate::views::{self, RefundResource};

/// Read a refund
///
/// For the payer and the members of the organizer.
#[utoipa::path(
    get,
    path = "/v1/refunds/{refund_id}",
    params(("refund_id" = Uuid, Path)),
    responses((
        status = 200,
        description = "The refund",
        body = RefundResource,
        headers(("etag" = String)),
    )),
    security(("bearer" = [])),
)]
pub(super) async fn get_refund(
    State(app): State<App>,
    cx: Context,
    Path(refund_id): Path<Uuid>,
) -> Result<Tagged<Json<RefundResource>>, Problem> {
    edge::user(&cx)?;
    let order_id = views::order_of_refund(&app.database, refund_id).await?;
    let order_id = order_id.ok_or_else(Problem::not_found)?;
    let payment = app.visible(&cx, order_id).await?;
    let refund = payment.state.refunds.iter().find(|refund| refund.id == refund_id);
    let (refund, payment_id) = refund.zip(payment.state.id).ok_or_else(Problem::not_found)?;
    Ok(Tagged(payment.version, Json(RefundResource::of(order_id, payment_id, refund))))
}
