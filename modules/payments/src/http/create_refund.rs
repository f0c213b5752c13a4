//! `POST /v1/refunds`: gives the money of an order back.

use axum::{
    extract::State,
    response::{IntoResponse, Response},
};
use edge::{Answered, IdempotencyKey, Json, Problem};
use garde::Validate;
use runtime::Context;
use serde::Deserialize;
use store::{Answer, Loaded};
use utoipa::ToSchema;
use uuid::Uuid;

use super::App;
use crate::{domain::Payment, problems, views::RefundResource};

/// Whose money goes back, and why.
#[derive(Debug, Deserialize, Validate, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({
    "order_id": "01980e4c-8f5c-7b1e-a7c4-51d2f2a5e001",
    "reason": "the evening is cancelled",
}))]
pub(super) struct NewRefund {
    #[garde(skip)]
    order_id: Uuid,
    /// For the books; the buyer sees it, too.
    #[garde(length(chars, min = 1, max = 200))]
    #[schema(min_length = 1, max_length = 200)]
    reason: String,
}

edge::problem_responses! {
    /// What refunding may be refused with.
    pub(super) RefundProblems:
        problems::NOTHING_TO_REFUND,
        edge::problems::FORBIDDEN,
        edge::problems::NOT_FOUND,
}

/// Give the money of an order back
///
/// For members of the order's organizer. All of it, once: a refund that is under way or done is the
/// answer to further requests. The answer is the refund as it begins; read it to see it done.
#[utoipa::path(
    post,
    path = "/v1/refunds",
    request_body = NewRefund,
    responses(
        (
            status = 201,
            description = "The refund",
            body = RefundResource,
            headers(("location" = String), ("etag" = String)),
        ),
        RefundProblems,
    ),
    security(("bearer" = [])),
)]
pub(super) async fn create_refund(
    State(app): State<App>,
    cx: Context,
    key: IdempotencyKey,
    Json(new): Json<NewRefund>,
) -> Result<Response, Problem> {
    let NewRefund { order_id, reason } = new;
    let payment = app.visible(&cx, order_id).await?;
    let terms = payment.state.terms.as_ref().ok_or_else(Problem::not_found)?;
    if !app.acts_for(&cx, terms.organizer_id).await? {
        return Err(Problem::new(&edge::problems::FORBIDDEN)
            .detail("only members of the organizer may refund: ask them"));
    }
    let command = app.service.refund_command(key.id(), reason);
    let execution = app.service.payments.execute(&cx, order_id, command);
    let answer = execution.answer(&key, answer).await?;
    if let Some(begun) = app.service.payments.load(order_id).await?
        && let Err(error) = app.service.drive_refund(&cx, order_id, begun).await
    {
        tracing::warn!(order = %order_id, %error, "a refund was begun and will be tried again");
    }
    Ok(Answered(answer).into_response())
}

fn answer(order_id: Uuid, payment: &Loaded<Payment>) -> Answer {
    let refund = payment.state.refunds.last().zip(payment.state.id);
    let resource =
        refund.map(|(refund, payment_id)| RefundResource::of(order_id, payment_id, refund));
    let id = resource.as_ref().map(|refund| refund.id).unwrap_or_default();
    Answer::json(201, &resource)
        .header("location", format!("/v1/refunds/{id}"))
        .header("etag", format!("\"{}\"", payment.version))
}
