//! Identity's public endpoints, one file each. This is their table of contents, with what several
//! of them share.

mod delete_sessions;
mod get_me;
mod get_user;
mod jwks;
mod list_users;
mod login;
mod logout;
mod put_own_password;
mod put_password;
mod put_roles;
mod refresh;
mod register;

use std::sync::Arc;

use axum::{
    extract::FromRequestParts,
    http::{HeaderValue, header, request::Parts},
};
use edge::{Caller, Problem, Tagged};
use runtime::{Role, Secret, Timestamp};
use serde::{Serialize, Serializer};
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};
use uuid::Uuid;

use crate::{
    domain::account::{AccountRejection, Registered},
    passwords::PasswordFault,
    problems,
    service::{Refusal, Service, TokenPair},
    settings::PASSWORD_LENGTH,
    views::AccountRow,
};

pub(crate) fn routes() -> OpenApiRouter<Arc<Service>> {
    OpenApiRouter::new()
        .routes(routes!(register::register))
        .routes(routes!(login::log_in))
        .routes(routes!(refresh::refresh))
        .routes(routes!(logout::log_out))
        .routes(routes!(get_me::get_me))
        .routes(routes!(get_me::get_me_as_user))
        .routes(routes!(list_users::list_users))
        .routes(routes!(get_user::get_user))
        .routes(routes!(put_roles::put_roles))
        .routes(routes!(put_own_password::put_own_password))
        .routes(routes!(put_password::put_password))
        .routes(routes!(delete_sessions::delete_sessions))
        .routes(routes!(jwks::get_token_keys))
}

edge::problem_responses! {
    /// What a guest is told who asks for what only accounts have.
    pub(crate) GuestProblems: edge::problems::ACCOUNT_NEEDED
}

/// A person's account.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Account {
    /// The account.
    id: Uuid,
    /// Where mail for the person goes, in lowercase letters.
    #[schema(format = Email, example = "ada@example.org")]
    email: String,
    /// How the person wants to be called.
    #[schema(example = "Ada Lovelace")]
    name: String,
    /// What the account may do.
    roles: Vec<Role>,
    /// When the account was registered.
    created_at: Timestamp,
}

impl Account {
    fn new(id: Uuid, account: &Registered) -> Self {
        Self {
            id,
            email: account.person.email.as_str().to_owned(),
            name: account.person.name.clone(),
            roles: account.roles.iter().copied().collect(),
            created_at: account.since,
        }
    }
}

impl From<AccountRow> for Account {
    fn from(row: AccountRow) -> Self {
        let (roles, created_at) = (row.roles().iter().copied().collect(), row.registered_at());
        Self { id: row.id, email: row.email, name: row.name, roles, created_at }
    }
}

/// An account with its version as the entity tag.
fn tagged(row: AccountRow) -> Tagged<edge::Json<Account>> {
    Tagged(row.version(), edge::Json(row.into()))
}

/// The tokens of a session. The access token goes into `Authorization: Bearer …`; the refresh token
/// is for `POST /v1/auth/refresh` only.
#[derive(Serialize, ToSchema)]
pub(crate) struct Tokens {
    /// Proves who you are, to every endpoint.
    #[serde(serialize_with = "expose")]
    #[schema(value_type = String, example = "eyJ0eXAiOiJhdCtqd3QiLCJhbGciOiJFZERTQSJ9.eyJzdWIiOiIwMTk4In0.c2lnbmF0dXJl")]
    access_token: Secret,
    /// Always `Bearer`.
    #[schema(example = "Bearer")]
    token_type: &'static str,
    /// For how many seconds the access token is good.
    #[schema(example = 900)]
    expires_in: u64,
    /// Good for one refresh. Keep it as you keep a password.
    #[serde(serialize_with = "expose")]
    #[schema(value_type = String, example = "8dGQ2tZt0wq0w7mX1c0C3v1m0eQ5nq9y8u7t6r5e4w3")]
    refresh_token: Secret,
}

