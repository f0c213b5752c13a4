//! `POST /v1/admin/<service>/dead-letters/retry`.

use axum::{extract::State, http::StatusCode};
use garde::Validate;
use runtime::Context;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{Desk, mistaken_names};
use crate::{FieldFault, Json, Problem, RequestPart};

/// Whose dead letters to retry.
#[derive(Debug, Deserialize, Validate, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"consumer": "orders", "publisher": "payments"}))]
pub(super) struct RetryDeadLetters {
    /// Who could not take the events in.
    #[garde(length(chars, min = 1, max = 100), custom(super::plain))]
    #[schema(min_length = 1, max_length = 100)]
    consumer: String,
    /// The service that published them; of every one when left out.
    #[garde(length(chars, max = 100), custom(super::plain))]
    #[schema(max_length = 100)]
    #[serde(default)]
    publisher: String,
}

/// How many are tried again.
#[derive(Debug, Serialize, ToSchema)]
#[schema(example = json!({"retried": 3}))]
pub(super) struct RetriedDeadLetters {
    /// How many will be tried. Those that wait behind them follow by themselves and are not counted.
    retried: u64,
}

/// Retry every event that a consumer of this service could not take in
///
/// For admins: each is tried within a second, as often as a new event is, and those that wait behind
/// it follow in order. Repeating this is harmless. Names under which nothing was ever taken in are
/// refused.
#[utoipa::path(
    post,
    path = "/dead-letters/retry",
    request_body = RetryDeadLetters,
    responses((status = 202, description = "They will be tried", body = RetriedDeadLetters)),
    security(("bearer" = [])),
)]
pub(super) async fn retry_dead_letters(
    State(desk): State<Desk>,
    cx: Context,
    Json(whose): Json<RetryDeadLetters>,
) -> Result<(StatusCode, Json<RetriedDeadLetters>), Problem> {
    let by = Desk::admin(&cx)?;
    let RetryDeadLetters { consumer, publisher } = whose;
    let retried = desk.letters.retry_all(&consumer, &publisher).await?;
    if retried == 0 {
        desk.expect_names(&consumer, &publisher).await?;
    }
    let service = desk.service;
    tracing::info!(service, consumer, publisher, retried, by, "dead letters are to be retried");
    Ok((StatusCode::ACCEPTED, Json(RetriedDeadLetters { retried })))
}

impl Desk {
    /// There may be nothing to retry; there is something wrong where the names are.
    async fn expect_names(&self, consumer: &str, publisher: &str) -> Result<(), Problem> {
        let known = self.letters.consumers().await?;
        let faults = mistaken_names(consumer, publisher, &known);
        if faults.is_empty() {
            return Ok(());
        }
        Err(Problem::invalid(
            faults
                .into_iter()
                .map(|(field, why)| FieldFault::new(RequestPart::Body, format!("/{field}"), why)),
        ))
    }
}
