//! The servers that a house stands on.

use runtime::Secret;
use store::DatabaseSettings;
use testkit::{
    Builder,
    kafka::{self, KafkaPlace},
    postgres::{self, PostgresUrl},
    redis::{self, RedisPlace},
};

use crate::shapes::Shape;

/// To PostgreSQL, of each service.
const CONNECTIONS: u32 = 4;

/// Of each topic: more than replicas, so that each has some.
const PARTITIONS: u32 = 4;

/// Where a house has PostgreSQL, Kafka and Redis; without them it is on SQLite, over feeds, and keeps
/// what replicas would share in memory.
#[derive(Debug, Default)]
pub struct Ground {
    pub postgres: Option<PostgresUrl>,
    pub kafka: Option<KafkaPlace>,
    pub redis: Option<RedisPlace>,
}

impl Ground {
    /// What the shape needs, on the servers that all tests share.
    pub async fn shared(shape: Shape) -> Self {
        let mut ground = Self::default();
        if shape.is_on_postgres() {
            ground.postgres = Some(postgres::fresh_database().await);
        }
        if shape.is_on_kafka() {
            ground.kafka = Some(kafka::fresh().await);
            ground.redis = Some(redis::fresh().await);
        }
        ground
    }

    /// Puts a sandbox on it.
    pub fn carry(&self, mut builder: Builder) -> Builder {
        if let Some(url) = &self.postgres {
            builder = builder
                .setting("database.url", url.as_str())
                .setting("database.postgres_connections", CONNECTIONS.to_string())
                // These make themselves on SQLite only.
                .service_keys()
                .signing_key("identity.signing_keys_dir")
                .signing_key("tickets.signing_keys_dir");
        }
        if let Some(kafka) = &self.kafka {
            builder = builder
                .setting("bus.kind", "kafka")
                .setting("bus.kafka.brokers", &kafka.brokers)
                .setting("bus.kafka.topic_prefix", &kafka.prefix)
                .setting("bus.kafka.partitions", PARTITIONS.to_string())
                .setting("bus.kafka.replication", "1");
        }
        if let Some(redis) = &self.redis {
            builder = builder
                .setting("cache.kind", "redis")
                .setting("cache.url", &redis.url)
                .setting("cache.prefix", &redis.prefix);
        }
        builder
    }

    /// Where the services have their state.
    pub fn database(&self) -> DatabaseSettings {
        let url = self.postgres.as_ref().map(PostgresUrl::as_str).unwrap_or_default();
        DatabaseSettings { url: Secret::from(url.to_owned()), ..DatabaseSettings::default() }
    }
}
