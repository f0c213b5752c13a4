//! Waiting for a condition. Tests do not sleep: they say what they wait for.

use std::{fmt, future::Future, panic::Location, time::Duration};

use tokio::time::Instant;

/// How long [`eventually`] waits. Long, because it only passes when something is broken.
const PATIENCE: Duration = Duration::from_mins(1);
const FIRST_PAUSE: Duration = Duration::from_millis(2);
const LONGEST_PAUSE: Duration = Duration::from_millis(100);

/// What a probe found: `bool`, `Option<T>` or `Result<T, E>`; `true`, `Some` and `Ok` end the wait.
pub trait Probe {
    /// What the wait yields.
    type Found;

    /// What was found, or why the wait goes on.
    ///
    /// # Errors
    /// What was seen instead, for the message of the test that fails.
    fn found(self) -> Result<Self::Found, String>;
}

impl Probe for bool {
    type Found = ();

    fn found(self) -> Result<(), String> {
        if self { Ok(()) } else { Err("false".to_owned()) }
    }
}

impl<T> Probe for Option<T> {
    type Found = T;

    fn found(self) -> Result<T, String> {
        self.ok_or_else(|| "nothing".to_owned())
    }
}

impl<T, E: fmt::Display> Probe for Result<T, E> {
    type Found = T;

    fn found(self) -> Result<T, String> {
        self.map_err(|error| error.to_string())
    }
}

/// Asks `probe` again and again until it finds something, for a minute at most. `what` completes
/// the sentence "waited for …".
///
/// # Panics
/// When time is up; the message has `what`, what the probe saw last, and the caller's line.
#[track_caller]
pub fn eventually<F, Fut>(
    what: impl fmt::Display,
    probe: F,
) -> impl Future<Output = <Fut::Output as Probe>::Found>
where
    F: FnMut() -> Fut,
    Fut: Future<Output: Probe>,
{
    within(PATIENCE, what, probe)
}

/// As [`eventually`], with a `patience` of the caller's.
///
/// # Panics
/// As [`eventually`].
#[track_caller]
pub fn within<F, Fut>(
    patience: Duration,
    what: impl fmt::Display,
    mut probe: F,
) -> impl Future<Output = <Fut::Output as Probe>::Found>
where
    F: FnMut() -> Fut,
    Fut: Future<Output: Probe>,
{
    let caller = Location::caller();
    async move {
        let deadline = Instant::now() + patience;
        let mut pause = FIRST_PAUSE;
        let mut last_seen = "no answer from the probe".to_owned();
        loop {
            match tokio::time::timeout_at(deadline, probe()).await.map(Probe::found) {
                Ok(Ok(found)) => return found,
                Ok(Err(seen)) => last_seen = seen,
                Err(_) => {}
            }
            assert!(
                Instant::now() + pause < deadline,
                "waited {patience:?} for {what}; last seen: {last_seen} ({caller})"
            );
            rest(pause).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "the one pause between two looks at a condition")]
async fn rest(pause: Duration) {
    tokio::time::sleep(pause).await;
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    #[tokio::test]
    async fn it_yields_what_the_probe_finds_in_the_end() {
        let looks = Cell::new(0);
        let found = eventually("the third look", || async {
            looks.set(looks.get() + 1);
            (looks.get() == 3).then_some("here")
        })
        .await;
        assert_eq!(found, "here");
    }

    #[tokio::test]
    #[should_panic(expected = "for a miracle; last seen: still raining")]
    async fn it_fails_with_what_was_seen_last() {
        within(Duration::from_millis(20), "a miracle", || async { Err::<(), _>("still raining") })
            .await;
    }

    #[tokio::test]
    #[should_panic(expected = "no answer from the probe")]
    async fn a_probe_that_hangs_does_not_hang_the_test() {
        within(Duration::from_millis(20), "an answer", std::future::pending::<bool>).await;
    }
}
