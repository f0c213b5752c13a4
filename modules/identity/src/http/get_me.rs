//! `GET /v1/auth/me` and, for those who look for it among the users, `GET /v1/users/me`

use std::sync::Arc;

use axum::extract::State;
use edge::{Caller, Json, Problem, Tagged};

use super::{Account, GuestProblems, account_is_gone, tagged};
use crate::service::{Refusal, Service};

/// Who am I?
///
/// The account that the access token belongs to, with the roles it has now.
#[utoipa::path(
    get, path = "/v1/auth/me", security(("bearer" = [])),
    responses((status = 200, description = "Your account.", body = Account,
               headers(("ETag" = String, description = "The account's version."))), GuestProblems),
)]
pub(crate) async fn get_me(
    State(service): State<Arc<Service>>,
    caller: Caller,
) -> Result<Tagged<Json<Account>>, Problem> {
    own_account(&service, &caller).await
}

/// Who am I? (as a user)
///
/// The same as `GET /v1/auth/me`.
#[utoipa::path(
    get, path = "/v1/users/me", security(("bearer" = [])),
    responses((status = 200, description = "Your account.", body = Account,
               headers(("ETag" = String, description = "The account's version."))), GuestProblems),
)]
pub(crate) async fn get_me_as_user(
    State(service): State<Arc<Service>>,
    caller: Caller,
) -> Result<Tagged<Json<Account>>, Problem> {
    own_account(&service, &caller).await
}

async fn own_account(service: &Service, caller: &Caller) -> Result<Tagged<Json<Account>>, Problem> {
    caller.needs_account()?;
    match service.account(caller.user).await {
        Err(Refusal::NoSuchAccount) => Err(account_is_gone()),
        found => Ok(tagged(found?)),
    }
}
