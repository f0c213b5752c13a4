//! Payments and refunds as lists and their readers see them, written with every change.

pub(crate) mod sandbox;
pub(crate) mod webhooks;

use contracts::{
    money::Money,
    payments::{AttemptState, PaymentStatus, RefundState},
};
use runtime::{Timestamp, async_trait};
use serde::{Deserialize, Serialize};
use sqlx::FromRow;
use store::{At, Change, Database, Json, Sql, StoreError, Tx, View};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::{
    card::CardSummary,
    domain::{Attempt, Decline, Payment, Refund},
};
const UPSERT_PAYMENTS: Sql = store::sql!(
    "INSERT INTO payments (payment_id, order_id, payer_id, opened_at, content) \
     SELECT payment_id, order_id, payer_id, opened_at, content FROM ",
    rows("$1", payment_id uuid, order_id uuid, payer_id uuid, opened_at instant, content json),
    " WHERE true ON CONFLICT (payment_id) DO UPDATE SET content = excluded.content",
);

const UPSERT_REFUNDS: Sql = store::sql!(
    "INSERT INTO refunds (refund_id, order_id, payer_id, begun_at, content) \
     SELECT refund_id, order_id, payer_id, begun_at, content FROM ",
    rows("$1", refund_id uuid, order_id uuid, payer_id uuid, begun_at instant, content json),
    " WHERE true ON CONFLICT (refund_id) DO UPDATE SET content = excluded.content",
);

const ORDER_OF_PAYMENT: &str = "SELECT order_id FROM payments WHERE payment_id = $1";

const ORDER_OF_REFUND: &str = "SELECT order_id FROM refunds WHERE refund_id = $1";

const PAYMENTS_OF_PAYER: &str = "SELECT payment_id AS id, opened_at AS at, content FROM payments \
     WHERE payer_id = $1 AND (opened_at, payment_id) < ($2, $3) \
     ORDER BY opened_at DESC, payment_id DESC LIMIT $4";

const REFUNDS_OF_PAYER: &str = "SELECT refund_id AS id, begun_at AS at, content FROM refunds \
     WHERE payer_id = $1 AND (begun_at, refund_id) < ($2, $3) \
     ORDER BY begun_at DESC, refund_id DESC LIMIT $4";

const REFUNDS_OF_ORDER: &str = "SELECT refund_id AS id, begun_at AS at, content FROM refunds \
     WHERE order_id = $1 AND (begun_at, refund_id) < ($2, $3) \
     ORDER BY begun_at DESC, refund_id DESC LIMIT $4";

/// Every statement of the views.
pub(crate) const STATEMENTS: &[(&str, Sql)] = store::statements![
    UPSERT_PAYMENTS,
    UPSERT_REFUNDS,
    ORDER_OF_PAYMENT,
    ORDER_OF_REFUND,
    PAYMENTS_OF_PAYER,
    REFUNDS_OF_PAYER,
    REFUNDS_OF_ORDER,
];

/// The payment of an order.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[schema(as = Payment, example = json!({
    "id": "01980e4c-8f5c-7b1e-a7c4-51d2f2a5e101",
    "order_id": "01980e4c-8f5c-7b1e-a7c4-51d2f2a5e001",
    "payer_id": "01980e4c-8f5c-7b1e-a7c4-51d2f2a5a001",
    "organizer_id": "01980e4c-8f5c-7b1e-a7c4-51d2f2a5c001",
    "amount": {"amount": 5000, "currency": "EUR"},
    "status": "settled",
    "refunded": {"amount": 0, "currency": "EUR"},
    "opened_at": "2027-05-02T10:00:00Z",
    "expires_at": "2027-05-02T10:14:00Z",
    "settled_at": "2027-05-02T10:03:00Z",
    "attempts": [{
        "number": 1,
        "card": {"brand": "visa", "last4": "4242"},
        "state": "confirmed",
        "begun_at": "2027-05-02T10:02:59Z",
    }],
}))]
pub(crate) struct PaymentResource {
    pub(crate) id: Uuid,
    pub(crate) order_id: Uuid,
    pub(crate) payer_id: Uuid,
    pub(crate) organizer_id: Uuid,
    pub(crate) amount: Money,
    pub(crate) status: PaymentPhase,
    /// How much was given back, once money was received. Part of it: the status stays `settled`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) refunded: Option<Money>,
    pub(crate) opened_at: Timestamp,
    /// After this no new attempt is accepted.
    pub(crate) expires_at: Timestamp,
    /// When the money was received, if it was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) settled_at: Option<Timestamp>,
    /// What the payer has to do, while the status is `action_required`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) next_action: Option<NextAction>,
    /// Every attempt to pay, oldest first.
    pub(crate) attempts: Vec<AttemptResource>,
}

/// Where a payment stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = PaymentStatus)]
pub(crate) enum PaymentPhase {
    /// Waits for the payer.
    Open,
    /// An attempt is under way, and what came of it is not known yet.
    Pending,
    /// The payer has to take a second step.
    ActionRequired,
    /// The money was received.
    Settled,
    /// No money was received, and none is accepted any more.
    Closed,
    /// The money is on its way back.
    Refunding,
    /// The money was given back.
    Refunded,
}

