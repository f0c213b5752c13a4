//! The problems that are notifications' own.

use edge::{Problem, ProblemType};

use crate::domain::mail::Rejection;

/// Every problem that is notifications' own.
pub(crate) static ALL: &[&ProblemType] = &[&NOTIFICATION_NOT_SENDABLE];

pub(crate) static NOTIFICATION_NOT_SENDABLE: ProblemType = ProblemType {
    slug: "notification-not-sendable",
    status: 409,
    title: "The notification cannot be sent",
    meaning: "The notification is from before Boxoffice sent mail. It was kept as a note, and what \
              it tells of is too old to be told.",
    what_to_do: "Tell the buyer yourself, if it still matters.",
};

impl From<Rejection> for Problem {
    fn from(rejection: Rejection) -> Self {
        match rejection {
            Rejection::Unknown => Self::not_found(),
            Rejection::Unsent => Self::new(&NOTIFICATION_NOT_SENDABLE),
        }
    }
}
