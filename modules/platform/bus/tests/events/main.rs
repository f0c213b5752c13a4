//! Events between services: what is taken in, once and in order, whatever happens meanwhile. Each
//! test runs on both databases.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test that cannot go on fails, and says where"
)]

mod aside;
mod kafka;
mod measures;
mod nodes;
mod replicas;
mod support;
mod taking_in;
mod versions;
