//! What all clients of the brokers have in common.

use std::{
    collections::BTreeSet,
    sync::{Mutex, PoisonError},
};

use rdkafka::{
    ClientConfig, ClientContext, Statistics,
    config::RDKafkaLogLevel,
    consumer::ConsumerContext,
    error::{KafkaError, RDKafkaErrorCode},
};

use super::KafkaSettings;

/// How often librdkafka tells how it stands with the brokers, in milliseconds.
const STATISTICS: &str = "2000";

impl KafkaSettings {
    /// What every client is told.
    pub(super) fn client(&self) -> ClientConfig {
        let mut config = ClientConfig::new();
        config
            .set("bootstrap.servers", self.brokers.join(","))
            .set("client.id", &self.client_id)
            .set("security.protocol", self.security.as_str())
            .set("statistics.interval.ms", STATISTICS)
            .set("reconnect.backoff.ms", "50")
            .set("reconnect.backoff.max.ms", "1000")
            .set("socket.keepalive.enable", "true")
            .set("socket.nagle.disable", "true")
            // A broker that is not there is reported once, by us.
            .set("log.connection.close", "false");
        if self.security.has_sasl() {
            config
                .set("sasl.mechanisms", self.mechanism.as_str())
                .set("sasl.username", &self.user)
                .set("sasl.password", self.password.expose());
        }
        let files = [
            ("ssl.ca.location", &self.ca_file),
            ("ssl.certificate.location", &self.certificate_file),
            ("ssl.key.location", &self.key_file),
        ];
        for (key, file) in files {
            if let Some(file) = file {
                config.set(key, file.to_string_lossy());
            }
        }
        if self.security.has_tls() && self.ca_file.is_none() {
            // An OpenSSL that comes with us does not know where this system keeps those it trusts.
            config.set("ssl.ca.location", "probe");
        }
        config
    }

    /// What a client is told that publishes.
    pub(super) fn producer(&self) -> ClientConfig {
        let mut config = self.client();
        config
            // Never acknowledged before all replicas that are in sync have it, never twice, never
            // out of order, and never given up: that is for us to decide.
            .set("enable.idempotence", "true")
            .set("enable.gapless.guarantee", "true")
            .set("acks", "all")
            .set("message.timeout.ms", "0")
            .set("retry.backoff.ms", "50")
            .set("retry.backoff.max.ms", "1000")
            // All of a page is on its way at once; waiting for more would only be waiting.
            .set("linger.ms", "1")
            .set("compression.codec", "lz4");
        config
    }
}

/// Why a client is replaced that [has forgotten](has_forgotten_brokers) whom to ask.
pub(super) const FORGOTTEN: &str = "the Kafka client knows of no broker any more, and is replaced";

/// Whether a broker answers.
pub(super) fn is_connected(statistics: &Statistics) -> bool {
    statistics.brokers.values().any(|broker| broker.state == "UP")
}

/// Whether the client knows of no broker any more, and so will never reach one.
///
/// A broker that is just stopping or starting may say of the brokers that there are none. librdkafka
/// (2.10 and later) then forgets all of them, those of `bus.kafka.brokers` too, for good:
/// <https://github.com/confluentinc/librdkafka/issues/5301>.
pub(super) fn has_forgotten_brokers(statistics: &Statistics) -> bool {
    // Others stand for a role, such as that of the group's coordinator.
    let mut brokers = statistics.brokers.values();
    !brokers.any(|broker| ["configured", "learned"].contains(&broker.source.as_str()))
}

/// Passes on what librdkafka has to say. What matters is said once, by those who use it.
pub(super) fn log(level: RDKafkaLogLevel, facility: &str, message: &str) {
    tracing::debug!(?level, facility, message, "librdkafka");
}

/// Of a client that is asked a question and dropped.
#[derive(Default)]
pub(super) struct Questioner {
    troubles: Mutex<BTreeSet<String>>,
}

impl Questioner {
    /// What went wrong between us and brokers, if anything; that there was no answer does not tell.
    pub(super) fn troubles(&self) -> Option<String> {
        let troubles = self.troubles.lock().unwrap_or_else(PoisonError::into_inner);
        let words: Vec<&str> = troubles.iter().map(String::as_str).collect();
        (!words.is_empty()).then(|| words.join("; "))
    }
}

impl ClientContext for Questioner {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        log(level, facility, message);
    }

    fn stats(&self, _statistics: Statistics) {}

    fn error(&self, error: KafkaError, reason: &str) {
        tracing::debug!(%error, reason, "librdkafka");
        if error == KafkaError::Global(RDKafkaErrorCode::AllBrokersDown) {
            return;
        }
        // How long it took differs from one time to the next.
        let words = reason.split_once(" (after ").map_or(reason, |(words, _)| words);
        let mut troubles = self.troubles.lock().unwrap_or_else(PoisonError::into_inner);
        troubles.insert(words.to_owned());
    }
}

impl ConsumerContext for Questioner {}

#[cfg(test)]
mod tests {
    use rdkafka::statistics::Broker;

    use super::*;
    use crate::kafka::Security;

    #[test]
    fn a_client_has_forgotten_the_brokers_when_none_is_left_that_it_was_told_of() {
        let forgotten = |sources: &[&str]| {
            let broker = |source: &&str| {
                let broker = Broker { source: (*source).to_owned(), ..Broker::default() };
                ((*source).to_owned(), broker)
            };
            let brokers = sources.iter().map(broker).collect();
            has_forgotten_brokers(&Statistics { brokers, ..Statistics::default() })
        };
        assert!(!forgotten(&["configured"]));
        assert!(!forgotten(&["learned", "logical"]));
        assert!(forgotten(&["logical"]));
        assert!(forgotten(&[]));
    }

    #[test]
    fn what_is_published_is_with_all_replicas_in_order_and_never_given_up() {
        let config = KafkaSettings::default().producer();
        for (key, value) in [
            ("acks", "all"),
            ("enable.idempotence", "true"),
            ("enable.gapless.guarantee", "true"),
            ("message.timeout.ms", "0"),
        ] {
            assert_eq!(config.get(key), Some(value), "{key}");
        }
    }

    #[test]
    fn authorities_are_looked_for_in_the_usual_places_unless_they_are_named() {
        let mut settings = KafkaSettings { security: Security::Ssl, ..KafkaSettings::default() };
        assert_eq!(settings.client().get("ssl.ca.location"), Some("probe"));
        settings.ca_file = Some("/etc/boxoffice/ca.pem".into());
        assert_eq!(settings.client().get("ssl.ca.location"), Some("/etc/boxoffice/ca.pem"));
        settings = KafkaSettings::default();
        assert_eq!(settings.client().get("ssl.ca.location"), None, "nothing is encrypted");
    }
}
