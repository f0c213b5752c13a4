//! The `[inventory]` table of the configuration.

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
}

impl Default for InventorySettings {
    fn default() -> Self {
        Self { hold_seconds: 15 * 60, open_holds_per_customer: 10 }
    }
}

impl Section for InventorySettings {
    const NAME: &'static str = "inventory";

    fn check(&self) -> Vec<String> {
        if (1..=86_400).contains(&self.hold_seconds) {
            return Vec::new();
        }
        vec!["hold_seconds: must be from 1 to 86400 seconds".to_owned()]
    }
}
