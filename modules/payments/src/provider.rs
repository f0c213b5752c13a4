//! What payments asks of whoever really moves the money. The rules of paying are in `domain.rs`; a
//! provider only does as it is told, once for each id.

use contracts::money::Money;
use runtime::{Context, async_trait};
use uuid::Uuid;

use crate::{
    card::CardNumber,
    domain::{Outcome, RefundOutcome},
};

/// A charge to be made.
#[derive(Debug, Clone)]
pub(crate) struct Charge {
    /// The provider's idempotency key: the attempt.
    pub(crate) id: Uuid,
    /// What is paid, for the address of a second step.
    pub(crate) payment_id: Uuid,
    pub(crate) amount: Money,
    pub(crate) card: CardNumber,
}

/// Moves money. Every method may be called again with the same ids and then tells what came of the
/// first call. No answer in time, and no answer that tells, is `Unknown`; whoever calls sets the
/// limit.
#[async_trait]
pub(crate) trait Provider: Send + Sync + 'static {
    /// Takes the money.
    async fn charge(&self, cx: &Context, charge: Charge) -> Outcome;

    /// Passes on what the payer said to the second step. A real provider asks the payer itself.
    async fn complete_action(&self, cx: &Context, charge_id: Uuid, is_approved: bool) -> Outcome;

    /// What came of a charge; `None` when the provider has never heard of it.
    async fn fetch(&self, cx: &Context, charge_id: Uuid) -> Option<Outcome>;

    /// Calls a charge off, also one that has not arrived yet: no money is taken under this id any
    /// more. What has come of it before stands.
    async fn cancel(&self, cx: &Context, charge_id: Uuid) -> Outcome;

    /// Gives money back that was taken with the charge `reference`.
    async fn refund(
        &self,
        cx: &Context,
        refund_id: Uuid,
        reference: &str,
        amount: Money,
    ) -> RefundOutcome;

    /// What came of a refund; `None` when the provider has never heard of it.
    async fn fetch_refund(&self, cx: &Context, refund_id: Uuid) -> Option<RefundOutcome>;
}
