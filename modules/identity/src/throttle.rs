//! Holds back those who guess passwords: after a few wrong ones for an account from one address,
//! further logins for it from there wait, each time twice as long. From elsewhere the account's
//! owner comes in as ever, so that nobody can lock somebody else out.
//!
//! It remembers in memory, so much and no more, and each replica for itself.

use std::{
    collections::HashMap,
    net::{IpAddr, Ipv6Addr},
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use runtime::Timestamp;

use crate::{domain::account::EmailAddress, settings::LoginSettings};

/// Who tries to log in as whom.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Guesser {
    email: EmailAddress,
    address: Option<IpAddr>,
}

/// Wrong passwords of late.
#[derive(Debug, Clone, Copy)]
struct Failures {
    count: u32,
    last: Timestamp,
}

/// Counts wrong passwords.
pub(crate) struct Throttle {
    settings: LoginSettings,
    failures: Mutex<HashMap<Guesser, Failures>>,
}

/// A login that is being tried. It counts as a failure until it is known to be none, so that many at
/// once are no way around.
#[must_use = "it counts as a failure unless something else is said of it"]
pub(crate) struct Attempt<'a> {
    throttle: &'a Throttle,
    guesser: Guesser,
}

impl Throttle {
    pub(crate) fn new(settings: LoginSettings) -> Self {
        Self { settings, failures: Mutex::default() }
    }

    /// Lets a login be tried at `now`, or says how long to wait.
    pub(crate) fn begin(
        &self,
        email: &EmailAddress,
        address: Option<IpAddr>,
        now: Timestamp,
    ) -> Result<Attempt<'_>, Duration> {
        let guesser = Guesser { email: email.clone(), address: address.map(network) };
        let mut failures = self.failures();
        let known = failures.get(&guesser).filter(|it| !self.is_forgotten(it, now)).copied();
        let count = known.map_or(0, |it| it.count);
        if let Some(Failures { last, .. }) = known {
            let left = self.pause_after(count).saturating_sub(since(last, now));
            if !left.is_zero() {
                return Err(left);
            }
        }
        if failures.len() >= self.settings.remembered && !failures.contains_key(&guesser) {
            self.make_room(&mut failures, now);
        }
        let counted = Failures { count: count.saturating_add(1), last: now };
        failures.insert(guesser.clone(), counted);
        Ok(Attempt { throttle: self, guesser })
    }

    /// How long whoever failed so often must wait.
    fn pause_after(&self, count: u32) -> Duration {
        let LoginSettings { attempts, pause, longest_pause, .. } = self.settings;
        let Some(doublings) = count.checked_sub(attempts) else { return Duration::ZERO };
        let factor = 1_u32.checked_shl(doublings).unwrap_or(u32::MAX);
        pause.saturating_mul(factor).min(longest_pause)
    }

    /// Failures are forgotten once the longest wait has passed without another.
    fn is_forgotten(&self, failures: &Failures, now: Timestamp) -> bool {
        since(failures.last, now) > self.settings.longest_pause
    }

    /// Forgets what is old, or else whoever failed the longest ago.
    fn make_room(&self, failures: &mut HashMap<Guesser, Failures>, now: Timestamp) {
        failures.retain(|_, it| !self.is_forgotten(it, now));
        if failures.len() < self.settings.remembered {
            return;
        }
        let oldest = failures.iter().min_by_key(|(_, it)| it.last).map(|(it, _)| it.clone());
        if let Some(oldest) = oldest {
            failures.remove(&oldest);
        }
    }

    fn failures(&self) -> MutexGuard<'_, HashMap<Guesser, Failures>> {
        self.failures.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Attempt<'_> {
    /// The password was right: what failed before was a slip of the owner's.
    pub(crate) fn succeeded(self) {
        self.throttle.failures().remove(&self.guesser);
    }

    /// Nobody looked at the password.
    pub(crate) fn was_none(self) {
        let mut failures = self.throttle.failures();
        if let Some(counted) = failures.get_mut(&self.guesser) {
            counted.count = counted.count.saturating_sub(1);
        }
    }
}

