//! What can be seen of mail from the outside.

use metrics::Unit;

use crate::domain::notice::Kind;

const ATTEMPTS: &str = "notifications_mail_attempts_total";

/// What came of trying to send a mail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    Sent,
    Failed,
}

/// Tells the metrics recorder what the metrics mean.
pub(crate) fn describe() {
    metrics::describe_counter!(
        ATTEMPTS,
        Unit::Count,
        "Attempts to send a mail, by its kind and outcome: sent, failed"
    );
}

pub(crate) fn count(kind: Kind, outcome: Outcome) {
    let outcome = match outcome {
        Outcome::Sent => "sent",
        Outcome::Failed => "failed",
    };
    metrics::counter!(ATTEMPTS, "kind" => kind.name(), "outcome" => outcome).increment(1);
}
