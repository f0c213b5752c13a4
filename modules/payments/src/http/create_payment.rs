//! `POST /v1/payments`: pays an order.

use axum::{extract::State, response::Response};
use contracts::payments::AttemptState;
use edge::{IdempotencyKey, Json, Problem};
use garde::Validate;
use runtime::Context;
use serde::Deserialize;
use store::ExecuteError;
use utoipa::ToSchema;
use uuid::Uuid;

use super::{App, answer};
use crate::{
    card::{CardNumber, CardText},
    domain::Rejection,
    problems,
    views::PaymentResource,
};

/// How to pay which order.
#[derive(Debug, Deserialize, Validate, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({
    "order_id": "01980e4c-8f5c-7b1e-a7c4-51d2f2a5e001",
    "method": {"kind": "card", "number": "4242424242424242"},
}))]
pub(super) struct NewPayment {
    /// The order, which must wait for its payment.
    #[garde(skip)]
    order_id: Uuid,
    #[garde(dive)]
    method: PaymentMethod,
}

/// What to pay with.
#[derive(Debug, Deserialize, Validate, ToSchema)]
#[serde(deny_unknown_fields)]
struct PaymentMethod {
    #[garde(skip)]
    #[expect(dead_code, reason = "there is one kind so far")]
    kind: MethodKind,
    /// The number of the card. It is passed on to the payment provider, and only its last four
    /// digits are kept.
    #[garde(custom(is_card_number))]
    #[schema(value_type = String, min_length = 12, max_length = 23)]
    number: CardText,
}

/// The kinds of methods there are.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum MethodKind {
    /// A payment card.
    Card,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "the signature is garde's")]
fn is_card_number(text: &CardText, _context: &()) -> garde::Result {
    text.parse().map(|_| ()).map_err(garde::Error::new)
}

edge::problem_responses! {
    /// What paying may be refused with.
    pub(super) PayProblems:
        problems::PAYMENT_DECLINED,
        problems::PAYMENT_CLOSED,
        problems::PAYMENT_UNDER_WAY,
        problems::PAYMENT_CALLED_OFF,
        edge::problems::NOT_FOUND,
}

/// Pay an order
///
/// For the buyer. The money is taken once, however many requests there are. The status of the answer
/// is `settled`; `action_required` when you have to take a second step at `next_action.url`; or
/// `pending` when the payment provider has not answered in time: then read the payment until it says
/// more. An order that is paid already answers 200 with its payment.
///
/// The sandbox provider takes test cards: 4242424242424242 succeeds, 4000000000000002 is declined,
/// 4000000000009995 has insufficient funds, 4000000000000341 succeeds but the answer is lost at first,
/// 4000000000003220 needs a second step.
#[utoipa::path(
    post,
    path = "/v1/payments",
    request_body = NewPayment,
    responses(
        (
            status = 201,
            description = "The payment",
            body = PaymentResource,
            headers(("location" = String), ("etag" = String)),
        ),
        (status = 200, description = "The order was paid before", body = PaymentResource),
        PayProblems,
    ),
    security(("bearer" = [])),
)]
pub(super) async fn create_payment(
    State(app): State<App>,
    cx: Context,
    key: IdempotencyKey,
    Json(new): Json<NewPayment>,
) -> Result<Response, Problem> {
    let (order_id, attempt_id) = (new.order_id, key.id());
    let card: CardNumber = new
        .method
        .number
        .parse()
        .map_err(|fault| Problem::invalid_field("/method/number", fault))?;
    let payment = app.own(&cx, order_id).await?;
    app.service.make_way(&cx, order_id, &payment.state, attempt_id).await?;
    let payment = match app.service.begin(&cx, order_id, attempt_id, &card).await {
        Ok(payment) => payment,
        Err(ExecuteError::Rejected(Rejection::Settled)) => {
            let paid = app.own(&cx, order_id).await?;
            let answer = answer(order_id, &paid, attempt_id, 200).map_err(|refusal| *refusal)?;
            return Ok(edge::respond(answer));
        }
        Err(error) => return Err(error.into()),
    };
    let state = payment.state.attempt(attempt_id).map(|attempt| attempt.state);
    if !matches!(state, Some(AttemptState::Created | AttemptState::Pending)) {
        // A request that is repeated after a crash finds what became of its attempt.
        let answer = answer(order_id, &payment, attempt_id, 201).map_err(|refusal| *refusal)?;
        return Ok(edge::respond(answer));
    }
    let outcome = app.service.charge(&cx, &payment.state, attempt_id, card).await;
    app.conclude(&cx, &key, order_id, attempt_id, outcome, 201).await
}
