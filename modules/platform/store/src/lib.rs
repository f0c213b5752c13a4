//! Where a service keeps what it knows: a database of its own, on SQLite or PostgreSQL, with the
//! log of its events, its views and its timers.
//!
//! A service [opens](open()) its [`Database`], starts its [`Committer`], and makes an [`Events`] for
//! each kind of [`Aggregate`] it has, with a [`View`] for what it lists. Commands go in by
//! [`Events::execute`], or several at once by [`Committer::transact`]; both return when what they did
//! is durable. SQL is written once, as constants, and run by [`fetch_all!`], [`fetch_optional!`],
//! [`fetch_one!`] and [`execute!`]; [`sql!`] writes many rows at once.
//!
//! Only this crate knows the two dialects. It knows nothing of tickets and of HTTP.

mod aggregate;
mod at;
mod batch;
mod cache;
mod commits;
mod committer;
mod database;
mod dead_letters;
mod error;
mod events;
mod feed;
mod files;
mod handlers;
mod idempotency;
mod inbox;
mod job;
mod lease;
mod log;
mod open;
mod origin;
mod partitions;
mod peek;
mod rebuild;
mod recorded;
mod relays;
mod replay;
mod schema;
mod settings;
mod sql;
mod tail;
mod timers;
mod tx;
mod views;
mod work;

pub use aggregate::{Aggregate, Change, Loaded, View};
pub use at::At;
pub use committer::{CommitLoop, CommitObserver, Committer, RecordedSummary};
pub use database::{Database, Dialect};
pub use dead_letters::{
    DeadLetter, DeadLetterState, DeadLetters, Discarded, LetterError, WantedLetters,
};
pub use error::StoreError;
pub use events::{Events, ExecuteError, Execution};
pub use feed::{Feed, Page};
pub use handlers::{Backoff, HandlerError};
pub use idempotency::{Answer, Claim, Idempotency, IdempotencyKey};
pub use inbox::{Aside, Fate, Inbox, Parked};
pub use lease::{HeldLease, Lease, LeaseError};
pub use open::open;
pub use origin::own_log;
pub use partitions::{Mark, Partition, Passed, partition_of};
pub use rebuild::{Retelling, Taken, rebuild_from};
pub use recorded::{Position, RawRecorded, Recorded};
pub use relays::{RelayLog, RelayPosition};
pub use replay::{Replayed, check_replay, replay};
pub use schema::Schema;
pub use settings::{DatabaseSettings, TlsMode};
pub use sql::{Sql, Statement as __Statement, prepare_all};
pub use sqlx::{self, types::Json};
pub use timers::{TimerRunner, describe_timer_metrics, on_wake};
pub use tx::{Connection, Tx};
pub use views::{LogView, LogViews, Projected, Projection};
pub use work::Work;
