//! `GET /v1/payments/{payment_id}`.

use axum::extract::State;
use edge::{Json, Path, Problem, Tagged};
use runtime::Context;
use uuid::Uuid;

use super::App;
use crate::views::PaymentResource;

/// Read a payment
///
/// For its payer and the members of the organizer.
#[utoipa::path(
    get,
    path = "/v1/payments/{payment_id}",
    params(("payment_id" = Uuid, Path)),
    responses((
        status = 200,
        description = "The payment",
        body = PaymentResource,
        headers(("etag" = String)),
    )),
    security(("bearer" = [])),
)]
pub(super) async fn get_payment(
    State(app): State<App>,
    cx: Context,
    Path(payment_id): Path<Uuid>,
) -> Result<Tagged<Json<PaymentResource>>, Problem> {
    edge::user(&cx)?;
    let order_id = app.order_of_payment(payment_id).await?;
    let payment = app.visible(&cx, order_id).await?;
    let resource = PaymentResource::of(order_id, &payment.state).ok_or_else(Problem::not_found)?;
    Ok(Tagged(payment.version, Json(resource)))
}
