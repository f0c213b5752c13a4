//! `POST /v1/refunds`: gives money of an order back.

use axum::{
    extract::State,
    response::{IntoResponse, Response},
};
use contracts::money::Money;
use edge::{Answered, IdempotencyKey, Json, Problem};
use garde::Validate;
use iso_currency::Currency;
use runtime::Context;
use serde::Deserialize;
use store::{Answer, Loaded};
use utoipa::ToSchema;
use uuid::Uuid;

use super::App;
use crate::{domain::Payment, problems, views::RefundResource};

/// How much money goes back to whom, and why.
#[derive(Debug, Deserialize, Validate, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({
    "order_id": "01980e4c-8f5c-7b1e-a7c4-51d2f2a5e001",
    "amount": {"amount": 1000, "currency": "EUR"},
    "reason": "the interval was cancelled",
}))]
pub(super) struct NewRefund {
    #[garde(skip)]
    order_id: Uuid,
    /// How much, in the currency of the payment. Without it, everything that has not been given back
    /// and is not on its way.
    #[garde(inner(custom(is_more_than_nothing)))]
    amount: Option<Money>,
    /// For the books; the buyer sees it, too. Without control characters.
    #[garde(length(chars, min = 1, max = 200), custom(is_one_line))]
    #[schema(min_length = 1, max_length = 200, pattern = r"^[^\p{Cc}]+$")]
    reason: String,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "the signature is garde's")]
fn is_more_than_nothing(amount: &Money, _context: &()) -> garde::Result {
    if amount.amount > 0 { Ok(()) } else { Err(garde::Error::new("not more than 0")) }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "the signature is garde's")]
fn is_one_line(text: &str, _context: &()) -> garde::Result {
    if text.trim().is_empty() {
        return Err(garde::Error::new("is blank"));
    }
    if text.chars().any(char::is_control) {
        return Err(garde::Error::new("has control characters in it, such as line breaks"));
    }
    Ok(())
}

edge::problem_responses! {
    /// What refunding may be refused with.
    pub(super) RefundProblems:
        problems::NOTHING_TO_REFUND,
        problems::REFUND_EXCEEDS_PAYMENT,
        problems::AMOUNT_UNSUPPORTED,
        edge::problems::FORBIDDEN,
        edge::problems::NOT_FOUND,
}

/// Give money of an order back
///
/// For members of the order's organizer. With an `amount`, so much; there may be several, and their
/// sum never exceeds what was received. A part that is given back is a matter of money alone: the order
/// stays paid and its tickets stay good. Without an `amount`, everything that is left, which calls the
/// order off; when nothing is left, the last refund is the answer, with 200. The answer is the refund as it
/// begins; read it to see it done.
///
/// A refund that the payment provider refuses is `failed`, and another one `repeats` it by itself: eight
/// times, the first after a minute, the last ones an hour apart, and none three days after the first.
/// What is refused even then is `cancelled`. Its money is left to be given back, so that another request
/// begins anew, once whatever stood in the way is gone.
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
        (
            status = 200,
            description = "Everything was given back before: the last refund",
            body = RefundResource,
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
    let NewRefund { order_id, amount, reason } = new;
    let payment = app.visible(&cx, order_id).await?;
    let terms = payment.state.terms.as_ref().ok_or_else(Problem::not_found)?;
    if !app.acts_for(&cx, terms.organizer_id).await? {
        return Err(Problem::new(&edge::problems::FORBIDDEN)
            .detail("only members of the organizer may refund: ask them"));
    }
    app.can_give_back(terms.amount.currency, amount)?;
    let refund_id = key.id();
    let command = app.service.refund_command(refund_id, amount, reason);
    let execution = app.service.payments.execute(&cx, order_id, command);
    let answer =
        execution.answer(&key, move |order_id, it| answer(order_id, it, refund_id)).await?;
    if let Some(begun) = app.service.payments.load(order_id).await?
        && let Err(error) = app.service.drive_refund(&cx, order_id, refund_id, begun).await
    {
        tracing::warn!(order = %order_id, %error, "a refund was begun and will be tried again");
    }
    Ok(Answered(answer).into_response())
}

impl App {
    /// Refuses what the provider could not give back, before anything is recorded. What is of another
    /// currency than the payment is refused for that.
    fn can_give_back(&self, paid_in: Currency, amount: Option<Money>) -> Result<(), Problem> {
        let amount = amount.filter(|amount| amount.currency == paid_in);
        match amount.and_then(|amount| self.service.provider.objection_to_amount(amount)) {
            None => Ok(()),
            Some(why) => Err(Problem::new(&problems::AMOUNT_UNSUPPORTED).detail(why)),
        }
    }
}

fn answer(order_id: Uuid, payment: &Loaded<Payment>, refund_id: Uuid) -> Answer {
    let state = &payment.state;
    let refund = state.refund(refund_id).or_else(|| state.refunds_of_settlement().last());
    // One that was asked for before is not made anew.
    let status = if state.refund(refund_id).is_some() { 201 } else { 200 };
    let resource = refund
        .zip(state.id)
        .map(|(refund, payment_id)| RefundResource::of(order_id, payment_id, refund));
    let id = resource.as_ref().map(|refund| refund.id).unwrap_or_default();
    Answer::json(status, &resource)
        .header("location", format!("/v1/refunds/{id}"))
        .header("etag", format!("\"{}\"", payment.version))
}
