//! The code on a ticket: what it says, signed so that a door can tell it from a forgery without
//! asking anybody. `docs/offline-check-in.md` says how a door reads it.
//!
//! `BX2.` and, in base64url without padding: the first 4 bytes of the SHA-256 of the public key; the
//! ticket's, the order's, the event's and the ticket type's id; the serial as 4 bytes; from when and
//! until when the ticket is good, in seconds since 1970 as 8 bytes each, 0 for no limit; and the
//! Ed25519 signature over all of that. Numbers have their highest byte first. Codes that were printed
//! earlier begin with `BX1.` and say neither type nor validity; the two are of different lengths, so
//! that no signature of one fits the other.

use std::collections::HashMap;

use aws_lc_rs::signature::{ED25519, UnparsedPublicKey};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use runtime::{KeyPair, Timestamp};
use sha2::{Digest as _, Sha256};
use uuid::Uuid;

const PREFIX: &str = "BX2.";
const OLD_PREFIX: &str = "BX1.";
const OLD_CLAIM_LENGTH: usize = 4 + 3 * 16 + 4;
const CLAIM_LENGTH: usize = 4 + 4 * 16 + 4 + 2 * 8;
const SIGNATURE_LENGTH: usize = 64;
/// No code of ours is longer.
pub(crate) const LONGEST: usize = 300;

/// What a code says. Whether it is still so, the ticket itself knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Claim {
    pub(crate) ticket_id: Uuid,
    pub(crate) order_id: Uuid,
    pub(crate) event_id: Uuid,
    /// Absent in old codes.
    pub(crate) ticket_type_id: Option<Uuid>,
    pub(crate) serial: u32,
    /// In whole seconds.
    pub(crate) valid_from: Option<Timestamp>,
    /// In whole seconds.
    pub(crate) valid_until: Option<Timestamp>,
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
        let type_id = claim.ticket_type_id.unwrap_or_default();
        for id in [claim.ticket_id, claim.order_id, claim.event_id, type_id] {
            bytes.extend_from_slice(id.as_bytes());
        }
        bytes.extend_from_slice(&claim.serial.to_be_bytes());
        for limit in [claim.valid_from, claim.valid_until] {
            bytes.extend_from_slice(&seconds(limit).to_be_bytes());
        }
        let signature = self.signing.sign(&bytes);
        bytes.extend_from_slice(&signature);
        format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode(bytes))
    }

    /// What a code says; `None` when it is no code of ours.
    pub(crate) fn read(&self, code: &str) -> Option<Claim> {
        let code = code.trim();
        if code.len() > LONGEST {
            return None;
        }
        let (encoded, length) = match code.strip_prefix(PREFIX) {
            Some(encoded) => (encoded, CLAIM_LENGTH),
            None => (code.strip_prefix(OLD_PREFIX)?, OLD_CLAIM_LENGTH),
        };
        let bytes = URL_SAFE_NO_PAD.decode(encoded).ok()?;
        if bytes.len() != length + SIGNATURE_LENGTH {
            return None;
        }
        let (said, signature) = bytes.split_at(length);
        let key = self.known.get(&KeyId(said.get(..4)?.try_into().ok()?))?;
        UnparsedPublicKey::new(&ED25519, key).verify(said, signature).ok()?;
        parse(said)
    }
}

/// What was said, in the form that its length tells.
fn parse(said: &[u8]) -> Option<Claim> {
    let id = |at: usize| Uuid::from_slice(said.get(at..at + 16)?).ok();
    let serial = |at: usize| Some(u32::from_be_bytes(said.get(at..at + 4)?.try_into().ok()?));
    let limit = |at: usize| Some(u64::from_be_bytes(said.get(at..at + 8)?.try_into().ok()?));
    let (ticket_id, order_id, event_id) = (id(4)?, id(20)?, id(36)?);
    let claim = Claim {
        ticket_id,
        order_id,
        event_id,
        ticket_type_id: None,
        serial: 0,
        valid_from: None,
        valid_until: None,
    };
    if said.len() == OLD_CLAIM_LENGTH {
        return Some(Claim { serial: serial(52)?, ..claim });
    }
    Some(Claim {
        ticket_type_id: Some(id(52)?),
        serial: serial(68)?,
        valid_from: instant(limit(72)?),
        valid_until: instant(limit(80)?),
        ..claim
    })
}

/// Limits before 1970 are as good as its first second.
fn seconds(limit: Option<Timestamp>) -> u64 {
    limit.map_or(0, |limit| u64::try_from(limit.as_second()).unwrap_or(0).max(1))
}

fn instant(seconds: u64) -> Option<Timestamp> {
    Timestamp::from_second(i64::try_from(seconds).ok().filter(|seconds| *seconds > 0)?).ok()
}

#[cfg(test)]
mod tests;
