//! Implements the contract, and drives attempts and refunds on: records what is about to be asked of
//! the provider, asks, records the answer. The rules are in `domain.rs`.
//!
//! Everything here may stop anywhere. What was left is taken up when the payment wakes.

use std::{future::Future, sync::Arc, time::Duration};

use contracts::money::Money;
use contracts::payments::{
    AttemptLine, AttemptState, ClosePayment, FindPayment, OpenPayment, Payment as PaymentReply,
    PaymentBooks, PaymentError, Payments, RefundLine, RefundOrder, RefundState,
};
use jiff::SignedDuration;
use runtime::{Clock, Context, Fault, Ids, Timestamp, async_trait};
use store::{Events, ExecuteError, HandlerError, Loaded, StoreError};
use uuid::Uuid;

use crate::{
    card::CardNumber,
    domain::{Attempt, Command, Outcome, Payment, Refund, RefundOutcome, Rejection, Terms},
    provider::{Charge, Provider},
};

const SERVICE: &str = "payments";
const ATTEMPTS: &str = "boxoffice_payment_attempts_total";

/// Whoever asks the provider records its answer at once. Should that one have died, the payment wakes
/// up this long after the answer should have been there.
const GRACE: SignedDuration = SignedDuration::from_secs(2);
/// How long after an attempt without an answer the provider is asked for its fate.
const FIRST_QUESTION: SignedDuration = SignedDuration::from_secs(1);
/// How long a refund that is on its way is left alone.
const IN_TRANSIT_QUESTION: SignedDuration = SignedDuration::from_secs(60);

