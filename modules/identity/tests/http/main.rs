//! Identity's endpoints on a node of its own, on both databases. One file for each resource.

#![expect(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "what goes wrong here fails a test"
)]

mod jwks;
mod login;
mod passwords;
mod register;
mod replicas;
mod sessions;
mod users;
mod world;
