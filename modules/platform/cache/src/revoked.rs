//! Sessions that have ended while access tokens of theirs are still good: for as long as those last,
//! everybody who verifies tokens knows.
//!
//! Whoever ends sessions says so; each process keeps all of them in memory, as many as people log out
//! within the life of an access token. What others tell is believed only within limits: it came over
//! Redis, and whoever can write there must not be able to take back what ended, or fill the memory.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use runtime::Timestamp;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// The longest that an access token may live: sessions that have ended are told for no longer.
pub const LONGEST_TOKEN_LIFE: Duration = Duration::from_hours(24);
/// Nothing that another process tells matters for longer: clocks may differ by an hour.
pub(crate) const LONGEST_REVOCATION: Duration = Duration::from_hours(25);
/// So many are kept before what no longer matters is looked for.
const FIRST_SWEEP: usize = 1_024;
/// More than these are not taken from others: some 30 MB.
const MOST: usize = 250_000;
/// How often what no longer matters is looked for while there is no room.
const SWEEP_EVERY: Duration = Duration::from_secs(1);

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
    /// What was said of an account, but what other words cover: none of it takes back another.
    accounts: HashMap<Uuid, Vec<AllEnded>>,
    /// How many there are of all accounts.
    all_ended: usize,
    /// What this process has revoked itself, by number.
    own: BTreeMap<u64, Own>,
    next_own: u64,
    sweep_at: usize,
    swept_at: Timestamp,
    /// Whether something was not taken for want of room.
    is_overflowing: bool,
}

struct AllEnded {
    epoch: u64,
    spared: Option<Uuid>,
    until: Timestamp,
}

impl AllEnded {
    /// Whether whatever `other` ends has ended for as long by this.
    fn covers(&self, other: &Self) -> bool {
        let spares_no_other = self.spared.is_none() || self.spared == other.spared;
        other.epoch <= self.epoch && other.until <= self.until && spares_no_other
    }
}

struct Own {
    revocation: Revocation,
    /// Whether Redis has said that it knows.
    is_told: bool,
}

impl List {
    /// Takes in what another process says that it has revoked, unless it cannot be true or there is
    /// no room.
    pub(crate) fn take(&self, revocation: Revocation, now: Timestamp) {
        let Revocation { until, .. } = revocation;
        if until <= now {
            return;
        }
        if now.checked_add(LONGEST_REVOCATION).is_ok_and(|longest| longest < until) {
            tracing::warn!(%until, "what was told of ended sessions lasts too long to be true");
            return;
        }
        let mut known = self.known();
        known.sweep(now);
        if known.count() < MOST {
            known.add(revocation);
        } else if !std::mem::replace(&mut known.is_overflowing, true) {
            tracing::warn!(most = MOST, "there is no room for more sessions that ended elsewhere");
        }
    }

    /// Takes in what this process has revoked itself: its number in [`List::told`].
    pub(crate) fn add_own(&self, revocation: Revocation, now: Timestamp) -> u64 {
        let mut known = self.known();
        known.sweep(now);
        let number = known.next_own;
        known.next_own += 1;
        known.own.insert(number, Own { revocation: revocation.clone(), is_told: false });
        known.add(revocation);
        number
    }

    /// Redis knows of it.
    pub(crate) fn told(&self, number: u64) {
        if let Some(own) = self.known().own.get_mut(&number) {
            own.is_told = true;
        }
    }

    /// Redis may have forgotten.
    pub(crate) fn doubt_told(&self) {
        for own in self.known().own.values_mut() {
            own.is_told = false;
        }
    }

    /// What this process has revoked itself, still matters, and Redis may not know, by number.
    pub(crate) fn untold(&self, now: Timestamp) -> Vec<(u64, Revocation)> {
        let mut known = self.known();
        known.own.retain(|_, own| now < own.revocation.until);
        let untold = known.own.iter().filter(|(_, own)| !own.is_told);
        untold.map(|(number, own)| (*number, own.revocation.clone())).collect()
    }

    /// Makes room, if there is none.
    pub(crate) fn tidy(&self, now: Timestamp) {
        self.known().sweep(now);
    }

    /// Whether something was not taken for want of room, and there is none yet.
    pub(crate) fn is_overflowing(&self) -> bool {
        self.known().is_overflowing
    }

