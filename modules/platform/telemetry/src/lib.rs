//! What a process tells the people who run it: log lines and metrics.
//!
//! Code elsewhere speaks to the facades (`tracing`, `metrics`); this crate decides where what it
//! says goes. It knows nothing of the rest of Boxoffice, and only `main` uses it.

mod json;
mod logs;
mod metrics;
mod process;

pub use logs::{Format, LogFault, init_logs, init_logs_of};
pub use metrics::{Metrics, MetricsFault};
