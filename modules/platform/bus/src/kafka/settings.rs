//! `[bus.kafka]`: the brokers, the topics, and how brokers know us.

use std::{path::PathBuf, time::Duration};

use runtime::{Secret, duration};
use serde::{Deserialize, Serialize};

/// The most partitions of a topic: each consumer keeps a row and a queue for each.
const MOST_PARTITIONS: u32 = 1_000;
/// Brokers refuse sessions outside of these, as they come.
const SHORTEST_SESSION: Duration = Duration::from_secs(6);
const LONGEST_SESSION: Duration = Duration::from_mins(30);
/// The longest that a topic's name may be is 249 characters; a publisher's name comes behind.
const LONGEST_PREFIX: usize = 150;

/// `[bus.kafka]`: the brokers, the topics, and how brokers know us.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct KafkaSettings {
    /// Brokers to begin with, `host:port`; they tell of the others.
    pub brokers: Vec<String>,
    /// What the names of topics and consumer groups begin with: the topic of orders is
    /// `<prefix>.orders`.
    pub topic_prefix: String,
    /// What brokers call this process in their logs and quotas.
    pub client_id: String,
    /// Partitions of topics that are created. A topic that exists must have as many: the order of a
    /// key's events depends on it.
    pub partitions: u32,
    /// On how many brokers each event is kept. Writes need all of them but one.
    pub replication: u16,
    /// How long brokers keep events. A consumer that is away for longer is told so, and events are
    /// published again from the publishers' logs.
    #[serde(with = "duration")]
    pub retention: Duration,
    /// After how long without a sign of life a consumer's partitions are given to others.
    #[serde(with = "duration")]
    pub session_timeout: Duration,
    /// How connections are secured, and how brokers know who we are.
    pub security: Security,
    /// Certificates (PEM) of the authorities that vouch for brokers; without it, the system's.
    pub ca_file: Option<PathBuf>,
    /// Our certificate (PEM), for brokers that ask for one.
    pub certificate_file: Option<PathBuf>,
    /// Its key (PEM).
    pub key_file: Option<PathBuf>,
    /// How the password is proved, with SASL.
    pub mechanism: Mechanism,
    /// Who we are, with SASL.
    pub user: String,
    /// Its password.
    pub password: Secret,
}

/// How connections to brokers are secured, and how brokers know who we are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Security {
    /// In clear, by nothing.
    Plaintext,
    /// TLS, by our certificate if there is one.
    Ssl,
    /// In clear, by user and password.
    SaslPlaintext,
    /// TLS, by user and password.
    SaslSsl,
}

impl Security {
    /// As librdkafka calls it.
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Plaintext => "plaintext",
            Self::Ssl => "ssl",
            Self::SaslPlaintext => "sasl_plaintext",
            Self::SaslSsl => "sasl_ssl",
        }
    }

    pub(super) fn has_tls(self) -> bool {
        matches!(self, Self::Ssl | Self::SaslSsl)
    }

    pub(super) fn has_sasl(self) -> bool {
        matches!(self, Self::SaslPlaintext | Self::SaslSsl)
    }
}

/// How a password is proved to a broker.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mechanism {
    /// It is sent.
    Plain,
    /// SCRAM with SHA-256: knowing it is shown.
    ScramSha256,
    /// SCRAM with SHA-512.
    ScramSha512,
}

impl Mechanism {
    /// As librdkafka calls it.
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Plain => "PLAIN",
            Self::ScramSha256 => "SCRAM-SHA-256",
            Self::ScramSha512 => "SCRAM-SHA-512",
        }
    }
}

impl Default for KafkaSettings {
    fn default() -> Self {
        Self {
            brokers: Vec::new(),
            topic_prefix: "boxoffice".to_owned(),
            client_id: "boxoffice".to_owned(),
            partitions: 12,
            replication: 3,
            retention: Duration::from_hours(168),
            session_timeout: Duration::from_secs(10),
            security: Security::Plaintext,
            ca_file: None,
            certificate_file: None,
            key_file: None,
            mechanism: Mechanism::Plain,
            user: String::new(),
            password: Secret::default(),
        }
    }
}