/// What the payer has to do.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub(crate) struct NextAction {
    pub(crate) kind: NextActionKind,
    /// Where.
    pub(crate) url: String,
}

/// How the payer goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum NextActionKind {
    /// Approve or refuse the payment at `url`, a path of this API.
    Confirm,
    /// Send the payer to `url`, a page of the bank's. When the payer is back, confirm the payment.
    Redirect,
}

impl NextAction {
    fn at(url: String) -> Self {
        // Ours are paths.
        let is_ours = url.starts_with('/');
        let kind = if is_ours { NextActionKind::Confirm } else { NextActionKind::Redirect };
        Self { kind, url }
    }
}

/// One attempt to pay.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[schema(as = PaymentAttempt)]
pub(crate) struct AttemptResource {
    /// Counted from 1.
    pub(crate) number: u32,
    /// What is known of the card; nothing when it was paid with a token.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) card: Option<CardSummary>,
    pub(crate) state: AttemptState,
    /// Why it was declined, if it was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) reason: Option<Decline>,
    pub(crate) begun_at: Timestamp,
}

/// Money that goes back to the payer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[schema(as = Refund, example = json!({
    "id": "01980e4c-8f5c-7b1e-a7c4-51d2f2a5e201",
    "payment_id": "01980e4c-8f5c-7b1e-a7c4-51d2f2a5e101",
    "order_id": "01980e4c-8f5c-7b1e-a7c4-51d2f2a5e001",
    "number": 1,
    "amount": {"amount": 5000, "currency": "EUR"},
    "reason": "the evening is cancelled",
    "state": "done",
    "begun_at": "2027-05-03T09:00:00Z",
    "done_at": "2027-05-03T09:00:01Z",
}))]
pub(crate) struct RefundResource {
    pub(crate) id: Uuid,
    pub(crate) payment_id: Uuid,
    pub(crate) order_id: Uuid,
    /// Which refund of the payment it is. When the provider refuses, another one follows, until it has
    /// refused for long enough: then this one is `cancelled`, and its money can be given back anew.
    pub(crate) number: u32,
    /// The refund that this one repeats, since the provider refused it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) repeats: Option<Uuid>,
    pub(crate) amount: Money,
    /// Why the money goes back.
    pub(crate) reason: String,
    pub(crate) state: RefundState,
    /// Why the provider refused, if it did, or why it was called off.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) failure: Option<String>,
    pub(crate) begun_at: Timestamp,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) done_at: Option<Timestamp>,
}

impl PaymentResource {
    /// The payment as its readers see it; `None` when it was never opened.
    pub(crate) fn of(order_id: Uuid, payment: &Payment) -> Option<Self> {
        let terms = payment.terms.as_ref()?;
        let waiting = payment.live_attempt().filter(|it| it.state == AttemptState::ActionRequired);
        let next_action = waiting.and_then(|attempt| attempt.url.clone());
        Some(Self {
            id: payment.id?,
            order_id,
            payer_id: terms.payer_id,
            organizer_id: terms.organizer_id,
            amount: terms.amount,
            status: PaymentPhase::of(payment),
            refunded: payment
                .received()
                .map(|received| Money::new(payment.refunded(), received.currency)),
            opened_at: terms.opened_at,
            expires_at: terms.expires_at,
            settled_at: payment.settlement.as_ref().map(|settlement| settlement.settled_at),
            next_action: next_action.map(NextAction::at),
            attempts: payment.attempts.iter().map(AttemptResource::of).collect(),
        })
    }
}

impl PaymentPhase {
    fn of(payment: &Payment) -> Self {
        let waits_for_payer = payment
            .live_attempt()
            .is_some_and(|attempt| attempt.state == AttemptState::ActionRequired);
        match payment.status() {
            PaymentStatus::Pending if waits_for_payer => Self::ActionRequired,
            PaymentStatus::Pending => Self::Pending,
            PaymentStatus::Open => Self::Open,
            PaymentStatus::Settled => Self::Settled,
            PaymentStatus::Closed => Self::Closed,
            PaymentStatus::Refunding => Self::Refunding,
            PaymentStatus::Refunded => Self::Refunded,
        }
    }
}

impl AttemptResource {
    fn of(attempt: &Attempt) -> Self {
        Self {
            number: attempt.number,
            card: attempt.card.clone(),
            state: attempt.state,
            reason: attempt.reason,
            begun_at: attempt.begun_at,
        }
    }
}

impl RefundResource {
    pub(crate) fn of(order_id: Uuid, payment_id: Uuid, refund: &Refund) -> Self {
        Self {
            id: refund.id,
            payment_id,
            order_id,
            number: refund.number,
            repeats: refund.repeats(),
            amount: refund.amount,
            reason: refund.reason.clone(),
            state: refund.state,
            failure: refund.failure.clone(),
            begun_at: refund.begun_at,
            done_at: refund.done_at,
        }
    }
}

