//! Why a transaction of a consumer was not committed, and what that means.

use store::{HandlerError, LeaseError, StoreError};

use crate::SourceError;

/// Why a transaction was not committed.
#[derive(Debug)]
pub(crate) enum Setback {
    /// Somebody else reads now.
    Lost(LeaseError),
    /// Somebody else did it, or decided otherwise.
    Overtaken,
    /// This build cannot read the event.
    Unreadable(String),
    /// The handler would not.
    Handler(HandlerError),
    /// The database would not. Or a handler panicked, or took too long, or broke a constraint.
    Store(StoreError),
}

impl From<StoreError> for Setback {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl From<store::sqlx::Error> for Setback {
    fn from(error: store::sqlx::Error) -> Self {
        Self::Store(error.into())
    }
}

impl From<LeaseError> for Setback {
    fn from(error: LeaseError) -> Self {
        match error {
            LeaseError::Lost(_) => Self::Lost(error),
            LeaseError::Store(error) => Self::Store(error),
        }
    }
}

impl Setback {
    pub(super) fn verdict(self) -> Verdict {
        match self {
            Self::Lost(error) => Verdict::GiveUp(Interruption::Lost(error)),
            Self::Overtaken | Self::Store(StoreError::Contended(_)) => {
                Verdict::GiveUp(Interruption::Overtaken)
            }
            Self::Unreadable(reason) => Verdict::Unreadable(reason),
            Self::Handler(error) if error.is_transient() => Verdict::Postpone(error.to_string()),
            Self::Handler(error) => Verdict::Failed(error.to_string()),
            Self::Store(error) if error.is_transient() => Verdict::Postpone(error.to_string()),
            Self::Store(error) => Verdict::Failed(error.to_string()),
        }
    }

    /// What it means when no event was to take effect.
    pub(crate) fn interruption(self) -> Interruption {
        match self.verdict() {
            Verdict::GiveUp(interruption) => interruption,
            Verdict::Unreadable(reason) | Verdict::Failed(reason) | Verdict::Postpone(reason) => {
                Interruption::Trouble(reason)
            }
        }
    }
}

/// What a setback means for the one event that was to take effect.
pub(super) enum Verdict {
    /// Trying again never helps.
    Unreadable(String),
    /// The event is the trouble.
    Failed(String),
    /// Something else is; everything waits.
    Postpone(String),
    GiveUp(Interruption),
}

/// Why reading stops.
pub(crate) enum Interruption {
    /// For good: somebody else reads now.
    Lost(LeaseError),
    /// To begin again from what is stored: somebody else wrote there.
    Overtaken,
    /// To begin again after a pause.
    Trouble(String),
}

impl From<StoreError> for Interruption {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Contended(_) => Self::Overtaken,
            _ => Self::Trouble(error.to_string()),
        }
    }
}

impl From<SourceError> for Interruption {
    fn from(error: SourceError) -> Self {
        Self::Trouble(error.to_string())
    }
}