impl KafkaSettings {
    /// The topic of a publisher, or of a trail such as `orders.audit`.
    pub fn topic(&self, publisher: &str) -> String {
        format!("{}.{publisher}", self.topic_prefix)
    }

    /// The group of a consumer's replicas.
    pub(crate) fn group(&self, consumer: &str, publisher: &str) -> String {
        format!("{}.{consumer}.{publisher}", self.topic_prefix)
    }

    /// Whether whoever listens on the way to a broker reads the password.
    fn is_password_in_clear(&self) -> bool {
        self.security == Security::SaslPlaintext && self.mechanism == Mechanism::Plain
    }

    pub(super) fn warn_of_clear_password(&self, topic: &str) {
        if self.is_password_in_clear() {
            tracing::warn!(
                topic,
                "the password for Kafka travels in clear; set bus.kafka.security to sasl_ssl, or \
                 use SCRAM"
            );
        }
    }

    pub(crate) fn check(&self, is_used: bool, faults: &mut Vec<String>) {
        if is_used && self.brokers.is_empty() {
            faults.push(
                "kafka.brokers: is empty; name some, such as [\"kafka-1:9092\", \"kafka-2:9092\"]"
                    .to_owned(),
            );
        }
        for broker in self.brokers.iter().filter(|broker| !is_address(broker)) {
            faults.push(format!("kafka.brokers: \"{broker}\" is no host:port"));
        }
        self.check_names(faults);
        self.check_topics(faults);
        if self.session_timeout < SHORTEST_SESSION || self.session_timeout > LONGEST_SESSION {
            faults.push("kafka.session_timeout: must be from 6s to 30m".to_owned());
        }
        self.check_identity(faults);
        if is_used && !cfg!(feature = "kafka-tls") {
            self.check_build(faults);
        }
    }

    fn check_names(&self, faults: &mut Vec<String>) {
        let is_plain = |character: char| {
            character.is_ascii_alphanumeric() || matches!(character, '.' | '_' | '-')
        };
        let prefix = &self.topic_prefix;
        if prefix.is_empty() || prefix.len() > LONGEST_PREFIX || !prefix.chars().all(is_plain) {
            faults.push(format!(
                "kafka.topic_prefix: must be 1 to {LONGEST_PREFIX} letters, digits, dots, dashes \
                 and underscores"
            ));
        }
        if self.client_id.is_empty() || !self.client_id.chars().all(is_plain) {
            faults.push(
                "kafka.client_id: must be letters, digits, dots, dashes and underscores".to_owned(),
            );
        }
    }

    fn check_topics(&self, faults: &mut Vec<String>) {
        if self.partitions == 0 || self.partitions > MOST_PARTITIONS {
            faults.push(format!("kafka.partitions: must be from 1 to {MOST_PARTITIONS}"));
        }
        if self.replication == 0 {
            faults.push(
                "kafka.replication: is 0, with which nothing is kept; use 3, or 1 with a single \
                 broker"
                    .to_owned(),
            );
        }
        if self.retention < Duration::from_mins(1) {
            faults
                .push("kafka.retention: is shorter than a minute; the default is 168h".to_owned());
        }
    }

    fn check_identity(&self, faults: &mut Vec<String>) {
        if self.certificate_file.is_some() != self.key_file.is_some() {
            faults.push(
                "kafka.certificate_file: a certificate and its key_file go together; give both or \
                 none"
                    .to_owned(),
            );
        }
        let has_files = self.ca_file.is_some() || self.certificate_file.is_some();
        if has_files && !self.security.has_tls() {
            faults.push(
                "kafka.security: is without TLS, for which the certificates are; use ssl or \
                 sasl_ssl, or leave them out"
                    .to_owned(),
            );
        }
        let has_password = !self.user.is_empty() && !self.password.is_empty();
        if self.security.has_sasl() && !has_password {
            faults.push(
                "kafka.user: SASL needs a user and a password (or password_file); give both"
                    .to_owned(),
            );
        }
        let has_identity = !self.user.is_empty() || !self.password.is_empty();
        if has_identity && !self.security.has_sasl() {
            faults.push(
                "kafka.user: a user and a password are for SASL; set kafka.security to sasl_ssl, \
                 or leave them out"
                    .to_owned(),
            );
        }
    }

