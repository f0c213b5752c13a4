//! `[edge]`: the limits of the public HTTP stack.

use std::time::Duration;

use axum::http::HeaderValue;
use runtime::Section;
use serde::{Deserialize, Serialize};

/// The longest that a request may be allowed to take. With the time that abandoned work gets on top
/// it stays below the time for which the store keeps an idempotency key claimed.
const LONGEST_REQUEST: Duration = Duration::from_secs(25);

/// `[edge]`: what the public listener accepts, and for how long.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct EdgeSettings {
    /// The origins whose scripts may use the API, such as `https://tickets.example.org`. None by
    /// default.
    pub cors_origins: Vec<String>,
    /// The longest body of a request, in bytes. 1 MiB by default.
    pub body_limit_bytes: u64,
    /// How long a request may take, from its head to the answer's: at most 25 s, 10 s by default.
    #[serde(with = "runtime::duration")]
    pub request_timeout: Duration,
    /// How many requests are worked on at the same time, and how many more may wait for the rest of
    /// their bodies; others are refused at once. 512 by default.
    pub max_in_flight: u32,
    /// How many proxies in front, the gateway included, tell the client's address in
    /// `X-Forwarded-For`. 0 by default: clients connect to this process itself.
    pub proxies: usize,
    /// Tells browsers to use HTTPS only, for this long (`Strict-Transport-Security`). Not sent by
    /// default: set it where TLS is in front.
    #[serde(with = "runtime::optional_duration")]
    pub hsts_max_age: Option<Duration>,
}

impl Default for EdgeSettings {
    fn default() -> Self {
        Self {
            cors_origins: Vec::new(),
            body_limit_bytes: 1 << 20,
            request_timeout: Duration::from_secs(10),
            max_in_flight: 512,
            proxies: 0,
            hsts_max_age: None,
        }
    }
}

impl Section for EdgeSettings {
    const NAME: &'static str = "edge";

    fn check(&self) -> Vec<String> {
        let mut faults: Vec<String> = self
            .cors_origins
            .iter()
            .filter(|origin| !is_origin(origin))
            .map(|origin| {
                format!(
                    "cors_origins: \"{origin}\" is no origin; write scheme, host and port only, \
                     like https://tickets.example.org"
                )
            })
            .collect();
        if self.body_limit_bytes == 0 {
            faults.push("body_limit_bytes: 0 refuses every body; choose 1 or more".to_owned());
        }
        if self.max_in_flight == 0 {
            faults.push("max_in_flight: 0 refuses every request; choose 1 or more".to_owned());
        }
        if self.request_timeout.is_zero() {
            faults.push("request_timeout: 0s fails every request; choose 1ms or more".to_owned());
        }
        if self.request_timeout > LONGEST_REQUEST {
            faults.push(format!(
                "request_timeout: {:?} is longer than an idempotency key stays claimed; choose \
                 {LONGEST_REQUEST:?} or less",
                self.request_timeout
            ));
        }
        faults
    }
}

/// Scheme, host and port as browsers send them: lowercase, nothing after the host.
fn is_origin(text: &str) -> bool {
    let rest = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
    let is_host = |host: &str| {
        !host.is_empty()
            && host.bytes().all(|byte| {
                byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-.:[]".contains(&byte)
            })
    };
    rest.is_some_and(is_host) && HeaderValue::from_str(text).is_ok()
}
