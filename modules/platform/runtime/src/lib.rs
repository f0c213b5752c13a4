//! What every service stands on: modules and the registry's rules, the context that travels with
//! each piece of work, configuration, the service client with its two transports, listeners and
//! the life of a process from start to stop.
//!
//! Nothing here knows of tickets, of SQL, or of the public HTTP stack.

mod clock;
mod context;
mod fault;
mod ids;
mod principal;
mod random;

pub use async_trait::async_trait;
pub use clock::{Clock, SystemClock, Timestamp};
pub use context::{Context, TraceContext};
pub use fault::{Fault, Unrecognised};
pub use ids::Ids;
pub use principal::{Principal, Role};
pub use random::{Random, SystemRandom};
