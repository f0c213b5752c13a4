//! What happened to the tickets of an order, as it is stored for ever. `samples` holds what was ever
//! written.

use runtime::Timestamp;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{Blocking, Issue, Offer, Ticket, Transfer, Voiding};
use crate::domain::scan::{Passage, Refusal, Scan};

/// What happened to the tickets of an order.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(crate) enum Event {
    Issued {
        issue: Issue,
        tickets: Vec<Ticket>,
    },
    /// With the event and the tickets, for whoever is told of it; without where none existed.
    Voided {
        voiding: Voiding,
        event_id: Option<Uuid>,
        ticket_ids: Vec<Uuid>,
        /// Whether the order gets no other tickets.
        #[serde(default = "yes")]
        whole: bool,
    },
    Admitted {
        ticket_id: Uuid,
        /// The event of the ticket.
        event_id: Uuid,
        admission: Passage,
        /// Why it would have been refused, had the device that let the bearer in known it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        conflict: Option<Refusal>,
        /// The event of the door, where that is another.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        door_event_id: Option<Uuid>,
    },
    Left {
        ticket_id: Uuid,
        /// The event of the ticket.
        event_id: Uuid,
        exit: Passage,
        /// Whether the code was a former holder's: then the present one has not left.
        #[serde(default, skip_serializing_if = "is_false")]
        revoked: bool,
        /// The event of the door, where that is another.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        door_event_id: Option<Uuid>,
    },
    ScanRefused {
        scan: Scan,
        #[serde(flatten)]
        refusal: Refusal,
        /// The event of the ticket.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        event_id: Option<Uuid>,
        /// The event of the door, where that is another.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        door_event_id: Option<Uuid>,
    },
    Blocked {
        ticket_id: Uuid,
        #[serde(flatten)]
        blocking: Blocking,
    },
    Unblocked {
        ticket_id: Uuid,
        at: Timestamp,
    },
    TransferOffered {
        ticket_id: Uuid,
        offer: Offer,
    },
    TransferWithdrawn {
        ticket_id: Uuid,
        at: Timestamp,
    },
    Transferred {
        ticket_id: Uuid,
        event_id: Uuid,
        transfer: Transfer,
        /// Of the code that is the good one from now on.
        serial: u32,
    },
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_false(flag: &bool) -> bool {
    !flag
}

fn yes() -> bool {
    true
}
