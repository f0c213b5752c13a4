//! `POST /v1/auth/refresh`

use std::sync::Arc;

use axum::extract::State;
use edge::{Json, Problem};
use garde::Validate;
use runtime::{Context, Secret};
use serde::Deserialize;
use utoipa::ToSchema;

use super::Tokens;
use crate::{
    problems::{REFRESH_TOKEN_INVALID, REFRESH_TOKEN_REUSED},
    service::Service,
};

/// The session that goes on.
#[derive(Debug, Deserialize, Validate, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Refresh {
    /// The refresh token of the session's last answer.
    #[garde(skip)]
    #[schema(value_type = String, example = "8dGQ2tZt0wq0w7mX1c0C3v1m0eQ5nq9y8u7t6r5e4w3")]
    refresh_token: Secret,
}

edge::problem_responses! {
    pub(crate) RefreshProblems: REFRESH_TOKEN_INVALID, REFRESH_TOKEN_REUSED
}

/// Refresh a session
///
/// Gives out new tokens, with the roles that the account has now. The refresh token that was sent
/// is good for this one time: when it comes a second time, even at the same time, the whole session
/// ends, since one of the two who have it is a thief.
#[utoipa::path(
    post, path = "/v1/auth/refresh", request_body = Refresh,
    responses((status = 200, description = "The session goes on.", body = Tokens), RefreshProblems),
)]
pub(crate) async fn refresh(
    State(service): State<Arc<Service>>,
    cx: Context,
    Json(refresh): Json<Refresh>,
) -> Result<Json<Tokens>, Problem> {
    let tokens = service.refresh(&cx, &refresh.refresh_token).await?;
    Ok(Json(tokens.into()))
}
