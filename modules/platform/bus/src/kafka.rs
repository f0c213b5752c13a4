//! Events over Kafka: each publisher has a topic, each consumer a group that shares its partitions.
//!
//! The publisher's log stays the truth, and the topic is a copy of it: a [`Relay`] reads the feed
//! and publishes, beginning where the publisher's database says that the copy ends. Each message
//! tells where its event stands in the log, and where the one before it in the partition does. By
//! that consumers know, whatever brokers, relays and rebalances do, whether a message was there
//! before, is next, or has others missing before it: see `kafka/chain.rs`.
//!
//! How far a consumer has come it keeps in its own database, in the transaction of the effects, and
//! there it begins when a partition is assigned to it. What brokers are told of offsets is for
//! outside tools.

mod chain;
mod client;
mod group;
mod lane;
mod message;
mod reader;
mod refusals;
mod relay;
mod relay_standing;
mod settings;
mod standing;
mod topics;
mod trouble;

pub(crate) use self::{
    group::{Group, Taker},
    message::{read_again, without_nul},
    standing::GroupStanding,
};
pub use self::{
    relay::Relay,
    settings::{KafkaSettings, Mechanism, Security},
};
