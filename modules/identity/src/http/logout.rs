//! `POST /v1/auth/logout`

use std::sync::Arc;

use axum::{extract::State, http::StatusCode};
use edge::{Caller, Problem};
use runtime::Context;

use super::GuestProblems;
use crate::service::Service;

/// Log out
///
/// Ends the session that the access token belongs to: its refresh token and its access tokens are
/// worth nothing from now on, this one included. In an installation of several processes without
/// Redis, others than identity take its access tokens until they expire, a few minutes later.
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
