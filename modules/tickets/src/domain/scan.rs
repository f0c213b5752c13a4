//! What happens at a door: somebody shows a ticket on the way in or out, is let through or refused.

use contracts::tickets::ScanKind;
use runtime::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

/// One look at a genuine code at a door.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Scan {
    pub(crate) ticket_id: Uuid,
    /// Which of the codes that the ticket ever had was shown.
    pub(crate) serial: u32,
    #[serde(default, skip_serializing_if = "is_entry")]
    pub(crate) kind: ScanKind,
    #[serde(flatten)]
    pub(crate) passage: Passage,
}

/// Where, when and by whom a ticket was looked at.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Passage {
    /// When, as it counts: by the clock of whoever decided, and never after we were told of it.
    pub(crate) at: Timestamp,
    /// When, by the clock of the device, where that was ahead of ours.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) device_at: Option<Timestamp>,
    /// Which door.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) entrance: Option<String>,
    /// The scan's own mark, by which a repeated upload is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) nonce: Option<String>,
    /// The check-in list. Before there were lists every event had one, its default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) list_id: Option<Uuid>,
    /// The account that scanned.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) by: Option<Uuid>,
    /// Which of the account's devices.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) device: Option<String>,
    /// Whether a device decided this on its own and told of it later.
    #[serde(default, skip_serializing_if = "is_false")]
    pub(crate) offline: bool,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_false(flag: &bool) -> bool {
    !flag
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_entry(kind: &ScanKind) -> bool {
    *kind == ScanKind::Entry
}

impl Passage {
    /// As it is taken down by somebody who was told of it at `now`: nothing that we know of happens
    /// later than that. A device whose clock is ahead would otherwise speak for a time to come, and no
    /// exit would come after its entry.
    pub(crate) fn told_at(self, now: Timestamp) -> Self {
        if self.at <= now {
            return self;
        }
        Self { at: now, device_at: Some(self.at), ..self }
    }
}

impl Scan {
    /// Whether this is `other`, sent again. Devices that number their scans use the same nonces as
    /// their neighbours, so everything that tells one door from the next has to be the same.
    pub(crate) fn is_repeat_of(&self, kind: ScanKind, other: &Passage) -> bool {
        let own = &self.passage;
        own.nonce.is_some()
            && self.kind == kind
            && own.nonce == other.nonce
            && own.by == other.by
            && own.device == other.device
            && own.entrance == other.entrance
            && own.list_id == other.list_id
    }
}

/// Why a ticket did not let its bearer in, as the door is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum RefusalReason {
    /// No such ticket.
    Unknown,
    /// The ticket is worthless.
    Voided,
    /// The ticket was passed on, and this is the code that its former holder had.
    Transferred,
    /// The ticket is for another event.
    OtherEvent,
    /// The ticket is for another entrance, or another day.
    OtherList,
    /// The organizer has blocked the ticket.
    Blocked,
    /// The ticket's money did not come, or was taken back.
    Unpaid,
    /// It is too early for the ticket, or for the check-in list.
    NotYetValid,
    /// It is too late for the ticket, or for the check-in list.
    NoLongerValid,
    /// Somebody was let in with it before.
    AlreadyAdmitted,
}

impl RefusalReason {
    /// Whether an entry that this speaks against is none of the ticket's holder: the code was revoked,
    /// the ticket worthless, or for something else. It is reported, and stands in nobody's way.
    pub(crate) fn disowns(self) -> bool {
        matches!(self, Self::Voided | Self::Transferred | Self::OtherEvent)
    }

    /// As it stands in JSON.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Voided => "voided",
            Self::Transferred => "transferred",
            Self::OtherEvent => "other_event",
            Self::OtherList => "other_list",
            Self::Blocked => "blocked",
            Self::Unpaid => "unpaid",
            Self::NotYetValid => "not_yet_valid",
            Self::NoLongerValid => "no_longer_valid",
            Self::AlreadyAdmitted => "already_admitted",
        }
    }
}

/// A refusal, and what the door needs to know about it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Refusal {
    pub(crate) reason: RefusalReason,
    /// The entry that stands in the way.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) before: Option<Passage>,
}

impl From<RefusalReason> for Refusal {
    fn from(reason: RefusalReason) -> Self {
        Self { reason, before: None }
    }
}

/// A scan that was refused.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct RefusedScan {
    pub(crate) scan: Scan,
    #[serde(flatten)]
    pub(crate) refusal: Refusal,
}