    /// Whether the token is worth nothing at `now`.
    pub(crate) fn has(&self, bearer: Bearer, now: Timestamp) -> bool {
        let Bearer { account, session, epoch } = bearer;
        let known = self.known();
        let has_ended = known.sessions.get(&session).is_some_and(|until| now < *until);
        let have_all_ended =
            |all: &AllEnded| now < all.until && epoch < all.epoch && all.spared != Some(session);
        has_ended || known.accounts.get(&account).is_some_and(|it| it.iter().any(have_all_ended))
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.known().count()
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Known {
    fn count(&self) -> usize {
        self.sessions.len() + self.all_ended
    }

    fn add(&mut self, revocation: Revocation) {
        let Revocation { revoked, until } = revocation;
        match revoked {
            Revoked::Session(session) => {
                let kept = self.sessions.entry(session).or_insert(until);
                *kept = until.max(*kept);
            }
            Revoked::Sessions { account, epoch, spared } => {
                let said = self.accounts.entry(account).or_default();
                let new = AllEnded { epoch, spared, until };
                if said.iter().any(|all| all.covers(&new)) {
                    return;
                }
                self.all_ended -= said.len();
                said.retain(|all| !new.covers(all));
                said.push(new);
                self.all_ended += said.len();
            }
        }
    }

    /// Forgets what no longer matters, whenever there is twice as much as the last time, and now and
    /// then while there is no room.
    fn sweep(&mut self, now: Timestamp) {
        let has_grown = self.count() + self.own.len() >= self.sweep_at;
        let is_crowded = self.count() >= MOST
            && Duration::try_from(now.duration_since(self.swept_at))
                .is_ok_and(|since| since >= SWEEP_EVERY);
        if !has_grown && !is_crowded {
            return;
        }
        self.sessions.retain(|_, until| now < *until);
        self.accounts.retain(|_, said| {
            said.retain(|all| now < all.until);
            !said.is_empty()
        });
        self.all_ended = self.accounts.values().map(Vec::len).sum();
        self.own.retain(|_, own| now < own.revocation.until);
        self.sweep_at = (self.count() + self.own.len()).saturating_mul(2).max(FIRST_SWEEP);
        self.swept_at = now;
        self.is_overflowing &= self.count() >= MOST;
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
        list.take(Revocation { revoked: Revoked::Session(PHONE), until: at(100) }, at(0));
        assert!(list.has(bearer(PHONE, 0), at(99)));
        assert!(!list.has(bearer(PHONE, 0), at(100)));
        assert!(!list.has(bearer(LAPTOP, 0), at(50)));
    }

    #[test]
    fn all_sessions_of_before_are_revoked_but_the_one_that_is_spared() {
        let list = List::default();
        list.take(all_but(Some(LAPTOP), 1), at(0));
        assert!(list.has(bearer(PHONE, 0), at(50)));
        assert!(!list.has(bearer(LAPTOP, 0), at(50)));
        assert!(!list.has(bearer(PHONE, 1), at(50)), "it was opened since");
    }

    #[test]
    fn what_comes_late_covers_nothing_up() {
        let list = List::default();
        list.take(all_but(None, 2), at(0));
        list.take(all_but(Some(LAPTOP), 1), at(1));
        assert!(list.has(bearer(LAPTOP, 0), at(50)));
        assert!(list.has(bearer(LAPTOP, 1), at(50)));
    }

    #[test]
    fn who_ends_all_sessions_of_one_account_often_takes_no_more_room() {
        let list = List::default();
        for epoch in 1..=1_000 {
            list.take(all_but(None, epoch), at(0));
        }
        list.take(all_but(None, 1), at(1));
        assert_eq!(list.len(), 1);
        assert!(list.has(bearer(PHONE, 999), at(50)) && !list.has(bearer(PHONE, 1_000), at(50)));
        list.take(all_but(Some(LAPTOP), 1_001), at(2));
        assert_eq!(list.len(), 2, "the laptop's session had ended before");
        assert!(list.has(bearer(LAPTOP, 999), at(50)));
        let sooner = Revoked::Sessions { account: ADA, epoch: 1_002, spared: None };
        list.take(Revocation { revoked: sooner, until: at(99) }, at(3));
        assert_eq!(list.len(), 3, "the others last longer");
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
        assert_eq!(list.untold(at(99_999)).len(), 100);
    }

    #[test]
    fn what_redis_knows_is_told_again_only_when_it_may_have_forgotten() {
        let list = List::default();
        let ended = |session| Revocation { revoked: Revoked::Session(session), until: at(100) };
        let phone = list.add_own(ended(PHONE), at(0));
        let laptop = list.add_own(ended(LAPTOP), at(0));
        list.told(phone);
        assert_eq!(list.untold(at(1)), [(laptop, ended(LAPTOP))]);
        list.told(laptop);
        assert!(list.untold(at(1)).is_empty());
        list.doubt_told();
        assert_eq!(list.untold(at(99)).len(), 2);
        assert!(list.untold(at(100)).is_empty());
    }

    #[test]
    fn nobody_takes_back_what_ended() {
        let list = List::default();
        let forged = |until, spared| {
            let revoked = Revoked::Sessions { account: ADA, epoch: u64::MAX, spared };
            Revocation { revoked, until }
        };
        list.take(forged(at(0), None), at(10));
        list.take(forged(at(90), Some(PHONE)), at(10));
        list.add_own(all_but(Some(LAPTOP), 1), at(20));
        assert!(list.has(bearer(PHONE, 0), at(50)), "the forgery does not spare it");
        list.take(forged(at(95), Some(PHONE)), at(50));
        assert!(list.has(bearer(PHONE, 0), at(50)), "nor does it when it comes later");
    }

    #[test]
    fn nobody_ends_sessions_for_ever() {
        let list = List::default();
        let told = |session, until| Revocation { revoked: Revoked::Session(session), until };
        list.take(told(PHONE, Timestamp::MAX), at(10));
        assert!(!list.has(bearer(PHONE, 0), at(10)));
        let longest = at(10) + LONGEST_TOKEN_LIFE;
        list.take(told(LAPTOP, longest), at(10));
        assert!(list.has(bearer(LAPTOP, 0), at(11)));
    }

    #[test]
    fn nobody_fills_the_memory_and_what_ended_here_has_room() {
        let list = List::default();
        let most = u128::try_from(MOST).expect("it fits");
        let told = |number, until| Revocation {
            revoked: Revoked::Session(Uuid::from_u128(number)),
            until: at(until),
        };
        for number in 100..2 * most {
            list.take(told(number, 100), at(10));
        }
        assert_eq!(list.len(), MOST);
        assert!(list.is_overflowing());
        list.add_own(Revocation { revoked: Revoked::Session(PHONE), until: at(100) }, at(10));
        assert!(list.has(bearer(PHONE, 0), at(11)));
        list.tidy(at(100));
        assert!(!list.is_overflowing());
        list.take(told(1_000, 200), at(100));
        assert!(list.has(bearer(Uuid::from_u128(1_000), 0), at(101)));
    }
}
