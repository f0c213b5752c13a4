//! What payments says to other services: money asked for, received and given back.

use runtime::{Context, ContractError, Fault, IntegrationEvents, Timestamp, Unrecognised, service};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::money::Money;

/// One payment an order. The buyer pays it over the public API; these are the order's own moves.
#[service("payments")]
pub trait Payments {
    /// Asks the buyer for money. The same order asked again is the first payment as it stands.
    /// An amount of zero is settled at once.
    #[idempotent]
    #[routed_by(order_id)]
    async fn open(&self, cx: &Context, request: OpenPayment) -> Result<Payment, PaymentError>;

    /// Accepts no more money for the order. The reply tells what became of the payment; while an
    /// attempt's fate is unknown it is `pending`, and the caller must ask again before it gives
    /// the places away. An order that was never opened is closed for good.
    #[idempotent]
    #[routed_by(order_id)]
    async fn close(&self, cx: &Context, request: ClosePayment) -> Result<Payment, PaymentError>;

    /// Gives money of the order back: `amount`, or everything that has not been given back yet. The
    /// same `refund_id` again is the first refund as it stands. An order for which nothing was
    /// received has nothing to give back, and that is a success, unless an amount was named.
    #[idempotent]
    #[routed_by(order_id)]
    async fn refund(&self, cx: &Context, request: RefundOrder) -> Result<Payment, PaymentError>;

    /// The books of one order: what was charged and given back, by which attempts and refunds.
    #[idempotent]
    #[routed_by(order_id)]
    async fn find(&self, cx: &Context, request: FindPayment) -> Result<PaymentBooks, PaymentError>;
}

/// Asks for a payment.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct OpenPayment {
    /// The order.
    pub order_id: Uuid,
    /// Who pays.
    pub payer_id: Uuid,
    /// Who runs the event; its members may refund.
    pub organizer_id: Uuid,
    /// How much.
    pub amount: Money,
    /// After this instant no new attempt is accepted.
    pub expires_at: Timestamp,
}

/// Asks to accept no more money for an order.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ClosePayment {
    /// The order.
    pub order_id: Uuid,
}

/// Asks to give money of an order back.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct RefundOrder {
    /// The order.
    pub order_id: Uuid,
    /// Why, for the books.
    pub reason: String,
    /// Which refund of the caller's this is; none where there is one a caller and order.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refund_id: Option<Uuid>,
    /// How much; none for everything that has not been given back and is not on its way.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub amount: Option<Money>,
}

/// Asks for the books of an order.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct FindPayment {
    /// The order.
    pub order_id: Uuid,
}

/// A payment as it stands.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Payment {
    /// The payment.
    pub payment_id: Uuid,
    /// Where it stands.
    pub status: PaymentStatus,
    /// How much was received; none when nothing was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub received: Option<Money>,
    /// How much of it was given back; none when nothing was received.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refunded: Option<Money>,
    /// The refund that was asked for, as it stands; none in replies to anything else.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refund: Option<RefundLine>,
}

/// The books of one order.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct PaymentBooks {
    /// The payment.
    pub payment_id: Uuid,
    /// The order.
    pub order_id: Uuid,
    /// Where the payment stands.
    pub status: PaymentStatus,
    /// What the order costs.
    pub due: Money,
    /// What was received.
    pub charged: Money,
    /// What was given back.
    pub refunded: Money,
    /// Every attempt to pay, oldest first.
    pub attempts: Vec<AttemptLine>,
    /// Every attempt to give money back, oldest first.
    pub refunds: Vec<RefundLine>,
}

/// An attempt to pay, in the books.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct AttemptLine {
    /// Counted from 1 in each payment.
    pub number: u32,
    /// Where it stands.
    pub state: AttemptState,
    /// When it was begun.
    pub begun_at: Timestamp,
}

/// An attempt to give money back, in the books.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct RefundLine {
    /// The refund.
    pub refund_id: Uuid,
    /// Counted from 1 in each payment.
    pub number: u32,
    /// How much.
    pub amount: Money,
    /// Where it stands.
    pub state: RefundState,
}

/// Where an attempt to pay stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum AttemptState {
    /// Recorded; the provider is being asked.
    Created,
    /// The provider was asked, and what came of it is not known yet.
    Pending,
    /// The payer has to take a second step.
    ActionRequired,
    /// The money was received.
    Confirmed,
    /// The provider declined.
    Failed,
    /// Called off; it takes no money any more.
    Cancelled,
}

/// Where a refund stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum RefundState {
    /// Recorded; the provider is being asked, again and again if it must be.
    Created,
    /// The provider has taken it on.
    InTransit,
    /// The money was given back.
    Done,
    /// The provider refused. Another refund follows by itself, or has followed.
    Failed,
    /// Called off at the provider, or refused for so long that it was given up. Nothing follows by
    /// itself.
    Cancelled,
    /// The money was given back at the provider, by somebody who did not ask us.
    External,
}

