//! Drives attempts to pay on.

use contracts::payments::AttemptState;
use jiff::SignedDuration;
use runtime::Context;
use store::{ExecuteError, Loaded, Work};
use uuid::Uuid;

use super::{ATTEMPTS, Service, Setback, later};
use crate::{
    domain::{Attempt, Command, Outcome, Payment, Rejection},
    provider::{Charge, Charged, Method},
};

/// How long after an attempt without an answer the provider is asked for its fate.
const FIRST_QUESTION: SignedDuration = SignedDuration::from_secs(1);

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
        let charge = waiting.and_then(|attempt| charge_for(order_id, payment, attempt));
        if let Some(charge) = charge {
            let outcome = self.in_time(self.provider.cancel(cx, &charge)).await;
            self.record(cx, order_id, charge.id, outcome.unwrap_or(Outcome::Unknown)).await?;
        }
        Ok(())
    }

    /// Records an attempt, which makes it durable. An attempt that exists is left as it is.
    pub(crate) async fn begin(
        &self,
        cx: &Context,
        order_id: Uuid,
        attempt_id: Uuid,
        method: &Method,
    ) -> Result<Loaded<Payment>, Setback> {
        let at = self.clock.now();
        let card = match method {
            Method::Card(card) => Some(card.summary()),
            Method::Token(_) => None,
        };
        let command = Command::BeginAttempt { attempt_id, card, ask_at: self.answer_by(at), at };
        self.payments.execute(cx, order_id, command).await
    }

    /// Asks the provider for the money of an attempt that was begun. The provider takes it once,
    /// however often it is asked.
    pub(crate) async fn charge(
        &self,
        cx: &Context,
        order_id: Uuid,
        payment: &Payment,
        attempt_id: Uuid,
        is_new: bool,
        method: Method,
    ) -> Charged {
        let attempt = payment.attempt(attempt_id);
        let charge = attempt.and_then(|attempt| charge_for(order_id, payment, attempt));
        let Some(charge) = charge else { return Charged::Told(Outcome::Unknown) };
        let charge = Charge { is_new, ..charge };
        let charged = self.in_time(self.provider.charge(cx, &charge, method)).await;
        charged.unwrap_or(Charged::Told(Outcome::Unknown))
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
        let payment = self.payments.execute(cx, order_id, command).await?.state;
        let attempt = payment.attempt(attempt_id);
        let charge = attempt.and_then(|attempt| charge_for(order_id, &payment, attempt));
        let Some(charge) = charge else { return Ok(Outcome::Unknown) };
        let completed = self.provider.complete_action(cx, &charge, is_approved);
        Ok(self.in_time(completed).await.unwrap_or(Outcome::Unknown))
    }

    /// The command that records what the provider said of an attempt.
    pub(crate) fn outcome_command(&self, attempt_id: Uuid, outcome: Outcome) -> Command {
        let at = self.clock.now();
        Command::RecordOutcome { attempt_id, outcome, ask_at: later(at, FIRST_QUESTION), at }
    }

    /// Finds out what became of the attempt that may still take money, and calls it off when the
    /// provider has not heard of it or nobody wants the money any more.
    pub(super) async fn resolve(
        &self,
        cx: &Context,
        order_id: Uuid,
        payment: &Loaded<Payment>,
    ) -> Result<Loaded<Payment>, Setback> {
        let live = payment.state.live_attempt();
        let charge = live.and_then(|it| charge_for(order_id, &payment.state, it));
        let Some(charge) = charge else { return Ok(payment.clone()) };
        let is_over = payment.state.is_over(self.clock.now());
        let fetched = self.in_time(self.provider.fetch(cx, &charge)).await;
        let outcome = match fetched.unwrap_or(Some(Outcome::Unknown)) {
            None => self.in_time(self.provider.cancel(cx, &charge)).await,
            Some(Outcome::ActionRequired { .. }) if is_over => {
                self.in_time(self.provider.cancel(cx, &charge)).await
            }
            Some(outcome) => Some(outcome),
        };
        self.record(cx, order_id, charge.id, outcome.unwrap_or(Outcome::Unknown)).await
    }

    /// Records what the provider said of an attempt.
    pub(crate) async fn record(
        &self,
        cx: &Context,
        order_id: Uuid,
        attempt_id: Uuid,
        outcome: Outcome,
    ) -> Result<Loaded<Payment>, Setback> {
        self.conclude(cx, order_id, attempt_id, Charged::Told(outcome), |_, _| ()).await
    }

    /// Records what the provider said of an attempt, or lets it write down what it says, in one
    /// commit. `beside` is done in that commit, too.
    pub(crate) async fn conclude(
        &self,
        cx: &Context,
        order_id: Uuid,
        attempt_id: Uuid,
        charged: Charged,
        beside: impl Fn(&mut Work<'_>, &Loaded<Payment>) + Clone + Send + Sync + 'static,
    ) -> Result<Loaded<Payment>, Setback> {
        let (service, answered) = (self.clone(), charged.clone());
        let concluded = self.payments.committer().transact(cx, move |work: &mut Work<'_>| {
            let (service, answered, beside) = (service.clone(), answered.clone(), beside.clone());
            Box::pin(async move {
                let outcome = answered.outcome(work.tx()).await?;
                let label = label(&outcome);
                let command = service.outcome_command(attempt_id, outcome);
                let payment = work.execute(&service.payments, order_id, command).await?.clone();
                beside(work, &payment);
                Ok::<_, ExecuteError<Rejection>>((payment, label))
            })
        });
        let (payment, label) = concluded.await?;
        charged.was_committed();
        metrics::counter!(ATTEMPTS, "outcome" => label).increment(1);
        tracing::info!(attempt = %attempt_id, outcome = label, "the provider has answered");
        if !payment.state.surplus.is_empty() && label == "succeeded" {
            tracing::error!(order = %order_id, attempt = %attempt_id, "money came for a settled payment and goes back");
        }
        Ok(payment)
    }
}

/// The charge of an attempt, as the provider is told of it.
pub(super) fn charge_for(order_id: Uuid, payment: &Payment, attempt: &Attempt) -> Option<Charge> {
    Some(Charge {
        id: attempt.id,
        payment_id: payment.id?,
        order_id,
        amount: payment.terms.as_ref()?.amount,
        reference: attempt.reference.clone(),
        begun_at: attempt.begun_at,
        is_new: false,
    })
}

fn label(outcome: &Outcome) -> &'static str {
    match outcome {
        Outcome::Succeeded { .. } => "succeeded",
        Outcome::Declined { .. } => "declined",
        Outcome::ActionRequired { .. } => "action_required",
        Outcome::Processing { .. } => "processing",
        Outcome::Cancelled => "cancelled",
        Outcome::Unreached => "unreached",
        Outcome::Unknown => "unknown",
    }
}
