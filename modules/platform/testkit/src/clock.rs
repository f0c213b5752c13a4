//! Clocks that a test sets.

use jiff::SignedDuration;
use runtime::{Clock, SystemClock, Timestamp};
use tokio::sync::watch;

/// A clock that a test moves. Clones show the same time.
///
/// A clock made by [`TestClock::at`] stands still between moves. One made by
/// [`TestClock::running`] goes on by itself, for tests of whole nodes, which must not wait for
/// ever where they pause between two attempts.
#[derive(Debug, Clone)]
pub struct TestClock {
    setting: watch::Sender<Setting>,
}

#[derive(Debug, Clone, Copy)]
enum Setting {
    Still(Timestamp),
    Running { ahead: SignedDuration },
}

impl Setting {
    fn now(self) -> Timestamp {
        match self {
            Self::Still(now) => now,
            Self::Running { ahead } => SystemClock.now() + ahead,
        }
    }
}

impl TestClock {
    /// A clock that stands still at `now`, an RFC 3339 instant such as `2026-11-20T19:00:00Z`.
    ///
    /// # Panics
    /// When `now` is not such an instant.
    pub fn at(now: &str) -> Self {
        let instant = now.parse().unwrap_or_else(|error| {
            panic!("a test's clock needs an instant like 2026-11-20T19:00:00Z: {error}")
        });
        Self::with(Setting::Still(instant))
    }

    /// A clock that starts at the machine's time and runs as fast.
    pub fn running() -> Self {
        Self::with(Setting::Running { ahead: SignedDuration::ZERO })
    }

    fn with(setting: Setting) -> Self {
        Self { setting: watch::Sender::new(setting) }
    }

    /// Sets the clock to `now`, which may lie in the past.
    pub fn set(&self, now: Timestamp) {
        self.setting.send_modify(|setting| {
            *setting = match *setting {
                Setting::Still(_) => Setting::Still(now),
                Setting::Running { .. } => {
                    Setting::Running { ahead: now.duration_since(SystemClock.now()) }
                }
            };
        });
    }

    /// Moves the clock by `step`; a negative step moves it back.
    pub fn advance(&self, step: SignedDuration) {
        self.setting.send_modify(|setting| {
            *setting = match *setting {
                Setting::Still(now) => Setting::Still(now + step),
                Setting::Running { ahead } => Setting::Running { ahead: ahead + step },
            };
        });
    }
}

#[async_trait::async_trait]
impl Clock for TestClock {
    fn now(&self) -> Timestamp {
        self.setting.borrow().now()
    }

    async fn sleep_until(&self, at: Timestamp) {
        let mut setting = self.setting.subscribe();
        loop {
            let current = *setting.borrow_and_update();
            let left = at.duration_since(current.now());
            if !left.is_positive() {
                return;
            }
            let moved = setting.changed();
            match current {
                Setting::Still(_) => {
                    let _moved = moved.await;
                }
                Setting::Running { .. } => {
                    tokio::select! {
                        _ = moved => {}
                        () = SystemClock.sleep_until(SystemClock.now() + left) => {}
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::task::JoinSet;

    use super::*;
    use crate::within;

    async fn wakes_when_moved(clock: TestClock) {
        let mut sleeper = JoinSet::new();
        let (asleep, alarm) = (clock.clone(), clock.now() + SignedDuration::from_mins(15));
        sleeper.spawn(async move { asleep.sleep_until(alarm).await });
        tokio::task::yield_now().await;
        assert!(sleeper.try_join_next().is_none());

        clock.advance(SignedDuration::from_mins(15));
        within(Duration::from_millis(500), "the sleeper to wake", || {
            std::future::ready(sleeper.try_join_next().is_some())
        })
        .await;
    }

    #[tokio::test]
    async fn a_still_clock_wakes_its_sleepers_at_once_when_moved() {
        wakes_when_moved(TestClock::at("2026-11-20T19:00:00Z")).await;
    }

    #[tokio::test]
    async fn a_running_clock_wakes_its_sleepers_at_once_when_moved() {
        wakes_when_moved(TestClock::running()).await;
    }

    #[tokio::test]
    async fn a_running_clock_wakes_its_sleepers_by_itself() {
        let clock = TestClock::running();
        clock.sleep_until(clock.now() + SignedDuration::from_millis(5)).await;
    }

    #[test]
    fn a_still_clock_moves_only_when_told() {
        let clock = TestClock::at("2026-11-20T19:00:00Z");
        let before = clock.now();
        assert_eq!(clock.now(), before);
        clock.advance(SignedDuration::from_mins(15));
        assert_eq!(clock.now(), "2026-11-20T19:15:00Z".parse().unwrap());
        clock.set(before);
        assert_eq!(clock.now(), before);
    }

    #[test]
    fn clones_show_the_same_time() {
        let clock = TestClock::at("2026-11-20T19:00:00Z");
        let other = clock.clone();
        clock.advance(SignedDuration::from_hours(1));
        assert_eq!(other.now(), clock.now());
    }

    #[test]
    fn a_running_clock_goes_on_from_where_it_was_moved() {
        let clock = TestClock::running();
        clock.advance(SignedDuration::from_hours(24));
        let tomorrow = clock.now();
        assert!(tomorrow.duration_since(SystemClock.now()) > SignedDuration::from_hours(23));
        assert!(clock.now() >= tomorrow);
    }
}