/// Where the payment of an order stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum PaymentStatus {
    /// Waits for the buyer.
    Open,
    /// An attempt is under way and its fate is not known yet.
    Pending,
    /// The money was received.
    Settled,
    /// No money was received and none is accepted any more.
    Closed,
    /// All of the money was given back or is on its way, and some has not arrived yet.
    Refunding,
    /// All of the money was given back. While only a part of it was, the payment is settled.
    Refunded,
}

/// Why payments did not do what was asked.
#[derive(Debug, Clone, PartialEq, thiserror::Error, Serialize, Deserialize, ToSchema)]
#[serde(tag = "code", rename_all = "snake_case")]
pub enum PaymentError {
    /// The order was opened before with another amount or payer.
    #[error("the payment of order {order_id} was opened for something else")]
    Differs {
        /// The order.
        order_id: Uuid,
    },
    /// The order's payment was closed before it was opened.
    #[error("the payment of order {order_id} is closed")]
    Closed {
        /// The order.
        order_id: Uuid,
    },
    /// More was to be given back than is left of what was received.
    #[error("order {order_id} has only {left} left to give back")]
    RefundExceeds {
        /// The order.
        order_id: Uuid,
        /// What can still be given back.
        left: Money,
    },
    /// The amount to give back is not more than nothing, or of another currency than the payment.
    #[error("what is given back for order {order_id} is more than nothing, and in {currency}")]
    RefundAmount {
        /// The order.
        order_id: Uuid,
        /// The payment's.
        currency: String,
    },
    /// A refund with this id was asked for with another amount.
    #[error("refund {refund_id} was asked for with another amount before")]
    RefundDiffers {
        /// The refund.
        refund_id: Uuid,
    },
    /// Nothing was received for the order that a named amount could be given back of.
    #[error("nothing was received for order {order_id}")]
    NothingReceived {
        /// The order.
        order_id: Uuid,
    },
    /// No payment was ever asked for.
    #[error("no payment was asked for order {order_id}")]
    Unknown {
        /// The order.
        order_id: Uuid,
    },
    /// The call itself failed.
    #[error(transparent)]
    #[serde(skip)]
    Fault(#[from] Fault),
    /// An error of a newer payments.
    #[error("{0}")]
    #[serde(untagged)]
    Unrecognised(Unrecognised),
}
impl ContractError for PaymentError {}

/// Published by payments; the key is the order, so that its events keep their order.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum PaymentEvent {
    /// The money for an order was received. May come after the payment was closed: then the order
    /// decides whether it still has places or the money goes back.
    PaymentSettled {
        /// The order.
        order_id: Uuid,
        /// The payment.
        payment_id: Uuid,
        /// How much was received.
        amount: Money,
        /// When.
        settled_at: Timestamp,
    },
    /// An attempt to pay was declined; another may follow.
    PaymentDeclined {
        /// The order.
        order_id: Uuid,
        /// The payment.
        payment_id: Uuid,
        /// The provider's reason, in words for the buyer.
        reason: String,
    },
    /// Money of an order was given back.
    PaymentRefunded {
        /// The order.
        order_id: Uuid,
        /// The payment.
        payment_id: Uuid,
        /// How much was given back with this refund.
        amount: Money,
        /// When.
        refunded_at: Timestamp,
        /// The refund. A publisher that knows of one refund a payment does not say.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        refund_id: Option<Uuid>,
        /// The refund that somebody asked payments for: this one, or the refused one that this one
        /// repeats. None where the money was given back at the provider.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        requested_refund_id: Option<Uuid>,
        /// How much was given back with all refunds so far.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        total_refunded: Option<Money>,
        /// Whether nothing is left of what was received. A publisher that knows of whole refunds
        /// alone does not say.
        #[serde(default = "is_whole")]
        whole: bool,
    },
    /// The provider refused to give money back, or called it off. May come after the money was said to be
    /// given back: the bank has sent it back to us.
    RefundFailed {
        /// The order.
        order_id: Uuid,
        /// The payment.
        payment_id: Uuid,
        /// The refund.
        refund_id: Uuid,
        /// How much was to be given back.
        amount: Money,
        /// The provider's reason.
        reason: String,
        /// Whether another refund follows by itself.
        will_retry: bool,
        /// The refund that somebody asked payments for: this one, or the refused one that this one
        /// repeats. None where the money was given back at the provider.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        requested_refund_id: Option<Uuid>,
        /// How much is given back with all refunds so far: less than before where the bank has sent
        /// this one back.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        total_refunded: Option<Money>,
    },
    /// An event of a newer payments.
    #[serde(other)]
    Unknown,
}

const fn is_whole() -> bool {
    true
}

impl IntegrationEvents for PaymentEvent {
    const PUBLISHER: &'static str = "payments";
    const NAMES: &'static [&'static str] = &[
        "payments.payment_settled",
        "payments.payment_declined",
        "payments.payment_refunded",
        "payments.refund_failed",
    ];

    fn key(&self) -> Uuid {
        match self {
            Self::PaymentSettled { order_id, .. }
            | Self::PaymentDeclined { order_id, .. }
            | Self::PaymentRefunded { order_id, .. }
            | Self::RefundFailed { order_id, .. } => *order_id,
            Self::Unknown => Uuid::nil(),
        }
    }
}
