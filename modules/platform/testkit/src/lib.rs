//! What tests stand on: a private PostgreSQL, clocks and randomness that tests decide over, and
//! waiting for a condition instead of for a time.
//!
//! For tests only: what goes wrong here panics, with a message for whoever reads the test's output.

#![expect(clippy::panic, reason = "a test that cannot go on says why and fails")]

mod clock;
mod eventually;
pub mod postgres;
mod random;

pub use clock::TestClock;
pub use eventually::{Probe, eventually, within};
pub use random::SeededRandom;