impl From<TokenPair> for Tokens {
    fn from(pair: TokenPair) -> Self {
        Self {
            access_token: pair.access,
            token_type: "Bearer",
            expires_in: pair.access_seconds,
            refresh_token: pair.refresh,
        }
    }
}

/// The caller, when it is an admin. As a handler's argument before the body, so that nobody else is
/// told what is wrong with one.
pub(crate) struct Admin(Uuid);

impl<S: Sync> FromRequestParts<S> for Admin {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let caller = Caller::from_request_parts(parts, state).await?;
        if caller.has_role(Role::Admin) {
            return Ok(Self(caller.user));
        }
        Err(not_an_admin())
    }
}

/// A token that outlived its account is no longer anybody's.
fn account_is_gone() -> Problem {
    Problem::new(&edge::problems::UNAUTHENTICATED)
        .detail("the account of this access token no longer exists")
}

fn not_an_admin() -> Problem {
    Problem::new(&edge::problems::FORBIDDEN).detail("this needs the role admin")
}

/// The one place where a secret is meant to leave.
fn expose<S: Serializer>(secret: &Secret, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(secret.expose())
}

/// A new password has enough characters, and not so many that hashing it costs more.
fn is_fit_password<C>(password: &Secret, _context: &C) -> garde::Result {
    let (least, most) = (PASSWORD_LENGTH.start(), PASSWORD_LENGTH.end());
    match password.expose().chars().count() {
        count if count < *least => {
            Err(garde::Error::new(format!("shorter than {least} characters")))
        }
        count if count > *most => Err(garde::Error::new(format!("longer than {most} characters"))),
        _ => Ok(()),
    }
}

/// No account has such a password, and hashing it would cost more than others.
fn is_not_overlong<C>(password: &Secret, _context: &C) -> garde::Result {
    let most = PASSWORD_LENGTH.end();
    if password.expose().chars().count() <= *most {
        return Ok(());
    }
    Err(garde::Error::new(format!("longer than {most} characters")))
}

impl From<Refusal> for Problem {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::EmailTaken => Self::new(&problems::EMAIL_TAKEN),
            Refusal::WrongPassword => Self::new(&problems::WRONG_PASSWORD),
            Refusal::WrongCredentials => unauthorised(Self::new(&problems::INVALID_CREDENTIALS)),
            Refusal::Throttled { wait } => Self::new(&problems::TOO_MANY_LOGINS).retry_after(wait),
            Refusal::TokenInvalid => unauthorised(Self::new(&problems::REFRESH_TOKEN_INVALID)),
            Refusal::TokenReused => unauthorised(Self::new(&problems::REFRESH_TOKEN_REUSED)),
            Refusal::NoSuchAccount => Self::not_found(),
            Refusal::Account(AccountRejection::OwnAdminRole) => {
                Self::new(&problems::OWN_ADMIN_ROLE)
            }
            Refusal::Account(AccountRejection::OwnPassword) => Self::new(&problems::OWN_PASSWORD),
            Refusal::Account(AccountRejection::NoRole) => {
                Self::invalid_field("/roles", AccountRejection::NoRole.to_string())
            }
            Refusal::Account(
                defect @ (AccountRejection::RegisteredAlready
                | AccountRejection::Unregistered
                | AccountRejection::PasswordDiffers),
            ) => Self::internal(defect),
            Refusal::NotAnAdmin => not_an_admin(),
            Refusal::Stale { current } => Self::stale(current),
            Refusal::Password(PasswordFault::Busy) => Self::unavailable(PasswordFault::Busy),
            Refusal::Password(defect) => Self::internal(defect),
            Refusal::Signing(defect) => Self::internal(defect),
            Refusal::Store(error) => error.into(),
        }
    }
}

/// HTTP wants every 401 to name a way to authenticate (RFC 9110, section 15.5.2).
fn unauthorised(problem: Problem) -> Problem {
    problem.header(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"))
}
