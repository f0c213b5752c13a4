//! By what a consumer knows whether a message is next, was there before, or has others missing
//! before it.
//!
//! Each message of a partition tells where its event stands in the publisher's log, and where the
//! event before it in this partition does. The consumer knows the last event that it has passed.
//! Both are places in one log, which never changes, so nothing that happens on the way can make it
//! take an event twice or step over one: neither relays that publish a stretch again or are two for
//! a while, nor offsets that are wrong, nor a topic that was cut or made anew.

use store::Position;

/// Where the event of a message stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Placing {
    /// In the publisher's log.
    pub(crate) position: Position,
    /// The event before it in the same partition; [`Position::START`] for the first.
    pub(crate) previous: Position,
}

/// What a message is to a consumer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Judgement {
    /// The next one.
    Next,
    /// It was there before.
    Passed,
    /// Others are missing before it.
    Premature,
}

/// Judges a message by the `last` event that was passed; `was_passed` when it is known from
/// elsewhere that this one was.
pub(crate) fn judge(last: Position, placing: Placing, was_passed: bool) -> Judgement {
    if placing.position <= last {
        Judgement::Passed
    } else if placing.previous > last {
        Judgement::Premature
    } else if was_passed {
        Judgement::Passed
    } else {
        Judgement::Next
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(seq: i64) -> Position {
        Position { txn: 0, seq }
    }

    /// A relay publishes the log from anywhere, knowing what comes before.
    fn published(log: &[i64], from: usize, to: usize) -> Vec<Placing> {
        let place = |index: usize| Placing {
            position: at(log[index]),
            previous: index.checked_sub(1).map_or(Position::START, |before| at(log[before])),
        };
        (from.min(log.len())..to.min(log.len())).map(place).collect()
    }

    proptest! {
        #[test]
        fn whatever_arrives_is_taken_once_in_order_and_none_is_stepped_over(
            steps in proptest::collection::vec(1..5_i64, 1..40),
            stretches in proptest::collection::vec((0..40_usize, 0..40_usize), 0..20),
            lost in proptest::collection::vec(any::<bool>(), 0..400),
        ) {
            let log: Vec<i64> = steps.iter().scan(0, |at, step| { *at += step; Some(*at) }).collect();
            let arriving = stretches.iter().flat_map(|(from, to)| published(&log, *from, *to));
            let arriving = arriving.enumerate().filter(|(index, _)| !lost.get(*index).unwrap_or(&false));
            let (mut last, mut taken) = (Position::START, Vec::new());
            for (_, placing) in arriving {
                if judge(last, placing, false) == Judgement::Next {
                    taken.push(placing.position.seq);
                    last = placing.position;
                }
            }
            prop_assert!(log.starts_with(&taken), "{taken:?} of {log:?}");
            // What was missing comes again, and so does everything.
            for placing in published(&log, 0, log.len()) {
                if judge(last, placing, false) == Judgement::Next {
                    taken.push(placing.position.seq);
                    last = placing.position;
                }
            }
            prop_assert_eq!(taken, log);
        }
    }
}
