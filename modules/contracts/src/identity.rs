//! What identity says to other services: who an account is.

use std::fmt;

use runtime::{
    Context, ContractError, Fault, IntegrationEvents, Role, Timestamp, Unrecognised, service,
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

/// Accounts, as other services may ask for them.
#[service("identity")]
pub trait Identity {
    /// The account with this id.
    #[idempotent]
    async fn user(&self, cx: &Context, request: FindUser) -> Result<User, IdentityError>;

    /// Lets a guest in: somebody who buys without an account, whom the caller has made sure of. Each
    /// call gives another token.
    #[idempotent]
    async fn admit_guest(
        &self,
        cx: &Context,
        request: AdmitGuest,
    ) -> Result<GuestAccess, IdentityError>;
}

/// Asks to let a guest in.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct AdmitGuest {
    /// The guest: a buyer like any other, without an account.
    pub guest_id: Uuid,
}

/// With what a guest speaks to every endpoint for the time being.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct GuestAccess {
    /// Speaks for the guest, with the role customer.
    pub access_token: AccessToken,
    /// When the token stops being good.
    pub expires_at: Timestamp,
}

/// An access token on its way to its owner. Never shown.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(transparent)]
pub struct AccessToken(String);

impl AccessToken {
    /// The token itself. Keep it out of logs and errors.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl From<String> for AccessToken {
    fn from(token: String) -> Self {
        Self(token)
    }
}

impl fmt::Debug for AccessToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AccessToken(<hidden>)")
    }
}

/// Asks for an account.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct FindUser {
    /// The account.
    pub user_id: Uuid,
}

/// An account. Personal data: to be used for the purpose at hand and not to be stored.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct User {
    /// The account.
    pub user_id: Uuid,
    /// Where mail for the person goes.
    pub email: String,
    /// How the person wants to be called.
    pub name: String,
    /// What the account may do.
    pub roles: Vec<Role>,
}

/// Why identity could not answer.
#[derive(Debug, Clone, PartialEq, thiserror::Error, Serialize, Deserialize, ToSchema)]
#[serde(tag = "code", rename_all = "snake_case")]
pub enum IdentityError {
    /// No account has this id.
    #[error("no account has the id {user_id}")]
    UserUnknown {
        /// The id that was asked for.
        user_id: Uuid,
    },
    /// The call itself failed.
    #[error(transparent)]
    #[serde(skip)]
    Fault(#[from] Fault),
    /// An error of a newer identity.
    #[error("{0}")]
    #[serde(untagged)]
    Unrecognised(Unrecognised),
}
impl ContractError for IdentityError {}

/// Published by identity. Never carries personal data.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum IdentityEvent {
    /// Somebody opened an account.
    UserRegistered {
        /// The account.
        user_id: Uuid,
    },
    /// An event of a newer identity.
    #[serde(other)]
    Unknown,
}

impl IntegrationEvents for IdentityEvent {
    const PUBLISHER: &'static str = "identity";
    const NAMES: &'static [&'static str] = &["identity.user_registered"];

    fn key(&self) -> Uuid {
        match self {
            Self::UserRegistered { user_id } => *user_id,
            Self::Unknown => Uuid::nil(),
        }
    }
}
