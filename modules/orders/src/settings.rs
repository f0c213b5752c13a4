//! The `[orders]` table of the configuration.

use runtime::Section;
use serde::{Deserialize, Serialize};

/// How orders behaves.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct OrdersSettings {
    /// How long before its places become free an order accepts no new attempt to pay, in seconds,
    /// so that an attempt ends before they do. From 0 to 3,600.
    pub(crate) payment_margin_seconds: u32,
}

impl Default for OrdersSettings {
    fn default() -> Self {
        Self { payment_margin_seconds: 30 }
    }
}

impl Section for OrdersSettings {
    const NAME: &'static str = "orders";

    fn check(&self) -> Vec<String> {
        if self.payment_margin_seconds <= 3600 {
            return Vec::new();
        }
        vec!["payment_margin_seconds: must be from 0 to 3600 seconds".to_owned()]
    }
}
