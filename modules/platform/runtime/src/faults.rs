//! Why a process cannot start: one module's reason, and all faults of a whole.

use std::{
    error::Error,
    fmt::{self, Write as _},
};

/// Why a module could not start. Any error turns into one with `?`.
///
/// Like a boxed error, it does not implement [`Error`] itself.
pub struct StartError {
    message: String,
    source: Option<Box<dyn Error + Send + Sync>>,
}

impl StartError {
    /// A reason in words: lowercase, what is wrong and what to do about it.
    pub fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), source: None }
    }

    /// A reason in words, and the error behind it.
    pub fn because(
        message: impl Into<String>,
        source: impl Into<Box<dyn Error + Send + Sync>>,
    ) -> Self {
        Self { message: message.into(), source: Some(source.into()) }
    }
}

impl<E: Error + Send + Sync + 'static> From<E> for StartError {
    fn from(error: E) -> Self {
        let source = error.source().map(chain);
        let message = match source {
            Some(causes) => format!("{error}: {causes}"),
            None => error.to_string(),
        };
        Self { message, source: None }
    }
}

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)?;
        match &self.source {
            Some(source) => write!(f, ": {}", chain(source.as_ref())),
            None => Ok(()),
        }
    }
}

impl fmt::Debug for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "StartError({self})")
    }
}

/// An error and its causes on one line. A cause that the line already says is left out.
fn chain(error: &dyn Error) -> String {
    let mut line = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let words = error.to_string();
        if !line.contains(&words) {
            let _ = write!(line, ": {words}");
        }
        cause = error.source();
    }
    line
}

/// Everything that keeps a process from starting, found at once. Never empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Faults(Vec<String>);

impl Faults {
    /// `Ok` when there are none.
    pub fn check(faults: Vec<String>) -> Result<(), Self> {
        if faults.is_empty() { Ok(()) } else { Err(Self(faults)) }
    }

    /// A single fault.
    pub fn one(fault: impl Into<String>) -> Self {
        Self(vec![fault.into()])
    }

    /// Each fault, in words.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(String::as_str)
    }
}

impl fmt::Display for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, fault) in self.0.iter().enumerate() {
            if index > 0 {
                f.write_char('\n')?;
            }
            write!(f, "- {fault}")?;
        }
        Ok(())
    }
}

impl Error for Faults {}
