//! Events as they are promised. The schema of every event in every version is checked in under
//! `docs/events/schemas`, with a sample of each shape in which it was ever written under
//! `docs/events/samples`. A change that a consumer of the checked-in version, or this build with
//! what that version has written, would trip over fails here and asks for another version.
//!
//! `UPDATE_SCHEMAS=1` writes what has only grown, and the schemas of new events and versions.

#![expect(
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test that cannot go on fails, and says where"
)]

mod breaks;
mod samples;
mod schemas;
mod shelf;
mod validity;
