//! What a caller may do, as far as the token says: roles, and whose a thing is. Membership of an
//! organizer is the services' own knowledge.

use axum::{
    extract::{FromRequestParts, OptionalFromRequestParts},
    http::{HeaderValue, header, request::Parts},
};
use runtime::{Context, Principal, Role};
use uuid::Uuid;

use crate::{Problem, problems, token::AccessClaims};

/// The caller's account; a 401 problem when nobody has logged in.
pub fn user(cx: &Context) -> Result<Uuid, Problem> {
    cx.principal().user_id().ok_or_else(unauthenticated)
}

/// The caller's account when it has `role` or is an admin; a 401 problem when nobody has logged in,
/// a 403 problem when the role is missing.
pub fn require(cx: &Context, role: Role) -> Result<Uuid, Problem> {
    require_any(cx, &[role])
}

/// As [`require`], with any one of `roles`.
pub fn require_any(cx: &Context, roles: &[Role]) -> Result<Uuid, Problem> {
    let id = user(cx)?;
    if roles.iter().any(|role| cx.principal().has_role(*role)) {
        return Ok(id);
    }
    let names: Vec<String> = roles.iter().map(|role| name(*role)).collect();
    Err(Problem::new(&problems::FORBIDDEN)
        .detail(format!("this needs the role {}", names.join(" or "))))
}

/// Passes when the caller is `owner` or an admin. To anyone else the thing does not exist: a 404
/// problem (a 401 problem when nobody has logged in).
pub fn owner(cx: &Context, owner: Uuid) -> Result<(), Problem> {
    let id = user(cx)?;
    if id == owner || cx.principal().has_role(Role::Admin) {
        return Ok(());
    }
    Err(Problem::not_found())
}

/// Who has logged in, with the session. Handlers that need an account take it as an argument; its
/// rejection is a 401 problem.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    /// The account.
    pub user: Uuid,
    /// What it may do.
    pub roles: Vec<Role>,
    /// The session the access token belongs to.
    pub session: Uuid,
    /// Whether it is a guest: somebody who buys without an account. Then there is neither an account
    /// nor a session, and `user` is the guest.
    pub is_guest: bool,
}

impl Caller {
    /// Whether it may act as `role`. An admin may act as every role.
    pub fn has_role(&self, role: Role) -> bool {
        Principal::User { id: self.user, roles: self.roles.clone() }.has_role(role)
    }

    /// Passes when the caller has an account; a 403 problem for guests.
    pub fn needs_account(&self) -> Result<(), Problem> {
        if self.is_guest { Err(Problem::new(&problems::ACCOUNT_NEEDED)) } else { Ok(()) }
    }
}

impl From<&AccessClaims> for Caller {
    fn from(claims: &AccessClaims) -> Self {
        Self {
            user: claims.sub,
            roles: claims.roles.clone(),
            session: claims.sid,
            is_guest: claims.guest,
        }
    }
}

impl<S: Sync> FromRequestParts<S> for Caller {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Self::Rejection> {
        parts.extensions.get::<AccessClaims>().map(Self::from).ok_or_else(unauthenticated)
    }
}

/// `None` when nobody has logged in.
impl<S: Sync> OptionalFromRequestParts<S> for Caller {
    type Rejection = Problem;

    async fn from_request_parts(
        parts: &mut Parts,
        _state: &S,
    ) -> Result<Option<Self>, Self::Rejection> {
        Ok(parts.extensions.get::<AccessClaims>().map(Self::from))
    }
}

/// For those who need an access token and have none.
pub(crate) fn unauthenticated() -> Problem {
    Problem::new(&problems::UNAUTHENTICATED)
        .detail("this needs an access token")
        .header(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"))
}

fn name(role: Role) -> String {
    format!("{role:?}").to_lowercase()
}
