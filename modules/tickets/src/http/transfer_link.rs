//! What is in the link by which a ticket is passed on.
//!
//! `BXT1.` and, in base64url without padding, the order's and the ticket's id and 32 random bytes. Only
//! the SHA-256 of those is kept: who reads the database cannot take a ticket.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use runtime::Random;
use sha2::{Digest as _, Sha256};
use uuid::Uuid;

const PREFIX: &str = "BXT1.";
const SECRET_LENGTH: usize = 32;
const LENGTH: usize = 2 * 16 + SECRET_LENGTH;

/// Which ticket a link passes on, and how its secret is recognised.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct TransferLink {
    pub(super) order_id: Uuid,
    pub(super) ticket_id: Uuid,
    pub(super) digest: String,
}

impl TransferLink {
    /// A new one, and what is to be sent to the receiver.
    pub(super) fn draw(order_id: Uuid, ticket_id: Uuid, random: &dyn Random) -> (Self, String) {
        let secret: [u8; SECRET_LENGTH] = random.bytes();
        let token = [order_id.as_bytes(), ticket_id.as_bytes(), secret.as_slice()].concat();
        let token = format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode(token));
        (Self { order_id, ticket_id, digest: digest(&secret) }, token)
    }

    /// The link of this token; `None` when it is none of ours.
    pub(super) fn read(token: &str) -> Option<Self> {
        let bytes = URL_SAFE_NO_PAD.decode(token.trim().strip_prefix(PREFIX)?).ok()?;
        if bytes.len() != LENGTH {
            return None;
        }
        Some(Self {
            order_id: Uuid::from_slice(bytes.get(..16)?).ok()?,
            ticket_id: Uuid::from_slice(bytes.get(16..32)?).ok()?,
            digest: digest(bytes.get(32..)?),
        })
    }
}

fn digest(secret: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(Sha256::digest(secret))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use runtime::SystemRandom;

    use super::*;

    #[test]
    fn what_is_drawn_is_read() {
        let random = SystemRandom::default();
        let (order_id, ticket_id) = (Uuid::from_u128(1), Uuid::from_u128(2));
        let (link, token) = TransferLink::draw(order_id, ticket_id, &random);
        assert_eq!(TransferLink::read(&token), Some(link.clone()));
        let (other, _) = TransferLink::draw(order_id, ticket_id, &random);
        assert_ne!(link.digest, other.digest);
    }

    proptest! {
        #[test]
        fn no_text_makes_the_reader_fail(text in ".*", tail in "[A-Za-z0-9_-]{0,100}") {
            let _ = TransferLink::read(&text);
            let _ = TransferLink::read(&format!("{PREFIX}{tail}"));
        }
    }
}
