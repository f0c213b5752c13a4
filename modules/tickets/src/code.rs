//! The code on a ticket: what it says, signed so that a door can tell it from a forgery without
//! asking anybody.
//!
//! `BX1.` and, in base64url without padding: the first 4 bytes of the SHA-256 of the public key, the
//! ticket's, the order's and the event's id, the serial as 4 bytes (highest first), and the Ed25519
//! signature over all of that.

use std::collections::HashMap;

use aws_lc_rs::signature::{ED25519, UnparsedPublicKey};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use runtime::KeyPair;
use sha2::{Digest as _, Sha256};
use uuid::Uuid;

const PREFIX: &str = "BX1.";
const CLAIM_LENGTH: usize = 4 + 3 * 16 + 4;
const SIGNATURE_LENGTH: usize = 64;

/// What a code says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Claim {
    pub(crate) ticket_id: Uuid,
    pub(crate) order_id: Uuid,
    pub(crate) event_id: Uuid,
    pub(crate) serial: u32,
}

/// Which key has signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct KeyId([u8; 4]);

impl KeyId {
    fn of(public_key: &[u8]) -> Self {
        let digest = Sha256::digest(public_key);
        Self(digest.first_chunk().copied().unwrap_or_default())
    }

    /// As it is shown to doors: eight hexadecimal digits.
    pub(crate) fn shown(self) -> String {
        format!("{:08x}", u32::from_be_bytes(self.0))
    }
}

/// Writes and reads codes. The last key signs, all are recognised.
pub(crate) struct Codes {
    signing: KeyPair,
    known: HashMap<KeyId, Vec<u8>>,
}

impl Codes {
    /// Codes signed by the last of `keys`; `None` when there is none.
    pub(crate) fn new(mut keys: Vec<KeyPair>) -> Option<Self> {
        let known = keys
            .iter()
            .map(|key| (KeyId::of(key.public_bytes()), key.public_bytes().to_vec()))
            .collect();
        Some(Self { signing: keys.pop()?, known })
    }

    /// The public keys, for doors without a network.
    pub(crate) fn public_keys(&self) -> Vec<(KeyId, &[u8])> {
        let mut keys: Vec<_> = self.known.iter().map(|(id, key)| (*id, key.as_slice())).collect();
        keys.sort_unstable();
        keys
    }

    /// The code that says `claim`.
    pub(crate) fn write(&self, claim: &Claim) -> String {
        let mut bytes = Vec::with_capacity(CLAIM_LENGTH + SIGNATURE_LENGTH);
        bytes.extend_from_slice(&KeyId::of(self.signing.public_bytes()).0);
        for id in [claim.ticket_id, claim.order_id, claim.event_id] {
            bytes.extend_from_slice(id.as_bytes());
        }
        bytes.extend_from_slice(&claim.serial.to_be_bytes());
        let signature = self.signing.sign(&bytes);
        bytes.extend_from_slice(&signature);
        format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode(bytes))
    }

    /// What a code says; `None` when it is no code of ours.
    pub(crate) fn read(&self, code: &str) -> Option<Claim> {
        let bytes = URL_SAFE_NO_PAD.decode(code.trim().strip_prefix(PREFIX)?).ok()?;
        if bytes.len() != CLAIM_LENGTH + SIGNATURE_LENGTH {
            return None;
        }
        let (said, signature) = bytes.split_at(CLAIM_LENGTH);
        let key = self.known.get(&KeyId(said.get(..4)?.try_into().ok()?))?;
        UnparsedPublicKey::new(&ED25519, key).verify(said, signature).ok()?;
        let id = |at: usize| Uuid::from_slice(said.get(at..at + 16)?).ok();
        Some(Claim {
            ticket_id: id(4)?,
            order_id: id(20)?,
            event_id: id(36)?,
            serial: u32::from_be_bytes(said.get(52..)?.try_into().ok()?),
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use runtime::{Random, SystemRandom};

    use super::*;

    fn codes() -> Codes {
        let random: &dyn Random = &SystemRandom::default();
        Codes::new(vec![KeyPair::generate(random).expect("a key")]).expect("one key")
    }

    fn claim() -> Claim {
        Claim {
            ticket_id: Uuid::from_u128(1),
            order_id: Uuid::from_u128(2),
            event_id: Uuid::from_u128(3),
            serial: 7,
        }
    }

    #[test]
    fn what_is_written_is_read() {
        let codes = codes();
        assert_eq!(codes.read(&codes.write(&claim())), Some(claim()));
    }

    #[test]
    fn a_code_signed_by_another_installation_is_not_ours() {
        assert_eq!(codes().read(&codes().write(&claim())), None);
    }

    #[test]
    fn a_code_signed_by_an_older_key_is_still_read() {
        let random: &dyn Random = &SystemRandom::default();
        let old = KeyPair::generate(random).expect("a key");
        let same = KeyPair::from_pem(&old.private_pem().expect("pem")).expect("the same key");
        let written = Codes::new(vec![old]).expect("one key").write(&claim());
        let rotated =
            Codes::new(vec![same, KeyPair::generate(random).expect("a key")]).expect("two keys");
        assert_eq!(rotated.read(&written), Some(claim()));
    }

    proptest! {
        #[test]
        fn a_code_with_any_bit_flipped_is_refused(bit in 0_usize..(CLAIM_LENGTH + SIGNATURE_LENGTH) * 8) {
            let codes = codes();
            let written = codes.write(&claim());
            let mut bytes = URL_SAFE_NO_PAD.decode(written.trim_start_matches(PREFIX)).expect("base64");
            bytes[bit / 8] ^= 1 << (bit % 8);
            let forged = format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode(bytes));
            prop_assert_eq!(codes.read(&forged), None);
        }

        #[test]
        fn no_text_makes_the_reader_fail(text in ".*", tail in "[A-Za-z0-9_-]{0,200}") {
            let codes = codes();
            prop_assert_eq!(codes.read(&text), None);
            prop_assert_eq!(codes.read(&format!("{PREFIX}{tail}")), None);
        }
    }
}
