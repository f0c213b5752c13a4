//! What the tickets of an order are told, and why they may not do it.

use std::sync::Arc;

use contracts::tickets::IssueTickets;
use runtime::Timestamp;
use uuid::Uuid;

use super::{Blocking, Offer, Voiding};
use crate::domain::{
    list::Rules,
    scan::{Passage, Refusal, Scan},
};

/// What the tickets of an order are told.
#[derive(Debug, Clone)]
pub(crate) enum Command {
    /// `ids` has one for each position; they are used when the tickets do not exist yet.
    Issue {
        request: IssueTickets,
        ids: Vec<Uuid>,
        at: Timestamp,
    },
    /// All of them where `ticket_ids` is empty.
    Void {
        ticket_ids: Vec<Uuid>,
        reason: String,
        at: Timestamp,
    },
    /// Somebody stands at a door. Whether he is let through, [`verdict`](super::OrderTickets::verdict) says.
    Scan {
        scan: Scan,
        rules: Arc<Rules>,
    },
    /// Somebody stood at a door without a network, and was refused there.
    NoteRefusal {
        scan: Scan,
        refusal: Refusal,
        rules: Arc<Rules>,
    },
    Block {
        ticket_id: Uuid,
        blocking: Blocking,
    },
    Unblock {
        ticket_id: Uuid,
        at: Timestamp,
    },
    OfferTransfer {
        ticket_id: Uuid,
        by: Uuid,
        offer: Offer,
    },
    WithdrawTransfer {
        ticket_id: Uuid,
        by: Uuid,
        at: Timestamp,
    },
    AcceptTransfer {
        ticket_id: Uuid,
        to: Uuid,
        digest: String,
        at: Timestamp,
    },
}

/// Why the tickets of an order did not do what they were told.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Rejection {
    NoPositions,
    TooManyPositions,
    UnknownTicket(Uuid),
    Voided(Voiding),
    Blocked(Blocking),
    AlreadyAdmitted(Box<Passage>),
    /// Somebody else holds the ticket.
    NotHolder,
    /// No such transfer waits: it was withdrawn, replaced by another, or accepted.
    NoOffer,
    OfferExpired(Timestamp),
    /// Whoever accepts holds the ticket already.
    OwnTicket,
}
