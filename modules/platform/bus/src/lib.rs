//! What services tell each other after the fact.
//!
//! A publisher translates its domain events, as they stand in its log, into integration events:
//! the log is the outbox. A consumer reads the publisher's feed from where it stopped, and stores
//! how far it has come in the transaction of the effects, so that each event takes effect once. In
//! one process it reads the feed directly; in a split it asks the publisher over the internal
//! listener and is answered when there is something. Or events travel over Kafka ([`BusKind`]): then
//! a [`Relay`] copies the feed to a topic, and consumers share its partitions.
//!
//! However many replicas a consumer has, one of them reads a feed, under a lease; over Kafka each
//! partition is read by one. Events with one key are delivered in their order: when one cannot be
//! taken, it is put aside with those of its key that follow, and all others go on.

mod alert;
mod audit;
mod consumer;
mod envelope;
mod hub;
mod kafka;
mod measures;
mod publish;
mod remote;
mod settings;
mod source;
mod subscribe;
mod views;

pub use audit::{AuditLog, AuditRecord, audit_schema, keep_audit, publish_audit};
pub use consumer::Consumer;
pub use envelope::{Delivered, Entry, Envelope};
pub use hub::Hub;
pub use kafka::{KafkaSettings, Mechanism, Relay, Security};
pub use measures::describe_bus_metrics;
pub use publish::{PublishedFeed, Translator, publish, publish_all};
pub use settings::{BusKind, BusSettings};
pub use source::{Page, Query, Source, SourceError};
pub use store::HandlerError;
pub use subscribe::{Handler, subscribe};
pub use views::{EventView, FeedView, FeedViews, FromAudit, FromEvents, Retold, Told};
