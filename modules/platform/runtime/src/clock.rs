//! Wall-clock time as a parameter. The only place that reads the system's clock.

use std::time::Duration;

use async_trait::async_trait;

/// An instant in UTC with microsecond precision: the finest that both databases keep.
pub type Timestamp = jiff::Timestamp;

/// The longest a sleeper goes without looking at the clock again, so that it notices a jump.
const LONGEST_NAP: Duration = Duration::from_secs(1);
const SHORTEST_NAP: Duration = Duration::from_millis(1);

/// Tells the time. Whoever needs to know what time it is asks for one of these, so that a test can
/// say what time it is.
#[async_trait]
pub trait Clock: Send + Sync + 'static {
    /// The present instant, cut to whole microseconds.
    fn now(&self) -> Timestamp;

    /// Waits until [`Clock::now`] is `at` or later. At once when it is already. A clock that jumps
    /// forward wakes the sleeper within a second; one that jumps back lets it sleep longer.
    #[expect(clippy::disallowed_methods, reason = "the one home of sleep")]
    async fn sleep_until(&self, at: Timestamp) {
        loop {
            let left = at.duration_since(self.now());
            if !left.is_positive() {
                return;
            }
            let nap = Duration::try_from(left).unwrap_or(LONGEST_NAP);
            tokio::time::sleep(nap.clamp(SHORTEST_NAP, LONGEST_NAP)).await;
        }
    }
}

/// The machine's clock.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "the one home of the wall clock")]
    fn now(&self) -> Timestamp {
        let now = jiff::Timestamp::now();
        Timestamp::from_microsecond(now.as_microsecond()).unwrap_or(now)
    }
}

/// Lets `duration` pass on the monotonic clock, whatever the wall clock does meanwhile.
#[expect(clippy::disallowed_methods, reason = "the one home of sleep")]
pub async fn pause(duration: Duration) {
    tokio::time::sleep(duration).await;
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;

    /// Stands still until it is moved.
    struct Stopped(Mutex<Timestamp>);

    impl Clock for Stopped {
        fn now(&self) -> Timestamp {
            *self.0.lock().unwrap()
        }
    }

    #[tokio::test]
    async fn a_sleeper_wakes_when_the_clock_jumps() {
        let start = Timestamp::from_second(1_000_000).unwrap();
        let later = start + Duration::from_hours(1);
        let clock = Stopped(Mutex::new(start));
        clock.sleep_until(start).await;
        tokio::join!(clock.sleep_until(later), async {
            *clock.0.lock().unwrap() = later;
        });
    }

    #[tokio::test]
    async fn a_sleeper_of_the_machines_clock_wakes_in_time() {
        let clock = SystemClock;
        let soon = clock.now() + Duration::from_millis(20);
        clock.sleep_until(soon).await;
        assert!(clock.now() >= soon);
    }
}