#[derive(Debug, Serialize)]
struct WrittenPayment {
    payment_id: Uuid,
    order_id: Uuid,
    payer_id: Uuid,
    opened_at: At,
    content: PaymentResource,
}

#[derive(Debug, Serialize)]
struct WrittenRefund {
    refund_id: Uuid,
    order_id: Uuid,
    payer_id: Uuid,
    begun_at: At,
    content: RefundResource,
}

/// Keeps the tables of payments and of refunds.
pub(crate) struct PaymentList;

#[async_trait]
impl View<Payment> for PaymentList {
    async fn apply(&self, tx: &mut Tx, changes: &[Change<'_, Payment>]) -> Result<(), sqlx::Error> {
        let payments: Vec<WrittenPayment> = changes
            .iter()
            .filter_map(|change| PaymentResource::of(change.id, change.state))
            .map(|content| WrittenPayment {
                payment_id: content.id,
                order_id: content.order_id,
                payer_id: content.payer_id,
                opened_at: At(content.opened_at),
                content,
            })
            .collect();
        if !payments.is_empty() {
            store::execute!(tx, UPSERT_PAYMENTS, Json(&payments)).await?;
        }
        let refunds: Vec<WrittenRefund> = changes.iter().flat_map(written_refunds).collect();
        if !refunds.is_empty() {
            store::execute!(tx, UPSERT_REFUNDS, Json(&refunds)).await?;
        }
        Ok(())
    }
}

fn written_refunds(change: &Change<'_, Payment>) -> Vec<WrittenRefund> {
    let (Some(terms), Some(payment_id)) = (&change.state.terms, change.state.id) else {
        return Vec::new();
    };
    let written = change.state.refunds.iter().map(|refund| WrittenRefund {
        refund_id: refund.id,
        order_id: change.id,
        payer_id: terms.payer_id,
        begun_at: At(refund.begun_at),
        content: RefundResource::of(change.id, payment_id, refund),
    });
    written.collect()
}

#[derive(Debug, FromRow)]
struct OrderRow {
    order_id: Uuid,
}

/// The order that the payment is for.
pub(crate) async fn order_of_payment(
    database: &Database,
    payment_id: Uuid,
) -> Result<Option<Uuid>, StoreError> {
    let row = store::fetch_optional!(database, OrderRow, ORDER_OF_PAYMENT, payment_id).await?;
    Ok(row.map(|row| row.order_id))
}

/// The order that the refund is for.
pub(crate) async fn order_of_refund(
    database: &Database,
    refund_id: Uuid,
) -> Result<Option<Uuid>, StoreError> {
    let row = store::fetch_optional!(database, OrderRow, ORDER_OF_REFUND, refund_id).await?;
    Ok(row.map(|row| row.order_id))
}

/// A row of a list.
#[derive(Debug, FromRow)]
pub(crate) struct PaymentRow {
    id: Uuid,
    at: At,
    pub(crate) content: Json<PaymentResource>,
}

/// A row of a list.
#[derive(Debug, FromRow)]
pub(crate) struct RefundRow {
    id: Uuid,
    at: At,
    pub(crate) content: Json<RefundResource>,
}

/// Where a page of a list begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Key {
    at: Timestamp,
    id: Uuid,
}

/// Before everything in a list: later than anything happens, and an instant that both databases can
/// keep.
const NEWEST: Key = Key { at: Timestamp::constant(253_000_000_000, 0), id: Uuid::max() };

impl PaymentRow {
    pub(crate) fn key(&self) -> Key {
        Key { at: self.at.0, id: self.id }
    }
}

impl RefundRow {
    pub(crate) fn key(&self) -> Key {
        Key { at: self.at.0, id: self.id }
    }
}

/// Up to `limit` payments of `payer_id`, newest first, from the one after `after`.
pub(crate) async fn payments_of_payer(
    database: &Database,
    payer_id: Uuid,
    after: Option<Key>,
    limit: i64,
) -> Result<Vec<PaymentRow>, StoreError> {
    let Key { at, id } = after.unwrap_or(NEWEST);
    let rows =
        store::fetch_all!(database, PaymentRow, PAYMENTS_OF_PAYER, payer_id, At(at), id, limit);
    Ok(rows.await?)
}

/// Whose refunds a list shows.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Whose {
    Payer(Uuid),
    Order(Uuid),
}

/// Up to `limit` refunds, newest first, from the one after `after`.
pub(crate) async fn refunds(
    database: &Database,
    whose: Whose,
    after: Option<Key>,
    limit: i64,
) -> Result<Vec<RefundRow>, StoreError> {
    let (statement, whom) = match whose {
        Whose::Payer(id) => (REFUNDS_OF_PAYER, id),
        Whose::Order(id) => (REFUNDS_OF_ORDER, id),
    };
    let Key { at, id } = after.unwrap_or(NEWEST);
    let rows = store::fetch_all!(database, RefundRow, statement, whom, At(at), id, limit);
    Ok(rows.await?)
}
