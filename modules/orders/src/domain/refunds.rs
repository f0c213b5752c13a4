//! What was given back, as far as the order knows. Payments' events tell the total, one after the
//! other; its replies may run ahead of them, and late ones behind.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// The books of what was given back. Amounts are in minor units.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Refunds {
    /// What all refunds had given back together when the last event was told.
    total: i64,
    /// The refunds that events have spoken of, and whether they called them done. What a reply says
    /// of one of these is older.
    heard: BTreeMap<Uuid, bool>,
    /// Refunds that a reply called done and no event has spoken of yet.
    ahead: BTreeMap<Uuid, i64>,
    /// A reply said that nothing is left. Holds until an event takes something back.
    is_all_back: bool,
    /// How many refunds were refused or sent back by the bank.
    refusals: u32,
    /// How much others were told of.
    announced: i64,
}

impl Refunds {
    /// What was given back of `received`. A refund that the bank has sent back may still be counted
    /// beside the one that repeats it, until payments' event tells so.
    pub(super) fn given(&self, received: i64) -> i64 {
        if self.is_all_back {
            return received;
        }
        let ahead = self.ahead.values().fold(0, |sum: i64, amount| sum.saturating_add(*amount));
        self.total.saturating_add(ahead).min(received)
    }

    /// What payments' events have told so far.
    pub(super) fn total(&self) -> i64 {
        self.total
    }

    /// How many refunds were refused or sent back so far: a reply to a question that was asked when
    /// there were fewer is out of date.
    pub(super) fn refusals(&self) -> u32 {
        self.refusals
    }

    /// Whether an event has spoken of the refund.
    pub(super) fn has_heard_of(&self, refund_id: Uuid) -> bool {
        self.heard.contains_key(&refund_id)
    }

    /// Whether an event has called the refund done, whatever became of it since.
    pub(super) fn was_done(&self, refund_id: Uuid) -> bool {
        self.heard.get(&refund_id).is_some_and(|was_done| *was_done)
    }

    /// Whether only a reply has called the refund done.
    pub(super) fn is_ahead(&self, refund_id: Uuid) -> bool {
        self.ahead.contains_key(&refund_id)
    }

    /// How much of what is given others were not told of.
    pub(super) fn unannounced(&self, given: i64) -> i64 {
        given.saturating_sub(self.announced).max(0)
    }

    /// An event called the refund done.
    pub(super) fn hear(&mut self, refund_id: Option<Uuid>, total: i64) {
        self.total = total;
        if let Some(refund_id) = refund_id {
            self.heard.insert(refund_id, true);
            self.ahead.remove(&refund_id);
        }
    }

    /// An event said that the refund will not be, or is no more.
    pub(super) fn hear_refusal(&mut self, refund_id: Uuid, total: i64) {
        self.total = total;
        self.heard.entry(refund_id).or_insert(false);
        self.ahead.remove(&refund_id);
        self.is_all_back = false;
        self.refusals = self.refusals.saturating_add(1);
    }

    /// Money went back. Where its refund is not named, nobody will tell a total that contains it.
    pub(super) fn give(&mut self, refund_id: Option<Uuid>, amount: i64) {
        match refund_id {
            Some(heard) if self.has_heard_of(heard) => {}
            Some(ahead) => {
                self.ahead.insert(ahead, amount);
            }
            None => self.total = self.total.saturating_add(amount),
        }
    }

    /// All of the money went back.
    pub(super) fn give_all(&mut self) {
        self.is_all_back = true;
    }

    /// Others were told of so much.
    pub(super) fn announce(&mut self, amount: i64) {
        self.announced = self.announced.saturating_add(amount);
    }
}
