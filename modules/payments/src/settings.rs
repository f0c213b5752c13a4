//! The `[payments]` table of the configuration.

use std::time::Duration;

use runtime::{Section, duration};
use serde::{Deserialize, Serialize};

const LONGEST_TIMEOUT: Duration = Duration::from_secs(8);

/// How money is moved.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct PaymentsSettings {
    /// Who moves the money.
    pub(crate) provider: ProviderName,
    /// How long the provider may take to answer. The fate of a charge without an answer is found
    /// out afterwards. At most 8 s, so that the buyer hears of it within the time of a request.
    #[serde(with = "duration")]
    pub(crate) provider_timeout: Duration,
}

/// The providers there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum ProviderName {
    /// Moves no real money; takes test cards.
    Sandbox,
}

impl Default for PaymentsSettings {
    fn default() -> Self {
        Self { provider: ProviderName::Sandbox, provider_timeout: Duration::from_secs(3) }
    }
}

impl Section for PaymentsSettings {
    const NAME: &'static str = "payments";

    fn check(&self) -> Vec<String> {
        let is_fit = !self.provider_timeout.is_zero() && self.provider_timeout <= LONGEST_TIMEOUT;
        if is_fit {
            return Vec::new();
        }
        vec!["provider_timeout: must be more than 0 s and at most 8 s".to_owned()]
    }
}
