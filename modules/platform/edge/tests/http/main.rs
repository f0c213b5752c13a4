//! The edge as its clients see it: a real listener, real requests.

#![expect(
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "what goes wrong here fails a test"
)]

mod authentication;
mod dead_letters;
mod documentation;
mod errors;
mod idempotency;
mod input;
mod node;
mod stack;
mod support;
