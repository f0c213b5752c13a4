//! `POST /v1/payments`: pays an order.

use axum::{extract::State, response::Response};
use contracts::payments::AttemptState;
use edge::{FieldFault, IdempotencyKey, Json, Problem, RequestPart};
use garde::{Path, Report, Validate};
use runtime::Context;
use serde::Deserialize;
use store::ExecuteError;
use utoipa::ToSchema;
use uuid::Uuid;

use super::{App, SOON, answer, paid_before};
use crate::{
    card::CardText,
    domain::{Payment, Rejection},
    problems,
    provider::{Method, Objection},
    token::TokenText,
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

/// What to pay with: a `card` with its `number`, or a `token` of the payment provider.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct PaymentMethod {
    kind: MethodKind,
    /// The number of the card, for the kind `card`. It is passed on to the payment provider, and
    /// only its last four digits are kept.
    #[schema(value_type = Option<String>, min_length = 12, max_length = 23)]
    number: Option<CardText>,
    /// What the payment provider gave to the browser for a card, such as `pm_card_visa`, for the
    /// kind `token`.
    #[schema(value_type = Option<String>, min_length = 1, max_length = 255, pattern = "^[A-Za-z0-9_-]+$")]
    token: Option<TokenText>,
}

/// The kinds of methods there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum MethodKind {
    /// A payment card. What the sandbox takes.
    Card,
    /// A token of the payment provider. What Stripe takes.
    Token,
}

impl PaymentMethod {
    /// What it is, or everything that is wrong with it, by field.
    fn read(&self) -> Result<Method, Vec<(&'static str, &'static str)>> {
        let number = self.number.as_ref().map(CardText::parse);
        let token = self.token.as_ref().map(TokenText::parse);
        match (self.kind, number, token) {
            (MethodKind::Card, Some(Ok(card)), None) => Ok(Method::Card(card)),
            (MethodKind::Token, None, Some(Ok(token))) => Ok(Method::Token(token)),
            (MethodKind::Card, number, token) => Err(faults(
                ("number", number.map(|it| it.map(|_| ())), "missing: a card has a number"),
                token.is_some().then_some(("token", "a card has none: leave it out")),
            )),
            (MethodKind::Token, number, token) => Err(faults(
                ("token", token.map(|it| it.map(|_| ())), "missing"),
                number.is_some().then_some(("number", "a token has none: leave it out")),
            )),
        }
    }
}

fn faults(
    (wanted, found, missing): (&'static str, Option<Result<(), &'static str>>, &'static str),
    unwanted: Option<(&'static str, &'static str)>,
) -> Vec<(&'static str, &'static str)> {
    let fault = match found {
        Some(read) => read.err(),
        None => Some(missing),
    };
    fault.map(|fault| (wanted, fault)).into_iter().chain(unwanted).collect()
}

impl Validate for PaymentMethod {
    type Context = ();

    fn validate_into(
        &self,
        _context: &Self::Context,
        parent: &mut dyn FnMut() -> Path,
        report: &mut Report,
    ) {
        for (field, fault) in self.read().err().unwrap_or_default() {
            report.append(parent().join(field), garde::Error::new(fault));
        }
    }
}

edge::problem_responses! {
    /// What paying may be refused with.
    pub(super) PayProblems:
        problems::PAYMENT_DECLINED,
        problems::PAYMENT_CLOSED,
        problems::PAYMENT_UNDER_WAY,
        problems::PAYMENT_CALLED_OFF,
        problems::TOO_MANY_PAYMENT_ATTEMPTS,
        problems::PROVIDER_UNAVAILABLE,
        problems::METHOD_UNSUPPORTED,
        problems::AMOUNT_UNSUPPORTED,
        edge::problems::NOT_FOUND,
}

/// Pay an order
///
/// For the buyer. The money is taken once, however many requests there are. The status of the answer
/// is `settled`; `action_required` when you have to take a second step at `next_action.url`; or
/// `pending` when the payment provider has not answered in time: then read the payment until it says
/// more. An order that is paid already answers 200 with its payment; one whose money was given back is
/// `payment-closed`. Of twenty attempts that reach the payment provider one must succeed; another one is
/// `too-many-payment-attempts`.
///
/// The sandbox provider takes test cards: 4242424242424242 succeeds, 4000000000000002 is declined,
/// 4000000000009995 has insufficient funds, 4000000000000341 succeeds but the answer is lost at first,
/// 4000000000003220 needs a second step. Stripe takes tokens: `{"kind": "token", "token": "pm_…"}`.
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
    let order_id = new.order_id;
    let method = new.method.read().map_err(|faults| in_body(&faults))?;
    let payment = app.own(&cx, order_id).await?;
    app.accepts(&payment.state, &method)?;
    let attempt_id = payment.state.attempt_of_request(key.id());
    let is_new = payment.state.attempt(attempt_id).is_none();
    if !payment.state.has_used_up_attempts() {
        app.service.make_way(&cx, order_id, &payment.state, attempt_id).await?;
    }
    let payment = match app.service.begin(&cx, order_id, attempt_id, &method).await {
        Ok(payment) => payment,
        Err(ExecuteError::Rejected(Rejection::Settled)) => {
            return paid_before(order_id, &app.own(&cx, order_id).await?);
        }
        Err(ExecuteError::Rejected(Rejection::Closed)) => {
            return Err(problems::closed(&app.own(&cx, order_id).await?.state));
        }
        Err(ExecuteError::Rejected(Rejection::AttemptUnderWay { .. })) => {
            return Err(Problem::new(&problems::PAYMENT_UNDER_WAY).retry_after(SOON));
        }
        Err(error) => return Err(error.into()),
    };
    let state = payment.state.attempt(attempt_id).map(|attempt| attempt.state);
    if !matches!(state, Some(AttemptState::Created | AttemptState::Pending)) {
        // A request that is repeated after a crash finds what became of its attempt.
        let answer = answer(order_id, &payment, attempt_id, 201).map_err(|refusal| *refusal)?;
        return Ok(edge::respond(answer));
    }
    let asked = app.service.charge(&cx, order_id, &payment.state, attempt_id, is_new, method);
    let charged = asked.await;
    app.conclude(&cx, &key, order_id, attempt_id, charged, 201).await
}

fn in_body(faults: &[(&'static str, &'static str)]) -> Problem {
    let at = |(field, fault): &(&str, &str)| {
        FieldFault::new(RequestPart::Body, format!("/method/{field}"), *fault)
    };
    Problem::invalid(faults.iter().map(at))
}

impl App {
    /// Refuses what the provider would not take, before anything is recorded.
    fn accepts(&self, payment: &Payment, method: &Method) -> Result<(), Problem> {
        let Some(terms) = &payment.terms else { return Ok(()) };
        match self.service.provider.objection(method, terms.amount) {
            None => Ok(()),
            Some(Objection::Method { takes }) => {
                let words = format!("this shop takes the kind {takes}");
                Err(Problem::new(&problems::METHOD_UNSUPPORTED).detail(words).with("takes", takes))
            }
            Some(Objection::Amount { why }) => {
                Err(Problem::new(&problems::AMOUNT_UNSUPPORTED).detail(why))
            }
        }
    }
}
