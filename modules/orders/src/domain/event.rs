//! What happens to orders. What is written here is read for ever: fields are only added.

use contracts::{inventory::Places, money::Money, orders::OrderedItem};
use runtime::Timestamp;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{Access, Cause, Particulars, Parties, Shortage, Terms};

/// Whoever drives an order goes on with the next step at once. Should that one have died, the order
/// wakes up by itself this much later.
pub(super) const RESUME_AFTER: jiff::SignedDuration = jiff::SignedDuration::from_secs(5);

/// What happened to an order.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(crate) enum Event {
    Placed {
        terms: Terms,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        access: Option<Access>,
        at: Timestamp,
    },
    /// Money came for an order that was never recorded.
    StrayPaymentReceived {
        payment_id: Uuid,
        amount: Money,
        at: Timestamp,
    },
    PlacesHeld {
        expires_at: Timestamp,
        /// With the seats, for those who have some.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        seats: Vec<Places>,
        at: Timestamp,
    },
    PaymentOpened {
        payment_id: Uuid,
        /// After this instant payments accepts no new attempt.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        closes_at: Option<Timestamp>,
        at: Timestamp,
    },
    PaymentReceived {
        payment_id: Uuid,
        amount: Money,
        at: Timestamp,
    },
    /// With the terms, for whoever is told of it.
    PlacesConfirmed {
        terms: Terms,
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        guest: bool,
        at: Timestamp,
    },
    TicketsIssued {
        ticket_ids: Vec<Uuid>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        parties: Option<Parties>,
        at: Timestamp,
    },
    /// Inventory would not hold the places.
    Refused {
        cause: Cause,
        #[serde(skip_serializing_if = "Option::is_none", default)]
        shortage: Option<Shortage>,
        #[serde(skip_serializing_if = "Option::is_none", default)]
        particulars: Option<Particulars>,
        at: Timestamp,
    },
    CalledOff {
        cause: Cause,
        /// In the words of whoever called it off.
        #[serde(default, skip_serializing_if = "String::is_empty")]
        reason: String,
        /// The money that there was, when it is why: it came too late, or was given back.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        money: Option<Money>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        parties: Option<Parties>,
        at: Timestamp,
    },
    PaymentClosed {
        at: Timestamp,
    },
    TicketsVoided {
        at: Timestamp,
    },
    /// Everything that was left of the money.
    MoneyReturned {
        #[serde(default, skip_serializing_if = "Option::is_none")]
        amount: Option<Money>,
        /// How much of it others are told of; all when absent.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        news: Option<Money>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        cause: Option<Cause>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        parties: Option<Parties>,
        at: Timestamp,
    },
    PlacesReleased {
        at: Timestamp,
    },
    /// With the terms when its places had been confirmed, for whoever was told of that; without what
    /// had been cancelled before.
    Ended {
        confirmed: Option<Terms>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        cause: Option<Cause>,
        at: Timestamp,
    },
    /// Some positions are no more; what they were is undone next.
    PositionsCancelled {
        /// Names the release of the places and the refund, too.
        return_id: Uuid,
        positions: Vec<u32>,
        items: Vec<OrderedItem>,
        /// What is given back for them.
        amount: Money,
        reason: String,
        parties: Parties,
        at: Timestamp,
    },
    PositionTicketsVoided {
        return_id: Uuid,
        at: Timestamp,
    },
    PositionPlacesReleased {
        return_id: Uuid,
        at: Timestamp,
    },
    PositionsRefunded {
        return_id: Uuid,
        /// The refund that did it: the one that is named as the return, or one that repeats it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        refund_id: Option<Uuid>,
        amount: Money,
        /// How much of it others are told of; all when absent. Less where the bank had sent back
        /// what they were told of before.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        news: Option<Money>,
        parties: Parties,
        at: Timestamp,
    },
    /// Money was given back that buys nothing less: a gesture of the organizer's.
    MoneyGivenBack {
        refund_id: Option<Uuid>,
        amount: Money,
        /// How much of it others are told of; all when absent.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        news: Option<Money>,
        parties: Parties,
        at: Timestamp,
    },
    /// Payments told what all refunds have given back together; what that means to the order follows.
    RefundHeard {
        #[serde(default, skip_serializing_if = "Option::is_none")]
        refund_id: Option<Uuid>,
        total: Money,
        at: Timestamp,
    },
    /// The provider would not give money back, or the bank has sent it back.
    RefundRefused {
        refund_id: Uuid,
        /// The refund that was asked for: this one, or the one that it repeats. None where nobody asked.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        requested: Option<Uuid>,
        /// What all refunds give back together now.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        total: Option<Money>,
        /// Whether another attempt follows by itself.
        will_retry: bool,
        at: Timestamp,
    },
    /// The outcome of a step is not known yet; it is asked for again.
    OutcomeAwaited {
        until: Timestamp,
        at: Timestamp,
    },
}

impl Event {
    /// When it happened.
    pub(crate) fn at(&self) -> Timestamp {
        match self {
            Self::Placed { at, .. }
            | Self::StrayPaymentReceived { at, .. }
            | Self::PlacesHeld { at, .. }
            | Self::PaymentOpened { at, .. }
            | Self::PaymentReceived { at, .. }
            | Self::PlacesConfirmed { at, .. }
            | Self::TicketsIssued { at, .. }
            | Self::Refused { at, .. }
            | Self::CalledOff { at, .. }
            | Self::PaymentClosed { at }
            | Self::TicketsVoided { at }
            | Self::MoneyReturned { at, .. }
            | Self::PlacesReleased { at }
            | Self::Ended { at, .. }
            | Self::PositionsCancelled { at, .. }
            | Self::PositionTicketsVoided { at, .. }
            | Self::PositionPlacesReleased { at, .. }
            | Self::PositionsRefunded { at, .. }
            | Self::MoneyGivenBack { at, .. }
            | Self::RefundHeard { at, .. }
            | Self::RefundRefused { at, .. }
            | Self::OutcomeAwaited { at, .. } => *at,
        }
    }

    /// Whether it tells nothing to people.
    pub(crate) fn is_bookkeeping(&self) -> bool {
        matches!(self, Self::RefundHeard { .. } | Self::OutcomeAwaited { .. })
    }

    /// Whether it brings the order on. A refusal does not, however often it comes.
    pub(super) fn is_progress(&self) -> bool {
        !matches!(self, Self::RefundRefused { .. } | Self::OutcomeAwaited { .. })
    }

    /// When the step that is due after it is asked for by nobody but the timer.
    pub(super) fn resume_at(&self) -> Option<Timestamp> {
        if let Self::OutcomeAwaited { until, .. } = self {
            return Some(*until);
        }
        self.at().checked_add(RESUME_AFTER).ok()
    }
}
