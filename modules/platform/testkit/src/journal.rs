//! What code logs while a test runs it.

use std::{
    io,
    sync::{Arc, Mutex, PoisonError},
};

use serde_json::Value;
use tracing::{Dispatch, Level, subscriber::NoSubscriber};

/// Everything that is logged while its subscriber is the default one, from `DEBUG` on.
#[derive(Debug)]
pub struct Journal {
    pages: Pages,
    /// Were there one subscriber only, whoever comes to a line first would decide whether it is
    /// logged at all, which may be a test that logs nothing.
    _other: Dispatch,
}

#[derive(Debug, Clone, Default)]
struct Pages(Arc<Mutex<Vec<u8>>>);

impl io::Write for Pages {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Journal {
    /// An empty one, and the subscriber that writes to it.
    pub fn open() -> (Self, Dispatch) {
        let journal =
            Self { pages: Pages::default(), _other: Dispatch::new(NoSubscriber::default()) };
        let pages = journal.pages.clone();
        let writer = tracing_subscriber::fmt().json().with_max_level(Level::DEBUG);
        (journal, Dispatch::new(writer.with_writer(move || pages.clone()).finish()))
    }

    /// All of it, as it is written: JSON, a line for each event.
    pub fn text(&self) -> String {
        let bytes = self.pages.0.lock().unwrap_or_else(PoisonError::into_inner);
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// The lines in which these words are.
    ///
    /// # Panics
    /// When a line is no JSON.
    pub fn lines_with(&self, words: &str) -> Vec<Value> {
        let read = |line: &str| {
            serde_json::from_str(line).unwrap_or_else(|error| panic!("{line}: {error}"))
        };
        self.text().lines().filter(|line| line.contains(words)).map(read).collect()
    }
}
