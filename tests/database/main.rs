//! The services' schemas as they are run: what the previous release says of them, what a large one's
//! plans look like, and what their migrations make of rows that are there.

#![expect(
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that cannot go on fails, and says where"
)]

mod base;
mod migrations;
mod plans;
mod previous;
