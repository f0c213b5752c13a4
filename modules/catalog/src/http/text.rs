//! What text and instants of clients must look like. garde calls these; their limits are repeated
//! in the documentation of each field.

use contracts::money::{Money, Tax};
use garde::{Error, Result};
use iso_currency::Currency;
use runtime::Timestamp;

use crate::{
    domain::{event::HIGHEST_PRICE, venue::Zone},
    views::EARLIEST,
};

/// One line with something on it.
pub(super) fn line<C>(value: &str, _: &C) -> Result {
    if value.trim().is_empty() {
        return Err(Error::new("is blank"));
    }
    refuse_control_characters(value, |_| false)
}

/// Text that may have several lines.
pub(super) fn lines<C>(value: &str, _: &C) -> Result {
    refuse_control_characters(value, |character| matches!(character, '\n' | '\r' | '\t'))
}

/// Text that may have several lines, with something on them.
pub(super) fn some_lines<C>(value: &str, cx: &C) -> Result {
    if value.trim().is_empty() {
        return Err(Error::new("is blank"));
    }
    lines(value, cx)
}

/// The beginning of a name to search for.
pub(super) fn prefix<C>(value: &str, _: &C) -> Result {
    refuse_control_characters(value, |_| false)
}

fn refuse_control_characters(value: &str, allowed: impl Fn(char) -> bool) -> Result {
    if value.chars().any(|character| character.is_control() && !allowed(character)) {
        return Err(Error::new("has control characters"));
    }
    Ok(())
}

/// The name of a time zone.
pub(super) fn time_zone<C>(value: &str, _: &C) -> Result {
    Zone::named(value)
        .map(drop)
        .ok_or_else(|| Error::new("is no IANA time zone, such as Europe/Berlin"))
}

/// A currency in which something can cost something.
#[expect(clippy::trivially_copy_pass_by_ref, reason = "garde passes every field like this")]
pub(super) fn currency<C>(value: &Currency, _: &C) -> Result {
    match value.exponent() {
        Some(_) => Ok(()),
        None => Err(Error::new("is no currency with minor units")),
    }
}

/// An instant that both databases can keep.
pub(super) fn instant<C>(value: &Timestamp, _: &C) -> Result {
    if *value < EARLIEST {
        return Err(Error::new("is before 1970-01-01T00:00:00Z"));
    }
    Ok(())
}

/// An instant that comes after `start`.
pub(super) fn later_than<C>(start: Timestamp) -> impl FnOnce(&Timestamp, &C) -> Result {
    move |end, _| {
        if *end <= start {
            return Err(Error::new("is not later than starts_at"));
        }
        Ok(())
    }
}

/// What a ticket may cost.
pub(super) fn price<C>(value: &Money, _: &C) -> Result {
    if !(0..=HIGHEST_PRICE).contains(&value.amount) {
        return Err(Error::new(format!("is not from 0 to {HIGHEST_PRICE} minor units")));
    }
    Ok(())
}

/// The tax that a price may include.
pub(super) fn tax<C>(value: &Tax, cx: &C) -> Result {
    if value.rate_basis_points > 10_000 {
        return Err(Error::new("has a rate above 10000 basis points, which are 100 %"));
    }
    if value.name.chars().count() > 50 {
        return Err(Error::new("has a name of more than 50 characters"));
    }
    prefix(&value.name, cx)
}

/// The instant to the microsecond, as precise as instants are kept.
pub(super) fn whole_microseconds(instant: Timestamp) -> Timestamp {
    Timestamp::from_microsecond(instant.as_microsecond()).unwrap_or(instant)
}

/// The text without white space around it.
pub(super) fn trimmed(text: &str) -> String {
    text.trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_neither_blank_nor_has_it_control_characters() {
        assert!(line("Jazz im Hof – 2026", &()).is_ok());
        assert!(line("  ", &()).is_err());
        assert!(line("a\nb", &()).is_err());
        assert!(line("a\0b", &()).is_err());
    }

    #[test]
    fn text_may_have_several_lines_but_no_nul() {
        assert!(lines("", &()).is_ok());
        assert!(lines("a\r\n\tb", &()).is_ok());
        assert!(lines("a\0b", &()).is_err());
        assert!(some_lines(" \n ", &()).is_err());
    }

    #[test]
    fn gold_is_no_currency_to_sell_tickets_in() {
        assert!(currency(&Currency::JPY, &()).is_ok());
        assert!(currency(&Currency::XAU, &()).is_err());
    }

    #[test]
    fn an_instant_is_cut_to_what_is_kept() {
        let instant = Timestamp::from_nanosecond(1_234_567_891).expect("in range");
        assert_eq!(whole_microseconds(instant).as_nanosecond(), 1_234_567_000);
    }
}
