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
//!
//! A charge is booked in the very transaction that records its outcome, which saves a commit. Either
//! both are there or none: then the charge has never been heard of, and is called off.

pub(crate) mod webhooks;

use std::sync::Arc;

use contracts::money::Money;
use iso_currency::Currency;
use runtime::{Clock, Context, async_trait};
use store::{At, Committer, StoreError, Tx, Work};
use uuid::Uuid;

use self::webhooks::{Notice, Notifier};
use crate::{
    card::CardNumber,
    domain::{Decline, Outcome, RefundOutcome},
    provider::{
        Booking as BookCharge, Charge, Charged, Hint, KnownRefund, Method, Objection, Provider,
        Repayment, UnreadableHint,
    },
    signature::Secrets,
    views::sandbox::{
        CANCEL_CHARGE, COMPLETE_ACTION, ChargeRow, FIND_CHARGE, FIND_REFUND, INSERT_CHARGE,
        INSERT_REFUND, REFUNDS_OF_CHARGE, RefundRow,
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
    pub(crate) secrets: Secrets,
    /// Tells ourselves by webhook, where that is configured.
    pub(crate) notifier: Option<Notifier>,
}

/// What a charge in the books means.
fn outcome(row: ChargeRow) -> Outcome {
    let reference = reference(row.charge_id);
    match row.state.as_str() {
        "succeeded" => Outcome::Succeeded { reference },
        "action_required" => {
            Outcome::ActionRequired { url: row.url.unwrap_or_default(), reference: Some(reference) }
        }
        "cancelled" => Outcome::Cancelled,
        _ => Outcome::Declined { reason: decline(row.reason.as_deref()) },
    }
}

/// What the sandbox does with a charge when it comes.
struct Booking {
    charge: Charge,
    state: &'static str,
    reason: Option<&'static str>,
    url: Option<String>,
    refunds: &'static str,
    booked_at: At,
    notifier: Option<Notifier>,
}

impl Booking {
    fn of(charge: &Charge, card: &CardNumber, booked_at: At, notifier: Option<Notifier>) -> Self {
        let number = card.expose();
        let (state, reason) = match number {
            SUCCEEDS | ANSWERS_TOO_LATE | REFUNDS_LATER | REFUNDS_NOTHING => ("succeeded", None),
            NEEDS_ACTION => ("action_required", None),
            HAS_NO_FUNDS => ("declined", Some("insufficient_funds")),
            _ => ("declined", Some("declined")),
        };
        let url = format!("/v1/payments/{}/confirm", charge.payment_id);
        let url = (state == "action_required").then_some(url);
        let refunds = match number {
            REFUNDS_LATER => "later",
            REFUNDS_NOTHING => "refused",
            _ => "at_once",
        };
        Self { charge: charge.clone(), state, reason, url, refunds, booked_at, notifier }
    }
}

#[async_trait]
impl BookCharge for Booking {
    async fn book(&self, tx: &mut Tx) -> Result<Outcome, StoreError> {
        let Charge { id, order_id, amount, .. } = self.charge;
        let booked = store::fetch_optional!(
            tx,
            ChargeRow,
            INSERT_CHARGE,
            id,
            order_id,
            self.state,
            self.reason,
            self.url.as_deref(),
            self.refunds,
            amount.amount,
            amount.currency.code(),
            self.booked_at,
        );
        let row = match booked.await? {
            Some(row) => row,
            None => store::fetch_one!(tx, ChargeRow, FIND_CHARGE, id).await?,
        };
        Ok(outcome(row))
    }

    fn was_committed(&self) {
        if let Some(notifier) = &self.notifier {
            notifier.tell(Notice::charge(self.charge.order_id, self.charge.id));
        }
    }
}

impl SandboxProvider {
    async fn find(&self, charge_id: Uuid) -> Result<Option<ChargeRow>, StoreError> {
        let database = self.committer.database();
        Ok(store::fetch_optional!(database, ChargeRow, FIND_CHARGE, charge_id).await?)
    }

    fn tell(&self, notice: Notice) {
        if let Some(notifier) = &self.notifier {
            notifier.tell(notice);
        }
    }
}

#[async_trait]
impl Provider for SandboxProvider {
    fn name(&self) -> &'static str {
        "sandbox"
    }

    fn objection(&self, method: &Method, _amount: Money) -> Option<Objection> {
        let is_card = matches!(method, Method::Card(_));
        (!is_card).then_some(Objection::Method { takes: "card" })
    }

    fn objection_to_amount(&self, _amount: Money) -> Option<&'static str> {
        None
    }

    async fn charge(&self, cx: &Context, charge: &Charge, method: Method) -> Charged {
        let Method::Card(card) = method else { return Charged::Told(Outcome::Unreached) };
        let booked_at = At(self.clock.now());
        let booking = Arc::new(Booking::of(charge, &card, booked_at, self.notifier.clone()));
        if card.expose() != ANSWERS_TOO_LATE {
            return Charged::Books(booking);
        }
        let booked_alone = Arc::clone(&booking);
        let known = self.find(charge.id).await;
        let booked = self
            .committer
            .transact(cx, move |work: &mut Work<'_>| {
                let booking = Arc::clone(&booked_alone);
                Box::pin(async move { booking.book(work.tx()).await })
            })
            .await;
        match (known, booked) {
            (Ok(None), Ok(_)) => {
                booking.was_committed();
                std::future::pending().await
            }
            (_, Ok(outcome)) => Charged::Told(outcome),
            (_, Err(error)) => Charged::Told(unknown(&error)),
        }
    }

    async fn complete_action(&self, cx: &Context, charge: &Charge, is_approved: bool) -> Outcome {
        let (id, order_id) = (charge.id, charge.order_id);
        let completed = self
            .committer
            .transact(cx, move |work: &mut Work<'_>| {
                let (state, reason) = if is_approved {
                    ("succeeded", None)
                } else {
                    ("declined", Some("not_approved"))
                };
                Box::pin(async move {
                    let tx = work.tx();
                    store::execute!(tx, COMPLETE_ACTION, id, state, reason).await?;
                    let row = store::fetch_optional!(tx, ChargeRow, FIND_CHARGE, id).await?;
                    Ok::<_, StoreError>(row.map_or(Outcome::Unknown, outcome))
                })
            })
            .await;
        self.tell(Notice::charge(order_id, id));
        completed.unwrap_or_else(|error| unknown(&error))
    }

    async fn fetch(&self, _cx: &Context, charge: &Charge) -> Option<Outcome> {
        match self.find(charge.id).await {
            Ok(row) => row.map(outcome),
            Err(error) => Some(unknown(&error)),
        }
    }

    async fn cancel(&self, cx: &Context, charge: &Charge) -> Outcome {
        let (booked_at, id, order_id) = (At(self.clock.now()), charge.id, charge.order_id);
        self.committer
            .transact(cx, move |work: &mut Work<'_>| {
                Box::pin(async move {
                    let tx = work.tx();
                    store::execute!(tx, CANCEL_CHARGE, id, order_id, booked_at).await?;
                    let row = store::fetch_one!(tx, ChargeRow, FIND_CHARGE, id).await?;
                    Ok::<_, StoreError>(outcome(row))
                })
            })
            .await
            .unwrap_or_else(|error| unknown(&error))
    }

    async fn refund(&self, cx: &Context, repayment: &Repayment) -> RefundOutcome {
        let Some(charge_id) = charge_of(&repayment.charge) else { return refused() };
        let Repayment { id, order_id, amount: Money { amount, currency }, .. } = *repayment;
        let (booked_at, currency) = (At(self.clock.now()), currency.code());
        let booked = self
            .committer
            .transact(cx, move |work: &mut Work<'_>| {
                Box::pin(async move {
                    let tx = work.tx();
                    let booking = store::execute!(
                        tx,
                        INSERT_REFUND,
                        id,
                        charge_id,
                        amount,
                        currency,
                        booked_at,
                    );
                    let is_new = booking.await? > 0;
                    let row = store::fetch_optional!(tx, RefundRow, FIND_REFUND, id).await?;
                    Ok::<_, StoreError>((row, is_new))
                })
            })
            .await;
        match booked {
            Ok((Some(row), true)) if row.refunds == "later" => RefundOutcome::InTransit,
            Ok((Some(_), is_new)) => {
                if is_new {
                    self.tell(Notice::refund(order_id, charge_id, id));
                }
                RefundOutcome::Done
            }
            Ok((None, _)) => refused(),
            Err(error) => {
                tracing::warn!(%error, "the sandbox provider could not do its work");
                RefundOutcome::Unknown
            }
        }
    }

    async fn refunds(&self, _cx: &Context, reference: &str) -> Option<Vec<KnownRefund>> {
        let Some(charge_id) = charge_of(reference) else { return Some(Vec::new()) };
        let database = self.committer.database();
        let currency = match self.find(charge_id).await {
            Ok(Some(row)) => Currency::from_code(&row.currency)?,
            Ok(None) => return Some(Vec::new()),
            Err(_) => return None,
        };
        let rows = store::fetch_all!(database, RefundRow, REFUNDS_OF_CHARGE, charge_id).await;
        let known = rows.ok()?.into_iter().map(|row| KnownRefund {
            id: Some(row.refund_id),
            reference: format!("sandbox_refund_{}", row.refund_id.simple()),
            amount: Money::new(row.amount, currency),
            outcome: RefundOutcome::Done,
        });
        Some(known.collect())
    }

    fn signature_header(&self) -> &'static str {
        "sandbox-signature"
    }

    fn webhook_secrets(&self) -> &Secrets {
        &self.secrets
    }

    fn read_webhook(&self, body: &[u8]) -> Result<Hint, UnreadableHint> {
        webhooks::read(body)
    }

    async fn order_of(&self, _cx: &Context, reference: &str) -> Option<Option<Uuid>> {
        let Some(charge_id) = charge_of(reference) else { return Some(None) };
        match self.find(charge_id).await {
            Ok(row) => Some(row.and_then(|row| row.order_id)),
            Err(_) => None,
        }
    }
}

/// What the sandbox calls a charge.
pub(crate) fn reference(charge_id: Uuid) -> String {
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
