//! What replicas share besides a database: which sessions have ended, what was just written, and
//! counters. Over Redis where `cache.kind` says so, in memory otherwise and whenever Redis is away.
//!
//! Nothing that matters is only here. Each process has one [`Cache`], which is given to
//! `Launch::extension`; the edge starts it. No request waits for a Redis that does not answer: see
//! `link.rs`.

mod counters;
mod face;
mod follower;
mod link;
mod measures;
mod news;
mod revoked;
mod settings;
mod telling;
mod trouble;

pub use counters::{Counted, Window};
pub use face::Cache;
pub use measures::describe_cache_metrics;
pub use news::News;
pub use revoked::{Bearer, LONGEST_TOKEN_LIFE, Revocation, Revoked};
pub use settings::{CacheKind, CacheSettings};
