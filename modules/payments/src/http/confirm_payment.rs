//! `POST /v1/payments/{payment_id}/confirm`: the second step of a payment.

use axum::{extract::State, response::Response};
use edge::{IdempotencyKey, Json, Path, Problem};
use garde::Validate;
use runtime::Context;
use serde::Deserialize;
use utoipa::ToSchema;
use uuid::Uuid;

use super::App;
use crate::{domain::Rejection, problems, provider::Charged, views::PaymentResource};

/// What the payer says to the payment.
#[derive(Debug, Deserialize, Validate, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"approve": true}))]
pub(super) struct Confirmation {
    /// Whether to pay.
    #[garde(skip)]
    approve: bool,
}

edge::problem_responses! {
    /// What confirming may be refused with.
    pub(super) ConfirmProblems:
        problems::PAYMENT_DECLINED,
        problems::PAYMENT_CLOSED,
        problems::PAYMENT_CALLED_OFF,
        problems::NOTHING_TO_CONFIRM,
}

/// Confirm a payment
///
/// For the payer of a payment with the status `action_required`. Where `next_action.kind` is
/// `confirm`, this stands in for the page of the bank; where it is `redirect`, send it when the payer
/// is back from there: it finds out how the payment stands, and the answer says `action_required`
/// again while the bank still waits. Without approval the payment is declined, and another card may be
/// tried.
#[utoipa::path(
    post,
    path = "/v1/payments/{payment_id}/confirm",
    params(("payment_id" = Uuid, Path)),
    request_body = Confirmation,
    responses(
        (
            status = 200,
            description = "The payment",
            body = PaymentResource,
            headers(("location" = String), ("etag" = String)),
        ),
        ConfirmProblems,
    ),
    security(("bearer" = [])),
)]
pub(super) async fn confirm_payment(
    State(app): State<App>,
    cx: Context,
    Path(payment_id): Path<Uuid>,
    key: IdempotencyKey,
    Json(confirmation): Json<Confirmation>,
) -> Result<Response, Problem> {
    edge::user(&cx)?;
    let order_id = app.order_of_payment(payment_id).await?;
    let payment = app.own(&cx, order_id).await?;
    let attempt = payment.state.live_attempt();
    let attempt_id = attempt.map(|attempt| attempt.id).ok_or(Rejection::NothingToConfirm)?;
    let approve = confirmation.approve;
    let outcome = app.service.complete_action(&cx, order_id, attempt_id, approve).await?;
    let charged = Charged::Told(outcome);
    app.conclude(&cx, &key, order_id, attempt_id, charged, 200).await
}
