//! A mail, from the moment somebody is to be told something until it was sent or given up.
//!
//! It is tried until it was sent, for about a day, with longer and longer waits; after a crash it is
//! tried again, since nobody knows whether it had left. Every attempt bears the same name, so that
//! the receiver can tell a repetition; sending again what was sent gives it another one.

use std::time::Duration;

use runtime::Timestamp;
use serde::{Deserialize, Serialize};
use store::Aggregate;
use utoipa::ToSchema;

use super::notice::Notice;

/// Where a mail stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum MailState {
    /// It waits to be sent, for the first time or once more.
    #[default]
    Queued,
    /// The mail server has taken it, or it lies in its directory.
    Sent,
    /// It could not be sent, and is not tried any more.
    GivenUp,
}

impl MailState {
    /// As it is stored.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Sent => "sent",
            Self::GivenUp => "given_up",
        }
    }
}

/// What is stored differs from what this build can have written.
#[derive(Debug, thiserror::Error)]
#[error("no notification can be in the state {0:?}")]
pub(crate) struct UnknownState(String);

impl TryFrom<String> for MailState {
    type Error = UnknownState;

    fn try_from(name: String) -> Result<Self, Self::Error> {
        let all = [Self::Queued, Self::Sent, Self::GivenUp];
        all.into_iter().find(|state| state.name() == name).ok_or(UnknownState(name))
    }
}

/// A mail. Its id is that of the event it tells of, so that there is one for each.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub(crate) struct Mail {
    pub(crate) notice: Option<Notice>,
    pub(crate) state: MailState,
    /// When what it tells of happened.
    pub(crate) queued_at: Option<Timestamp>,
    /// How often it was tried, all copies together.
    pub(crate) attempts: u32,
    /// What went wrong the last time; nothing once it was sent.
    pub(crate) last_error: Option<String>,
    /// When it is tried next.
    pub(crate) next_attempt_at: Option<Timestamp>,
    pub(crate) sent_at: Option<Timestamp>,
    /// How often it was asked to be sent once more.
    pub(crate) copy: u32,
    /// Since when it is tried, and how often since then.
    since: Option<Timestamp>,
    failures: u32,
}

/// What can be asked of a mail.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Command {
    /// To be sent. What happened longer than `patience` ago is told to nobody any more.
    Queue { notice: Notice, happened_at: Timestamp, at: Timestamp, patience: Duration },
    /// The mail server has it.
    RecordSent { with_built_in_text: bool, at: Timestamp },
    /// It could not be sent; `for_good` when trying again is of no use. Otherwise it is tried again
    /// after `pause`, unless it was tried for longer than `patience`.
    RecordFailure {
        error: String,
        for_good: bool,
        pause: Duration,
        patience: Duration,
        at: Timestamp,
    },
    /// To be sent once more, or right now.
    Resend { at: Timestamp },
}

/// What happened to a mail. Never anything about a person: errors are in our own words, since mail
/// servers quote addresses.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(crate) enum Event {
    Queued {
        notice: Notice,
        happened_at: Timestamp,
        at: Timestamp,
    },
    Sent {
        with_built_in_text: bool,
        at: Timestamp,
    },
    Failed {
        error: String,
        again_at: Timestamp,
        at: Timestamp,
    },
    GivenUp {
        reason: String,
        /// Whether an attempt led to it. Older builds did not say, and did not count that one.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        attempted: bool,
        at: Timestamp,
    },
    AskedAgain {
        at: Timestamp,
    },
}

/// Why a mail would not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Rejection {
    #[error("there is no such mail")]
    Unknown,
}

impl Mail {
    /// Whether it is to be tried at `now`.
    pub(crate) fn is_due(&self, now: Timestamp) -> bool {
        self.wake_at().is_some_and(|due| due <= now)
    }

    /// Failures in a row, for how long to wait.
    pub(crate) fn failures(&self) -> u32 {
        self.failures
    }

    fn is_worn_out(&self, at: Timestamp, patience: Duration) -> bool {
        let since = self.since.unwrap_or(at);
        Duration::try_from(at.duration_since(since)).is_ok_and(|tried| tried >= patience)
    }
}

impl Aggregate for Mail {
    const NAME: &'static str = "mail";

    type Command = Command;
    type Event = Event;
    type Rejection = Rejection;

    fn decide(&self, command: Command) -> Result<Vec<Event>, Rejection> {
        match command {
            Command::Queue { notice, happened_at, at, patience } => {
                if self.notice.is_some() {
                    return Ok(Vec::new());
                }
                let age = Duration::try_from(at.duration_since(happened_at)).unwrap_or_default();
                let mut events = vec![Event::Queued { notice, happened_at, at }];
                if age >= patience {
                    let reason = "it happened too long ago to be told now".to_owned();
                    events.push(Event::GivenUp { reason, attempted: false, at });
                }
                Ok(events)
            }
            _ if self.notice.is_none() => Err(Rejection::Unknown),
            Command::RecordSent { with_built_in_text, at } if self.state == MailState::Queued => {
                Ok(vec![Event::Sent { with_built_in_text, at }])
            }
            Command::RecordFailure { error, for_good, pause, patience, at }
                if self.state == MailState::Queued =>
            {
                if for_good || self.is_worn_out(at, patience) {
                    return Ok(vec![Event::GivenUp { reason: error, attempted: true, at }]);
                }
                let again_at = at.checked_add(pause).unwrap_or(at);
                Ok(vec![Event::Failed { error, again_at, at }])
            }
            Command::RecordSent { .. } | Command::RecordFailure { .. } => Ok(Vec::new()),
            Command::Resend { at } => match self.state {
                MailState::Queued if self.failures == 0 => Ok(Vec::new()),
                MailState::Queued | MailState::Sent | MailState::GivenUp => {
                    Ok(vec![Event::AskedAgain { at }])
                }
            },
        }
    }

    fn evolve(&mut self, event: &Event) {
        match event {
            Event::Queued { notice, happened_at, at } => {
                self.notice = Some(notice.clone());
                self.queued_at = Some(*happened_at);
                self.since = Some(*at);
                self.next_attempt_at = Some(*at);
            }
            Event::Sent { at, .. } => {
                self.state = MailState::Sent;
                self.attempts += 1;
                self.failures = 0;
                self.last_error = None;
                self.next_attempt_at = None;
                self.sent_at = Some(*at);
            }
            Event::Failed { error, again_at, .. } => {
                self.attempts += 1;
                self.failures += 1;
                self.last_error = Some(error.clone());
                self.next_attempt_at = Some(*again_at);
            }
            Event::GivenUp { reason, attempted, .. } => {
                self.state = MailState::GivenUp;
                self.attempts += u32::from(*attempted);
                self.failures += 1;
                self.last_error = Some(reason.clone());
                self.next_attempt_at = None;
            }
            Event::AskedAgain { at } => {
                if self.state == MailState::Sent {
                    self.copy += 1;
                }
                self.state = MailState::Queued;
                self.failures = 0;
                self.since = Some(*at);
                self.next_attempt_at = Some(*at);
            }
        }
    }

    fn wake_at(&self) -> Option<Timestamp> {
        if self.state == MailState::Queued { self.next_attempt_at } else { None }
    }
}

#[cfg(test)]
mod tests;
