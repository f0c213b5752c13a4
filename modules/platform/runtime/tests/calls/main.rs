//! Calls to contracts, within a process and over HTTP.

#![expect(
    clippy::indexing_slicing,
    clippy::panic,
    clippy::string_slice,
    clippy::unwrap_used,
    reason = "a test fails by panicking"
)]

mod deadlines;
mod describe;
mod desk;
mod faults;
mod keys;
mod leaving;
mod measures;
mod parity;
mod peer;
mod refusals;
mod replicas;
mod retries;
mod tokens;
mod travel;
