//! Access tokens that were found good, so that each one's signature is checked once and not with
//! every request.

use std::{
    collections::HashMap,
    mem,
    sync::{Mutex, PoisonError},
};

use runtime::Timestamp;
use sha2::{Digest, Sha256};

use crate::token::{AccessClaims, KeyRing, TokenFault};

/// Tokens that are remembered in each of two generations. When the young one is full, the old one
/// is forgotten.
const GENERATION: usize = 4_096;

/// Keys, and what they have verified. New keys begin with nothing verified.
#[derive(Default)]
pub(crate) struct VerifyingRing {
    keys: KeyRing,
    verified: Mutex<Verified>,
}

/// Claims by the hash of their token. The tokens themselves are secrets.
#[derive(Default)]
struct Verified {
    young: HashMap<[u8; 32], AccessClaims>,
    old: HashMap<[u8; 32], AccessClaims>,
}

impl VerifyingRing {
    pub(crate) fn new(keys: KeyRing) -> Self {
        Self { keys, verified: Mutex::default() }
    }

    /// The claims of a token that is genuine and in its time.
    pub(crate) fn verify(&self, token: &str, now: Timestamp) -> Result<AccessClaims, TokenFault> {
        let hash: [u8; 32] = Sha256::digest(token).into();
        if let Some(claims) = self.verified().find(&hash).filter(|known| !known.is_expired(now)) {
            return Ok(claims);
        }
        let claims = self.keys.verify(token, now)?;
        self.verified().keep(hash, claims.clone());
        Ok(claims)
    }

    fn verified(&self) -> std::sync::MutexGuard<'_, Verified> {
        self.verified.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Verified {
    fn find(&mut self, hash: &[u8; 32]) -> Option<AccessClaims> {
        if let Some(claims) = self.young.get(hash) {
            return Some(claims.clone());
        }
        let claims = self.old.remove(hash)?;
        self.keep(*hash, claims.clone());
        Some(claims)
    }

    fn keep(&mut self, hash: [u8; 32], claims: AccessClaims) {
        if self.young.len() >= GENERATION {
            self.old = mem::take(&mut self.young);
        }
        self.young.insert(hash, claims);
    }
}
