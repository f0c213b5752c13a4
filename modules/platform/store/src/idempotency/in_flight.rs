//! The keys of requests that are being executed, in memory: enough where one process serves the
//! database, since a process that dies takes its requests along.
//!
//! Such a key gets into the database with its answer, in the transaction of the effect.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

use runtime::Timestamp;

use super::{CLAIM_LASTS, Claim, IdempotencyKey};

/// Keys that were claimed and are neither answered nor released.
#[derive(Default)]
pub(crate) struct InFlight(Mutex<HashMap<IdempotencyKey, Entry>>);

/// A claim.
#[derive(Debug, Clone)]
pub(crate) struct Entry {
    pub(crate) body_hash: String,
    pub(crate) claimed_until: Timestamp,
}

impl InFlight {
    /// Claims the key, unless somebody has it; then that is what he is to be told who asks.
    pub(super) fn enter(
        &self,
        key: &IdempotencyKey,
        body_hash: &str,
        now: Timestamp,
    ) -> Result<(), Claim> {
        let mut entries = self.entries();
        if let Some(entry) = entries.get(key) {
            if entry.body_hash != body_hash {
                return Err(Claim::OtherBody);
            }
            if entry.claimed_until >= now {
                return Err(Claim::InFlight);
            }
        }
        let entry = Entry { body_hash: body_hash.to_owned(), claimed_until: now + CLAIM_LASTS };
        entries.insert(key.clone(), entry);
        Ok(())
    }

    /// The claim of the key, as long as it lasts.
    pub(crate) fn find(&self, key: &IdempotencyKey) -> Option<Entry> {
        self.entries().get(key).cloned()
    }

    /// Forgets claims that are answered or given back.
    pub(crate) fn leave<'k>(&self, keys: impl IntoIterator<Item = &'k IdempotencyKey>) {
        let mut entries = self.entries();
        for key in keys {
            entries.remove(key);
        }
    }

    /// Forgets claims that ended before `before` without anybody saying so.
    pub(super) fn forget(&self, before: Timestamp) {
        self.entries().retain(|_, entry| entry.claimed_until >= before);
    }

    fn entries(&self) -> MutexGuard<'_, HashMap<IdempotencyKey, Entry>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
