//! Payments' public endpoints, one file each. This is their table of contents, with what several of
//! them share.

mod confirm_payment;
mod create_payment;
mod create_refund;
mod get_payment;
mod get_refund;
mod list_payments;
mod list_refunds;
mod receive_webhook;

use std::{sync::Arc, time::Duration};

use axum::response::{IntoResponse, Response};
use contracts::{
    catalog::{Catalog, FindMembership},
    payments::{AttemptState, PaymentStatus},
};
use edge::{Answered, IdempotencyKey, Problem, Routes, idempotent, routes};
use runtime::{Context, Role};
use store::{Answer, Database, Loaded, Work};
use uuid::Uuid;

use crate::{
    domain::Payment,
    problems,
    provider::Charged,
    service::Service,
    views::{self, PaymentResource},
};

/// When a request that took no money may be sent again, with the same key.
const SOON: Duration = Duration::from_secs(1);

/// What the endpoints work with.
#[derive(Clone)]
pub(crate) struct App {
    pub(crate) service: Service,
    pub(crate) database: Database,
    pub(crate) catalog: Arc<dyn Catalog>,
}

pub(crate) fn routes() -> Routes<App> {
    Routes::new()
        .routes(idempotent(routes!(create_payment::create_payment, list_payments::list_payments)))
        .routes(routes!(get_payment::get_payment))
        .routes(idempotent(routes!(confirm_payment::confirm_payment)))
        .routes(idempotent(routes!(create_refund::create_refund, list_refunds::list_refunds)))
        .routes(routes!(get_refund::get_refund))
        .routes(routes!(receive_webhook::receive_webhook))
}

impl App {
    /// The payment of an order, for its payer, members of its organizer, and admins. To others it
    /// does not exist.
    async fn visible(&self, cx: &Context, order_id: Uuid) -> Result<Loaded<Payment>, Problem> {
        let caller = edge::user(cx)?;
        let payment = self.service.payments.load(order_id).await?.ok_or_else(Problem::not_found)?;
        let terms = payment.state.terms.as_ref().ok_or_else(Problem::not_found)?;
        if terms.payer_id == caller || self.acts_for(cx, terms.organizer_id).await? {
            return Ok(payment);
        }
        Err(Problem::not_found())
    }

    /// The payment of an order, for whoever is to pay it. To others it does not exist.
    async fn own(&self, cx: &Context, order_id: Uuid) -> Result<Loaded<Payment>, Problem> {
        let caller = edge::user(cx)?;
        let payment = self.service.payments.load(order_id).await?;
        let is_payer = |payment: &Loaded<Payment>| {
            payment.state.terms.as_ref().is_some_and(|terms| terms.payer_id == caller)
        };
        payment.filter(is_payer).ok_or_else(|| {
            Problem::not_found().detail("no order of yours with this id waits for a payment")
        })
    }

    async fn order_of_payment(&self, payment_id: Uuid) -> Result<Uuid, Problem> {
        let order_id = views::order_of_payment(&self.database, payment_id).await?;
        order_id.ok_or_else(Problem::not_found)
    }

    /// Whether the caller is an admin or a member of the organizer.
    async fn acts_for(&self, cx: &Context, organizer_id: Uuid) -> Result<bool, Problem> {
        let user_id = edge::user(cx)?;
        if cx.principal().has_role(Role::Admin) {
            return Ok(true);
        }
        if !cx.principal().has_role(Role::Organizer) {
            return Ok(false);
        }
        let asked = self.catalog.membership(cx, FindMembership { organizer_id, user_id }).await;
        Ok(asked.map_err(problems::from_catalog)?.is_member)
    }

    /// Records what the provider said of an attempt, and answers the request with the payment as it
    /// then is; `status` is for an attempt that did not fail.
    async fn conclude(
        &self,
        cx: &Context,
        key: &IdempotencyKey,
        order_id: Uuid,
        attempt_id: Uuid,
        charged: Charged,
        status: u16,
    ) -> Result<Response, Problem> {
        let stored = (*key).clone();
        let store_answer = move |work: &mut Work<'_>, payment: &Loaded<Payment>| {
            if let Ok(answer) = answer(order_id, payment, attempt_id, status) {
                work.answer(&stored, &answer);
            }
        };
        let concluded = self.service.conclude(cx, order_id, attempt_id, charged, store_answer);
        let payment = concluded.await?;
        let answer = answer(order_id, &payment, attempt_id, status).map_err(|refusal| *refusal)?;
        Ok(Answered(answer).into_response())
    }
}

/// The answer to a request that made the attempt, or moved it on.
fn answer(
    order_id: Uuid,
    payment: &Loaded<Payment>,
    attempt_id: Uuid,
    status: u16,
) -> Result<Answer, Box<Problem>> {
    let payment_id = payment.state.id;
    let attempt = payment.state.attempt(attempt_id);
    match attempt.map(|attempt| (attempt.state, attempt.reason)) {
        Some((AttemptState::Failed, Some(reason))) => {
            let problem = Problem::new(&problems::PAYMENT_DECLINED).detail(reason.in_words());
            Err(Box::new(problem.with("reason", reason).with("payment_id", payment_id)))
        }
        Some((AttemptState::Cancelled, _)) if payment.state.closed_at.is_some() => {
            Err(Box::new(problems::closed(&payment.state)))
        }
        Some((AttemptState::Cancelled, _)) if attempt.is_some_and(|attempt| attempt.unreached) => {
            let problem = Problem::new(&problems::PROVIDER_UNAVAILABLE).retry_after(SOON);
            Err(Box::new(problem))
        }
        Some((AttemptState::Cancelled, _)) => {
            Err(Box::new(Problem::new(&problems::PAYMENT_CALLED_OFF).retry_after(SOON)))
        }
        _ => as_it_stands(order_id, payment, status).map_err(Box::new),
    }
}

/// The answer to a request for a payment that is settled: the payment, unless its money was given back.
fn paid_before(order_id: Uuid, payment: &Loaded<Payment>) -> Result<Response, Problem> {
    if matches!(payment.state.status(), PaymentStatus::Refunding | PaymentStatus::Refunded) {
        return Err(problems::closed(&payment.state));
    }
    Ok(edge::respond(as_it_stands(order_id, payment, 200)?))
}

fn as_it_stands(order_id: Uuid, payment: &Loaded<Payment>, status: u16) -> Result<Answer, Problem> {
    let resource = PaymentResource::of(order_id, &payment.state).ok_or_else(Problem::not_found)?;
    Ok(Answer::json(status, &resource)
        .header("location", format!("/v1/payments/{}", resource.id))
        .header("etag", format!("\"{}\"", payment.version)))
}
