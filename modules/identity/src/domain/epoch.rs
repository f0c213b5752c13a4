//! How all sessions of an account end in one step, without anybody looking for them: the account
//! counts how often that has happened, and a session that was opened at another count is over. So a
//! login that was under way with a former password opens no session that lasts.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// How often all sessions of an account had ended.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct Epoch(u64);

impl Epoch {
    pub(crate) fn new(ends: u64) -> Self {
        Self(ends)
    }

    pub(crate) fn number(self) -> u64 {
        self.0
    }

    /// Whether they never had. Sessions were opened before anybody counted.
    #[expect(
        clippy::trivially_copy_pass_by_ref,
        reason = "as serde's skip_serializing_if wants it"
    )]
    pub(crate) fn is_first(&self) -> bool {
        self.0 == 0
    }
}

/// Which sessions of an account may go on, as far as the account has a say in it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Admitted {
    /// All that were opened in this epoch,
    pub(crate) epoch: Epoch,
    /// and one from before, spared when the others ended.
    pub(crate) spared: Option<Uuid>,
}

impl Admitted {
    /// Whether the session that was opened in `epoch` may go on.
    pub(crate) fn admits(&self, session: Uuid, epoch: Epoch) -> bool {
        epoch == self.epoch || self.spared == Some(session)
    }

    /// Ends all sessions but one.
    pub(crate) fn end_all_but(&mut self, spared: Option<Uuid>) {
        self.epoch = Epoch(self.epoch.0.saturating_add(1));
        self.spared = spared;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: Uuid = Uuid::from_u128(1);
    const OTHER: Uuid = Uuid::from_u128(2);

    #[test]
    fn sessions_of_before_are_over_and_one_is_spared() {
        let mut admitted = Admitted::default();
        let before = admitted.epoch;
        assert!(admitted.admits(ONE, before) && admitted.admits(OTHER, before));
        admitted.end_all_but(Some(ONE));
        assert!(admitted.admits(ONE, before) && !admitted.admits(OTHER, before));
        assert!(admitted.admits(OTHER, admitted.epoch), "those opened since are good");
    }

    #[test]
    fn who_was_spared_once_ends_with_the_others_next_time() {
        let mut admitted = Admitted::default();
        let before = admitted.epoch;
        admitted.end_all_but(Some(ONE));
        admitted.end_all_but(None);
        assert!(!admitted.admits(ONE, before));
    }
}
