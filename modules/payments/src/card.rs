//! Card numbers: what is read from a request and goes to the provider, and what little of it is kept.

use std::fmt;

use runtime::Secret;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

/// How many digits card numbers have (ISO/IEC 7812).
const LENGTH: std::ops::RangeInclusive<usize> = 12..=19;

/// The number of a payment card. It goes to the provider and nowhere else: it is not stored, does
/// not show in logs, and no error repeats it.
#[derive(Clone)]
pub(crate) struct CardNumber(Secret);

/// What may be kept of a card.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = Card, example = json!({"brand": "visa", "last4": "4242"}))]
pub(crate) struct CardSummary {
    pub(crate) brand: Brand,
    /// The last four digits.
    pub(crate) last4: String,
}

/// Whose network a card belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Brand {
    /// American Express.
    Amex,
    /// Mastercard.
    Mastercard,
    /// Visa.
    Visa,
    /// Any other.
    Other,
}

impl CardNumber {
    /// Reads a card number. Spaces and hyphens, which people type between groups of digits, do not
    /// count.
    ///
    /// # Errors
    /// What is wrong with it; never the number itself.
    pub(crate) fn parse(text: &str) -> Result<Self, &'static str> {
        let digits: String = text.chars().filter(|it| !matches!(it, ' ' | '-')).collect();
        if !digits.bytes().all(|it| it.is_ascii_digit()) {
            return Err("not only digits");
        }
        if !LENGTH.contains(&digits.len()) {
            return Err("not 12 to 19 digits long");
        }
        if !passes_luhn(&digits) {
            return Err("not a card number: its check digit is wrong, so a digit is mistyped");
        }
        Ok(Self(Secret::from(digits)))
    }

    /// The digits. For the provider.
    pub(crate) fn expose(&self) -> &str {
        self.0.expose()
    }

    /// What may be kept.
    pub(crate) fn summary(&self) -> CardSummary {
        let digits = self.expose();
        let last4 = digits.get(digits.len().saturating_sub(4)..).unwrap_or_default();
        CardSummary { brand: brand(digits), last4: last4.to_owned() }
    }
}

impl fmt::Debug for CardNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CardNumber(<hidden>)")
    }
}

/// A card number as it came, not checked yet. Its errors do not repeat what came.
#[derive(Clone)]
pub(crate) struct CardText(Secret);

impl CardText {
    /// The number, if it is one.
    pub(crate) fn parse(&self) -> Result<CardNumber, &'static str> {
        CardNumber::parse(self.0.expose())
    }
}

impl<'de> Deserialize<'de> for CardText {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match Value::deserialize(deserializer) {
            Ok(Value::String(text)) => Ok(Self(Secret::from(text))),
            _ => Err(serde::de::Error::custom("not a string of digits")),
        }
    }
}

impl fmt::Debug for CardText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CardText(<hidden>)")
    }
}

/// The check that catches mistyped digits (ISO/IEC 7812-1, annex B).
fn passes_luhn(digits: &str) -> bool {
    let sum: u32 = digits
        .bytes()
        .rev()
        .enumerate()
        .map(|(place, digit)| {
            let value = u32::from(digit.saturating_sub(b'0'));
            let weighted = if place % 2 == 1 { value * 2 } else { value };
            weighted / 10 + weighted % 10
        })
        .sum();
    sum.is_multiple_of(10)
}

fn brand(digits: &str) -> Brand {
    let leading = |count| digits.get(..count).and_then(|text| text.parse::<u32>().ok());
    match (leading(2), leading(4)) {
        (Some(40..=49), _) => Brand::Visa,
        (Some(34 | 37), _) => Brand::Amex,
        (Some(51..=55), _) | (_, Some(2221..=2720)) => Brand::Mastercard,
        _ => Brand::Other,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn only_brand_and_last_digits_are_kept() {
        let kept = |text| CardNumber::parse(text).unwrap().summary();
        let visa = CardSummary { brand: Brand::Visa, last4: "4242".to_owned() };
        assert_eq!(kept("4242 4242 4242 4242"), visa);
        assert_eq!(kept("5555555555554444").brand, Brand::Mastercard);
        assert_eq!(kept("2223003122003222").brand, Brand::Mastercard);
        assert_eq!(kept("378282246310005").brand, Brand::Amex);
        assert_eq!(kept("6011111111111117").brand, Brand::Other);
    }

    #[test]
    fn a_number_with_a_mistyped_digit_is_refused() {
        assert!(CardNumber::parse("4242424242424241").is_err());
        assert!(CardNumber::parse("4242").is_err());
        assert!(CardNumber::parse("").is_err());
        assert!(CardNumber::parse("4242-4242-4242-424x").is_err());
    }

    #[test]
    fn a_number_does_not_show() {
        let text: CardText = serde_json::from_str("\"4242424242424242\"").unwrap();
        let number = text.parse().unwrap();
        assert!(!format!("{text:?} {number:?}").contains("4242"));
        let error = serde_json::from_str::<CardText>("4242424242424242").unwrap_err();
        assert!(!error.to_string().contains("4242"), "{error}");
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text: String) {
            let _whatever_it_is = CardNumber::parse(&text);
        }

        #[test]
        fn changing_one_digit_is_noticed(place in 0_usize..16, by in 1_u8..10) {
            let mut digits = *b"4242424242424242";
            digits[place] = b'0' + (digits[place] - b'0' + by) % 10;
            prop_assert!(CardNumber::parse(std::str::from_utf8(&digits).unwrap()).is_err());
        }
    }
}
