//! What orders are told, and why they may refuse it.

use contracts::{inventory::Places, money::Money};
use runtime::Timestamp;
use uuid::Uuid;

use super::{Access, Cause, Refusal, Terms};

/// What an order is told.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Command {
    Place {
        terms: Terms,
        access: Option<Access>,
        at: Timestamp,
    },
    RecordHold {
        expires_at: Timestamp,
        /// What is held, with the seats that were chosen.
        items: Vec<Places>,
        at: Timestamp,
    },
    RecordRefusal {
        refusal: Refusal,
        at: Timestamp,
    },
    RecordPaymentOpened {
        payment_id: Uuid,
        at: Timestamp,
    },
    RecordPayment {
        payment_id: Uuid,
        amount: Money,
        at: Timestamp,
    },
    RecordConfirmation {
        at: Timestamp,
    },
    RecordNoRoom {
        at: Timestamp,
    },
    RecordTickets {
        ticket_ids: Vec<Uuid>,
        at: Timestamp,
    },
    Expire {
        at: Timestamp,
    },
    Cancel(Cancel),
    /// Payments gave money back.
    RecordRefund {
        refund_id: Option<Uuid>,
        amount: Money,
        /// Whether nothing is left of what was received.
        whole: bool,
        at: Timestamp,
    },
    /// The provider would not give money back.
    RecordRefundRefused {
        refund_id: Uuid,
        will_retry: bool,
        at: Timestamp,
    },
    RecordPaymentClosed {
        at: Timestamp,
    },
    RecordTicketsVoided {
        at: Timestamp,
    },
    RecordPlacesReleased {
        at: Timestamp,
    },
    RecordMoneyReturned {
        at: Timestamp,
    },
    RecordReturned {
        return_id: Uuid,
        what: Returned,
        at: Timestamp,
    },
    Finish {
        at: Timestamp,
    },
}

/// Asks to cancel an order or some of its positions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Cancel {
    pub(crate) cause: Cause,
    /// In the words of whoever cancels.
    pub(crate) reason: String,
    /// Which; none: the whole order.
    pub(crate) positions: Vec<u32>,
    /// What the return is called, should one follow.
    pub(crate) return_id: Uuid,
    pub(crate) at: Timestamp,
}

/// What of the positions that are returned came back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Returned {
    /// Their tickets are worthless.
    Tickets,
    /// Their places are free.
    Places,
    /// Their price, or what was left of it.
    Money(Money),
}

/// Why an order did not do what it was told.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Rejection {
    #[error("there is no such order")]
    Unknown,
    #[error("the order was placed with other contents")]
    Differs,
    #[error("the order is paid: only its organizer can cancel it now, which returns the money")]
    AlreadyPaid,
    #[error("the order has no tickets yet of which some could be cancelled")]
    NoTicketsYet,
    #[error("the order has no position {position}")]
    PositionUnknown { position: u32 },
    #[error("the order has already ended")]
    Ended,
}
