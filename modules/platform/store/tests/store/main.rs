//! The store's behaviour, each test on both databases.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that cannot go on fails"
)]

mod account;
mod commands;
mod idempotency;
mod interleavings;
mod life;
mod limits;
mod migrations;
mod proxy;
mod rebuild;
mod replay;
mod servers;
mod snapshots;
mod sql;
mod timers;
mod tls;
mod transactions;
mod trouble;
mod world;