    fn check_build(&self, faults: &mut Vec<String>) {
        if self.security.has_tls() {
            faults.push(
                "kafka.security: this binary was built without TLS for Kafka; use a release image, \
                 or build with --features kafka-tls"
                    .to_owned(),
            );
        }
        if self.security.has_sasl() && self.mechanism != Mechanism::Plain {
            faults.push(
                "kafka.mechanism: this binary was built without SCRAM; use a release image, or \
                 build with --features kafka-tls"
                    .to_owned(),
            );
        }
    }
}

fn is_address(text: &str) -> bool {
    let parts = text.rsplit_once(':');
    parts.is_some_and(|(host, port)| {
        !host.is_empty()
            && !host.contains(|character: char| character.is_whitespace() || character == ',')
            && port.parse::<u16>().is_ok_and(|port| port > 0)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(settings: &KafkaSettings, is_used: bool) -> Vec<String> {
        let mut faults = Vec::new();
        settings.check(is_used, &mut faults);
        let key = |fault: &String| Some(fault.split_once(':')?.0.to_owned());
        faults.iter().filter_map(key).collect()
    }

    fn settings(change: impl FnOnce(&mut KafkaSettings)) -> KafkaSettings {
        let mut settings =
            KafkaSettings { brokers: vec!["kafka:9092".to_owned()], ..KafkaSettings::default() };
        change(&mut settings);
        settings
    }

    #[test]
    fn the_defaults_need_brokers_and_nothing_else() {
        assert_eq!(keys(&KafkaSettings::default(), false), Vec::<String>::new());
        assert_eq!(keys(&KafkaSettings::default(), true), ["kafka.brokers"]);
        assert_eq!(keys(&settings(|_| {}), true), Vec::<String>::new());
    }

    #[test]
    fn every_unusable_value_is_named() {
        let unusable = settings(|it| {
            it.brokers = vec!["kafka".to_owned()];
            it.topic_prefix = "box office".to_owned();
            it.client_id = String::new();
            it.partitions = 0;
            it.replication = 0;
            it.retention = Duration::ZERO;
            it.session_timeout = Duration::ZERO;
            it.certificate_file = Some("ours.pem".into());
            it.user = "ada".to_owned();
        });
        let expected = [
            "kafka.brokers",
            "kafka.topic_prefix",
            "kafka.client_id",
            "kafka.partitions",
            "kafka.replication",
            "kafka.retention",
            "kafka.session_timeout",
            "kafka.certificate_file",
            "kafka.security",
            "kafka.user",
        ];
        assert_eq!(keys(&unusable, true), expected);
    }

    #[test]
    fn sasl_needs_a_user_with_a_password() {
        let nobody = settings(|it| it.security = Security::SaslPlaintext);
        assert_eq!(keys(&nobody, true), ["kafka.user"]);
        let somebody = settings(|it| {
            it.security = Security::SaslPlaintext;
            it.user = "ada".to_owned();
            it.password = "secret".to_owned().into();
        });
        assert_eq!(keys(&somebody, true), Vec::<String>::new());
        assert!(somebody.is_password_in_clear());
        assert!(!settings(|it| it.security = Security::SaslSsl).is_password_in_clear());
    }

    #[cfg(not(feature = "kafka-tls"))]
    #[test]
    fn a_build_without_tls_says_so() {
        let secured = settings(|it| {
            it.security = Security::SaslSsl;
            it.mechanism = Mechanism::ScramSha512;
            it.user = "ada".to_owned();
            it.password = "secret".to_owned().into();
        });
        assert_eq!(keys(&secured, true), ["kafka.security", "kafka.mechanism"]);
        assert_eq!(keys(&secured, false), Vec::<String>::new(), "unless nobody asks for it");
    }
}
