//! Sessions that have ended while access tokens of theirs are still good: for as long as those last,
//! everybody who verifies tokens knows.
//!
//! Whoever ends sessions says so; each process keeps all of them in memory, as many as people log out
//! within the life of an access token.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

use runtime::Timestamp;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// So many are kept before what no longer matters is looked for.
const FIRST_SWEEP: usize = 1_024;

/// Whose tokens are worth nothing any more.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Revoked {
    /// One session.
    Session(Uuid),
    /// All sessions of an account that were opened before its `epoch`, but the one that was spared.
    Sessions {
        /// The account.
        account: Uuid,
        /// How often all sessions of the account have ended.
        epoch: u64,
        /// The one that goes on.
        spared: Option<Uuid>,
    },
}

/// Sessions that have ended, until the last of their tokens has expired.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Revocation {
    /// Whose.
    pub revoked: Revoked,
    /// When the last of their tokens has expired.
    pub until: Timestamp,
}

/// Whose a token is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bearer {
    /// The account.
    pub account: Uuid,
    /// The session.
    pub session: Uuid,
    /// The account's epoch when the token was signed; see [`Revoked::Sessions`].
    pub epoch: u64,
}

/// What this process knows of.
#[derive(Default)]
pub(crate) struct List(Mutex<Known>);

#[derive(Default)]
struct Known {
    sessions: HashMap<Uuid, Timestamp>,
    accounts: HashMap<Uuid, AllEnded>,
    /// What this process has revoked itself.
    own: Vec<Revocation>,
    sweep_at: usize,
}

struct AllEnded {
    epoch: u64,
    spared: Option<Uuid>,
    until: Timestamp,
}

impl List {
    /// Takes in what somebody has revoked.
    pub(crate) fn add(&self, revocation: Revocation, now: Timestamp) {
        let mut known = self.known();
        known.sweep(now);
        let Revocation { revoked, until } = revocation;
        match revoked {
            Revoked::Session(session) => {
                let kept = known.sessions.entry(session).or_insert(until);
                *kept = until.max(*kept);
            }
            Revoked::Sessions { account, epoch, spared } => {
                let is_news = known.accounts.get(&account).is_none_or(|kept| kept.epoch <= epoch);
                if is_news {
                    known.accounts.insert(account, AllEnded { epoch, spared, until });
                }
            }
        }
    }

    /// As [`List::add`], for what this process has revoked itself.
    pub(crate) fn add_own(&self, revocation: Revocation, now: Timestamp) {
        self.known().own.push(revocation.clone());
        self.add(revocation, now);
    }

    /// What this process has revoked itself and still matters.
    pub(crate) fn own(&self, now: Timestamp) -> Vec<Revocation> {
        let mut known = self.known();
        known.own.retain(|revocation| now < revocation.until);
        known.own.clone()
    }

    /// Whether the token is worth nothing at `now`.
    pub(crate) fn has(&self, bearer: Bearer, now: Timestamp) -> bool {
        let Bearer { account, session, epoch } = bearer;
        let known = self.known();
        let has_ended = known.sessions.get(&session).is_some_and(|until| now < *until);
        let have_all_ended = known
            .accounts
            .get(&account)
            .is_some_and(|all| now < all.until && epoch < all.epoch && all.spared != Some(session));
        has_ended || have_all_ended
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        let known = self.known();
        known.sessions.len() + known.accounts.len()
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Known {
    /// Forgets what no longer matters, whenever there is twice as much as the last time.
    fn sweep(&mut self, now: Timestamp) {
        if self.sessions.len() + self.accounts.len() + self.own.len() < self.sweep_at {
            return;
        }
        self.sessions.retain(|_, until| now < *until);
        self.accounts.retain(|_, all| now < all.until);
        self.own.retain(|revocation| now < revocation.until);
        let left = self.sessions.len() + self.accounts.len() + self.own.len();
        self.sweep_at = left.saturating_mul(2).max(FIRST_SWEEP);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ADA: Uuid = Uuid::from_u128(1);
    const PHONE: Uuid = Uuid::from_u128(11);
    const LAPTOP: Uuid = Uuid::from_u128(12);

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).expect("in range")
    }

    fn bearer(session: Uuid, epoch: u64) -> Bearer {
        Bearer { account: ADA, session, epoch }
    }

    fn all_but(spared: Option<Uuid>, epoch: u64) -> Revocation {
        Revocation { revoked: Revoked::Sessions { account: ADA, epoch, spared }, until: at(100) }
    }

    #[test]
    fn a_session_that_ended_is_revoked_until_its_tokens_have_expired() {
        let list = List::default();
        list.add(Revocation { revoked: Revoked::Session(PHONE), until: at(100) }, at(0));
        assert!(list.has(bearer(PHONE, 0), at(99)));
        assert!(!list.has(bearer(PHONE, 0), at(100)));
        assert!(!list.has(bearer(LAPTOP, 0), at(50)));
    }

    #[test]
    fn all_sessions_of_before_are_revoked_but_the_one_that_is_spared() {
        let list = List::default();
        list.add(all_but(Some(LAPTOP), 1), at(0));
        assert!(list.has(bearer(PHONE, 0), at(50)));
        assert!(!list.has(bearer(LAPTOP, 0), at(50)));
        assert!(!list.has(bearer(PHONE, 1), at(50)), "it was opened since");
    }

    #[test]
    fn what_comes_late_covers_nothing_up() {
        let list = List::default();
        list.add(all_but(None, 2), at(0));
        list.add(all_but(Some(LAPTOP), 1), at(1));
        assert!(list.has(bearer(LAPTOP, 0), at(50)));
        assert!(list.has(bearer(LAPTOP, 1), at(50)));
    }

    #[test]
    fn what_no_longer_matters_is_forgotten() {
        let list = List::default();
        for number in 0..100_000_u32 {
            let now = i64::from(number);
            let session = Uuid::from_u128(number.into());
            let revocation =
                Revocation { revoked: Revoked::Session(session), until: at(now + 100) };
            list.add_own(revocation, at(now));
        }
        assert!(list.len() < 3 * FIRST_SWEEP, "{}", list.len());
        assert_eq!(list.own(at(99_999)).len(), 100);
    }
}
