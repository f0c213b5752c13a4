//! `[identity]` of the configuration.

use std::{num::NonZeroUsize, path::PathBuf, time::Duration};

use runtime::{Secret, Section, duration};
use serde::{Deserialize, Serialize};

use crate::domain::account::EmailAddress;

/// The fewest and the most characters of a password.
pub(crate) const PASSWORD_LENGTH: std::ops::RangeInclusive<usize> = 12..=128;

/// `[identity]`: accounts, sessions and the keys that sign access tokens.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct IdentitySettings {
    /// The address of the account that is made an admin when it does not exist at start. Empty: one
    /// is made up (see `first_admin.rs`) with embedded databases, and otherwise none.
    pub(crate) first_admin_email: String,
    /// That account's first password.
    pub(crate) first_admin_password: Secret,
    /// Holds the Ed25519 keys (PKCS#8, `<key id>.pem`) of access tokens. The last by name signs,
    /// all verify. May be missing with embedded databases; then a key is made in the data
    /// directory.
    pub(crate) signing_keys_dir: Option<PathBuf>,
    /// How often that directory is read again.
    #[serde(with = "duration")]
    pub(crate) signing_keys_reread: Duration,
    /// How long an access token is good.
    #[serde(with = "duration")]
    pub(crate) access_token_life: Duration,
    /// How long a refresh token is good, and with it a session that nobody uses.
    #[serde(with = "duration")]
    pub(crate) refresh_token_life: Duration,
    /// How passwords are hashed.
    pub(crate) password: PasswordSettings,
    /// How those who guess passwords are held back.
    pub(crate) login: LoginSettings,
}

/// `[identity.login]`: how often a password may be wrong, for one account from one address and for
/// all accounts from one network.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct LoginSettings {
    /// How many may be wrong before the next must wait.
    pub(crate) attempts: u32,
    /// How long it waits; each further one twice as long.
    #[serde(with = "duration")]
    pub(crate) pause: Duration,
    /// The longest wait. After as long without a login the wrong ones are forgotten.
    #[serde(with = "duration")]
    pub(crate) longest_pause: Duration,
    /// How many may be wrong from one network, for whatever accounts, before further ones must wait.
    pub(crate) network_attempts: u32,
    /// How long each further one waits; as often one of the wrong ones is forgotten.
    #[serde(with = "duration")]
    pub(crate) network_pause: Duration,
    /// For how many pairs of account and address wrong passwords are remembered at most, and for
    /// how many networks.
    pub(crate) remembered: usize,
}

impl Default for LoginSettings {
    fn default() -> Self {
        Self {
            attempts: 5,
            pause: Duration::from_secs(5),
            longest_pause: Duration::from_mins(15),
            network_attempts: 100,
            network_pause: Duration::from_secs(1),
            remembered: 10_000,
        }
    }
}

impl LoginSettings {
    fn faults(&self, faults: &mut Vec<String>) {
        if self.attempts == 0 {
            faults.push("login.attempts: is 0; let at least one password be wrong".to_owned());
        }
        if self.remembered == 0 {
            faults.push("login.remembered: is 0; remember at least one pair".to_owned());
        }
        if self.longest_pause < self.pause {
            faults.push("login.longest_pause: is shorter than login.pause".to_owned());
        }
        if self.network_attempts < self.attempts {
            faults.push(
                "login.network_attempts: is less than login.attempts; a network has many accounts"
                    .to_owned(),
            );
        }
        if self.network_pause.is_zero() {
            faults.push("login.network_pause: is 0s; let each further password wait".to_owned());
        }
    }
}

/// `[identity.password]`: what one argon2id hash costs, and how many are computed at once.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct PasswordSettings {
    /// Memory in KiB.
    pub(crate) memory_kib: u32,
    /// Passes over that memory.
    pub(crate) iterations: u32,
    /// Lanes.
    pub(crate) parallelism: u32,
    /// Hashes computed at once; each takes a processor and the memory above. Without it: as many
    /// as there are processors.
    pub(crate) at_once: Option<NonZeroUsize>,
    /// Hashes that may wait for their turn; further ones are refused.
    pub(crate) waiting: usize,
    /// How many of those may be asked for from one network.
    pub(crate) waiting_per_network: usize,
}

impl Default for IdentitySettings {
    fn default() -> Self {
        Self {
            first_admin_email: String::new(),
            first_admin_password: Secret::default(),
            signing_keys_dir: None,
            signing_keys_reread: Duration::from_mins(1),
            access_token_life: Duration::from_mins(15),
            refresh_token_life: Duration::from_hours(30 * 24),
            password: PasswordSettings::default(),
            login: LoginSettings::default(),
        }
    }
}

impl Default for PasswordSettings {
    fn default() -> Self {
        Self {
            memory_kib: 19 * 1024,
            iterations: 2,
            parallelism: 1,
            at_once: None,
            waiting: 64,
            waiting_per_network: 32,
        }
    }
}

impl IdentitySettings {
    /// The address and the password of the first admin, when one is configured.
    pub(crate) fn first_admin(&self) -> Option<(EmailAddress, &Secret)> {
        (!self.first_admin_email.is_empty())
            .then(|| (EmailAddress::normalise(&self.first_admin_email), &self.first_admin_password))
    }

