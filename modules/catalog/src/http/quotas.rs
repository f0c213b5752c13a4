//! `/v1/events/{event_id}/quotas`: the shares of places that ticket types draw on. A ticket type may
//! draw on several, and several ticket types on one; it is sold only while every one of its quotas
//! has room. They are a part of their event and share its `ETag`.

pub(super) mod change;
pub(super) mod create;
pub(super) mod delete;
pub(super) mod get;
pub(super) mod list;

use contracts::catalog::{Capacity, Quota};
use garde::Validate;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use super::text;

/// A share of the places of an event.
#[derive(Debug, Clone, Deserialize, Validate, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({
    "name": "Room",
    "capacity": {"kind": "limited", "places": 300},
    "ticket_type_ids": ["01980e4c-8f5c-7b1e-a7c4-51d2f2a5c004"],
}))]
pub(super) struct QuotaInput {
    /// Its name, one line.
    #[garde(length(chars, min = 1, max = 200), custom(text::line))]
    #[schema(min_length = 1, max_length = 200)]
    name: String,
    /// How many places it has. It may become less than what is sold: then nothing more is sold, and
    /// nothing is taken back.
    #[garde(skip)]
    capacity: Capacity,
    /// The ticket types that draw on it.
    #[garde(length(max = 100))]
    #[schema(max_items = 100)]
    ticket_type_ids: Vec<Uuid>,
}

impl QuotaInput {
    fn into_quota(self, quota_id: Uuid) -> Quota {
        let mut ticket_type_ids = self.ticket_type_ids;
        ticket_type_ids.sort_unstable();
        ticket_type_ids.dedup();
        let name = text::trimmed(&self.name);
        Quota { quota_id, name, capacity: self.capacity, ticket_type_ids }
    }
}

/// A share of the places of an event.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Quota, example = json!({
    "id": "01980e4c-8f5c-7b1e-a7c4-51d2f2a5c006",
    "name": "Room",
    "capacity": {"kind": "limited", "places": 300},
    "ticket_type_ids": ["01980e4c-8f5c-7b1e-a7c4-51d2f2a5c004"],
}))]
pub(super) struct QuotaResource {
    /// Its id; that of a ticket type where it is the ticket type's own.
    id: Uuid,
    name: String,
    capacity: Capacity,
    /// The ticket types that draw on it.
    ticket_type_ids: Vec<Uuid>,
}

impl From<Quota> for QuotaResource {
    fn from(quota: Quota) -> Self {
        let Quota { quota_id, name, capacity, ticket_type_ids } = quota;
        Self { id: quota_id, name, capacity, ticket_type_ids }
    }
}
