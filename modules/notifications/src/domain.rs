//! Who is told what. There is nothing to decide about a notification yet, so it is a row that is
//! written when an event arrives and no aggregate.
//!
//! A notification names the account and nothing else about the person: name and address are asked
//! for when it is sent.

use contracts::{
    money::Money,
    orders::{OrderEvent, OrderedItem},
};
use runtime::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

/// What became of a notification.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum NotificationState {
    /// It waits to be sent.
    Queued,
}

impl NotificationState {
    /// As it is stored.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Queued => "queued",
        }
    }
}

/// What is stored differs from what this build can have written.
#[derive(Debug, thiserror::Error)]
#[error("no notification can be in the state {0:?}")]
pub(crate) struct UnknownState(String);

impl TryFrom<String> for NotificationState {
    type Error = UnknownState;

    fn try_from(name: String) -> Result<Self, Self::Error> {
        if name == Self::Queued.name() { Ok(Self::Queued) } else { Err(UnknownState(name)) }
    }
}

/// What a notification says.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub(crate) enum Message {
    /// The order is paid, and its places are the buyer's.
    OrderConfirmation {
        order_id: Uuid,
        /// The order's code, which people read to each other.
        order_code: String,
        event_id: Uuid,
        event_name: String,
        items: Vec<OrderedItem>,
        /// What was paid.
        total: Money,
        confirmed_at: Timestamp,
    },
    /// The order was called off: its tickets are void, and the money is on its way back.
    OrderCancellation {
        order_id: Uuid,
        event_id: Uuid,
        items: Vec<OrderedItem>,
        /// What had been paid.
        total: Money,
    },
}

/// Something that somebody is to be told.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Notice {
    /// Whom to tell.
    pub(crate) user_id: Uuid,
    pub(crate) message: Message,
}

impl Notice {
    /// What follows from an event of orders; `None` when nobody is told.
    pub(crate) fn of(event: &OrderEvent) -> Option<Self> {
        match event.clone() {
            OrderEvent::OrderConfirmed {
                order_id,
                order_code,
                event_id,
                event_name,
                organizer_id: _,
                buyer_id,
                items,
                total,
                confirmed_at,
            } => Some(Self {
                user_id: buyer_id,
                message: Message::OrderConfirmation {
                    order_id,
                    order_code,
                    event_id,
                    event_name,
                    items,
                    total,
                    confirmed_at,
                },
            }),
            OrderEvent::OrderCancelled {
                order_id,
                event_id,
                organizer_id: _,
                buyer_id,
                items,
                total,
            } => Some(Self {
                user_id: buyer_id,
                message: Message::OrderCancellation { order_id, event_id, items, total },
            }),
            OrderEvent::Unknown => None,
        }
    }
}
