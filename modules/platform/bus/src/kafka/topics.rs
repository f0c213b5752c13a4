//! Topics: made when they are missing, and never used otherwise than they were made.

use std::time::Duration;

use rdkafka::{
    admin::{AdminClient, AdminOptions, NewTopic, TopicReplication},
    error::{KafkaError, RDKafkaErrorCode},
};

use super::{KafkaSettings, client::Quiet};

/// How long brokers may take over an answer.
const PATIENCE: Duration = Duration::from_secs(5);

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
    if let Some(found) = partitions(settings, topic).await.map_err(words)? {
        return check(settings, topic, found);
    }
    create(settings, topic).await.map_err(unavailable)?;
    match partitions(settings, topic).await.map_err(words)? {
        Some(found) => check(settings, topic, found),
        None => Err(unavailable("it was created and is not known yet".to_owned())),
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
async fn partitions(settings: &KafkaSettings, topic: &str) -> Result<Option<usize>, KafkaError> {
    let (config, topic) = (settings.client(), topic.to_owned());
    let asking = tokio::task::spawn_blocking(move || {
        let client: AdminClient<Quiet> = config.create_with_context(Quiet)?;
        let metadata = client.inner().fetch_metadata(None, PATIENCE)?;
        let found = metadata.topics().iter().find(|found| found.name() == topic);
        let found = found.filter(|found| found.error().is_none());
        Ok(found.map(|found| found.partitions().len()).filter(|count| *count > 0))
    });
    asking.await.unwrap_or(Err(KafkaError::Canceled))
}

async fn create(settings: &KafkaSettings, topic: &str) -> Result<(), String> {
    let admin: AdminClient<Quiet> = settings
        .client()
        .create_with_context(Quiet)
        .map_err(|error: KafkaError| error.to_string())?;
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
    // Dropping the client waits for its thread.
    let _dropped = tokio::task::spawn_blocking(move || drop(admin)).await;
    for outcome in made {
        match outcome {
            Ok(_) => tracing::info!(topic, partitions, "made a topic"),
            Err((_, RDKafkaErrorCode::TopicAlreadyExists)) => {}
            Err((_, code)) => return Err(format!("it cannot be made: {code}")),
        }
    }
    Ok(())
}
