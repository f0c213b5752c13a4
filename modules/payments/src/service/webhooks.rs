//! Takes in what the provider's webhooks hint at. Nothing that a webhook says is believed: it says
//! where to look. What is seen there is recorded in one commit with the webhook itself, and only then
//! the provider hears that it was taken. One that comes twice, late or out of order does no harm,
//! since what is recorded is how things stand, not what the webhook was about; one that comes before
//! the reply of the call that it is about records the reply's content first.

use std::time::Duration;

use runtime::{Boot, Context};
use store::{At, Committer, ExecuteError, StoreError, Work};
use uuid::Uuid;

use super::{Service, attempts::charge_for};
use crate::{
    domain::{Attempt, Command, Outcome, Payment, Rejection},
    provider::Hint,
    views::webhooks::{self, FORGET, NotedWebhook},
};

/// How long webhooks are remembered. Long after the last time that a provider sends one again.
const RETENTION: Duration = Duration::from_hours(30 * 24);
const PURGE_INTERVAL: Duration = Duration::from_hours(1);
const FORGET_AT_ONCE: i64 = 1000;

/// What became of a webhook that was taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Taken {
    /// It was looked into.
    Now,
    /// It had been looked into before.
    Before,
    /// It is about nothing of ours.
    Ignored,
}

/// Why a webhook was not taken. The provider must send it again.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NotTaken {
    #[error("the provider does not say how things stand")]
    Unanswered,
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Service {
    /// Looks into what a webhook hints at.
    pub(crate) async fn take_hint(&self, cx: &Context, hint: &Hint) -> Result<Taken, NotTaken> {
        let database = self.payments.committer().database();
        if webhooks::is_known(database, self.provider.name(), &hint.event_id).await? {
            return Ok(Taken::Before);
        }
        let order_id = self.order_of(cx, hint).await?;
        let payment = match order_id {
            Some(order_id) => self.payments.load(order_id).await?,
            None => None,
        };
        let Some((order_id, payment)) = order_id.zip(payment) else {
            self.note(cx, hint, None, Vec::new()).await?;
            return Ok(Taken::Ignored);
        };
        let mut commands: Vec<Command> =
            self.look_at_attempt(cx, order_id, &payment.state, hint).await?.into_iter().collect();
        commands.extend(self.look_at_refunds(cx, &payment.state).await?);
        self.note(cx, hint, Some(order_id), commands).await?;
        Ok(Taken::Now)
    }

    async fn order_of(&self, cx: &Context, hint: &Hint) -> Result<Option<Uuid>, NotTaken> {
        match (&hint.order_id, &hint.charge) {
            (Some(order_id), _) => Ok(Some(*order_id)),
            (None, Some(charge)) => {
                let asked = self.in_time(self.provider.order_of(cx, charge)).await;
                asked.flatten().ok_or(NotTaken::Unanswered)
            }
            (None, None) => Ok(None),
        }
    }

    async fn look_at_attempt(
        &self,
        cx: &Context,
        order_id: Uuid,
        payment: &Payment,
        hint: &Hint,
    ) -> Result<Option<Command>, NotTaken> {
        let is_meant = |attempt: &&Attempt| {
            hint.attempt_id == Some(attempt.id)
                || (hint.charge.is_some() && hint.charge == attempt.reference)
        };
        let attempt = payment.attempts.iter().find(is_meant);
        let charge = attempt.and_then(|attempt| charge_for(order_id, payment, attempt));
        let Some(charge) = charge else { return Ok(None) };
        match self.in_time(self.provider.fetch(cx, &charge)).await {
            None | Some(Some(Outcome::Unknown)) => Err(NotTaken::Unanswered),
            // It was made and not confirmed, which whoever makes it is about to do.
            Some(None) => Ok(None),
            Some(Some(outcome)) => Ok(Some(self.outcome_command(charge.id, outcome))),
        }
    }

    async fn look_at_refunds(
        &self,
        cx: &Context,
        payment: &Payment,
    ) -> Result<Vec<Command>, NotTaken> {
        let settled = payment.settlement.iter().chain(&payment.surplus);
        let charges = settled.filter_map(|settlement| settlement.reference.as_deref());
        let mut commands = Vec::new();
        for charge in charges {
            let asked = self.in_time(self.provider.refunds(cx, charge)).await.flatten();
            let known = asked.ok_or(NotTaken::Unanswered)?;
            // Which of them are ours, and what of it is news, shows when it is recorded: others may
            // have begun since the payment was read.
            for refund in &known {
                let Some(refund_id) = refund.id else { continue };
                commands.push(self.refund_outcome_command(refund_id, refund.outcome.clone()));
            }
            if payment.was_paid_with(charge) {
                commands.push(self.external_command(&known));
            }
        }
        Ok(commands)
    }

    /// Carries the commands out and notes the webhook, in one commit.
    async fn note(
        &self,
        cx: &Context,
        hint: &Hint,
        order_id: Option<Uuid>,
        commands: Vec<Command>,
    ) -> Result<(), NotTaken> {
        let noted = NotedWebhook {
            provider: self.provider.name(),
            event_id: hint.event_id.clone(),
            kind: hint.kind.clone(),
            order_id,
            taken_at: self.clock.now(),
        };
        let payments = self.payments.clone();
        let taken = self.payments.committer().transact(cx, move |work: &mut Work<'_>| {
            let (payments, noted, commands) = (payments.clone(), noted.clone(), commands.clone());
            Box::pin(async move {
                for command in commands {
                    let Some(order_id) = order_id else { break };
                    match work.execute(&payments, order_id, command).await {
                        Ok(_) | Err(ExecuteError::Rejected(_)) => {}
                        Err(error) => return Err(error),
                    }
                }
                noted.write(work.tx()).await?;
                Ok::<_, ExecuteError<Rejection>>(())
            })
        });
        taken.await.map_err(|error| match error {
            ExecuteError::Store(error) => NotTaken::Store(error),
            ExecuteError::Rejected(_) | ExecuteError::Stale { .. } => {
                NotTaken::Store(StoreError::Failed(error.to_string()))
            }
        })
    }
}

/// Forgets webhooks that no provider sends again, from time to time.
pub(crate) fn forget_old_webhooks(boot: &Boot, committer: &Committer) {
    let (committer, clock, cx) = (committer.clone(), boot.clock(), boot.context());
    boot.spawn("forget old webhooks", |stop| async move {
        loop {
            if let Err(error) = forget(&committer, &cx, At(clock.now() - RETENTION)).await {
                tracing::warn!(%error, "old webhooks could not be forgotten");
            }
            let next = clock.now() + PURGE_INTERVAL;
            tokio::select! {
                () = stop.cancelled() => return,
                () = clock.sleep_until(next) => {}
            }
        }
    });
}

async fn forget(committer: &Committer, cx: &Context, before: At) -> Result<(), StoreError> {
    loop {
        let cx = cx.with_deadline(tokio::time::Instant::now() + Duration::from_mins(1));
        let forgotten = committer.transact(&cx, move |work: &mut Work<'_>| {
            Box::pin(async move {
                let gone = store::execute!(work.tx(), FORGET, before, FORGET_AT_ONCE).await?;
                Ok::<_, StoreError>(gone)
            })
        });
        if i64::try_from(forgotten.await?).is_ok_and(|gone| gone < FORGET_AT_ONCE) {
            return Ok(());
        }
    }
}
