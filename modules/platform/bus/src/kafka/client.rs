//! What all clients of the brokers have in common.

use rdkafka::{
    ClientConfig, ClientContext, Statistics, config::RDKafkaLogLevel, error::KafkaError,
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
        config
    }
}

/// Passes on what librdkafka has to say. What matters is said once, by those who use it.
pub(super) fn log(level: RDKafkaLogLevel, facility: &str, message: &str) {
    tracing::debug!(?level, facility, message, "librdkafka");
}

/// Of a client that is asked a question and dropped.
pub(super) struct Quiet;

impl ClientContext for Quiet {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        log(level, facility, message);
    }

    fn stats(&self, _statistics: Statistics) {}

    fn error(&self, error: KafkaError, reason: &str) {
        tracing::debug!(%error, reason, "librdkafka");
    }
}
