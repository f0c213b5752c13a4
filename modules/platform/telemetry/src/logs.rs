//! Log lines, on standard error.

use std::{
    io::{self, IsTerminal},
    panic,
};

use tracing_subscriber::{
    EnvFilter, Layer, Registry, filter::LevelFilter, fmt, layer::SubscriberExt,
    util::SubscriberInitExt,
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
    init_logs_of(None, filter, format)
}

/// As [`init_logs`], for one process of several whose lines arrive mixed: each of its lines says
/// which `process` it is from, as a field in JSON and at its beginning in text.
pub fn init_logs_of(process: Option<&str>, filter: &str, format: Format) -> Result<(), LogFault> {
    let cannot = |reason| LogFault::Filter { filter: filter.to_owned(), reason };
    if let Some(word) = neither_level_nor_directive(filter) {
        return Err(cannot(format!(
            "\"{word}\" is no level; there are off, error, warn, info, debug and trace"
        )));
    }
    let filter_layer = EnvFilter::try_new(filter).map_err(|error| cannot(error.to_string()))?;
    let lines: Box<dyn Layer<Registry> + Send + Sync> = match (format, process) {
        (Format::Text, None) => text_lines(io::stderr).boxed(),
        (Format::Text, Some(process)) => {
            let prefix = format!("{process} | ");
            text_lines(move || Prefixed(prefix.clone())).boxed()
        }
        (Format::Json, process) => JsonLines::new(io::stderr).of_process(process).boxed(),
    };
    tracing_subscriber::registry()
        .with(lines.with_filter(filter_layer))
        .try_init()
        .map_err(|_| LogFault::Twice)?;
    panic::set_hook(Box::new(log_panic));
    Ok(())
}

/// A word alone names a target, all of whose lines are then logged and nothing else: that is what
/// becomes of a level that is misspelt. Whoever means a target can give it a level.
fn neither_level_nor_directive(filter: &str) -> Option<&str> {
    if filter.contains('{') {
        return None;
    }
    let words = filter.split(',').map(str::trim);
    words
        .filter(|word| !word.is_empty() && !word.contains(['=', '[']))
        .find(|word| word.parse::<LevelFilter>().is_err())
}

fn text_lines<W>(make_writer: W) -> impl Layer<Registry> + Send + Sync
where
    W: for<'writer> fmt::MakeWriter<'writer> + Send + Sync + 'static,
{
    fmt::layer().with_writer(make_writer).with_ansi(io::stderr().is_terminal())
}

/// Standard error, each line of which begins with the same words. Lines come whole.
struct Prefixed(String);

impl io::Write for Prefixed {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        io::stderr().write_all(&[self.0.as_bytes(), line].concat())?;
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        io::stderr().flush()
    }
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
    fn a_word_that_is_no_level_is_refused_unless_it_has_one() {
        for refused in ["loud", "info,store", "INFO, verbose ,edge=debug"] {
            assert!(neither_level_nor_directive(refused).is_some(), "{refused}");
        }
        for sound in ["", "info", "INFO", "3", "off", "info,store=debug", "[span]=trace"] {
            assert_eq!(neither_level_nor_directive(sound), None);
        }
        let fault = init_logs("loud", Format::Text).unwrap_err();
        assert!(fault.to_string().contains("\"loud\" is no level"), "{fault}");
    }

    #[test]
    fn a_filter_that_cannot_be_read_is_quoted_in_the_fault() {
        let fault = init_logs("store=loudly", Format::Text).unwrap_err();
        assert!(fault.to_string().starts_with("\"store=loudly\" filters no logs: "), "{fault}");
    }
}
