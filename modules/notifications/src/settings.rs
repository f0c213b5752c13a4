//! The `[notifications]` table of the configuration.

use std::{path::PathBuf, time::Duration};

use lettre::Address;
use runtime::{Secret, Section, duration};
use serde::{Deserialize, Serialize};

/// A mail has to be sent, with everything that is asked for on the way, within the time that a timer
/// gives its handler.
const LONGEST_TIMEOUT: Duration = Duration::from_secs(15);
/// As many as a mail server bears from one client, and more than anybody needs.
const MOST_CONNECTIONS: u32 = 100;

/// How mail is sent.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct NotificationsSettings {
    /// How mail leaves.
    pub(crate) transport: TransportName,
    /// The address that mail comes from.
    pub(crate) from: String,
    /// The name beside it, where an organizer has chosen no other.
    pub(crate) sender_name: String,
    /// Where mail is kept instead of being sent, with the transport `file`. Otherwise `mail` in the
    /// data directory.
    pub(crate) directory: Option<PathBuf>,
    /// How long to go on trying when a mail cannot be sent.
    #[serde(with = "duration")]
    pub(crate) give_up_after: Duration,
    /// How many mails may leave in a second. 0: as many as can.
    pub(crate) per_second: u32,
    /// The mail server, with the transport `smtp`.
    pub(crate) smtp: SmtpSettings,
}

/// How mail leaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum TransportName {
    /// Into a directory, one file each.
    File,
    /// To a mail server.
    Smtp,
    /// Nowhere; the log tells that there was one.
    Log,
}

/// `[notifications.smtp]`: the mail server.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct SmtpSettings {
    /// Its name.
    pub(crate) host: String,
    /// Its port. Without it: the usual one, 25, 587 or 465.
    pub(crate) port: Option<u16>,
    /// Whether the connection is encrypted.
    pub(crate) tls: Encryption,
    /// A certificate (PEM) to trust beside the public ones, for a server with one of its own.
    pub(crate) ca_file: Option<PathBuf>,
    /// Who logs in. Empty: nobody does.
    pub(crate) user: String,
    /// That user's password.
    pub(crate) password: Secret,
    /// How long the server may take for a whole mail.
    #[serde(with = "duration")]
    pub(crate) timeout: Duration,
    /// How many connections are used at once, and kept for the next mail.
    pub(crate) connections: u32,
}

/// Whether the connection to the mail server is encrypted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Encryption {
    /// No.
    None,
    /// From the greeting on; without it nothing is sent.
    Starttls,
    /// From the first byte on.
    Tls,
}

impl Default for NotificationsSettings {
    fn default() -> Self {
        Self {
            transport: TransportName::File,
            from: "tickets@boxoffice.internal".to_owned(),
            sender_name: "Boxoffice".to_owned(),
            directory: None,
            give_up_after: Duration::from_hours(24),
            per_second: 20,
            smtp: SmtpSettings::default(),
        }
    }
}

impl Default for SmtpSettings {
    fn default() -> Self {
        Self {
            host: String::new(),
            port: None,
            tls: Encryption::Starttls,
            ca_file: None,
            user: String::new(),
            password: Secret::default(),
            timeout: Duration::from_secs(10),
            connections: 4,
        }
    }
}

impl SmtpSettings {
    /// The port to connect to.
    pub(crate) fn port(&self) -> u16 {
        self.port.unwrap_or(match self.tls {
            Encryption::None => 25,
            Encryption::Starttls => 587,
            Encryption::Tls => 465,
        })
    }

    fn is_this_machine(&self) -> bool {
        matches!(self.host.as_str(), "localhost" | "127.0.0.1" | "::1")
    }

    fn check(&self, is_used: bool, faults: &mut Vec<String>) {
        if is_used && self.host.is_empty() {
            faults.push("smtp.host: is missing; name the mail server".to_owned());
        }
        if self.user.is_empty() != self.password.expose().is_empty() {
            faults.push(
                "smtp.user: a user and a password (or smtp.password_file) go together; give both \
                 or none"
                    .to_owned(),
            );
        }
        if self.tls == Encryption::None && !self.user.is_empty() && !self.is_this_machine() {
            faults.push(
                "smtp.tls: is none, with which the password would be sent in clear; use starttls \
                 or tls"
                    .to_owned(),
            );
        }
        if self.timeout < Duration::from_millis(100) || self.timeout > LONGEST_TIMEOUT {
            faults.push("smtp.timeout: must be from 100ms to 15s".to_owned());
        }
        if self.connections == 0 || self.connections > MOST_CONNECTIONS {
            faults.push(format!("smtp.connections: must be from 1 to {MOST_CONNECTIONS}"));
        }
    }
}

impl Section for NotificationsSettings {
    const NAME: &'static str = "notifications";

    fn check(&self) -> Vec<String> {
        let mut faults = Vec::new();
        if self.from.parse::<Address>().is_err() {
            faults.push("from: is no e-mail address".to_owned());
        }
        if self.sender_name.chars().any(char::is_control) {
            faults.push("sender_name: has control characters".to_owned());
        }
        if self.give_up_after < Duration::from_mins(1) {
            faults.push("give_up_after: is shorter than a minute; use at least 1m".to_owned());
        }
        self.smtp.check(self.transport == TransportName::Smtp, &mut faults);
        faults
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn faults_of(change: impl FnOnce(&mut NotificationsSettings)) -> String {
        let mut settings = NotificationsSettings::default();
        change(&mut settings);
        settings.check().join("\n")
    }

    #[test]
    fn the_defaults_are_in_order_and_need_no_mail_server() {
        assert_eq!(faults_of(|_| {}), "");
    }

    #[test]
    fn a_mail_server_has_a_name() {
        let nameless = faults_of(|it| it.transport = TransportName::Smtp);
        assert!(nameless.contains("smtp.host: is missing"), "{nameless}");
    }

    #[test]
    fn a_password_is_not_sent_in_clear_to_another_machine() {
        let with_password = |host: &str, tls| {
            faults_of(|it| {
                it.smtp.host = host.to_owned();
                it.smtp.tls = tls;
                it.smtp.user = "ada".to_owned();
                it.smtp.password = "secret".to_owned().into();
            })
        };
        let in_clear = with_password("mail.example.org", Encryption::None);
        assert!(in_clear.contains("smtp.tls: is none"), "{in_clear}");
        assert_eq!(with_password("mail.example.org", Encryption::Starttls), "");
        assert_eq!(with_password("localhost", Encryption::None), "");
    }

    #[test]
    fn every_unusable_value_is_named() {
        let faults = faults_of(|it| {
            it.from = "nobody".to_owned();
            it.sender_name = "a\nb".to_owned();
            it.give_up_after = Duration::ZERO;
            it.smtp.user = "ada".to_owned();
            it.smtp.timeout = Duration::from_mins(1);
            it.smtp.connections = 0;
        });
        let keys: Vec<&str> =
            faults.lines().filter_map(|line| Some(line.split_once(':')?.0)).collect();
        let expected = [
            "from",
            "sender_name",
            "give_up_after",
            "smtp.user",
            "smtp.timeout",
            "smtp.connections",
        ];
        assert_eq!(keys, expected);
    }

    #[test]
    fn each_way_to_connect_has_its_usual_port() {
        let port = |tls| SmtpSettings { tls, ..SmtpSettings::default() }.port();
        assert_eq!(
            [Encryption::None, Encryption::Starttls, Encryption::Tls].map(port),
            [25, 587, 465]
        );
        let own = SmtpSettings { port: Some(2525), ..SmtpSettings::default() };
        assert_eq!(own.port(), 2525);
    }
}
