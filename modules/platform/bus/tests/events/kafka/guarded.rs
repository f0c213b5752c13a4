//! Brokers that ask who comes: each service may do what `docs/operations/events.md` has it allowed,
//! and no more.

use std::time::Duration;

use bus::{BusSettings, KafkaSettings, Security};
use rdkafka::{
    error::{KafkaError, RDKafkaErrorCode},
    producer::{FutureProducer, FutureRecord},
};
use testkit::kafka::{Door, GuardedKafka};

use super::{client, settings, topic};
use crate::support::{Clerk, Town};

const PASSWORD: &str = "correct horse";

/// What a service comes with.
fn as_user(
    broker: &GuardedKafka,
    user: &str,
    more: impl FnOnce(&mut KafkaSettings),
) -> BusSettings {
    let mut settings = settings(&broker.place);
    settings.kafka.security = Security::SaslPlaintext;
    user.clone_into(&mut settings.kafka.user);
    settings.kafka.password = PASSWORD.to_owned().into();
    more(&mut settings.kafka);
    settings
}

/// Allows what the guide says: `shop` publishes sales, `office` takes them in.
async fn allow_what_they_need(broker: &GuardedKafka, shop: &str, office: &str) {
    let prefix = format!("{}.", broker.place.prefix);
    let topic = topic(&broker.place);
    let (of_topic, of_groups) =
        (["--topic", &topic], ["--group", &prefix, "--resource-pattern-type", "prefixed"]);
    let publish = ["Write", "Describe", "DescribeConfigs", "Create"];
    broker.allow(shop, &publish, &of_topic).await;
    broker.allow(office, &["Read", "Describe"], &of_topic).await;
    broker.allow(office, &["Read"], &of_groups).await;
}

/// The shop publishes by one's right and the office takes it in by the other's.
async fn trade(publishing: &BusSettings, taking: &BusSettings) {
    let town = Town::on_sqlite().await;
    let (mut shop, mut office) = (town.shop().await, town.office().await);
    shop.publish(publishing);
    office.read_topic(taking, &Clerk::default());
    shop.sell(1, 3).await;
    office.has_booked(1, 1..=3).await;
    shop.sell(2, 2).await;
    office.has_booked(2, 1..=2).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_service_needs_no_more_than_the_guide_says_and_can_do_no_more() {
    let users = [("sales", PASSWORD), ("ledger", PASSWORD)];
    let broker = GuardedKafka::start(Door::Password, &users).await;
    allow_what_they_need(&broker, "sales", "ledger").await;
    trade(&as_user(&broker, "sales", |_| {}), &as_user(&broker, "ledger", |_| {})).await;

    let mut config = client(&broker.place);
    config
        .set("security.protocol", "sasl_plaintext")
        .set("sasl.mechanisms", "PLAIN")
        .set("sasl.username", "ledger")
        .set("sasl.password", PASSWORD);
    let forger: FutureProducer = config.create().unwrap();
    let topic = topic(&broker.place);
    let forged = FutureRecord::<str, str>::to(&topic).payload("sold for nothing");
    let (error, _) = forger.send(forged, Duration::from_secs(30)).await.unwrap_err();
    let refused = KafkaError::MessageProduction(RDKafkaErrorCode::TopicAuthorizationFailed);
    assert_eq!(error, refused);
}

/// What only a build with `--features kafka-tls` can do.
#[cfg(feature = "kafka-tls")]
mod encrypted {
    use bus::Mechanism;
    use testkit::certificates;

    use super::*;

    fn trusting(kafka: &mut KafkaSettings) {
        kafka.security = Security::SaslSsl;
        kafka.ca_file = Some(certificates::authority());
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_password_is_sent_over_tls() {
        let users = [("sales", PASSWORD), ("ledger", PASSWORD)];
        let broker = GuardedKafka::start(Door::EncryptedPassword, &users).await;
        allow_what_they_need(&broker, "sales", "ledger").await;
        trade(&as_user(&broker, "sales", trusting), &as_user(&broker, "ledger", trusting)).await;
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_password_is_shown_to_be_known() {
        let broker = GuardedKafka::start(Door::EncryptedPassword, &[]).await;
        broker.add_scram_user("SCRAM-SHA-256", "sales", PASSWORD).await;
        broker.add_scram_user("SCRAM-SHA-512", "ledger", PASSWORD).await;
        allow_what_they_need(&broker, "sales", "ledger").await;
        let by = |mechanism: Mechanism| {
            move |kafka: &mut KafkaSettings| {
                trusting(kafka);
                kafka.mechanism = mechanism;
            }
        };
        let publishing = as_user(&broker, "sales", by(Mechanism::ScramSha256));
        trade(&publishing, &as_user(&broker, "ledger", by(Mechanism::ScramSha512))).await;
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_certificate_says_who_we_are() {
        let broker = GuardedKafka::start(Door::Certificate, &[]).await;
        allow_what_they_need(&broker, "client", "client").await;
        let mut settings = settings(&broker.place);
        settings.kafka.security = Security::Ssl;
        settings.kafka.ca_file = Some(certificates::authority());
        settings.kafka.certificate_file = Some(certificates::client());
        settings.kafka.key_file = Some(certificates::client_key());
        trade(&settings, &settings).await;
    }
}
