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
        /// After this instant payments accepts no new attempt.
        closes_at: Timestamp,
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
        refund: Refunded,
        at: Timestamp,
    },
    /// The provider would not give money back, or the bank has sent it back.
    RecordRefundRefused {
        refund_id: Uuid,
        /// The refund that was asked for, which this one may repeat.
        requested: Option<Uuid>,
        /// What all refunds give back together now.
        total: Option<Money>,
        will_retry: bool,
        at: Timestamp,
    },
    /// Whoever was asked does not know the outcome yet.
    RecordAwaited {
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
        /// [`Order::refusals`](super::Order::refusals) when it was asked for.
        refusals: u32,
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

impl Cancel {
    /// Asks to cancel a whole order.
    pub(crate) fn whole(cause: Cause, reason: String, at: Timestamp) -> Self {
        Self { cause, reason, positions: Vec::new(), return_id: Uuid::nil(), at }
    }
}

/// What of the positions that are returned came back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Returned {
    /// Their tickets are worthless.
    Tickets,
    /// Their places are free.
    Places,
    /// Their price, or what was left of it, with this refund; none where nothing was left.
    Money { refund_id: Option<Uuid>, amount: Money },
}

/// Money that payments gave back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Refunded {
    pub(crate) refund_id: Option<Uuid>,
    /// The refund that was asked for, which this one may repeat; none where nobody asked.
    pub(crate) requested: Option<Uuid>,
    pub(crate) amount: Money,
    /// With all refunds so far. An older payments does not say.
    pub(crate) total: Option<Money>,
    /// Whether nothing is left of what was received.
    pub(crate) whole: bool,
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
