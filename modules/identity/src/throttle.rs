//! Holds back those who guess passwords: after a few wrong ones for an account from one network,
//! further logins for it from there wait, each time twice as long. From elsewhere the account's
//! owner comes in as ever, so that nobody can lock somebody else out. After many wrong ones from one
//! network, for whatever accounts, all logins from there wait a little ([`networks`]).
//!
//! It remembers in memory, so much and no more, and each replica for itself.

mod networks;

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use edge::Network;
use runtime::Timestamp;

use self::networks::Networks;
use crate::{domain::account::EmailAddress, settings::LoginSettings};

/// Who tries to log in as whom.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Guesser {
    email: EmailAddress,
    network: Network,
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
    remembered: Mutex<Remembered>,
}

struct Remembered {
    guessers: HashMap<Guesser, Failures>,
    networks: Networks,
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
        let LoginSettings { network_attempts, network_pause, remembered, .. } = settings;
        let networks = Networks::new(network_attempts, network_pause, remembered);
        let remembered = Remembered { guessers: HashMap::new(), networks };
        Self { settings, remembered: Mutex::new(remembered) }
    }

    /// Lets a login be tried at `now`, or says how long to wait.
    pub(crate) fn begin(
        &self,
        email: &EmailAddress,
        network: Network,
        now: Timestamp,
    ) -> Result<Attempt<'_>, Duration> {
        let guesser = Guesser { email: email.clone(), network };
        let mut remembered = self.remembered();
        let Remembered { guessers, networks } = &mut *remembered;
        let known = guessers.get(&guesser).filter(|it| !self.is_forgotten(it, now)).copied();
        let count = known.map_or(0, |it| it.count);
        let own_wait = known.map_or(Duration::ZERO, |Failures { last, .. }| {
            self.pause_after(count).saturating_sub(since(last, now))
        });
        let wait = own_wait.max(networks.wait(network, now));
        if !wait.is_zero() {
            return Err(wait);
        }
        if guessers.len() >= self.settings.remembered && !guessers.contains_key(&guesser) {
            self.make_room(guessers, now);
        }
        let counted = Failures { count: count.saturating_add(1), last: now };
        guessers.insert(guesser.clone(), counted);
        networks.count(network, now);
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
    fn make_room(&self, guessers: &mut HashMap<Guesser, Failures>, now: Timestamp) {
        guessers.retain(|_, it| !self.is_forgotten(it, now));
        if guessers.len() < self.settings.remembered {
            return;
        }
        let oldest = guessers.iter().min_by_key(|(_, it)| it.last).map(|(it, _)| it.clone());
        if let Some(oldest) = oldest {
            guessers.remove(&oldest);
        }
    }

    fn remembered(&self) -> MutexGuard<'_, Remembered> {
        self.remembered.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Attempt<'_> {
    /// The password was right: what failed before was a slip of the owner's. Of the network it says
    /// nothing but that this was no failure: others may be there, and guessers have accounts, too.
    pub(crate) fn succeeded(self) {
        let mut remembered = self.throttle.remembered();
        remembered.guessers.remove(&self.guesser);
        remembered.networks.discount(self.guesser.network);
    }

    /// Nobody looked at the password.
    pub(crate) fn was_none(self) {
        let mut remembered = self.throttle.remembered();
        if let Some(counted) = remembered.guessers.get_mut(&self.guesser) {
            counted.count = counted.count.saturating_sub(1);
        }
        remembered.networks.discount(self.guesser.network);
    }
}

/// A clock that was set back makes nobody wait longer than was meant.
fn since(then: Timestamp, now: Timestamp) -> Duration {
    Duration::try_from(now.duration_since(then)).unwrap_or(Duration::ZERO)
}

#[cfg(test)]
mod tests {
    use jiff::SignedDuration;
    use proptest::prelude::*;

    use super::*;

    const HERE: &str = "192.0.2.1";
    const ELSEWHERE: &str = "192.0.2.2";

    fn network(address: &str) -> Network {
        Network::of(Some(address.parse().unwrap()))
    }

    fn throttle() -> Throttle {
        Throttle::new(LoginSettings {
            attempts: 3,
            pause: Duration::from_secs(10),
            longest_pause: Duration::from_mins(1),
            network_attempts: 8,
            network_pause: Duration::from_secs(5),
            remembered: 4,
        })
    }

    fn ada() -> EmailAddress {
        EmailAddress::normalise("ada@example.org")
    }

    fn at(second: i64) -> Timestamp {
        Timestamp::UNIX_EPOCH + SignedDuration::from_secs(second)
    }

    fn fail(throttle: &Throttle, address: &str, second: i64) -> Result<(), u64> {
        let begun = throttle.begin(&ada(), network(address), at(second));
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
        throttle.begin(&ada(), network(ELSEWHERE), at(0)).expect("no wait").succeeded();
        assert!(fail(&throttle, HERE, 1).is_err());
    }

    #[test]
    fn a_right_password_forgives_the_wrong_ones() {
        let throttle = throttle();
        for _ in 0..2 {
            assert_eq!(fail(&throttle, HERE, 0), Ok(()));
        }
        throttle.begin(&ada(), network(HERE), at(0)).expect("no wait").succeeded();
        for _ in 0..3 {
            assert_eq!(fail(&throttle, HERE, 1), Ok(()));
        }
    }

    #[test]
    fn a_password_that_nobody_looked_at_was_not_wrong() {
        let throttle = throttle();
        for _ in 0..9 {
            throttle.begin(&ada(), network(HERE), at(0)).expect("no wait").was_none();
        }
    }

    #[test]
    fn who_tries_many_accounts_from_one_network_waits_and_others_do_not() {
        let throttle = throttle();
        let somebody = |number: usize| EmailAddress::normalise(&format!("{number}@example.org"));
        for number in 0..8 {
            drop(throttle.begin(&somebody(number), network(HERE), at(0)).expect("no wait"));
        }
        let wait = throttle.begin(&ada(), network(HERE), at(1)).map(drop);
        assert_eq!(wait, Err(Duration::from_secs(4)));
        assert_eq!(fail(&throttle, ELSEWHERE, 1), Ok(()));
        assert_eq!(fail(&throttle, HERE, 5), Ok(()));
    }

    #[test]
    fn a_right_password_does_not_forgive_those_of_other_accounts() {
        let throttle = throttle();
        let somebody = |number: usize| EmailAddress::normalise(&format!("{number}@example.org"));
        for number in 0..8 {
            throttle.begin(&ada(), network(HERE), at(0)).expect("no wait").succeeded();
            drop(throttle.begin(&somebody(number), network(HERE), at(0)).expect("no wait"));
        }
        assert!(fail(&throttle, HERE, 0).is_err());
    }

    proptest! {
        #[test]
        fn it_remembers_no_more_than_it_may(people in prop::collection::vec(0_u8..50, 0..200)) {
            let throttle = throttle();
            for (second, person) in (0_i64..).zip(people) {
                let email = EmailAddress::normalise(&format!("{person}@example.org"));
                let _attempt = throttle.begin(&email, network(HERE), at(second));
                prop_assert!(throttle.remembered().guessers.len() <= 4);
            }
        }
    }
}
