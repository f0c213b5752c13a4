//! Identifiers as a parameter.

use std::sync::{Arc, Mutex};

use uuid::{Builder, Uuid};

use crate::{Clock, Random};

/// Makes identifiers: UUID version 7 (RFC 9562), which sort by the time they were made.
#[derive(Clone)]
pub struct Ids {
    clock: Arc<dyn Clock>,
    random: Arc<dyn Random>,
    last_millisecond: Arc<Mutex<(u64, u16)>>,
}

impl Ids {
    /// Identifiers that take their time from `clock` and their chance from `random`.
    pub fn new(clock: Arc<dyn Clock>, random: Arc<dyn Random>) -> Self {
        Self { clock, random, last_millisecond: Arc::default() }
    }

    /// A new identifier, greater than every one this source gave before, even when the clock
    /// jumps back.
    pub fn next(&self) -> Uuid {
        let now = u64::try_from(self.clock.now().as_millisecond()).unwrap_or(0);
        let (millisecond, count) = self.advance(now);
        let mut bytes: [u8; 10] = self.random.bytes();
        // RFC 9562, section 6.2, method 1: a counter in the bits right after the time.
        bytes[0] = (count >> 8) as u8 & 0x0f;
        bytes[1] = (count & 0xff) as u8;
        Builder::from_unix_timestamp_millis(millisecond, &bytes).into_uuid()
    }

    fn advance(&self, now: u64) -> (u64, u16) {
        let mut last =
            self.last_millisecond.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        *last = match *last {
            (millisecond, _) if now > millisecond => (now, 0),
            (millisecond, 0x0fff) => (millisecond + 1, 0),
            (millisecond, count) => (millisecond, count + 1),
        };
        *last
    }
}
