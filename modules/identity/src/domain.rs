//! What identity decides: who has an account and what it may do, and which sessions are open.
//! Pure: time, ids and tokens arrive as values.

pub(crate) mod account;
pub(crate) mod epoch;
pub(crate) mod session;
