//! `PUT /v1/users/me/password`

use std::sync::Arc;

use axum::{extract::State, http::StatusCode};
use edge::{Caller, Json, Network, Problem};
use garde::Validate;
use runtime::{Context, Secret};
use serde::Deserialize;
use utoipa::ToSchema;

use super::{is_fit_password, is_not_overlong};
use crate::{
    credentials::PasswordChange,
    problems::{TOO_MANY_LOGINS, WRONG_PASSWORD},
    service::{Refusal, Service},
};

/// Two passwords of one account.
#[derive(Debug, Deserialize, Validate, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct OwnPassword {
    /// The password that the account has.
    #[garde(custom(is_not_overlong))]
    #[schema(value_type = String, format = Password, max_length = 128,
             example = "correct horse battery staple")]
    old_password: Secret,
    /// The one that it is to have: 12 to 128 characters, any of them, and not the old one.
    #[garde(custom(is_fit_password), custom(differs_from(&self.old_password)))]
    #[schema(value_type = String, format = Password, min_length = 12, max_length = 128,
             example = "nine ladies dancing on a tightrope")]
    new_password: Secret,
}

edge::problem_responses! {
    pub(crate) OwnPasswordProblems:
        WRONG_PASSWORD, TOO_MANY_LOGINS, edge::problems::ACCOUNT_NEEDED
}

/// Change your password
///
/// Needs the old one. Every other session of the account ends: its refresh token and its access
/// tokens are worth nothing from now on; for those see `POST /v1/auth/logout`. The session of
/// the access token that is sent goes on. Wrong old passwords count as wrong passwords of logins do,
/// and make the next try wait. When the answer is lost, log in with the new password to find out.
#[utoipa::path(
    put, path = "/v1/users/me/password", request_body = OwnPassword, security(("bearer" = [])),
    responses((status = 204, description = "The new password is good, and the old one is not."),
              OwnPasswordProblems),
)]
pub(crate) async fn put_own_password(
    State(service): State<Arc<Service>>,
    cx: Context,
    caller: Caller,
    network: Network,
    Json(passwords): Json<OwnPassword>,
) -> Result<StatusCode, Problem> {
    caller.needs_account()?;
    let change = PasswordChange {
        account_id: caller.user,
        session_id: caller.session,
        old: passwords.old_password,
        new: passwords.new_password,
    };
    match service.change_password(&cx, change, network).await {
        Err(Refusal::NoSuchAccount) => Err(super::account_is_gone()),
        changed => Ok(changed.map(|()| StatusCode::NO_CONTENT)?),
    }
}

fn differs_from<C>(old: &Secret) -> impl FnOnce(&Secret, &C) -> garde::Result {
    move |new, _context| {
        if new.expose() == old.expose() {
            return Err(garde::Error::new("is the old password"));
        }
        Ok(())
    }
}
