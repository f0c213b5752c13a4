//! How fast mail leaves: so many a second, so many at once. Mail servers refuse clients that come
//! faster, and a sale of thousands of tickets must not wait for its own mail.

use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};

use tokio::{
    sync::{Semaphore, SemaphorePermit},
    time::{Instant, timeout, timeout_at},
};

/// The longest that anybody waits for a turn; timers bring those back who got none.
const LONGEST_WAIT: Duration = Duration::from_secs(3);

pub(crate) struct Pace {
    at_once: Semaphore,
    gap: Duration,
    next: Mutex<Instant>,
}

impl Pace {
    /// At most `at_once` at a time and `per_second` in a second; 0: as many as can.
    pub(crate) fn new(at_once: u32, per_second: u32) -> Self {
        let gap = Duration::from_secs(1).checked_div(per_second).unwrap_or_default();
        let at_once = Semaphore::new(usize::try_from(at_once).unwrap_or(usize::MAX >> 4));
        Self { at_once, gap, next: Mutex::new(Instant::now()) }
    }

    /// Waits for a turn, which lasts until the permit is dropped. `None` when there is none soon.
    pub(crate) async fn turn(&self) -> Option<SemaphorePermit<'_>> {
        let permit = timeout(LONGEST_WAIT, self.at_once.acquire()).await.ok()?.ok()?;
        let slot = self.slot()?;
        let _passed = timeout_at(slot, std::future::pending::<()>()).await;
        Some(permit)
    }

    fn slot(&self) -> Option<Instant> {
        let mut next = self.next.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        let slot = (*next).max(now);
        if slot > now + LONGEST_WAIT {
            return None;
        }
        *next = slot + self.gap;
        Some(slot)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn turns_come_at_the_pace_that_was_asked_for() {
        let pace = Pace::new(1, 10);
        let began = Instant::now();
        for _ in 0..11 {
            assert!(pace.turn().await.is_some());
        }
        assert_eq!(began.elapsed().as_millis(), 1_000);
    }

    #[tokio::test(start_paused = true)]
    async fn without_a_pace_only_what_is_under_way_is_limited() {
        let pace = Pace::new(2, 0);
        let began = Instant::now();
        let (_first, second) = (pace.turn().await, pace.turn().await);
        assert!(began.elapsed().is_zero());
        assert!(pace.turn().await.is_none(), "two are under way");
        drop(second);
        assert!(pace.turn().await.is_some());
    }
}
