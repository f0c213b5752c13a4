//! What text of clients must look like. garde calls these; their limits are repeated in the
//! documentation of each field.

use garde::{Error, Result};

/// One line with something on it.
pub(super) fn line<C>(value: &str, _: &C) -> Result {
    if value.trim().is_empty() {
        return Err(Error::new("is blank"));
    }
    if value.chars().any(char::is_control) {
        return Err(Error::new("has control characters"));
    }
    Ok(())
}