    fn first_admin_faults(&self, faults: &mut Vec<String>) {
        let (email, password) = (&self.first_admin_email, self.first_admin_password.expose());
        match (email.is_empty(), password.is_empty()) {
            (true, true) => return,
            (true, false) => faults.push(
                "first_admin_email: is missing; name the account that first_admin_password is for"
                    .to_owned(),
            ),
            (false, true) => faults.push(
                "first_admin_password: is missing; give the first admin one, or \
                 first_admin_password_file"
                    .to_owned(),
            ),
            (false, false) => {}
        }
        if !email.is_empty() && garde::rules::email::parse_email(email).is_err() {
            faults.push("first_admin_email: is no e-mail address".to_owned());
        }
        if !password.is_empty() && !PASSWORD_LENGTH.contains(&password.chars().count()) {
            faults.push(format!(
                "first_admin_password: is not {} to {} characters long; choose another",
                PASSWORD_LENGTH.start(),
                PASSWORD_LENGTH.end(),
            ));
        }
    }
}

impl PasswordSettings {
    fn faults(&self, faults: &mut Vec<String>) {
        if let Err(error) = self.params() {
            faults.push(format!(
                "password: argon2id cannot work with memory_kib = {}, iterations = {} and \
                 parallelism = {} ({error}); leave them out to get the recommended values",
                self.memory_kib, self.iterations, self.parallelism,
            ));
        }
    }

    /// How many hashes are computed at once on this machine.
    pub(crate) fn turns(&self) -> usize {
        let processors = || std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN);
        self.at_once.unwrap_or_else(processors).get()
    }

    /// What argon2 calls these settings.
    pub(crate) fn params(&self) -> Result<argon2::Params, argon2::Error> {
        let length = Some(argon2::Params::DEFAULT_OUTPUT_LEN);
        argon2::Params::new(self.memory_kib, self.iterations, self.parallelism, length)
    }
}

impl Section for IdentitySettings {
    const NAME: &'static str = "identity";
    const SIGNING_KEYS: &'static [&'static str] = &["signing_keys_dir"];

    fn check(&self) -> Vec<String> {
        let mut faults = Vec::new();
        self.first_admin_faults(&mut faults);
        for (key, life) in [
            ("signing_keys_reread", self.signing_keys_reread),
            ("access_token_life", self.access_token_life),
            ("refresh_token_life", self.refresh_token_life),
        ] {
            if life < Duration::from_secs(1) {
                faults.push(format!("{key}: is shorter than a second; use at least 1s"));
            }
        }
        if self.access_token_life > cache::LONGEST_TOKEN_LIFE {
            faults.push(
                "access_token_life: is longer than a day, and ended sessions are not remembered for \
                 longer; use at most 24h"
                    .to_owned(),
            );
        }
        if self.refresh_token_life < self.access_token_life {
            faults.push(
                "refresh_token_life: is shorter than access_token_life; it must be longer"
                    .to_owned(),
            );
        }
        self.password.faults(&mut faults);
        self.login.faults(&mut faults);
        faults
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn faults_of(change: impl FnOnce(&mut IdentitySettings)) -> String {
        let mut settings = IdentitySettings::default();
        change(&mut settings);
        settings.check().join("\n")
    }

    #[test]
    fn the_defaults_are_in_order_and_name_no_admin() {
        assert_eq!(faults_of(|_| {}), "");
        assert!(IdentitySettings::default().first_admin().is_none());
    }

    #[test]
    fn a_first_admin_has_an_address_and_a_password_that_would_be_accepted() {
        let no_password = faults_of(|it| it.first_admin_email = "ada@example.org".to_owned());
        assert!(no_password.contains("first_admin_password: is missing"), "{no_password}");
        let no_address =
            faults_of(|it| it.first_admin_password = "long enough, it is".to_owned().into());
        assert!(no_address.contains("first_admin_email: is missing"), "{no_address}");
        let both_bad = faults_of(|it| {
            it.first_admin_email = "ada".to_owned();
            it.first_admin_password = "short".to_owned().into();
        });
        assert!(both_bad.contains("is no e-mail address"), "{both_bad}");
        assert!(both_bad.contains("is not 12 to 128 characters long"), "{both_bad}");
        assert!(!both_bad.contains("short\n"), "{both_bad}");
    }

    #[test]
    fn costs_that_argon2_refuses_are_faults() {
        let no_pass = faults_of(|it| it.password.iterations = 0);
        assert!(no_pass.contains("password: argon2id cannot work with"), "{no_pass}");
    }

    #[test]
    fn a_throttle_that_lets_nobody_in_or_forgets_everybody_is_a_fault() {
        let faults = faults_of(|it| {
            it.login.attempts = 0;
            it.login.remembered = 0;
            it.login.longest_pause = Duration::ZERO;
            it.login.network_pause = Duration::ZERO;
        });
        for key in
            ["login.attempts", "login.remembered", "login.longest_pause", "login.network_pause"]
        {
            assert!(faults.contains(key), "{faults}");
        }
        let crowded = faults_of(|it| it.login.network_attempts = 4);
        assert!(crowded.contains("login.network_attempts: is less"), "{crowded}");
    }

    #[test]
    fn a_session_outlives_its_access_tokens() {
        let brief = faults_of(|it| it.refresh_token_life = Duration::from_mins(1));
        assert!(brief.contains("refresh_token_life: is shorter than access_token_life"), "{brief}");
        let endless = faults_of(|it| it.access_token_life = Duration::from_hours(25));
        assert!(endless.contains("access_token_life: is longer than a day"), "{endless}");
        let zero = faults_of(|it| it.access_token_life = Duration::ZERO);
        assert!(zero.contains("access_token_life: is shorter than a second"), "{zero}");
    }
}
