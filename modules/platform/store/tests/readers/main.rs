//! Those who read a log and act on it: feeds, leases, timers, dead letters. Each test runs on both
//! databases.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test that cannot go on fails, and says where"
)]

mod dead_letters;
mod feed;
mod lease;
mod processes;
mod replicas;
mod support;
mod taken;
mod timers;
mod ways;
