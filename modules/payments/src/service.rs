//! Implements the contract. What drives attempts and refunds on is in `service/`: it records what is
//! about to be asked of the provider, asks, records the answer. The rules are in `domain.rs`.
//!
//! Everything here may stop anywhere. What was left is taken up when the payment wakes.

mod attempts;
mod refunds;
mod webhooks;

use std::{future::Future, sync::Arc, time::Duration};

use contracts::{
    money::Money,
    payments::{
        AttemptLine, ClosePayment, FindPayment, OpenPayment, Payment as PaymentReply, PaymentBooks,
        PaymentError, Payments, RefundLine, RefundOrder,
    },
};
use jiff::SignedDuration;
use runtime::{Clock, Context, Fault, Ids, Timestamp, async_trait};
use store::{Events, ExecuteError, HandlerError, Loaded, StoreError};
use uuid::Uuid;

pub(crate) use self::webhooks::{NotTaken, Taken, forget_old_webhooks};
use crate::{
    domain::{Command, Payment, Refund, Rejection, Terms},
    provider::Provider,
};

const SERVICE: &str = "payments";
const ATTEMPTS: &str = "boxoffice_payment_attempts_total";
const WEBHOOKS: &str = "boxoffice_payment_webhooks_total";

/// Whoever asks the provider records its answer at once. Should that one have died, the payment wakes
/// up this long after the answer should have been there.
const GRACE: SignedDuration = SignedDuration::from_secs(2);

/// Names the metrics of this service.
pub(crate) fn describe_metrics() {
    metrics::describe_counter!(
        ATTEMPTS,
        metrics::Unit::Count,
        "What the provider said of attempts to pay, by outcome"
    );
    metrics::describe_counter!(
        WEBHOOKS,
        metrics::Unit::Count,
        "Webhooks of the payment provider, by outcome: taken, known, ignored, forged, not_taken"
    );
}

/// Counts a webhook.
pub(crate) fn count_webhook(outcome: &'static str) {
    metrics::counter!(WEBHOOKS, "outcome" => outcome).increment(1);
}

/// What payments does, for other services and for its own endpoints.
#[derive(Clone)]
pub(crate) struct Service {
    pub(crate) payments: Events<Payment>,
    pub(crate) provider: Arc<dyn Provider>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) ids: Ids,
    pub(crate) provider_timeout: Duration,
}

/// Why a payment could not be driven on.
pub(crate) type Setback = ExecuteError<Rejection>;

impl Service {
    /// What is due when a payment wakes up: the fate of an attempt, refunds.
    pub(crate) async fn wake(&self, cx: &Context, order_id: Uuid) -> Result<(), HandlerError> {
        let Some(payment) = self.payments.load(order_id).await? else { return Ok(()) };
        let now = self.clock.now();
        let due_attempt = payment.state.live_attempt().filter(|attempt| attempt.is_due(now));
        if due_attempt.is_some() {
            self.resolve(cx, order_id, &payment).await?;
        }
        let due: Vec<Uuid> =
            payment.state.refunds.iter().filter(|it| it.is_due(now)).map(|it| it.id).collect();
        for refund_id in due {
            self.take_up_refund(cx, order_id, refund_id).await?;
        }
        Ok(())
    }

    /// What the provider answers, or `None` when it takes too long.
    async fn in_time<T>(&self, asked: impl Future<Output = T>) -> Option<T> {
        tokio::time::timeout(self.provider_timeout, asked).await.ok()
    }

    /// When whoever asks the provider now has its answer, or has died.
    fn answer_by(&self, now: Timestamp) -> Timestamp {
        let timeout = SignedDuration::try_from(self.provider_timeout).unwrap_or(GRACE);
        later(later(now, timeout), GRACE)
    }

    async fn close_for_good(
        &self,
        cx: &Context,
        order_id: Uuid,
    ) -> Result<Loaded<Payment>, Setback> {
        let command = Command::Close { payment_id: self.ids.next(), at: self.clock.now() };
        self.payments.execute(cx, order_id, command).await
    }

    async fn give_back(
        &self,
        cx: &Context,
        request: RefundOrder,
    ) -> Result<(Loaded<Payment>, Option<Uuid>), Setback> {
        let RefundOrder { order_id, reason, refund_id, amount } = request;
        let known = self.payments.load(order_id).await?;
        let is_settled = known.as_ref().is_some_and(|payment| payment.state.settlement.is_some());
        match known {
            _ if !is_settled && amount.is_some() => {
                Err(ExecuteError::Rejected(Rejection::NothingReceived))
            }
            // An order whose money is to go back before there is any wants none.
            None => Ok((self.close_for_good(cx, order_id).await?, None)),
            Some(payment) if !is_settled => Ok((payment, None)),
            // What is under way, and what was refused, goes on by itself.
            Some(payment) if is_known(&payment.state, refund_id, amount) => {
                Ok((payment, refund_id))
            }
            Some(_) => {
                let refund_id = refund_id.unwrap_or_else(|| self.ids.next());
                let command = self.refund_command(refund_id, amount, reason);
                let begun = self.payments.execute(cx, order_id, command).await?;
                let payment = self.drive_refund(cx, order_id, refund_id, begun).await?;
                Ok((payment, Some(refund_id)))
            }
        }
    }
}

