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
    async fn open(&self, cx: &Context, request: OpenPayment) -> Result<Payment, PaymentError>;

    /// Accepts no more money for the order. The reply tells what became of the payment; while an
    /// attempt's fate is unknown it is `pending`, and the caller must ask again before it gives
    /// the places away. An order that was never opened is closed for good.
    #[idempotent]
    async fn close(&self, cx: &Context, request: ClosePayment) -> Result<Payment, PaymentError>;

    /// Gives back everything that was received for the order, once. An order for which nothing
    /// was received has nothing to give back, and that is a success.
    #[idempotent]
    async fn refund(&self, cx: &Context, request: RefundOrder) -> Result<Payment, PaymentError>;
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

/// Asks to give the money of an order back.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct RefundOrder {
    /// The order.
    pub order_id: Uuid,
    /// Why, for the books.
    pub reason: String,
}

/// A payment as it stands.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Payment {
    /// The payment.
    pub payment_id: Uuid,
    /// Where it stands.
    pub status: PaymentStatus,
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
    /// The money is on its way back.
    Refunding,
    /// The money was given back.
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
    /// The money of an order was given back.
    PaymentRefunded {
        /// The order.
        order_id: Uuid,
        /// The payment.
        payment_id: Uuid,
        /// How much was given back.
        amount: Money,
        /// When.
        refunded_at: Timestamp,
    },
    /// An event of a newer payments.
    #[serde(other)]
    Unknown,
}

impl IntegrationEvents for PaymentEvent {
    const PUBLISHER: &'static str = "payments";
    const NAMES: &'static [&'static str] =
        &["payments.payment_settled", "payments.payment_declined", "payments.payment_refunded"];

    fn key(&self) -> Uuid {
        match self {
            Self::PaymentSettled { order_id, .. }
            | Self::PaymentDeclined { order_id, .. }
            | Self::PaymentRefunded { order_id, .. } => *order_id,
            Self::Unknown => Uuid::nil(),
        }
    }
}
