//! `[bus]`: how events of other services are taken in.

use std::time::Duration;

use runtime::{Section, duration};
use serde::{Deserialize, Serialize};
use store::Backoff;

use crate::kafka::KafkaSettings;

/// The longest that a publisher is asked to wait for something to tell.
pub(crate) const LONGEST_WAIT: Duration = Duration::from_secs(30);
/// The most that a publisher tells at once.
pub(crate) const LARGEST_BATCH: u32 = 500;

/// How events of other services come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BusKind {
    /// From the publishers themselves: within the process, or over their internal listeners.
    Feed,
    /// Over Kafka, or what speaks its protocol.
    Kafka,
}

/// `[bus]`: how events of other services are taken in.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct BusSettings {
    /// How events of other services come.
    pub kind: BusKind,
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
    /// From so many dead letters of one consumer on somebody is told: by an error in the log, a
    /// metric, and readiness, which is then degraded. 0: never.
    pub dead_letters_alert: u32,
    /// `[bus.kafka]`: the brokers and what is asked of them, with the kind `kafka`.
    pub kafka: KafkaSettings,
}

impl Default for BusSettings {
    fn default() -> Self {
        Self {
            kind: BusKind::Feed,
            attempts: 5,
            first_pause: Duration::from_millis(200),
            longest_pause: Duration::from_secs(5),
            batch: 64,
            wait: Duration::from_secs(1),
            dead_letters_alert: 1,
            kafka: KafkaSettings::default(),
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
        self.kafka.check(self.kind == BusKind::Kafka, &mut faults);
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
            ..BusSettings::default()
        };
        let keys: Vec<String> = unusable
            .check()
            .iter()
            .filter_map(|fault| Some(fault.split_once(':')?.0.to_owned()))
            .collect();
        assert_eq!(keys, ["attempts", "batch", "first_pause", "wait"]);
    }
}
