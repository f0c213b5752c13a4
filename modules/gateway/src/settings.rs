//! The `[gateway]` table of the configuration.

use std::time::Duration;

use runtime::Section;
use serde::{Deserialize, Serialize};

/// How requests are forwarded.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct GatewaySettings {
    /// How long a service may take to begin its answer, with the time that the request's body takes
    /// to arrive. 10 s by default; `edge.request_timeout` is a limit of its own.
    #[serde(with = "runtime::duration")]
    pub(crate) response_timeout: Duration,
    /// How long a service may be silent within the body of its answer. 30 s by default.
    #[serde(with = "runtime::duration")]
    pub(crate) idle_timeout: Duration,
    /// Whether to believe the `X-Forwarded-` headers of whoever connects. Only where nobody but a
    /// proxy can connect, which sets them itself; not by default.
    pub(crate) trust_forwarded: bool,
}

impl Default for GatewaySettings {
    fn default() -> Self {
        Self {
            response_timeout: Duration::from_secs(10),
            idle_timeout: Duration::from_secs(30),
            trust_forwarded: false,
        }
    }
}

impl Section for GatewaySettings {
    const NAME: &'static str = "gateway";

    fn check(&self) -> Vec<String> {
        let mut faults = Vec::new();
        if self.response_timeout.is_zero() {
            faults.push("response_timeout: 0s fails every request; choose 1ms or more".to_owned());
        }
        if self.idle_timeout.is_zero() {
            faults.push("idle_timeout: 0s cuts every answer; choose 1ms or more".to_owned());
        }
        faults
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_are_sound() {
        assert_eq!(GatewaySettings::default().check(), Vec::<String>::new());
    }

    #[test]
    fn every_unusable_value_is_named() {
        let (response_timeout, idle_timeout) = (Duration::ZERO, Duration::ZERO);
        let unusable = GatewaySettings { response_timeout, idle_timeout, trust_forwarded: false };
        let faults = unusable.check();
        let keys: Vec<&str> = faults.iter().filter_map(|fault| fault.split(':').next()).collect();
        assert_eq!(keys, ["response_timeout", "idle_timeout"]);
    }
}
