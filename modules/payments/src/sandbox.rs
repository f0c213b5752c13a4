//! The provider for trying things out: a little bank with a ledger of its own. It keeps its books in
//! the payments database, where they outlive a crash and can be compared with ours.
//!
//! The number of the card decides what happens:
//!
//! | card | outcome |
//! |---|---|
//! | 4242 4242 4242 4242 | succeeds |
//! | 4000 0000 0000 0002 | is declined |
//! | 4000 0000 0000 9995 | is declined: insufficient funds |
//! | 4000 0000 0000 0341 | succeeds, but the provider's answer never arrives |
//! | 4000 0000 0000 3220 | needs a second step: `POST /v1/payments/{payment_id}/confirm` |
//! | 4000 0000 0000 7726 | succeeds; a refund is on its way for a while |
//! | 4000 0000 0000 5126 | succeeds; refunds are refused |
//! | any other | is declined |

use std::sync::Arc;

use contracts::money::Money;
use runtime::{Clock, Context, async_trait};
use store::{At, Committer, StoreError, Work};
use uuid::Uuid;

use crate::{
    domain::{Decline, Outcome, RefundOutcome},
    provider::{Charge, Provider},
    views::sandbox::{
        CANCEL_CHARGE, COMPLETE_ACTION, ChargeRow, FIND_CHARGE, FIND_REFUND, INSERT_CHARGE,
        INSERT_REFUND, RefundRow,
    },
};

const SUCCEEDS: &str = "4242424242424242";
const HAS_NO_FUNDS: &str = "4000000000009995";
const ANSWERS_TOO_LATE: &str = "4000000000000341";
const NEEDS_ACTION: &str = "4000000000003220";
const REFUNDS_LATER: &str = "4000000000007726";
const REFUNDS_NOTHING: &str = "4000000000005126";

/// The provider `sandbox`.
pub(crate) struct SandboxProvider {
    pub(crate) committer: Committer,
    pub(crate) clock: Arc<dyn Clock>,
}

/// What a charge in the books means.
fn outcome(charge_id: Uuid, row: ChargeRow) -> Outcome {
    match row.state.as_str() {
        "succeeded" => Outcome::Succeeded { reference: reference(charge_id) },
        "action_required" => Outcome::ActionRequired { url: row.url.unwrap_or_default() },
        "cancelled" => Outcome::Cancelled,
        _ => Outcome::Declined { reason: decline(row.reason.as_deref()) },
    }
}

/// What the sandbox does with a charge when it comes.
struct Booking {
    state: &'static str,
    reason: Option<&'static str>,
    url: Option<String>,
    refunds: &'static str,
}

impl Booking {
    fn of(charge: &Charge) -> Self {
        let number = charge.card.expose();
        let (state, reason) = match number {
            SUCCEEDS | ANSWERS_TOO_LATE | REFUNDS_LATER | REFUNDS_NOTHING => ("succeeded", None),
            NEEDS_ACTION => ("action_required", None),
            HAS_NO_FUNDS => ("declined", Some("insufficient_funds")),
            _ => ("declined", Some("declined")),
        };
        let url = format!("/v1/payments/{}/confirm", charge.payment_id);
        let refunds = match number {
            REFUNDS_LATER => "later",
            REFUNDS_NOTHING => "refused",
            _ => "at_once",
        };
        Self { state, reason, url: (state == "action_required").then_some(url), refunds }
    }
}

