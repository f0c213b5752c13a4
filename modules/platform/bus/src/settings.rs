//! `[bus]`: how events of other services are taken in.

use std::time::Duration;

use runtime::{Section, duration};
use serde::{Deserialize, Serialize};
use store::Backoff;

/// The longest that a publisher is asked to wait for something to tell.
pub(crate) const LONGEST_WAIT: Duration = Duration::from_secs(30);
/// The most that a publisher tells at once.
pub(crate) const LARGEST_BATCH: u32 = 500;

/// `[bus]`: how events of other services are taken in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct BusSettings {
    /// How often an event is tried before it becomes a dead letter.
    pub attempts: u32,
    /// How long to wait after the first failure, at most; it doubles with each one.
    #[serde(with = "duration")]
    pub first_pause: Duration,
    /// The longest wait after a failure.
    #[serde(with = "duration")]
    pub longest_pause: Duration,
    /// Events that take effect in one transaction at most, when many wait.
    pub batch: u32,
    /// How long a publisher waits for something to tell before it answers that there is nothing. A
    /// process that stops waits that long for those who ask it.
    #[serde(with = "duration")]
    pub wait: Duration,
}

impl Default for BusSettings {
    fn default() -> Self {
        Self {
            attempts: 5,
            first_pause: Duration::from_millis(200),
            longest_pause: Duration::from_secs(5),
            batch: 64,
            wait: Duration::from_secs(1),
        }
    }
}

impl BusSettings {
    /// The waits between attempts at one event.
    pub(crate) fn backoff(&self) -> Backoff {
        Backoff { first: self.first_pause, longest: self.longest_pause }
    }
}

impl Section for BusSettings {
    const NAME: &'static str = "bus";

    fn check(&self) -> Vec<String> {
        let mut faults = Vec::new();
        if self.attempts == 0 {
            faults
                .push("attempts: is 0, with which no event is handled; use at least 1".to_owned());
        }
        if self.batch == 0 || self.batch > LARGEST_BATCH {
            let batch = self.batch;
            faults.push(format!("batch: is {batch}; use a number from 1 to {LARGEST_BATCH}"));
        }
        if self.first_pause.is_zero() || self.first_pause > self.longest_pause {
            faults.push(
                "first_pause: must be more than 0 and at most longest_pause; the default is 200ms"
                    .to_owned(),
            );
        }
        if self.wait < Duration::from_millis(10) || self.wait > LONGEST_WAIT {
            faults.push(format!("wait: must be from 10ms to {}s", LONGEST_WAIT.as_secs()));
        }
        faults
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_are_sound() {
        assert_eq!(BusSettings::default().check(), Vec::<String>::new());
    }

    #[test]
    fn every_unusable_value_is_named() {
        let (zero, pause) = (Duration::ZERO, Duration::from_secs(9));
        let unusable = BusSettings {
            attempts: 0,
            first_pause: pause,
            longest_pause: zero,
            batch: 0,
            wait: zero,
        };
        let keys: Vec<String> = unusable
            .check()
            .iter()
            .filter_map(|fault| Some(fault.split_once(':')?.0.to_owned()))
            .collect();
        assert_eq!(keys, ["attempts", "batch", "first_pause", "wait"]);
    }
}
