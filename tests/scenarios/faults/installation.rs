//! An installation with servers of its own, to break.

use testkit::{
    Builder, Server, Shape as Nodes,
    kafka::{self, KafkaPlace},
    postgres::{self, Extra},
    redis,
};
use tokio::sync::{Mutex, MutexGuard};

use crate::{ground::Ground, house::House, shapes::Shape};

/// Two processes each: what a fault strikes is apart from the rest.
const GROUPS: [&[&str]; 4] = [
    &["gateway", "identity", "catalog"],
    &["inventory", "payments", "tickets"],
    &["orders"],
    &["notifications", "reporting"],
];

/// The shortest that brokers allow, so that partitions are soon with the replica that is left.
const SESSION: &str = "6s";

/// Two replicas of every service, and all that they stand on.
pub struct Installation {
    pub house: House,
    pub postgres: Server,
    pub kafka: Server,
    pub redis: Server,
    /// Where in Kafka it is.
    pub topics: KafkaPlace,
    /// Installations are heavy, so there is one at a time.
    _turn: MutexGuard<'static, ()>,
}

impl Installation {
    /// Starts one and waits until it is well.
    pub async fn open() -> Self {
        Self::open_with(Extra::default(), |builder| builder).await
    }

    /// As [`Self::open`], with something about PostgreSQL and the nodes that differs.
    pub async fn open_with(extra: Extra, adjust: impl FnOnce(Builder) -> Builder) -> Self {
        static TURN: Mutex<()> = Mutex::const_new(());

        let turn = TURN.lock().await;
        let ((url, postgres), (topics, kafka), (place, redis)) =
            tokio::join!(postgres::private_with(extra), kafka::private(), redis::private());
        let ground =
            Ground { postgres: Some(url), kafka: Some(topics.clone()), redis: Some(place) };
        let groups = GROUPS.iter().map(|group| group.to_vec()).collect();
        let house = House::open_on(&ground, Shape::TwoReplicasOnKafka, |builder| {
            let processes = builder
                .shape(Nodes::Groups(groups))
                .processes(env!("CARGO_BIN_EXE_boxoffice"))
                .setting("bus.kafka.session_timeout", SESSION);
            adjust(processes)
        })
        .await;
        house.is_well().await;
        Self { house, postgres, kafka, redis, topics, _turn: turn }
    }
}
