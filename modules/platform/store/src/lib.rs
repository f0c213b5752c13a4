//! Where a service keeps what it knows: a database of its own, on SQLite or PostgreSQL, with the
//! log of its events, its views and its timers.
//!
//! Only this crate knows the two dialects. It knows nothing of tickets and of HTTP.

mod at;
mod database;
mod error;
mod schema;
mod settings;
mod sql;
mod tx;

pub use at::At;
pub use database::{Database, Dialect};
pub use error::StoreError;
pub use schema::Schema;
pub use settings::DatabaseSettings;
pub use sql::{Sql, prepare_all};
pub use sqlx::{self, types::Json};
pub use tx::{Connection, Tx};
