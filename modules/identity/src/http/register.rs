//! `POST /v1/auth/register`

use std::sync::Arc;

use axum::extract::State;
use edge::{Answered, Json, Network, Problem, created};
use garde::Validate;
use runtime::{Context, Role, Secret};
use serde::Deserialize;
use utoipa::ToSchema;

use super::{Account, is_fit_password};
use crate::{
    domain::account::{EmailAddress, Person, Roles},
    problems::EMAIL_TAKEN,
    service::{Registration, Service},
};

/// Who wants an account.
#[derive(Debug, Deserialize, Validate, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Register {
    /// Where mail for the person goes. Capital letters do not make another address.
    #[garde(length(bytes, max = 254), custom(edge::text::email))]
    #[schema(format = Email, max_length = 254, example = "ada@example.org")]
    email: String,
    /// 12 to 128 characters, any of them.
    #[garde(custom(is_fit_password))]
    #[schema(value_type = String, format = Password, min_length = 12, max_length = 128,
             example = "correct horse battery staple")]
    password: Secret,
    /// How the person wants to be called.
    #[garde(length(chars, min = 1, max = 100), custom(is_printable))]
    #[schema(
        min_length = 1,
        max_length = 100,
        example = "Ada Lovelace",
        pattern = r"^[^\x00-\x1f\x7f-\x9f]*[^\s\x00-\x1f\x7f-\x9f][^\x00-\x1f\x7f-\x9f]*$"
    )]
    name: String,
}

edge::problem_responses! {
    pub(crate) RegisterProblems: EMAIL_TAKEN
}

/// Register an account
///
/// The account has the role `customer`; an admin can give it others. The answer has no tokens: log in
/// next. When the answer to a registration is lost, log in, or repeat it: `email-taken` says that it
/// had arrived.
#[utoipa::path(
    post, path = "/v1/auth/register", request_body = Register,
    responses((status = 201, description = "The account is there.", body = Account, headers(
                   ("Location" = String, description = "Where the account is."),
                   ("ETag" = String, description = "The account's version."))),
              RegisterProblems),
)]
pub(crate) async fn register(
    State(service): State<Arc<Service>>,
    cx: Context,
    network: Network,
    Json(wish): Json<Register>,
) -> Result<Answered, Problem> {
    let email = EmailAddress::normalise(&wish.email);
    let registration = Registration {
        person: Person { email, name: wish.name.trim().to_owned() },
        password: wish.password,
        roles: Roles::from([Role::Customer]),
    };
    let (id, account) = service.register(&cx, registration, network).await?;
    let registered = account.state.registered().ok_or_else(Problem::not_found)?;
    let body = Account::new(id, registered);
    Ok(Answered(created(format!("/v1/users/{id}"), account.version, &body)))
}

/// A name that can be shown: something is in it, and nothing that a screen would obey.
fn is_printable<C>(name: &str, _context: &C) -> garde::Result {
    if name.trim().is_empty() {
        return Err(garde::Error::new("is blank"));
    }
    if name.chars().any(char::is_control) {
        return Err(garde::Error::new("holds a control character"));
    }
    Ok(())
}