#[async_trait]
impl Provider for SandboxProvider {
    async fn charge(&self, cx: &Context, charge: Charge) -> Outcome {
        let loses_answer = charge.card.expose() == ANSWERS_TOO_LATE;
        let booked_at = At(self.clock.now());
        let id = charge.id;
        let (amount, currency) = (charge.amount.amount, charge.amount.currency.code());
        let booked = self
            .committer
            .transact(cx, move |work: &mut Work<'_>| {
                let Booking { state, reason, url, refunds } = Booking::of(&charge);
                Box::pin(async move {
                    let tx = work.tx();
                    let booking = store::execute!(
                        tx,
                        INSERT_CHARGE,
                        id,
                        state,
                        reason,
                        url,
                        refunds,
                        amount,
                        currency,
                        booked_at,
                    );
                    let is_new = booking.await? > 0;
                    let row = store::fetch_one!(tx, ChargeRow, FIND_CHARGE, id).await?;
                    Ok::<_, StoreError>((outcome(id, row), is_new))
                })
            })
            .await;
        match booked {
            Ok((_, true)) if loses_answer => std::future::pending().await,
            Ok((outcome, _)) => outcome,
            Err(error) => unknown(&error),
        }
    }

    async fn complete_action(&self, cx: &Context, charge_id: Uuid, is_approved: bool) -> Outcome {
        self.committer
            .transact(cx, move |work: &mut Work<'_>| {
                let (state, reason) = if is_approved {
                    ("succeeded", None)
                } else {
                    ("declined", Some("not_approved"))
                };
                Box::pin(async move {
                    let tx = work.tx();
                    store::execute!(tx, COMPLETE_ACTION, charge_id, state, reason).await?;
                    let row = store::fetch_optional!(tx, ChargeRow, FIND_CHARGE, charge_id).await?;
                    Ok::<_, StoreError>(row.map_or(Outcome::Unknown, |row| outcome(charge_id, row)))
                })
            })
            .await
            .unwrap_or_else(|error| unknown(&error))
    }

    async fn fetch(&self, _cx: &Context, charge_id: Uuid) -> Option<Outcome> {
        let database = self.committer.database();
        match store::fetch_optional!(database, ChargeRow, FIND_CHARGE, charge_id).await {
            Ok(row) => row.map(|row| outcome(charge_id, row)),
            Err(error) => Some(unknown(&error.into())),
        }
    }

    async fn cancel(&self, cx: &Context, charge_id: Uuid) -> Outcome {
        let booked_at = At(self.clock.now());
        self.committer
            .transact(cx, move |work: &mut Work<'_>| {
                Box::pin(async move {
                    let tx = work.tx();
                    store::execute!(tx, CANCEL_CHARGE, charge_id, booked_at).await?;
                    let row = store::fetch_one!(tx, ChargeRow, FIND_CHARGE, charge_id).await?;
                    Ok::<_, StoreError>(outcome(charge_id, row))
                })
            })
            .await
            .unwrap_or_else(|error| unknown(&error))
    }

    async fn refund(
        &self,
        cx: &Context,
        refund_id: Uuid,
        reference: &str,
        amount: Money,
    ) -> RefundOutcome {
        let Some(charge_id) = charge_of(reference) else {
            return refused();
        };
        let booked_at = At(self.clock.now());
        let (amount, currency) = (amount.amount, amount.currency.code());
        let booked = self
            .committer
            .transact(cx, move |work: &mut Work<'_>| {
                Box::pin(async move {
                    let tx = work.tx();
                    let booking = store::execute!(
                        tx,
                        INSERT_REFUND,
                        refund_id,
                        charge_id,
                        amount,
                        currency,
                        booked_at,
                    );
                    let is_new = booking.await? > 0;
                    let row = store::fetch_optional!(tx, RefundRow, FIND_REFUND, refund_id).await?;
                    Ok::<_, StoreError>((row, is_new))
                })
            })
            .await;
        match booked {
            Ok((Some(row), true)) if row.refunds == "later" => RefundOutcome::InTransit,
            Ok((Some(_), _)) => RefundOutcome::Done,
            Ok((None, _)) => refused(),
            Err(error) => unknown_refund(&error),
        }
    }

    async fn fetch_refund(&self, _cx: &Context, refund_id: Uuid) -> Option<RefundOutcome> {
        let database = self.committer.database();
        match store::fetch_optional!(database, RefundRow, FIND_REFUND, refund_id).await {
            Ok(row) => row.map(|_| RefundOutcome::Done),
            Err(error) => Some(unknown_refund(&error.into())),
        }
    }
}

/// What the sandbox calls a charge.
fn reference(charge_id: Uuid) -> String {
    format!("sandbox_{}", charge_id.simple())
}

fn charge_of(reference: &str) -> Option<Uuid> {
    reference.strip_prefix("sandbox_").and_then(|id| Uuid::try_parse(id).ok())
}

fn decline(reason: Option<&str>) -> Decline {
    match reason {
        Some("insufficient_funds") => Decline::InsufficientFunds,
        Some("not_approved") => Decline::NotApproved,
        _ => Decline::Declined,
    }
}

fn refused() -> RefundOutcome {
    RefundOutcome::Failed {
        reason: "the bank does not take the money back for this charge".to_owned(),
    }
}

fn unknown(error: &StoreError) -> Outcome {
    tracing::warn!(%error, "the sandbox provider could not do its work");
    Outcome::Unknown
}

fn unknown_refund(error: &StoreError) -> RefundOutcome {
    tracing::warn!(%error, "the sandbox provider could not do its work");
    RefundOutcome::Unknown
}
