//! Tokens: what a payer's browser got from the payment provider for a card that we never see.

use std::fmt;

use serde::{Deserialize, Deserializer};
use serde_json::Value;

const LONGEST: usize = 255;

/// A provider's token for a means of payment. It goes back to the provider and nowhere else.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct PaymentToken(String);

impl PaymentToken {
    /// Reads a token.
    ///
    /// # Errors
    /// What is wrong with it; never the token itself.
    pub(crate) fn parse(text: &str) -> Result<Self, &'static str> {
        let is_fit = (1..=LONGEST).contains(&text.len())
            && text.bytes().all(|it| it.is_ascii_alphanumeric() || matches!(it, b'_' | b'-'));
        if is_fit {
            return Ok(Self(text.to_owned()));
        }
        Err("not a token: 1 to 255 letters, digits, hyphens and underscores")
    }

    /// The token. For the provider.
    pub(crate) fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for PaymentToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PaymentToken(<hidden>)")
    }
}

/// A token as it came, not checked yet. Its errors do not repeat what came.
#[derive(Clone)]
pub(crate) struct TokenText(String);

impl TokenText {
    /// The token, if it is one.
    pub(crate) fn parse(&self) -> Result<PaymentToken, &'static str> {
        PaymentToken::parse(&self.0)
    }
}

impl<'de> Deserialize<'de> for TokenText {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match Value::deserialize(deserializer) {
            Ok(Value::String(text)) => Ok(Self(text)),
            _ => Err(serde::de::Error::custom("not a string")),
        }
    }
}

impl fmt::Debug for TokenText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TokenText(<hidden>)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_taken_whole_and_does_not_show() {
        let token = PaymentToken::parse("pm_card_visa-1").unwrap();
        assert_eq!(token.expose(), "pm_card_visa-1");
        let text: TokenText = serde_json::from_str("\"pm_card_visa\"").unwrap();
        assert!(!format!("{token:?} {text:?}").contains("visa"));
    }

    #[test]
    fn what_is_no_token_is_refused() {
        for text in ["", "pm card", "pm_ä", "../pm", "pm\n", &"p".repeat(256)] {
            assert!(PaymentToken::parse(text).is_err(), "{text:?}");
        }
        let error = serde_json::from_str::<TokenText>("4242424242424242").unwrap_err();
        assert!(!error.to_string().contains("4242"), "{error}");
    }
}
