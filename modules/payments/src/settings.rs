//! The `[payments]` table of the configuration.

use std::time::Duration;

use axum::http::Uri;
use runtime::{Secret, Section, duration};
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
    /// The provider `sandbox`.
    pub(crate) sandbox: SandboxSettings,
    /// The provider `stripe`.
    pub(crate) stripe: StripeSettings,
}

/// The providers there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum ProviderName {
    /// Moves no real money; takes test cards.
    Sandbox,
    /// Stripe; takes the tokens that its forms give to browsers.
    Stripe,
}

/// The sandbox.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct SandboxSettings {
    /// What its webhooks are signed with: one or more, separated by commas or blank space. The first
    /// one signs. Without any, no webhook is believed and none is sent.
    pub(crate) webhook_secrets: Secret,
    /// Where it sends its webhooks to: the address of our own
    /// `/v1/payment-webhooks/sandbox`. Empty: nowhere.
    pub(crate) webhook_url: String,
}

/// Stripe.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct StripeSettings {
    /// Where its API is.
    pub(crate) base_url: String,
    /// The secret key of the account.
    pub(crate) secret_key: Secret,
    /// What its webhooks may be signed with: one or more, separated by commas or blank space.
    /// Without any, no webhook is believed.
    pub(crate) webhook_secrets: Secret,
    /// The page that payers come back to from their bank.
    pub(crate) return_url: String,
}

impl Default for PaymentsSettings {
    fn default() -> Self {
        Self {
            provider: ProviderName::Sandbox,
            provider_timeout: Duration::from_secs(3),
            sandbox: SandboxSettings::default(),
            stripe: StripeSettings::default(),
        }
    }
}

impl Default for StripeSettings {
    fn default() -> Self {
        Self {
            base_url: "https://api.stripe.com".to_owned(),
            secret_key: Secret::default(),
            webhook_secrets: Secret::default(),
            return_url: String::new(),
        }
    }
}

impl Section for PaymentsSettings {
    const NAME: &'static str = "payments";

    fn check(&self) -> Vec<String> {
        let mut faults = Vec::new();
        if self.provider_timeout.is_zero() || self.provider_timeout > LONGEST_TIMEOUT {
            faults.push("provider_timeout: must be more than 0 s and at most 8 s".to_owned());
        }
        let webhook_url = &self.sandbox.webhook_url;
        if !webhook_url.is_empty() && !is_safe(webhook_url) {
            faults.push(format!("sandbox.webhook_url: {SAFE_ADDRESS}"));
        }
        if !webhook_url.is_empty() && self.sandbox.webhook_secrets.is_empty() {
            let what = "must be set, since webhooks are sent, and signed with the first one";
            faults.push(format!("sandbox.webhook_secrets: {what}"));
        }
        if self.provider == ProviderName::Stripe {
            faults.extend(self.stripe.faults());
        }
        faults
    }
}

const SAFE_ADDRESS: &str =
    "must be an https address, or an http one of this machine, without user and password";

impl StripeSettings {
    fn faults(&self) -> Vec<String> {
        let mut faults = Vec::new();
        if !is_safe(&self.base_url) {
            faults.push(format!("stripe.base_url: {SAFE_ADDRESS}"));
        }
        if self.secret_key.is_empty() {
            let what =
                "must be set, since the provider is stripe; take it from the account's API keys";
            faults.push(format!("stripe.secret_key: {what}"));
        } else if !self.secret_key.expose().bytes().all(|it| it.is_ascii_graphic()) {
            faults.push("stripe.secret_key: must be visible ASCII characters".to_owned());
        }
        if !is_safe(&self.return_url) {
            let what = "must be the page that payers come back to from their bank, and";
            faults.push(format!("stripe.return_url: {what} {SAFE_ADDRESS}"));
        }
        faults
    }
}

/// Whether what is sent there cannot be overheard.
fn is_safe(address: &str) -> bool {
    let Ok(uri) = address.parse::<Uri>() else { return false };
    let Some(authority) = uri.authority().filter(|it| !it.as_str().contains('@')) else {
        return false;
    };
    let is_here = matches!(authority.host(), "localhost" | "127.0.0.1" | "[::1]");
    match uri.scheme_str() {
        Some("https") => true,
        Some("http") => is_here,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stripe(change: impl FnOnce(&mut StripeSettings)) -> PaymentsSettings {
        let mut stripe = StripeSettings {
            secret_key: Secret::from("sk_test_1".to_owned()),
            return_url: "https://shop.example/paid".to_owned(),
            ..Default::default()
        };
        change(&mut stripe);
        PaymentsSettings { provider: ProviderName::Stripe, stripe, ..Default::default() }
    }

    #[test]
    fn stripe_needs_a_key_and_a_page_to_come_back_to() {
        assert_eq!(stripe(|_| ()).check(), Vec::<String>::new());
        let bare = PaymentsSettings { provider: ProviderName::Stripe, ..Default::default() };
        assert_eq!(bare.check().len(), 2, "{:?}", bare.check());
        assert_eq!(PaymentsSettings::default().check(), Vec::<String>::new());
    }

    #[test]
    fn money_is_moved_over_protected_lines_only() {
        for good in ["https://api.example", "http://127.0.0.1:4242", "http://localhost:1/x"] {
            assert!(stripe(|it| it.base_url = good.to_owned()).check().is_empty(), "{good}");
        }
        for bad in ["http://api.example", "ftp://a", "api.example", "https://u:p@a.example", ""] {
            assert_eq!(stripe(|it| it.base_url = bad.to_owned()).check().len(), 1, "{bad}");
        }
    }

    #[test]
    fn a_sandbox_that_sends_webhooks_signs_them() {
        let mut settings = PaymentsSettings::default();
        settings.sandbox.webhook_url = "http://127.0.0.1:8080/v1/payment-webhooks/sandbox".into();
        assert_eq!(settings.check().len(), 1);
        settings.sandbox.webhook_secrets = Secret::from("a".to_owned());
        assert!(settings.check().is_empty());
    }
}
