//! What can go wrong with a call besides what the callee's contract says.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A call that got no answer of the contract's. Every contract error has a variant that holds one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// The callee certainly did not execute the call. Trying again is always safe.
    #[error("{service}.{method} was not sent: {reason}")]
    NotSent {
        /// The callee's service name.
        service: &'static str,
        /// The method that was called.
        method: &'static str,
        /// Why, for a log line.
        reason: String,
    },
    /// The callee may or may not have executed the call. Trying again is safe for `#[idempotent]`
    /// methods only.
    #[error("the fate of {service}.{method} is unknown: {reason}")]
    Unknown {
        /// The callee's service name.
        service: &'static str,
        /// The method that was called.
        method: &'static str,
        /// Why, for a log line.
        reason: String,
    },
    /// The callee broke while executing the call.
    #[error("{service}.{method} failed: {reason}")]
    Failed {
        /// The callee's service name.
        service: &'static str,
        /// The method that was called.
        method: &'static str,
        /// Why, for a log line.
        reason: String,
    },
}

impl Fault {
    /// Why, for a log line.
    pub fn reason(&self) -> &str {
        match self {
            Self::NotSent { reason, .. }
            | Self::Unknown { reason, .. }
            | Self::Failed { reason, .. } => reason,
        }
    }

    /// Whether the callee certainly did not execute the call.
    pub fn is_not_sent(&self) -> bool {
        matches!(self, Self::NotSent { .. })
    }
}

/// A contract error that a newer callee knows and this build does not. Contract errors hold one in
/// their last, `#[serde(untagged)]` variant.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(transparent)]
pub struct Unrecognised(pub serde_json::Value);

impl fmt::Display for Unrecognised {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.get("code").and_then(serde_json::Value::as_str) {
            Some(code) => write!(f, "an error this build does not know: {code}"),
            None => f.write_str("an error this build does not know"),
        }
    }
}
