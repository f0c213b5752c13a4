//! `PUT /v1/users/{id}/password`

use std::sync::Arc;

use axum::{extract::State, http::StatusCode};
use edge::{Json, Network, Path, Problem};
use garde::Validate;
use runtime::{Context, Secret};
use serde::Deserialize;
use utoipa::ToSchema;
use uuid::Uuid;

use super::{Admin, is_fit_password};
use crate::{problems::OWN_PASSWORD, service::Service};

/// The password that an account gets.
#[derive(Debug, Deserialize, Validate, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewPassword {
    /// 12 to 128 characters, any of them.
    #[garde(custom(is_fit_password))]
    #[schema(value_type = String, format = Password, min_length = 12, max_length = 128,
             example = "nine ladies dancing on a tightrope")]
    new_password: Secret,
}

edge::problem_responses! {
    pub(crate) PasswordProblems: OWN_PASSWORD
}

/// Give an account a new password
///
/// For admins, when somebody has forgotten theirs or somebody else has learnt it. Every session of
/// the account ends: its refresh tokens and access tokens are worth nothing from now on; for access
/// tokens see `POST /v1/auth/logout`. Hand the password over in person, and have it changed with
/// `PUT /v1/users/me/password`, which is also how admins change their own.
#[utoipa::path(
    put, path = "/v1/users/{id}/password", request_body = NewPassword, security(("bearer" = [])),
    params(("id" = Uuid, Path, description = "The account.")),
    responses((status = 204, description = "The new password is good, and the old one is not."),
              PasswordProblems),
)]
pub(crate) async fn put_password(
    State(service): State<Arc<Service>>,
    cx: Context,
    Admin(by): Admin,
    network: Network,
    Path(id): Path<Uuid>,
    Json(wish): Json<NewPassword>,
) -> Result<StatusCode, Problem> {
    service.reset_password(&cx, id, wish.new_password, by, network).await?;
    Ok(StatusCode::NO_CONTENT)
}
