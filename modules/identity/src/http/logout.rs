//! `POST /v1/auth/logout`

use std::sync::Arc;

use axum::{extract::State, http::StatusCode};
use edge::{Caller, Problem};
use runtime::Context;

use super::GuestProblems;
use crate::service::Service;

/// Log out
///
/// Ends the session that the access token belongs to: its refresh token is worth nothing from now
/// on. Access tokens that were given out stay good until they expire, a few minutes later. Logging
/// out twice is as good as once.
#[utoipa::path(
    post, path = "/v1/auth/logout", security(("bearer" = [])),
    responses((status = 204, description = "The session has ended."), GuestProblems),
)]
pub(crate) async fn log_out(
    State(service): State<Arc<Service>>,
    cx: Context,
    caller: Caller,
) -> Result<StatusCode, Problem> {
    caller.needs_account()?;
    service.log_out(&cx, caller.session).await?;
    Ok(StatusCode::NO_CONTENT)
}
