//! What tests stand on: sandboxes of one node or many, an HTTP client that reads well in tests,
//! private servers (PostgreSQL, Redis, Kafka), clocks and randomness that tests decide over, and waiting for a condition
//! instead of for a time.
//!
//! For tests only: what goes wrong here panics, with a message for whoever reads the test's output.

#![expect(
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test that cannot go on says why and fails"
)]

pub mod certificates;
mod client;
mod clock;
mod eventually;
mod journal;
pub mod kafka;
mod ports;
pub mod postgres;
mod process;
mod random;
pub mod redis;
mod sandbox;
mod server;

pub use client::{Client, Reply, Request};
pub use clock::TestClock;
pub use eventually::{Probe, eventually, within};
pub use journal::Journal;
pub use ports::Port;
pub use random::SeededRandom;
pub use sandbox::{Builder, Composition, Node, Sandbox, Shape, Storage};
pub use server::Server;