/// Names the metrics of this service.
pub(crate) fn describe_metrics() {
    metrics::describe_counter!(
        ATTEMPTS,
        metrics::Unit::Count,
        "What the provider said of attempts to pay, by outcome"
    );
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
    /// Calls the attempt off that waits for the payer, if one does and it is not `but`, so that
    /// another may begin.
    pub(crate) async fn make_way(
        &self,
        cx: &Context,
        order_id: Uuid,
        payment: &Payment,
        but: Uuid,
    ) -> Result<(), Setback> {
        let waiting = payment
            .live_attempt()
            .filter(|attempt| attempt.state == AttemptState::ActionRequired && attempt.id != but);
        if let Some(attempt) = waiting {
            let outcome = self.in_time(self.provider.cancel(cx, attempt.id)).await;
            self.record(cx, order_id, attempt.id, outcome).await?;
        }
        Ok(())
    }

    /// Records an attempt, which makes it durable. An attempt that exists is left as it is.
    pub(crate) async fn begin(
        &self,
        cx: &Context,
        order_id: Uuid,
        attempt_id: Uuid,
        card: &CardNumber,
    ) -> Result<Loaded<Payment>, Setback> {
        let at = self.clock.now();
        let (card, ask_at) = (card.summary(), self.answer_by(at));
        let command = Command::BeginAttempt { attempt_id, card, ask_at, at };
        self.payments.execute(cx, order_id, command).await
    }

    /// Asks the provider for the money of an attempt that was begun. The provider takes it once,
    /// however often it is asked.
    pub(crate) async fn charge(
        &self,
        cx: &Context,
        payment: &Payment,
        attempt_id: Uuid,
        card: CardNumber,
    ) -> Outcome {
        let (Some(payment_id), Some(terms)) = (payment.id, &payment.terms) else {
            return Outcome::Unknown;
        };
        let charge = Charge { id: attempt_id, payment_id, amount: terms.amount, card };
        self.in_time(self.provider.charge(cx, charge)).await
    }

    /// Records that the payer has answered the second step, then passes the answer on.
    pub(crate) async fn complete_action(
        &self,
        cx: &Context,
        order_id: Uuid,
        attempt_id: Uuid,
        is_approved: bool,
    ) -> Result<Outcome, Setback> {
        let at = self.clock.now();
        let command = Command::TakeAction { attempt_id, ask_at: self.answer_by(at), at };
        self.payments.execute(cx, order_id, command).read(|_| ()).await?;
        Ok(self.in_time(self.provider.complete_action(cx, attempt_id, is_approved)).await)
    }

    /// The command that records what the provider said of an attempt. Counts it.
    pub(crate) fn outcome_command(&self, attempt_id: Uuid, outcome: Outcome) -> Command {
        let label = match outcome {
            Outcome::Succeeded { .. } => "succeeded",
            Outcome::Declined { .. } => "declined",
            Outcome::ActionRequired { .. } => "action_required",
            Outcome::Cancelled => "cancelled",
            Outcome::Unknown => "unknown",
        };
        metrics::counter!(ATTEMPTS, "outcome" => label).increment(1);
        tracing::info!(attempt = %attempt_id, outcome = label, "the provider has answered");
        let at = self.clock.now();
        Command::RecordOutcome { attempt_id, outcome, ask_at: later(at, FIRST_QUESTION), at }
    }

    /// Begins to give everything back that was received for the order, unless that is under way or
    /// done.
    pub(crate) fn refund_command(&self, refund_id: Uuid, reason: String) -> Command {
        let at = self.clock.now();
        Command::BeginRefund { refund_id, reason, ask_at: self.answer_by(at), at }
    }

    /// Asks the provider for the refund that was begun last, and records what it says.
    pub(crate) async fn drive_refund(
        &self,
        cx: &Context,
        order_id: Uuid,
        payment: Loaded<Payment>,
    ) -> Result<Loaded<Payment>, Setback> {
        let Some(refund) = payment.state.refunds.last() else { return Ok(payment) };
        let settlement = payment.state.settlement.as_ref();
        let reference = settlement.and_then(|settlement| settlement.reference.as_deref());
        let refund_id = refund.id;
        let outcome = match (refund.state, reference) {
            (RefundState::Created, Some(reference)) => {
                let asked = self.provider.refund(cx, refund_id, reference, refund.amount);
                self.refund_in_time(asked).await
            }
            (RefundState::InTransit, _) => {
                let asked = self.provider.fetch_refund(cx, refund_id);
                let known = async { asked.await.unwrap_or(RefundOutcome::Unknown) };
                self.refund_in_time(known).await
            }
            (
                RefundState::Created
                | RefundState::Done
                | RefundState::Failed
                | RefundState::Cancelled
                | RefundState::External,
                _,
            ) => {
                return Ok(payment);
            }
        };
        if let RefundOutcome::Failed { reason } = &outcome {
            tracing::error!(order = %order_id, refund = %refund_id, reason, "a refund was refused");
        }
        let at = self.clock.now();
        let ask_at = later(at, IN_TRANSIT_QUESTION);
        let command = Command::RecordRefund { refund_id, outcome, ask_at, at };
        self.payments.execute(cx, order_id, command).await
    }

    /// What is due when a payment wakes up: the fate of an attempt, a refund.
    pub(crate) async fn wake(&self, cx: &Context, order_id: Uuid) -> Result<(), HandlerError> {
        let Some(payment) = self.payments.load(order_id).await? else { return Ok(()) };
        let now = self.clock.now();
        let due_attempt = payment.state.live_attempt().filter(|attempt| attempt.is_due(now));
        if due_attempt.is_some() {
            self.resolve(cx, order_id, &payment).await?;
        }
        let Some(refund) = payment.state.refunds.last().filter(|refund| refund.is_due(now)) else {
            return Ok(());
        };
        let payment = if refund.state == RefundState::Failed {
            let again = self.refund_command(self.ids.next(), refund.reason.clone());
            self.payments.execute(cx, order_id, again).await?
        } else {
            payment
        };
        self.drive_refund(cx, order_id, payment).await?;
        Ok(())
    }

    /// Finds out what became of the attempt that may still take money, and calls it off when the
    /// provider has not heard of it or nobody wants the money any more.
    async fn resolve(
        &self,
        cx: &Context,
        order_id: Uuid,
        payment: &Loaded<Payment>,
    ) -> Result<Loaded<Payment>, Setback> {
        let Some(Attempt { id, .. }) = payment.state.live_attempt() else {
            return Ok(payment.clone());
        };
        let is_over = payment.state.is_over(self.clock.now());
        let fetched = self.provider.fetch(cx, *id);
        let fate = tokio::time::timeout(self.provider_timeout, fetched).await;
        let outcome = match fate.unwrap_or(Some(Outcome::Unknown)) {
            None => self.in_time(self.provider.cancel(cx, *id)).await,
            Some(Outcome::ActionRequired { .. }) if is_over => {
                self.in_time(self.provider.cancel(cx, *id)).await
            }
            Some(outcome) => outcome,
        };
        self.record(cx, order_id, *id, outcome).await
    }

    async fn record(
        &self,
        cx: &Context,
        order_id: Uuid,
        attempt_id: Uuid,
        outcome: Outcome,
    ) -> Result<Loaded<Payment>, Setback> {
        let command = self.outcome_command(attempt_id, outcome);
        let recorded = self.payments.execute(cx, order_id, command).await;
        if let Err(ExecuteError::Rejected(Rejection::PaidTwice { number })) = &recorded {
            tracing::error!(order = %order_id, attempt = number, "money came for a settled payment");
        }
        recorded
    }

    async fn in_time(&self, asked: impl Future<Output = Outcome>) -> Outcome {
        let answered = tokio::time::timeout(self.provider_timeout, asked).await;
        answered.unwrap_or(Outcome::Unknown)
    }

    async fn refund_in_time(&self, asked: impl Future<Output = RefundOutcome>) -> RefundOutcome {
        let answered = tokio::time::timeout(self.provider_timeout, asked).await;
        answered.unwrap_or(RefundOutcome::Unknown)
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
        reply(&payment.state, "open")
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
        reply(&payment.state, "close")
    }

    async fn refund(
        &self,
        cx: &Context,
        request: RefundOrder,
    ) -> Result<PaymentReply, PaymentError> {
        let RefundOrder { order_id, reason, .. } = request;
        let failed = |error| in_contract(error, "refund", order_id);
        let known = self.payments.load(order_id).await.map_err(|error| failed(error.into()))?;
        let payment = match known {
            // An order whose money is to go back before there is any wants none.
            None => self.close_for_good(cx, order_id).await.map_err(failed)?,
            Some(payment) if payment.state.settlement.is_none() => payment,
            // It is refused at present, and tried again by itself.
            Some(payment) if payment.state.refunds.last().is_some() => payment,
            Some(_) => {
                let command = self.refund_command(self.ids.next(), reason);
                let begun = self.payments.execute(cx, order_id, command).await.map_err(failed)?;
                self.drive_refund(cx, order_id, begun).await.map_err(failed)?
            }
        };
        reply(&payment.state, "refund")
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
    let nothing = Money::zero(due.currency);
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
        charged: payment.settlement.as_ref().map_or(nothing, |settlement| settlement.amount),
        refunded: nothing,
        attempts: attempts.collect(),
        refunds: payment.refunds.iter().map(refund_line).collect(),
    })
}

fn refund_line(refund: &Refund) -> RefundLine {
    let Refund { id, number, amount, state, .. } = *refund;
    RefundLine { refund_id: id, number, amount, state }
}

fn later(instant: Timestamp, by: SignedDuration) -> Timestamp {
    instant.checked_add(by).unwrap_or(instant)
}

fn reply(payment: &Payment, method: &'static str) -> Result<PaymentReply, PaymentError> {
    let Some(payment_id) = payment.id else {
        let reason = "the payment has no id".to_owned();
        return Err(Fault::Failed { service: SERVICE, method, reason }.into());
    };
    let received = payment.settlement.as_ref().map(|settlement| settlement.amount);
    let (status, refunded, refund) = (payment.status(), None, None);
    Ok(PaymentReply { payment_id, status, received, refunded, refund })
}

fn in_contract(error: Setback, method: &'static str, order_id: Uuid) -> PaymentError {
    match error {
        ExecuteError::Rejected(Rejection::Differs) => PaymentError::Differs { order_id },
        ExecuteError::Rejected(Rejection::ClosedForGood) => PaymentError::Closed { order_id },
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
