//! `/v1/organizers/{organizer_id}/members`: which accounts may act for an organizer. Members see
//! each other; owners decide who belongs to it.

pub(super) mod list;
pub(super) mod put;
pub(super) mod remove;

use runtime::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::{domain::organizer::MemberRole, views::organizers::MemberRow};

/// An account that may act for an organizer.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Member, example = json!({
    "user_id": "01980e4c-8f5c-7b1e-a7c4-51d2f2a5c005",
    "role": "owner",
    "since": "2026-11-20T10:00:00Z",
}))]
pub(super) struct MemberResource {
    user_id: Uuid,
    role: MemberRole,
    /// When the account became a member.
    since: Timestamp,
}

impl From<MemberRow> for MemberResource {
    fn from(row: MemberRow) -> Self {
        let MemberRow { user_id, role, since } = row;
        Self { user_id, role, since: since.into() }
    }
}
