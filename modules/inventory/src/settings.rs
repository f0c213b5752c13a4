//! The `[inventory]` table of the configuration.

use std::time::Duration;

use runtime::Section;
use serde::{Deserialize, Serialize};

/// How inventory behaves.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct InventorySettings {
    /// How long places are held for somebody who has not paid, in seconds. From 1 to 86,400.
    pub(crate) hold_seconds: u32,
    /// How many holds of one event one account may have open at a time, so that nobody keeps places
    /// from others without paying. From 0, which is no limit.
    pub(crate) open_holds_per_customer: u32,
    /// How many clients may follow what is available at the same time. Without it a quarter of
    /// `public.max_connections`. At least 1.
    pub(crate) streams: Option<u32>,
    /// How many of those may be from one network. At least 1.
    pub(crate) streams_per_network: u32,
    /// After how long a stream ends. From 1 ms to 24 hours.
    #[serde(with = "runtime::duration")]
    pub(crate) stream_lifetime: Duration,
}

impl Default for InventorySettings {
    fn default() -> Self {
        Self {
            hold_seconds: 15 * 60,
            open_holds_per_customer: 10,
            streams: None,
            streams_per_network: 100,
            stream_lifetime: Duration::from_mins(10),
        }
    }
}

impl Section for InventorySettings {
    const NAME: &'static str = "inventory";

    fn check(&self) -> Vec<String> {
        let mut faults = Vec::new();
        if !(1..=86_400).contains(&self.hold_seconds) {
            faults.push("hold_seconds: must be from 1 to 86400 seconds".to_owned());
        }
        if self.streams == Some(0) {
            faults.push("streams: 0 lets nobody follow; choose 1 or more".to_owned());
        }
        if self.streams_per_network == 0 {
            faults.push("streams_per_network: 0 lets nobody follow; choose 1 or more".to_owned());
        }
        let day = Duration::from_hours(24);
        if !(Duration::from_millis(1)..=day).contains(&self.stream_lifetime) {
            faults.push("stream_lifetime: must be from 1ms to 24h".to_owned());
        }
        faults
    }
}
