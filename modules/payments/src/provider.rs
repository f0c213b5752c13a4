//! What payments asks of whoever really moves the money. The rules of paying are in `domain.rs`; a
//! provider only does as it is told, once for each id.

use std::sync::Arc;

use contracts::money::Money;
use runtime::{Context, Timestamp, async_trait};
use store::{StoreError, Tx};
use uuid::Uuid;

use crate::{
    card::CardNumber,
    domain::{Outcome, RefundOutcome},
    signature::Secrets,
    token::PaymentToken,
};

/// A charge, made or to be made.
#[derive(Debug, Clone)]
pub(crate) struct Charge {
    /// What the provider's idempotency keys are made of: the attempt.
    pub(crate) id: Uuid,
    /// What is paid.
    pub(crate) payment_id: Uuid,
    pub(crate) order_id: Uuid,
    pub(crate) amount: Money,
    /// What the provider calls it, once that is known.
    pub(crate) reference: Option<String>,
    pub(crate) begun_at: Timestamp,
    /// Whether the provider has certainly not been asked for it before.
    pub(crate) is_new: bool,
}

/// What a charge is paid with.
#[derive(Debug, Clone)]
pub(crate) enum Method {
    Card(CardNumber),
    Token(PaymentToken),
}

/// Money that is to go back.
#[derive(Debug, Clone)]
pub(crate) struct Repayment {
    /// The provider's idempotency key: the refund.
    pub(crate) id: Uuid,
    pub(crate) order_id: Uuid,
    /// What the provider calls the charge.
    pub(crate) charge: String,
    pub(crate) amount: Money,
}

/// A refund as the provider knows it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct KnownRefund {
    /// Ours; none of one that was made at the provider.
    pub(crate) id: Option<Uuid>,
    /// What the provider calls it.
    pub(crate) reference: String,
    pub(crate) amount: Money,
    pub(crate) outcome: RefundOutcome,
}

/// How a provider answers a charge.
#[derive(Clone)]
pub(crate) enum Charged {
    /// With what came of it.
    Told(Outcome),
    /// With what it does in the very transaction that records its answer. Only a provider that keeps
    /// its books in our database can.
    Books(Arc<dyn Booking>),
}

/// What a provider does in the transaction that records its answer. May run again, when others got in
/// between.
#[async_trait]
pub(crate) trait Booking: Send + Sync + 'static {
    /// Writes, and says what came of the charge.
    async fn book(&self, tx: &mut Tx) -> Result<Outcome, StoreError>;

    /// The transaction was committed.
    fn was_committed(&self) {}
}

impl Charged {
    /// What came of the charge.
    pub(crate) async fn outcome(&self, tx: &mut Tx) -> Result<Outcome, StoreError> {
        match self {
            Self::Told(outcome) => Ok(outcome.clone()),
            Self::Books(booking) => booking.book(tx).await,
        }
    }

    /// The transaction that this was recorded in was committed.
    pub(crate) fn was_committed(&self) {
        if let Self::Books(booking) = self {
            booking.was_committed();
        }
    }
}

impl std::fmt::Debug for Charged {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Told(outcome) => f.debug_tuple("Told").field(outcome).finish(),
            Self::Books(_) => f.write_str("Books"),
        }
    }
}

/// What a provider's webhook is about. It is a hint to look, and nothing in it is believed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Hint {
    /// What the provider calls the event; the same when it comes again.
    pub(crate) event_id: String,
    /// The kind of event, for the log.
    pub(crate) kind: String,
    pub(crate) order_id: Option<Uuid>,
    pub(crate) attempt_id: Option<Uuid>,
    /// What the provider calls the charge.
    pub(crate) charge: Option<String>,
}

/// The body of a webhook is not what the provider sends.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub(crate) struct UnreadableHint(pub(crate) String);

/// Moves money. Every method may be called again with the same ids and then tells what came of the
/// first call. No answer in time, and no answer that tells, is `Unknown`; whoever calls sets the
/// limit.
#[async_trait]
pub(crate) trait Provider: Send + Sync + 'static {
    /// Its name in the configuration and in the address of its webhooks.
    fn name(&self) -> &'static str;

    /// What it would not take this for.
    fn objection(&self, method: &Method, amount: Money) -> Option<Objection>;

    /// Why it can neither take nor give back this amount, in words for whoever chose it.
    fn objection_to_amount(&self, amount: Money) -> Option<&'static str>;

    /// Takes the money.
    async fn charge(&self, cx: &Context, charge: &Charge, method: Method) -> Charged;

    /// The payer says that the second step was taken, or refuses to take it.
    async fn complete_action(&self, cx: &Context, charge: &Charge, is_approved: bool) -> Outcome;

    /// What came of a charge; `None` when the provider has never heard of it, or waits to be told to
    /// take the money.
    async fn fetch(&self, cx: &Context, charge: &Charge) -> Option<Outcome>;

    /// Calls a charge off, also one that has not arrived yet: no money is taken under this id any
    /// more. What has come of it before stands.
    async fn cancel(&self, cx: &Context, charge: &Charge) -> Outcome;

    /// Gives money back.
    async fn refund(&self, cx: &Context, repayment: &Repayment) -> RefundOutcome;

    /// Every refund of the charge `reference`, whoever made it; `None` when there is no answer.
    async fn refunds(&self, cx: &Context, reference: &str) -> Option<Vec<KnownRefund>>;

    /// The header that its webhooks are signed in.
    fn signature_header(&self) -> &'static str;

    /// What its webhooks may be signed with.
    fn webhook_secrets(&self) -> &Secrets;

    /// What a webhook is about.
    fn read_webhook(&self, body: &[u8]) -> Result<Hint, UnreadableHint>;

    /// The order that the charge `reference` is for; `None` inside when it is not one of ours, and
    /// outside when there is no answer.
    async fn order_of(&self, cx: &Context, reference: &str) -> Option<Option<Uuid>>;
}

/// Why a provider would not take a payment, whatever the payer does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Objection {
    /// It does not take this means of payment; `takes` says what it does.
    Method { takes: &'static str },
    /// It does not take this amount; `why` is for whoever made the price.
    Amount { why: &'static str },
}
