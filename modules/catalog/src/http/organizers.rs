//! `/v1/organizers`: who runs events. Everybody may read about organizers; their members change
//! them.

pub(super) mod change;
pub(super) mod create;
pub(super) mod get;
pub(super) mod list;

use garde::Validate;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use super::text;
use crate::{domain::Organizer, views::organizers::OrganizerRow};

/// What can be said about an organizer.
#[derive(Debug, Clone, Deserialize, Validate, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = OrganizerInput, example = json!({
    "name": "Riverside Concerts",
    "description": "Chamber music by the river since 1987.",
}))]
pub(super) struct OrganizerInput {
    /// Its name, one line.
    #[garde(length(chars, min = 1, max = 200), custom(text::line))]
    #[schema(min_length = 1, max_length = 200)]
    name: String,
    /// What it does; empty when absent.
    #[garde(length(chars, max = 10_000), custom(text::lines))]
    #[schema(max_length = 10_000)]
    #[serde(default)]
    description: String,
}

/// An organizer.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Organizer, example = json!({
    "id": "01980e4c-8f5c-7b1e-a7c4-51d2f2a5c001",
    "name": "Riverside Concerts",
    "description": "Chamber music by the river since 1987.",
}))]
pub(super) struct OrganizerResource {
    id: Uuid,
    name: String,
    description: String,
}

impl OrganizerInput {
    fn trimmed(self) -> Self {
        Self { name: text::trimmed(&self.name), description: self.description }
    }
}

impl OrganizerResource {
    fn of(id: Uuid, organizer: &Organizer) -> Self {
        let Organizer { name, description, .. } = organizer;
        Self { id, name: name.clone(), description: description.clone() }
    }
}

impl From<OrganizerRow> for OrganizerResource {
    fn from(row: OrganizerRow) -> Self {
        let OrganizerRow { id, name, description, .. } = row;
        Self { id, name, description }
    }
}
