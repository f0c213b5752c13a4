//! The `[orders]` table of the configuration.

use std::time::Duration;

use runtime::Section;
use serde::{Deserialize, Serialize};

/// How orders behaves.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct OrdersSettings {
    /// How long before its places become free an order accepts no new attempt to pay, in seconds,
    /// so that an attempt ends before they do. From 0 to 3,600.
    pub(crate) payment_margin_seconds: u32,
    /// How many orders without an account may be placed from one network within
    /// `guest_orders_within` and not be paid for. From 0, which is no limit.
    pub(crate) guest_orders_per_network: u32,
    /// How long they count. From 1 second to 24 hours.
    #[serde(with = "runtime::duration")]
    pub(crate) guest_orders_within: Duration,
    /// How many orders of one event without an account may have one e-mail address and wait for
    /// their money, or be free. From 0, which is no limit.
    pub(crate) guest_orders_per_email: u32,
}

impl Default for OrdersSettings {
    fn default() -> Self {
        Self {
            payment_margin_seconds: 30,
            guest_orders_per_network: 10,
            guest_orders_within: Duration::from_mins(15),
            guest_orders_per_email: 5,
        }
    }
}

impl Section for OrdersSettings {
    const NAME: &'static str = "orders";

    fn check(&self) -> Vec<String> {
        let mut faults = Vec::new();
        if self.payment_margin_seconds > 3600 {
            faults.push("payment_margin_seconds: must be from 0 to 3600 seconds".to_owned());
        }
        let day = Duration::from_hours(24);
        if !(Duration::from_secs(1)..=day).contains(&self.guest_orders_within) {
            faults.push("guest_orders_within: must be from 1s to 24h".to_owned());
        }
        faults
    }
}