/// A clock that was set back makes nobody wait longer than was meant.
fn since(then: Timestamp, now: Timestamp) -> Duration {
    Duration::try_from(now.duration_since(then)).unwrap_or(Duration::ZERO)
}

/// Whoever has one address of version 6 has 2^64 of them.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(address) => IpAddr::V4(address),
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            IpAddr::V6(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0))
        }
    }
}

#[cfg(test)]
mod tests {
    use jiff::SignedDuration;
    use proptest::prelude::*;

    use super::*;

    const HERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 1));
    const ELSEWHERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 2));

    fn throttle() -> Throttle {
        Throttle::new(LoginSettings {
            attempts: 3,
            pause: Duration::from_secs(10),
            longest_pause: Duration::from_mins(1),
            remembered: 4,
            proxies: 0,
        })
    }

    fn ada() -> EmailAddress {
        EmailAddress::normalise("ada@example.org")
    }

    fn at(second: i64) -> Timestamp {
        Timestamp::UNIX_EPOCH + SignedDuration::from_secs(second)
    }

    fn fail(throttle: &Throttle, address: IpAddr, second: i64) -> Result<(), u64> {
        let begun = throttle.begin(&ada(), Some(address), at(second));
        begun.map(drop).map_err(|wait| wait.as_secs())
    }

    #[test]
    fn after_a_few_wrong_passwords_each_takes_twice_as_long() {
        let throttle = throttle();
        for _ in 0..3 {
            assert_eq!(fail(&throttle, HERE, 0), Ok(()));
        }
        assert_eq!(fail(&throttle, HERE, 1), Err(9));
        assert_eq!(fail(&throttle, HERE, 10), Ok(()));
        assert_eq!(fail(&throttle, HERE, 11), Err(19));
        assert_eq!(fail(&throttle, HERE, 30), Ok(()));
        assert_eq!(fail(&throttle, HERE, 30), Err(40));
        assert_eq!(fail(&throttle, HERE, 70), Ok(()));
        assert_eq!(fail(&throttle, HERE, 70), Err(60), "and no longer than the longest");
    }

    #[test]
    fn the_owner_comes_in_from_elsewhere() {
        let throttle = throttle();
        while fail(&throttle, HERE, 0).is_ok() {}
        throttle.begin(&ada(), Some(ELSEWHERE), at(0)).expect("no wait").succeeded();
        assert!(fail(&throttle, HERE, 1).is_err());
    }

    #[test]
    fn a_right_password_forgives_the_wrong_ones() {
        let throttle = throttle();
        for _ in 0..2 {
            assert_eq!(fail(&throttle, HERE, 0), Ok(()));
        }
        throttle.begin(&ada(), Some(HERE), at(0)).expect("no wait").succeeded();
        for _ in 0..3 {
            assert_eq!(fail(&throttle, HERE, 1), Ok(()));
        }
    }

    #[test]
    fn a_password_that_nobody_looked_at_was_not_wrong() {
        let throttle = throttle();
        for _ in 0..9 {
            throttle.begin(&ada(), Some(HERE), at(0)).expect("no wait").was_none();
        }
    }

    #[test]
    fn all_addresses_of_one_network_of_version_6_are_one() {
        let throttle = throttle();
        let address = |last| IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 0, 1, 0, 0, 0, last));
        for last in 0..3 {
            assert_eq!(fail(&throttle, address(last), 0), Ok(()));
        }
        assert!(fail(&throttle, address(9), 0).is_err());
    }

    proptest! {
        #[test]
        fn it_remembers_no_more_than_it_may(people in prop::collection::vec(0_u8..50, 0..200)) {
            let throttle = throttle();
            for (second, person) in (0_i64..).zip(people) {
                let email = EmailAddress::normalise(&format!("{person}@example.org"));
                let _attempt = throttle.begin(&email, Some(HERE), at(second));
                prop_assert!(throttle.failures().len() <= 4);
            }
        }
    }
}
