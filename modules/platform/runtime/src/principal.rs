//! On whose behalf work is done.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// What an account may do. An account can have several.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    Hash,
    PartialOrd,
    Ord,
    Serialize,
    Deserialize,
    utoipa::ToSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Buys tickets.
    Customer,
    /// Runs events of organizers it belongs to.
    Organizer,
    /// Checks tickets at the door.
    Staff,
    /// Runs this installation; may do everything.
    Admin,
}

/// Who is behind a request, a call or an event.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Principal {
    /// Nobody has logged in.
    Anonymous,
    /// A person with an account.
    User {
        /// The account.
        id: Uuid,
        /// What the account may do.
        roles: Vec<Role>,
    },
    /// Boxoffice itself: a timer or a reaction of the named service.
    Service {
        /// The service's name in the registry.
        name: String,
    },
}

impl Principal {
    /// The account's id, when a person is behind this.
    pub fn user_id(&self) -> Option<Uuid> {
        match self {
            Self::User { id, .. } => Some(*id),
            Self::Anonymous | Self::Service { .. } => None,
        }
    }

    /// Whether this may act as `role`. An admin may act as every role.
    pub fn has_role(&self, role: Role) -> bool {
        match self {
            Self::User { roles, .. } => roles.contains(&role) || roles.contains(&Role::Admin),
            Self::Anonymous | Self::Service { .. } => false,
        }
    }

    /// How event records and the audit trail name this: `user:<id>`, `service:<name>` or
    /// `anonymous`.
    pub fn actor(&self) -> String {
        match self {
            Self::Anonymous => "anonymous".to_owned(),
            Self::User { id, .. } => format!("user:{id}"),
            Self::Service { name } => format!("service:{name}"),
        }
    }
}
