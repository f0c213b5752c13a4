//! What text of clients must look like. garde calls these; their limits are repeated in the
//! documentation of each field.

use garde::{Error, Result};

/// One line with something on it, that reads as it is written: no line breaks of any kind, and nothing
/// that turns the letters after it round.
pub(super) fn line<C>(value: &str, _: &C) -> Result {
    if value.trim().is_empty() {
        return Err(Error::new("is blank"));
    }
    if value.chars().any(char::is_control) {
        return Err(Error::new("has control characters"));
    }
    if value.chars().any(breaks_or_turns) {
        return Err(Error::new("has line separators or overrides of the direction of writing"));
    }
    Ok(())
}

/// Unicode's line and paragraph separator, and its embeddings, overrides and isolates of direction.
/// Its marks of direction are harmless, and some names need them.
fn breaks_or_turns(letter: char) -> bool {
    matches!(letter, '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_one_line_and_reads_as_it_is_written() {
        for good in ["north", "door 1, scan 17", "قاعة\u{200f}", "⛩ 1"] {
            assert!(line(good, &()).is_ok(), "{good:?}");
        }
        for bad in ["", " ", "a\nb", "a\0", "a\u{85}b", "a\u{2028}b", "\u{202e}htuos", "\u{2067}a"]
        {
            assert!(line(bad, &()).is_err(), "{bad:?}");
        }
    }
}
