//! `POST /v1/auth/login`

use std::sync::Arc;

use axum::extract::State;
use edge::{Json, Network, Problem};
use garde::Validate;
use runtime::{Context, Secret};
use serde::Deserialize;
use utoipa::ToSchema;

use super::{Tokens, is_not_overlong};
use crate::{
    domain::account::EmailAddress,
    problems::{INVALID_CREDENTIALS, TOO_MANY_LOGINS},
    service::Service,
};

/// Who wants in.
#[derive(Debug, Deserialize, Validate, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Login {
    /// The account's e-mail address, in capital or lowercase letters.
    #[garde(email, length(bytes, max = 254))]
    #[schema(format = Email, max_length = 254, example = "ada@example.org")]
    email: String,
    /// The account's password.
    #[garde(custom(is_not_overlong))]
    #[schema(value_type = String, format = Password, max_length = 128,
             example = "correct horse battery staple")]
    password: Secret,
}

edge::problem_responses! {
    pub(crate) LoginProblems: INVALID_CREDENTIALS, TOO_MANY_LOGINS
}

/// Log in
///
/// Opens a session and gives out its tokens. The answer takes as long for an address that has no
/// account as for one that has. After some wrong passwords for an account, and after many from one
/// network, the next try has to wait.
#[utoipa::path(
    post, path = "/v1/auth/login", request_body = Login,
    responses((status = 200, description = "The session is open.", body = Tokens), LoginProblems),
)]
pub(crate) async fn log_in(
    State(service): State<Arc<Service>>,
    cx: Context,
    network: Network,
    Json(login): Json<Login>,
) -> Result<Json<Tokens>, Problem> {
    let email = EmailAddress::normalise(&login.email);
    let tokens = service.log_in(&cx, &email, login.password, network).await?;
    Ok(Json(tokens.into()))
}
