//! The store's behaviour, each test on both databases.

mod account;
mod commands;
mod idempotency;
mod interleavings;
mod migrations;
mod snapshots;
mod sql;
mod timers;
mod transactions;
mod trouble;
mod world;
