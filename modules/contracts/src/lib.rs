//! What services say to each other: one file a service, with its contract (a trait, its requests,
//! replies and errors) and its integration events. Beside them the few values that several
//! contracts share.
//!
//! No SQL, no HTTP, and no rule of any service: those live in the services.

pub mod catalog;
pub mod events;
pub mod identity;
pub mod inventory;
pub mod money;
pub mod orders;
pub mod payments;
pub mod refusals;
pub mod seating;
pub mod tickets;