#[async_trait]
impl Payments for Service {
    async fn open(&self, cx: &Context, request: OpenPayment) -> Result<PaymentReply, PaymentError> {
        let OpenPayment { order_id, payer_id, organizer_id, amount, expires_at } = request;
        let opened_at = self.clock.now();
        let terms = Terms { payer_id, organizer_id, amount, expires_at, opened_at };
        let command = Command::Open { payment_id: self.ids.next(), terms };
        let opened = self.payments.execute(cx, order_id, command).await;
        let payment = opened.map_err(|error| in_contract(error, "open", order_id))?;
        reply(&payment.state, None, "open")
    }

    async fn close(
        &self,
        cx: &Context,
        request: ClosePayment,
    ) -> Result<PaymentReply, PaymentError> {
        let ClosePayment { order_id } = request;
        let failed = |error| in_contract(error, "close", order_id);
        let closed = self.close_for_good(cx, order_id).await.map_err(failed)?;
        let payment = self.resolve(cx, order_id, &closed).await.map_err(failed)?;
        reply(&payment.state, None, "close")
    }

    async fn refund(
        &self,
        cx: &Context,
        request: RefundOrder,
    ) -> Result<PaymentReply, PaymentError> {
        let order_id = request.order_id;
        let given = self.give_back(cx, request).await;
        let (payment, refund_id) = given.map_err(|error| in_contract(error, "refund", order_id))?;
        let asked = refund_id.and_then(|id| payment.state.latest_of(id));
        let refund = asked.or_else(|| payment.state.refunds.last());
        reply(&payment.state, refund, "refund")
    }

    async fn find(
        &self,
        _cx: &Context,
        request: FindPayment,
    ) -> Result<PaymentBooks, PaymentError> {
        let FindPayment { order_id } = request;
        let failed = |error: StoreError| in_contract(error.into(), "find", order_id);
        let known = self.payments.load(order_id).await.map_err(failed)?;
        let books = known.and_then(|payment| books(order_id, &payment.state));
        books.ok_or(PaymentError::Unknown { order_id })
    }
}

/// The books of a payment that was opened.
fn books(order_id: Uuid, payment: &Payment) -> Option<PaymentBooks> {
    let due = payment.terms.as_ref()?.amount;
    let attempts = payment.attempts.iter().map(|attempt| AttemptLine {
        number: attempt.number,
        state: attempt.state,
        begun_at: attempt.begun_at,
    });
    Some(PaymentBooks {
        payment_id: payment.id?,
        order_id,
        status: payment.status(),
        due,
        charged: payment.received().unwrap_or(Money::zero(due.currency)),
        refunded: Money::new(payment.refunded(), due.currency),
        attempts: attempts.collect(),
        refunds: payment.refunds_of_settlement().map(refund_line).collect(),
    })
}

/// Whether what is to be given back was begun before.
fn is_known(payment: &Payment, refund_id: Option<Uuid>, amount: Option<Money>) -> bool {
    let known = refund_id.and_then(|id| payment.refund(id));
    let is_same = known.is_some_and(|it| amount.is_none_or(|amount| amount == it.amount));
    let asks_for_all = refund_id.is_none() && amount.is_none();
    is_same || (asks_for_all && payment.left() == 0 && !payment.refunds.is_empty())
}

fn refund_line(refund: &Refund) -> RefundLine {
    let Refund { id, number, amount, state, .. } = *refund;
    RefundLine { refund_id: id, number, amount, state }
}

fn later(instant: Timestamp, by: SignedDuration) -> Timestamp {
    instant.checked_add(by).unwrap_or(instant)
}

fn reply(
    payment: &Payment,
    refund: Option<&Refund>,
    method: &'static str,
) -> Result<PaymentReply, PaymentError> {
    let Some(payment_id) = payment.id else {
        let reason = "the payment has no id".to_owned();
        return Err(Fault::Failed { service: SERVICE, method, reason }.into());
    };
    let received = payment.received();
    let refunded = received.map(|received| Money::new(payment.refunded(), received.currency));
    let (status, refund) = (payment.status(), refund.map(refund_line));
    Ok(PaymentReply { payment_id, status, received, refunded, refund })
}

fn in_contract(error: Setback, method: &'static str, order_id: Uuid) -> PaymentError {
    match error {
        ExecuteError::Rejected(Rejection::Differs) => PaymentError::Differs { order_id },
        ExecuteError::Rejected(Rejection::ClosedForGood) => PaymentError::Closed { order_id },
        ExecuteError::Rejected(Rejection::NothingReceived) => {
            PaymentError::NothingReceived { order_id }
        }
        ExecuteError::Rejected(Rejection::RefundExceeds { left }) => {
            PaymentError::RefundExceeds { order_id, left }
        }
        ExecuteError::Rejected(Rejection::RefundAmount { currency }) => {
            PaymentError::RefundAmount { order_id, currency: currency.to_owned() }
        }
        ExecuteError::Rejected(Rejection::RefundDiffers { refund_id }) => {
            PaymentError::RefundDiffers { refund_id }
        }
        ExecuteError::Rejected(rejection) => {
            Fault::Failed { service: SERVICE, method, reason: rejection.to_string() }.into()
        }
        ExecuteError::Stale { current } => {
            let reason = format!("no version was asked for, but {current} was found");
            Fault::Failed { service: SERVICE, method, reason }.into()
        }
        ExecuteError::Store(error) => StoreError::into_fault(error, SERVICE, method).into(),
    }
}

#[cfg(test)]
mod tests;
