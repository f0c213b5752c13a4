//! Rendezvous hashing: each replica gets a number from a key, and the largest is preferred. The
//! numbers are the same in every process and every build of these services, as long as the lists of
//! addresses are.

use std::net::IpAddr;

use uuid::Uuid;

/// What a call is about, for choosing the replica that is asked first: the id of an aggregate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RoutingKey(u64);

impl RoutingKey {
    pub(super) fn score(self, label: Label) -> u64 {
        mixed(self.0 ^ label.0)
    }
}

impl From<Uuid> for RoutingKey {
    fn from(id: Uuid) -> Self {
        let (high, low) = id.as_u64_pair();
        Self(mixed(mixed(high) ^ low))
    }
}

/// What distinguishes a replica from the others of its service: its place in the list of addresses,
/// and its address where a name has several. The port plays no part, so that the public and the
/// internal listener of a replica are preferred alike.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Label(u64);

impl Label {
    pub(super) fn of(place: usize, address: Option<IpAddr>) -> Self {
        let place = mixed(u64::try_from(place).unwrap_or(u64::MAX));
        let address = match address.map(|it| it.to_canonical()) {
            None => 0,
            Some(IpAddr::V4(address)) => mixed(u64::from(address.to_bits())),
            Some(IpAddr::V6(address)) => RoutingKey::from(Uuid::from_u128(address.to_bits())).0,
        };
        Self(mixed(place ^ address))
    }
}

/// The finisher of `SplitMix64`: every bit of the input decides about every bit of the output.
fn mixed(bits: u64) -> u64 {
    let mut mixed = bits.wrapping_add(0x9e37_79b9_7f4a_7c15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Keys as they are made: a time, and then randomness; the worst that a hash could get.
    fn keys() -> impl Iterator<Item = RoutingKey> {
        (0..10_000_u128).map(|at| {
            let time = 0x0193_0000_0000_u128 + at;
            RoutingKey::from(Uuid::from_u128((time << 80) | (0x7000_u128 << 64) | (at % 7)))
        })
    }

    fn preferred(key: RoutingKey, labels: &[Label]) -> usize {
        (0..labels.len()).max_by_key(|at| key.score(labels[*at])).unwrap()
    }

    fn labels(count: usize) -> Vec<Label> {
        (0..count).map(|place| Label::of(place, None)).collect()
    }

    #[test]
    fn every_replica_gets_its_share() {
        for count in [2, 3, 5] {
            let labels = labels(count);
            let mut shares = vec![0_usize; count];
            keys().for_each(|key| shares[preferred(key, &labels)] += 1);
            let fair = 10_000 / count;
            for share in shares {
                assert!(share.abs_diff(fair) < fair / 10, "{share} of {fair}");
            }
        }
    }

    #[test]
    fn a_replica_that_goes_takes_only_its_own_keys_along() {
        let (three, two) = (labels(3), labels(2));
        for key in keys() {
            let before = preferred(key, &three);
            assert!(before == 2 || before == preferred(key, &two));
        }
    }

    /// Two builds that run beside each other agree.
    #[test]
    fn the_choice_never_changes() {
        let labels = labels(3);
        let chosen: Vec<usize> =
            (0..12).map(|id| preferred(RoutingKey::from(Uuid::from_u128(id)), &labels)).collect();
        insta::assert_compact_debug_snapshot!(chosen, @"[0, 1, 0, 1, 2, 1, 0, 0, 0, 2, 2, 0]");
    }
}
