//! `POST /v1/payment-webhooks/{provider}`: the payment provider says that something happened.

use axum::{
    body::Bytes,
    extract::{State, rejection::BytesRejection},
    http::HeaderMap,
};
use edge::{Json, Path, Problem};
use runtime::Context;
use serde::Serialize;
use utoipa::ToSchema;

use super::{App, SOON};
use crate::{
    problems,
    provider::Hint,
    service::{NotTaken, Taken, count_webhook},
    signature::Forged,
};

/// What became of the webhook.
#[derive(Debug, Serialize, ToSchema)]
#[schema(example = json!({"outcome": "taken"}))]
pub(super) struct WebhookReceipt {
    outcome: WebhookOutcome,
}

/// What becomes of a webhook that is genuine.
#[derive(Debug, Clone, Copy, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum WebhookOutcome {
    /// It was looked into, and what was found is stored.
    Taken,
    /// It had been taken before.
    Known,
    /// It is about nothing of this installation's.
    Ignored,
}

edge::problem_responses! {
    /// What a webhook may be refused with.
    pub(super) WebhookProblems:
        problems::WEBHOOK_SIGNATURE_INVALID,
        problems::WEBHOOK_UNTIMELY,
        problems::WEBHOOK_UNREADABLE,
        problems::WEBHOOK_NOT_TAKEN,
        edge::problems::NOT_FOUND,
}

/// Take a webhook in
///
/// For the payment provider that is configured, `stripe` or `sandbox`, which signs it in
/// `Stripe-Signature` or `Sandbox-Signature`: `t=<seconds>,v1=<HMAC-SHA256 of "<seconds>.<body>" in
/// hex>`. It is a hint: payments asks the provider how things stand, and answers 200 once that is
/// stored. Anything else means: send it again.
#[utoipa::path(
    post,
    path = "/v1/payment-webhooks/{provider}",
    params(("provider" = String, Path, example = "sandbox")),
    request_body(content = Object, content_type = "application/json"),
    responses(
        (status = 200, description = "It was taken in", body = WebhookReceipt),
        WebhookProblems,
    ),
)]
pub(super) async fn receive_webhook(
    State(app): State<App>,
    cx: Context,
    Path(name): Path<String>,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Result<Json<WebhookReceipt>, Problem> {
    let provider = &app.service.provider;
    if name != provider.name() {
        return Err(Problem::not_found().detail("no such payment provider is configured here"));
    }
    let body = body.map_err(|_| {
        Problem::new(&edge::problems::BAD_REQUEST).detail("the body did not arrive in full")
    })?;
    let signature = headers.get(provider.signature_header()).and_then(|it| it.to_str().ok());
    let now = app.service.clock.now();
    provider.webhook_secrets().verify(signature, &body, now).map_err(forged)?;
    let hint = provider.read_webhook(&body).map_err(|fault| {
        tracing::warn!(%fault, "a payment webhook cannot be read");
        Problem::new(&problems::WEBHOOK_UNREADABLE).detail(fault.to_string())
    })?;
    let taken = app.service.take_hint(&cx, &hint).await;
    log(&hint, &taken);
    let outcome = match taken {
        Ok(Taken::Now) => WebhookOutcome::Taken,
        Ok(Taken::Before) => WebhookOutcome::Known,
        Ok(Taken::Ignored) => WebhookOutcome::Ignored,
        Err(_) => return Err(Problem::new(&problems::WEBHOOK_NOT_TAKEN).retry_after(SOON)),
    };
    Ok(Json(WebhookReceipt { outcome }))
}

fn forged(why: Forged) -> Problem {
    count_webhook("forged");
    tracing::warn!(%why, "a payment webhook was not believed");
    let kind = match why {
        Forged::Untimely => &problems::WEBHOOK_UNTIMELY,
        Forged::Missing | Forged::Malformed | Forged::Wrong => &problems::WEBHOOK_SIGNATURE_INVALID,
    };
    Problem::new(kind).detail(why.to_string())
}

fn log(hint: &Hint, taken: &Result<Taken, NotTaken>) {
    let outcome = match taken {
        Ok(Taken::Now) => "taken",
        Ok(Taken::Before) => "known",
        Ok(Taken::Ignored) => "ignored",
        Err(_) => "not_taken",
    };
    count_webhook(outcome);
    let (event, kind) = (&hint.event_id, &hint.kind);
    match taken {
        Ok(_) => tracing::info!(event, kind, outcome, "a payment webhook was taken in"),
        Err(error) => tracing::warn!(event, kind, %error, "a payment webhook was not taken"),
    }
}
