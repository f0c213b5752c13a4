//! Which processes a shop is made of, and on which servers it stands.

use boxoffice::{node, registry};
use testkit::{Builder, Composition, Sandbox, Shape, Storage, kafka, redis};

/// How the services are spread over processes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Grouping {
    /// All in one.
    Monolith,
    /// Nine.
    Split,
    /// Three: what sells, what pays and issues, and the rest.
    Mixed,
}

impl Grouping {
    /// As it is named in tables and filters.
    pub fn name(self) -> &'static str {
        match self {
            Self::Monolith => "monolith",
            Self::Split => "split",
            Self::Mixed => "mixed",
        }
    }

    fn shape(self) -> Shape {
        match self {
            Self::Monolith => Shape::Monolith,
            Self::Split => Shape::Split,
            Self::Mixed => Shape::Groups(vec![
                vec!["gateway", "identity", "catalog", "notifications", "reporting"],
                vec!["inventory", "orders"],
                vec!["payments", "tickets"],
            ]),
        }
    }
}

/// How events travel between services.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bus {
    /// From the publishers themselves.
    Feed,
    /// Over a Kafka of one broker.
    Kafka,
}

impl Bus {
    /// As it is named in tables and filters.
    pub fn name(self) -> &'static str {
        match self {
            Self::Feed => "feed",
            Self::Kafka => "kafka",
        }
    }
}

/// Of which services there are several processes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Replicas {
    /// So many of each.
    OfAll(usize),
    /// So many of inventory and of orders, and one of the others.
    OfWhatSells(usize),
}

/// Which processes a shop is made of, and on which servers it stands.
#[derive(Debug, Clone)]
pub struct Premises {
    pub grouping: Grouping,
    pub storage: Storage,
    pub bus: Bus,
    pub replicas: Replicas,
    /// A database instead of a new one on the server that all shops share: a PostgreSQL address.
    pub database: Option<String>,
}

impl Premises {
    /// One process for each group, and events as they come.
    pub fn new(grouping: Grouping, storage: Storage) -> Self {
        let replicas = Replicas::OfAll(1);
        Self { grouping, storage, bus: Bus::Feed, replicas, database: None }
    }

    /// A process for each service, on PostgreSQL.
    pub fn split_over(bus: Bus) -> Self {
        Self { bus, ..Self::new(Grouping::Split, Storage::Postgres) }
    }

    /// Describes the processes. Several replicas share a Redis.
    pub async fn builder(&self) -> Builder {
        let composition = Composition {
            modules: registry::MODULES,
            sections: registry::SECTIONS,
            launch: node::launch,
        };
        let mut builder = Sandbox::builder(composition)
            .shape(self.grouping.shape())
            .signing_key("identity.signing_keys_dir")
            .signing_key("tickets.signing_keys_dir")
            .processes(env!("CARGO_BIN_EXE_boxoffice"));
        builder = match &self.database {
            Some(url) => builder
                .service_keys()
                .setting("database.url", url)
                .setting("database.postgres_connections", "4"),
            None => builder.database(self.storage),
        };
        builder = match self.replicas {
            Replicas::OfAll(count) => builder.replicas(count),
            Replicas::OfWhatSells(count) => {
                builder.replicas_of("inventory", count).replicas_of("orders", count)
            }
        };
        if self.bus == Bus::Kafka {
            let place = kafka::fresh().await;
            builder = builder
                .setting("bus.kind", "kafka")
                .setting("bus.kafka.brokers", place.brokers)
                .setting("bus.kafka.topic_prefix", place.prefix)
                .setting("bus.kafka.replication", "1");
        }
        if self.replicas != Replicas::OfAll(1) {
            let place = redis::fresh().await;
            builder = builder
                .setting("cache.kind", "redis")
                .setting("cache.url", place.url)
                .setting("cache.prefix", place.prefix);
        }
        builder
    }
}
