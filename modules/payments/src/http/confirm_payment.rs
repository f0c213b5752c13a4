//! `POST /v1/payments/{payment_id}/confirm`: the second step of a payment.

use axum::{extract::State, response::Response};
use edge::{IdempotencyKey, Json, Path, Problem};
use garde::Validate;
use runtime::Context;
use serde::Deserialize;
use store::{ExecuteError, Loaded};
use utoipa::ToSchema;
use uuid::Uuid;

use super::{App, paid_before};
use crate::{
    domain::{Payment, Rejection},
    problems,
    provider::Charged,
    views::PaymentResource,
};

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
/// tried. A payment that is settled by then, by an earlier request or since the payment provider was
/// faster than the payer's browser, answers an approval with itself.
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
    let approve = confirmation.approve;
    let Some(attempt_id) = payment.state.live_attempt().map(|attempt| attempt.id) else {
        return nothing_waits(order_id, &payment, approve);
    };
    let outcome = match app.service.complete_action(&cx, order_id, attempt_id, approve).await {
        Ok(outcome) => outcome,
        // A webhook was faster.
        Err(ExecuteError::Rejected(Rejection::NothingToConfirm)) => {
            return nothing_waits(order_id, &app.own(&cx, order_id).await?, approve);
        }
        Err(error) => return Err(error.into()),
    };
    let charged = Charged::Told(outcome);
    app.conclude(&cx, &key, order_id, attempt_id, charged, 200).await
}

/// The answer when no attempt waits for the payer: whoever approves of what is paid has what they want.
fn nothing_waits(
    order_id: Uuid,
    payment: &Loaded<Payment>,
    approve: bool,
) -> Result<Response, Problem> {
    if approve && payment.state.settlement.is_some() {
        return paid_before(order_id, payment);
    }
    Err(Rejection::NothingToConfirm.into())
}
