//! `DELETE /v1/users/{id}/sessions`

use std::sync::Arc;

use axum::{extract::State, http::StatusCode};
use edge::{Caller, Path, Problem};
use runtime::Context;
use uuid::Uuid;

use crate::service::Service;

/// End an account's sessions
///
/// Everybody may end their own, an admin may end anybody's. To others the account does not exist.
/// Every refresh token and every access token of the account is worth nothing from now on, also those
/// of who asks; for access tokens see `POST /v1/auth/logout`. The password stays: whoever knows it
/// can log in again.
#[utoipa::path(
    delete, path = "/v1/users/{id}/sessions", security(("bearer" = [])),
    params(("id" = Uuid, Path, description = "The account.")),
    responses((status = 204, description = "All sessions have ended.")),
)]
pub(crate) async fn delete_sessions(
    State(service): State<Arc<Service>>,
    cx: Context,
    caller: Caller,
    Path(id): Path<Uuid>,
) -> Result<StatusCode, Problem> {
    edge::owner(&cx, id)?;
    service.end_sessions(&cx, id, caller.user, caller.session).await?;
    Ok(StatusCode::NO_CONTENT)
}
