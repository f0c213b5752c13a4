//! Log lines, on standard error.

use std::{
    io::{self, IsTerminal},
    panic,
};

use tracing_subscriber::{
    EnvFilter, Layer, Registry, fmt, layer::SubscriberExt, util::SubscriberInitExt,
};

use crate::json::JsonLines;

/// How log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// For people; coloured on a terminal.
    Text,
    /// One JSON object a line, for collectors: `time`, `level`, `target`, `message`, then the
    /// fields of the event and of the spans around it (`correlation_id`, `trace_id`).
    Json,
}

/// Why logs cannot be written as asked.
#[derive(Debug, thiserror::Error)]
pub enum LogFault {
    /// The filter cannot be read.
    #[error(
        "\"{filter}\" filters no logs: {reason}; write a level, or directives such as info,store=debug"
    )]
    Filter {
        /// What was given.
        filter: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The process writes logs already.
    #[error("the logs of this process were set up before")]
    Twice,
}

/// Writes logs to standard error from now on, those of dependencies and panics too. `filter` is a
/// level (`info`) or a list of directives (`info,store=debug`). Once in a process.
pub fn init_logs(filter: &str, format: Format) -> Result<(), LogFault> {
    let filter_layer = EnvFilter::try_new(filter).map_err(|error| LogFault::Filter {
        filter: filter.to_owned(),
        reason: error.to_string(),
    })?;
    let lines: Box<dyn Layer<Registry> + Send + Sync> = match format {
        Format::Text => {
            fmt::layer().with_writer(io::stderr).with_ansi(io::stderr().is_terminal()).boxed()
        }
        Format::Json => JsonLines::new(io::stderr).boxed(),
    };
    tracing_subscriber::registry()
        .with(lines.with_filter(filter_layer))
        .try_init()
        .map_err(|_| LogFault::Twice)?;
    panic::set_hook(Box::new(log_panic));
    Ok(())
}

fn log_panic(panic: &panic::PanicHookInfo<'_>) {
    let message = panic.payload_as_str().unwrap_or("no message");
    let place = panic.location().map(ToString::to_string).unwrap_or_default();
    tracing::error!(place, "panicked: {message}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_filter_that_cannot_be_read_is_quoted_in_the_fault() {
        let fault = init_logs("store=loudly", Format::Text).unwrap_err();
        assert!(fault.to_string().starts_with("\"store=loudly\" filters no logs: "), "{fault}");
    }
}
