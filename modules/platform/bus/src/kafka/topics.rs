//! Topics: made when they are missing, and never used otherwise than they were made.

use std::{sync::Arc, time::Duration};

use rdkafka::{
    admin::{AdminClient, AdminOptions, NewTopic, TopicReplication},
    client::DefaultClientContext,
    consumer::{BaseConsumer, Consumer as _},
    error::{KafkaError, RDKafkaErrorCode},
};

use runtime::pause;
use tokio::time::Instant;

use super::{KafkaSettings, client::Questioner};

/// How long brokers may take over an answer.
const PATIENCE: Duration = Duration::from_secs(5);
/// How often to look for a topic that was just made.
const LOOK: Duration = Duration::from_millis(100);
/// How long to look for one more thing that went wrong.
const MOMENT: Duration = Duration::from_millis(10);

/// Why a topic cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum TopicError {
    /// Nobody answers, or not with what was asked for.
    #[error("the Kafka brokers at {brokers} do not answer for topic {topic}: {reason}")]
    Unavailable { brokers: String, topic: String, reason: String },
    /// The order of a key's events would be lost.
    #[error(
        "topic {topic} has {found} partitions, and bus.kafka.partitions is {wanted}: keys would \
         change their places; set it to {found}, or give another bus.kafka.topic_prefix, with which \
         everything is published anew"
    )]
    OtherPartitions { topic: String, found: usize, wanted: u32 },
}

/// Makes the topic, or checks the one that is there.
///
/// # Errors
/// When the brokers do not answer, or the topic is another than it should be.
pub(super) async fn ensure(settings: &KafkaSettings, topic: &str) -> Result<(), TopicError> {
    let unavailable = |reason: String| TopicError::Unavailable {
        brokers: settings.brokers.join(", "),
        topic: topic.to_owned(),
        reason,
    };
    let words = |error: KafkaError| unavailable(error.to_string());
    let client: Client =
        settings.client().create_with_context(Questioner::default()).map_err(words)?;
    let client = Arc::new(client);
    let found = find_or_create(&client, settings, topic).await.map_err(unavailable);
    drop_apart(client).await;
    check(settings, topic, found?)
}

/// A consumer of nothing: unlike the client that makes topics, it tells why brokers do not answer.
type Client = BaseConsumer<Questioner>;

/// Drops a client, which waits for its threads.
async fn drop_apart(client: impl Send + 'static) {
    let _dropped = tokio::task::spawn_blocking(move || drop(client)).await;
}

async fn find_or_create(
    client: &Arc<Client>,
    settings: &KafkaSettings,
    topic: &str,
) -> Result<usize, String> {
    if let Some(found) = partitions(client, topic).await? {
        return Ok(found);
    }
    let admin: AdminClient<DefaultClientContext> =
        settings.client().create().map_err(|error| error.to_string())?;
    let created = create(&admin, settings, topic).await;
    drop_apart(admin).await;
    created?;
    // Brokers tell each other of a new topic, which takes a moment.
    let give_up = Instant::now() + PATIENCE;
    loop {
        if let Some(found) = partitions(client, topic).await? {
            return Ok(found);
        }
        if Instant::now() >= give_up {
            return Err("it was created and is not known yet".to_owned());
        }
        pause(LOOK).await;
    }
}

fn check(settings: &KafkaSettings, topic: &str, found: usize) -> Result<(), TopicError> {
    let wanted = settings.partitions;
    if usize::try_from(wanted).is_ok_and(|wanted| wanted == found) {
        return Ok(());
    }
    Err(TopicError::OtherPartitions { topic: topic.to_owned(), found, wanted })
}

/// How many partitions the topic has; `None` when it is not there. Asks about all topics: asking
/// for one would have brokers make it, in their own way.
async fn partitions(client: &Arc<Client>, topic: &str) -> Result<Option<usize>, String> {
    let (client, topic) = (Arc::clone(client), topic.to_owned());
    let asking = tokio::task::spawn_blocking(move || {
        let metadata = client.fetch_metadata(None, PATIENCE).map_err(|error| {
            // Errors are told to whoever polls, among other things.
            while client.poll(MOMENT).is_some() {}
            client.context().troubles().unwrap_or_else(|| error.to_string())
        })?;
        let found = metadata.topics().iter().find(|found| found.name() == topic);
        let found = found.filter(|found| found.error().is_none());
        Ok(found.map(|found| found.partitions().len()).filter(|count| *count > 0))
    });
    asking.await.unwrap_or_else(|error| Err(error.to_string()))
}

async fn create(
    admin: &AdminClient<DefaultClientContext>,
    settings: &KafkaSettings,
    topic: &str,
) -> Result<(), String> {
    let retention = settings.retention.as_millis().to_string();
    // Writes go on while one copy is away.
    let in_sync = settings.replication.saturating_sub(1).max(1).to_string();
    let partitions = i32::try_from(settings.partitions).unwrap_or(i32::MAX);
    let replication = TopicReplication::Fixed(i32::from(settings.replication));
    let wanted = NewTopic::new(topic, partitions, replication)
        .set("retention.ms", &retention)
        .set("cleanup.policy", "delete")
        .set("min.insync.replicas", &in_sync);
    let options =
        AdminOptions::new().request_timeout(Some(PATIENCE)).operation_timeout(Some(PATIENCE));
    let made = admin.create_topics([&wanted], &options).await.map_err(|error| error.to_string())?;
    for outcome in made {
        match outcome {
            Ok(_) => tracing::info!(topic, partitions, "made a topic"),
            Err((_, RDKafkaErrorCode::TopicAlreadyExists)) => {}
            Err((_, code)) => return Err(format!("it cannot be made: {code}")),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use testkit::kafka::{Door, GuardedKafka};

    use super::*;
    use crate::kafka::Security;

    async fn refusal(broker: &GuardedKafka, more: impl FnOnce(&mut KafkaSettings)) -> String {
        let mut settings = KafkaSettings {
            brokers: vec![broker.place.brokers.clone()],
            security: Security::SaslPlaintext,
            user: "sales".to_owned(),
            password: "wrong".to_owned().into(),
            ..KafkaSettings::default()
        };
        more(&mut settings);
        ensure(&settings, "sales").await.unwrap_err().to_string()
    }

    #[tokio::test]
    async fn a_wrong_password_is_said_to_be_the_reason() {
        let broker = GuardedKafka::start(Door::Password, &[("sales", "right")]).await;
        let refusal = refusal(&broker, |_| {}).await;
        assert!(refusal.contains("Authentication failed"), "{refusal}");
        assert!(!refusal.contains(" (after "), "{refusal}");
    }

    #[tokio::test]
    async fn a_user_that_may_not_make_topics_is_told() {
        let broker = GuardedKafka::start(Door::Password, &[("sales", "right")]).await;
        let refusal =
            refusal(&broker, |settings| settings.password = "right".to_owned().into()).await;
        assert!(refusal.contains("authorization failed"), "{refusal}");
    }

    #[cfg(feature = "kafka-tls")]
    #[tokio::test]
    async fn a_broker_that_nobody_vouches_for_is_not_spoken_to() {
        let broker = GuardedKafka::start(Door::EncryptedPassword, &[("sales", "right")]).await;
        let refusal = refusal(&broker, |settings| {
            settings.security = Security::SaslSsl;
            settings.ca_file = Some(testkit::certificates::another_authority());
        })
        .await;
        assert!(refusal.contains("certificate verify failed"), "{refusal}");
    }
}
