//! What can be seen of mail from the outside, without anything about a person. It is told when it is
//! written; a commit that has to be written twice may tell it twice.

use metrics::Unit;
use store::Change;

use crate::domain::mail::{Event, Mail};

const ATTEMPTS: &str = "notifications_mail_attempts_total";

/// Tells the metrics recorder what the metrics mean.
pub(crate) fn describe() {
    metrics::describe_counter!(
        ATTEMPTS,
        Unit::Count,
        "Attempts to send a mail, by its kind and outcome: sent, failed (it is tried again), given_up \
         (it is not, or was too old to be tried at all)"
    );
}

/// Tells what a commit did to a mail.
pub(crate) fn tell(change: &Change<'_, Mail>) {
    let Some(notice) = &change.state.notice else { return };
    let message = &notice.message;
    let (mail, kind) = (change.id, message.kind.name());
    for recorded in change.events {
        let correlation_id = &recorded.correlation_id;
        let outcome = match &recorded.event {
            Event::Queued { .. } | Event::AskedAgain { .. } => continue,
            Event::Sent { .. } => "sent",
            Event::Failed { error, .. } => {
                let failures = change.state.failures();
                tracing::warn!(
                    %mail,
                    kind,
                    correlation_id,
                    failures,
                    reason = error,
                    "a mail was not sent"
                );
                "failed"
            }
            Event::GivenUp { reason, .. } => {
                let (order, attempts) = (message.order_id, change.state.attempts);
                tracing::error!(
                    %mail,
                    kind,
                    %order,
                    correlation_id,
                    attempts,
                    reason,
                    "a mail was given up"
                );
                "given_up"
            }
        };
        metrics::counter!(ATTEMPTS, "kind" => kind, "outcome" => outcome).increment(1);
    }
}
