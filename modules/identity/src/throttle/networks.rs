//! How many passwords were wrong from each network of late, whatever accounts they were for: so many
//! at once, and then one after each pause.

use std::{collections::HashMap, time::Duration};

use edge::Network;
use runtime::Timestamp;

use super::since;

/// Of each network only the instant at which all its wrong passwords will have been forgotten: each
/// puts that off by one pause.
pub(super) struct Networks {
    pause: Duration,
    /// How far ahead that instant may be.
    furthest: Duration,
    /// Of how many networks it is kept.
    most: usize,
    forgotten_at: HashMap<Network, Timestamp>,
}

impl Networks {
    pub(super) fn new(attempts: u32, pause: Duration, most: usize) -> Self {
        let furthest = pause.saturating_mul(attempts);
        Self { pause, furthest, most, forgotten_at: HashMap::new() }
    }

    /// How long the next password from there has to wait.
    pub(super) fn wait(&self, network: Network, now: Timestamp) -> Duration {
        self.ahead(network, now).saturating_add(self.pause).saturating_sub(self.furthest)
    }

    /// Counts one.
    pub(super) fn count(&mut self, network: Network, now: Timestamp) {
        if self.forgotten_at.len() >= self.most && !self.forgotten_at.contains_key(&network) {
            self.make_room(now);
        }
        let ahead = self.ahead(network, now).saturating_add(self.pause);
        let forgotten_at = now.checked_add(ahead).unwrap_or(Timestamp::MAX);
        self.forgotten_at.insert(network, forgotten_at);
    }

    /// Takes back one that was counted.
    pub(super) fn discount(&mut self, network: Network) {
        if let Some(forgotten_at) = self.forgotten_at.get_mut(&network) {
            *forgotten_at = forgotten_at.checked_sub(self.pause).unwrap_or(Timestamp::MIN);
        }
    }

    /// A clock that was set back makes nobody wait longer than was meant.
    fn ahead(&self, network: Network, now: Timestamp) -> Duration {
        let forgotten_at = self.forgotten_at.get(&network);
        forgotten_at.map_or(Duration::ZERO, |at| since(now, *at).min(self.furthest))
    }

    /// Lets go of networks with nothing to forget, or else of the one that has it soonest.
    fn make_room(&mut self, now: Timestamp) {
        self.forgotten_at.retain(|_, at| *at > now);
        if self.forgotten_at.len() < self.most {
            return;
        }
        let soonest = self.forgotten_at.iter().min_by_key(|(_, at)| **at).map(|(it, _)| *it);
        if let Some(soonest) = soonest {
            self.forgotten_at.remove(&soonest);
        }
    }
}

#[cfg(test)]
mod tests {
    use jiff::SignedDuration;
    use proptest::prelude::*;

    use super::*;

    fn networks() -> Networks {
        Networks::new(3, Duration::from_secs(10), 2)
    }

    fn network(last: u8) -> Network {
        Network::of(Some([192, 0, 2, last].into()))
    }

    fn at(second: i64) -> Timestamp {
        Timestamp::UNIX_EPOCH + SignedDuration::from_secs(second)
    }

    fn fail(networks: &mut Networks, last: u8, second: i64) -> Result<(), u64> {
        let wait = networks.wait(network(last), at(second));
        if !wait.is_zero() {
            return Err(wait.as_secs());
        }
        networks.count(network(last), at(second));
        Ok(())
    }

    #[test]
    fn after_many_at_once_there_is_one_for_each_pause() {
        let mut networks = networks();
        for _ in 0..3 {
            assert_eq!(fail(&mut networks, 1, 0), Ok(()));
        }
        assert_eq!(fail(&mut networks, 1, 4), Err(6));
        assert_eq!(fail(&mut networks, 2, 4), Ok(()), "elsewhere nothing waits");
        assert_eq!(fail(&mut networks, 1, 10), Ok(()));
        assert_eq!(fail(&mut networks, 1, 10), Err(10));
        for _ in 0..3 {
            assert_eq!(fail(&mut networks, 1, 40), Ok(()), "and all is forgotten in time");
        }
    }

    #[test]
    fn what_is_taken_back_does_not_count() {
        let mut networks = networks();
        for _ in 0..9 {
            assert_eq!(fail(&mut networks, 1, 0), Ok(()));
            networks.discount(network(1));
        }
    }

    #[test]
    fn a_clock_that_is_set_back_does_not_shut_a_network_out() {
        let mut networks = networks();
        for _ in 0..3 {
            assert_eq!(fail(&mut networks, 1, 1_000), Ok(()));
        }
        assert_eq!(fail(&mut networks, 1, 0), Err(10));
    }

    proptest! {
        #[test]
        fn no_network_gets_more_than_its_due(
            steps in prop::collection::vec((0_u8..2, 0_i64..15), 0..100),
        ) {
            let mut networks = networks();
            let (mut second, mut let_in) = (0, [0_i64; 2]);
            for (who, step) in steps {
                second += step;
                if fail(&mut networks, who, second).is_ok() {
                    let_in[usize::from(who)] += 1;
                }
                prop_assert!(let_in[usize::from(who)] <= 3 + second / 10);
            }
        }

        #[test]
        fn it_remembers_no_more_than_it_may(crowd in prop::collection::vec(0_u8..50, 0..100)) {
            let mut networks = networks();
            for (second, who) in (0_i64..).zip(crowd) {
                let _let_in = fail(&mut networks, who, second);
                prop_assert!(networks.forgotten_at.len() <= 2);
            }
        }
    }
}
