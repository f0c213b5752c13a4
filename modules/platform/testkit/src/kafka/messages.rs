//! What happens to messages on brokers without anybody's doing: they are deleted.

use std::time::Duration;

use rdkafka::{
    ClientConfig, Offset, TopicPartitionList,
    admin::{AdminClient, AdminOptions},
    client::DefaultClientContext,
    consumer::{BaseConsumer, Consumer as _},
    error::{KafkaError, KafkaResult, RDKafkaErrorCode},
    metadata::{MetadataPartition, MetadataTopic},
    topic_partition_list::TopicPartitionListElem,
};

use super::KafkaPlace;

/// How long brokers may take to answer. Long, for machines that do much else.
const PATIENCE: Duration = Duration::from_secs(30);

impl KafkaPlace {
    /// Deletes all messages that a topic holds now, as retention does; those that come later have
    /// later offsets.
    ///
    /// # Panics
    /// When there is no such topic, or the brokers do not answer.
    pub async fn delete_messages(&self, topic: &str) {
        if let Err(error) = self.try_to_delete(topic).await {
            panic!("cannot delete the messages of {topic}: {error}");
        }
    }

    async fn try_to_delete(&self, topic: &str) -> KafkaResult<()> {
        let mut ends = TopicPartitionList::new();
        for partition in self.partitions(topic).await? {
            ends.add_partition_offset(topic, partition, Offset::End)?;
        }
        if ends.count() == 0 {
            return Err(KafkaError::MetadataFetch(RDKafkaErrorCode::UnknownTopic));
        }
        let admin: AdminClient<DefaultClientContext> = self.config().create()?;
        let options = AdminOptions::new().operation_timeout(Some(PATIENCE));
        let deleted = admin.delete_records(&ends, &options).await?;
        deleted.elements().iter().try_for_each(TopicPartitionListElem::error)
    }

    /// A topic's partitions; none when there is no such topic.
    async fn partitions(&self, topic: &str) -> KafkaResult<Vec<i32>> {
        let (config, name) = (self.config(), topic.to_owned());
        let asked = tokio::task::spawn_blocking(move || {
            let client: BaseConsumer = config.create()?;
            client.fetch_metadata(Some(&name), PATIENCE)
        });
        let known = asked.await.unwrap_or_else(|error| panic!("asking Kafka broke: {error}"))?;
        let partitions = known.topics().iter().flat_map(MetadataTopic::partitions);
        Ok(partitions.map(MetadataPartition::id).collect())
    }

    fn config(&self) -> ClientConfig {
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", &self.brokers);
        config
    }
}

#[cfg(test)]
mod tests {
    use rdkafka::{
        admin::{NewTopic, TopicReplication},
        producer::{FutureProducer, FutureRecord},
    };

    use super::*;
    use crate::kafka::fresh;

    #[tokio::test]
    async fn what_a_topic_holds_can_be_deleted() {
        let place = fresh().await;
        let admin: AdminClient<DefaultClientContext> = place.config().create().unwrap();
        let topic = format!("{}.orders", place.prefix);
        let wanted = NewTopic::new(&topic, 2, TopicReplication::Fixed(1));
        let made = admin.create_topics([&wanted], &AdminOptions::new()).await.unwrap();
        assert!(made.iter().all(Result::is_ok), "{made:?}");
        let producer: FutureProducer = place.config().create().unwrap();
        for number in 0..3 {
            let message = FutureRecord::<str, str>::to(&topic).partition(1).payload("sold");
            let at = producer.send(message, PATIENCE).await.unwrap();
            assert_eq!((at.partition, at.offset), (1, number));
        }
        place.delete_messages(&topic).await;
        let config = place.config();
        let marks = tokio::task::spawn_blocking(move || {
            let client: BaseConsumer = config.create().unwrap();
            client.fetch_watermarks(&topic, 1, PATIENCE).unwrap()
        });
        assert_eq!(marks.await.unwrap(), (3, 3));
    }
}
