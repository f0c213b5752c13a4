//! Drives refunds on.

use contracts::{money::Money, payments::RefundState};
use jiff::SignedDuration;
use runtime::Context;
use store::Loaded;
use uuid::Uuid;

use super::{Service, Setback, later};
use crate::{
    domain::{Command, ExternalRefund, ListedRefund, Payment, Refund, RefundOutcome},
    provider::{KnownRefund, Repayment},
};

/// How long a refund that is on its way is left alone.
const IN_TRANSIT_QUESTION: SignedDuration = SignedDuration::from_secs(60);

impl Service {
    /// Begins to give back `amount`, or everything that is left.
    pub(crate) fn refund_command(
        &self,
        refund_id: Uuid,
        amount: Option<Money>,
        reason: String,
    ) -> Command {
        let at = self.clock.now();
        Command::BeginRefund { refund_id, amount, reason, ask_at: self.answer_by(at), at }
    }

    /// Asks the provider for a refund that was begun a moment ago, and records what it says.
    pub(crate) async fn drive_refund(
        &self,
        cx: &Context,
        order_id: Uuid,
        refund_id: Uuid,
        payment: Loaded<Payment>,
    ) -> Result<Loaded<Payment>, Setback> {
        let refund = payment.state.refund(refund_id);
        let is_fresh = refund.filter(|refund| refund.state == RefundState::Created);
        let repayment = is_fresh.and_then(|it| repayment(order_id, &payment.state, it));
        let Some(repayment) = repayment else { return Ok(payment) };
        let asked = self.in_time(self.provider.refund(cx, &repayment)).await;
        let outcome = asked.unwrap_or(RefundOutcome::Unknown);
        self.record_refund(cx, order_id, &repayment, outcome).await
    }

    /// Takes up a refund that nobody is busy with: finds out where it stands, asks for it again when
    /// the provider does not know it, begins one anew that was refused.
    pub(super) async fn take_up_refund(
        &self,
        cx: &Context,
        order_id: Uuid,
        refund_id: Uuid,
    ) -> Result<(), Setback> {
        let Some(payment) = self.payments.load(order_id).await? else { return Ok(()) };
        let Some(refund) = payment.state.refund(refund_id) else { return Ok(()) };
        if refund.state == RefundState::Failed {
            let (again, at) = (self.ids.next(), self.clock.now());
            let ask_at = self.answer_by(at);
            let command = Command::RepeatRefund { of: refund_id, refund_id: again, ask_at, at };
            let begun = self.payments.execute(cx, order_id, command).await?;
            self.drive_refund(cx, order_id, again, begun).await?;
            return Ok(());
        }
        let Some(repayment) = repayment(order_id, &payment.state, refund) else { return Ok(()) };
        let asked = self.in_time(self.provider.refunds(cx, &repayment.charge)).await.flatten();
        let Some(known) = asked else { return Ok(()) };
        match known.into_iter().find(|it| it.id == Some(refund_id)) {
            Some(known) => {
                self.record_refund(cx, order_id, &repayment, known.outcome).await?;
            }
            None if refund.state == RefundState::Created => {
                self.drive_refund(cx, order_id, refund_id, payment).await?;
            }
            None => {}
        }
        Ok(())
    }

    async fn record_refund(
        &self,
        cx: &Context,
        order_id: Uuid,
        repayment: &Repayment,
        outcome: RefundOutcome,
    ) -> Result<Loaded<Payment>, Setback> {
        if matches!(outcome, RefundOutcome::Failed { .. }) {
            // Maybe since somebody has given the money back at the provider.
            self.look_for_external_refunds(cx, order_id, repayment).await?;
        }
        let command = self.refund_outcome_command(repayment.id, outcome);
        let payment = self.payments.execute(cx, order_id, command).await?;
        if let Some(refund) = payment.state.refund(repayment.id) {
            log_refusal(order_id, refund);
        }
        Ok(payment)
    }

    /// Takes in what was given back at the provider of the charge that the order was paid with.
    async fn look_for_external_refunds(
        &self,
        cx: &Context,
        order_id: Uuid,
        repayment: &Repayment,
    ) -> Result<(), Setback> {
        let Some(payment) = self.payments.load(order_id).await? else { return Ok(()) };
        if !payment.state.was_paid_with(&repayment.charge) {
            return Ok(());
        }
        let asked = self.in_time(self.provider.refunds(cx, &repayment.charge)).await.flatten();
        let Some(known) = asked else { return Ok(()) };
        self.payments.execute(cx, order_id, self.external_command(&known)).await?;
        Ok(())
    }

    pub(super) fn refund_outcome_command(
        &self,
        refund_id: Uuid,
        outcome: RefundOutcome,
    ) -> Command {
        let at = self.clock.now();
        let ask_at = later(at, IN_TRANSIT_QUESTION);
        Command::RecordRefund { refund_id, outcome, ask_at, at }
    }

    /// The command that takes in those of the settlement's refunds that are not ours.
    pub(super) fn external_command(&self, known: &[KnownRefund]) -> Command {
        let listed = known.iter().map(|refund| ListedRefund {
            id: refund.id,
            refund: ExternalRefund {
                reference: refund.reference.clone(),
                amount: refund.amount,
                counts: matches!(refund.outcome, RefundOutcome::Done | RefundOutcome::InTransit),
            },
        });
        Command::RecordExternalRefunds { listed: listed.collect(), at: self.clock.now() }
    }
}

/// Tells whoever runs this of money that does not go back.
fn log_refusal(order_id: Uuid, refund: &Refund) {
    let (refund_id, reason) = (refund.id, refund.failure.as_deref());
    match refund.state {
        RefundState::Failed => {
            tracing::warn!(order = %order_id, refund = %refund_id, reason, "a refund was refused and is repeated later");
        }
        RefundState::Cancelled => {
            tracing::error!(order = %order_id, refund = %refund_id, reason, "a refund was given up: its money stays until it is given back anew");
        }
        RefundState::Created
        | RefundState::InTransit
        | RefundState::Done
        | RefundState::External => {}
    }
}

/// What the provider is asked to give back; `None` when no money was received.
pub(super) fn repayment(order_id: Uuid, payment: &Payment, refund: &Refund) -> Option<Repayment> {
    let charge = payment.charge_of(refund)?.to_owned();
    Some(Repayment { id: refund.id, order_id, charge, amount: refund.amount })
}
