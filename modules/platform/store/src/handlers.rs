//! What handlers of events and timers answer when they cannot do their work, and how long to wait
//! before they are asked again.

use std::{error::Error, fmt, time::Duration};

use runtime::{Fault, Random};

use crate::{StoreError, error::from_code};

/// Why a handler of events or timers could not do its work. Any error turns into one with `?`.
///
/// What is *transient* lies outside of what is handled: the database is not available, another
/// service was not reached. It is tried again until it works and never counts against the event.
/// Everything else counts as a failure of the event itself.
///
/// Like a boxed error, it does not implement [`Error`] itself.
pub struct HandlerError {
    reason: String,
    transient: bool,
}

impl HandlerError {
    /// The event or timer itself is the trouble, for this reason.
    pub fn new(reason: impl Into<String>) -> Self {
        Self { reason: reason.into(), transient: false }
    }

    /// Something outside is the trouble; trying the same again later makes sense.
    pub fn transient(reason: impl Into<String>) -> Self {
        Self { reason: reason.into(), transient: true }
    }

    /// Whether trying the same again later makes sense, however often it has failed.
    pub fn is_transient(&self) -> bool {
        self.transient
    }
}

impl<E: Error + Send + Sync + 'static> From<E> for HandlerError {
    fn from(error: E) -> Self {
        Self { transient: is_transient(&error), reason: chain(&error) }
    }
}

impl fmt::Display for HandlerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.reason)
    }
}

impl fmt::Debug for HandlerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = if self.transient { "transient" } else { "lasting" };
        write!(f, "HandlerError({kind}: {self})")
    }
}

fn is_transient(error: &(dyn Error + 'static)) -> bool {
    if let Some(fault) = error.downcast_ref::<Fault>() {
        return fault.is_not_sent();
    }
    if let Some(error) = error.downcast_ref::<StoreError>() {
        return error.is_transient();
    }
    if let Some(error) = error.downcast_ref::<sqlx::Error>() {
        return is_transient_sql(error);
    }
    error.source().is_some_and(is_transient)
}

fn is_transient_sql(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::Io(_)
        | sqlx::Error::Tls(_)
        | sqlx::Error::PoolTimedOut
        | sqlx::Error::PoolClosed
        | sqlx::Error::WorkerCrashed => true,
        sqlx::Error::Database(refusal) => {
            from_code(refusal.code().as_deref(), String::new()).is_transient()
        }
        _ => false,
    }
}

/// An error and its causes on one line. A cause that the line already says is left out.
fn chain(error: &dyn Error) -> String {
    let mut line = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let words = error.to_string();
        if !line.contains(&words) {
            line.push_str(": ");
            line.push_str(&words);
        }
        cause = error.source();
    }
    line
}

/// How long to wait before something that failed is tried again: longer each time, up to a limit,
/// and never quite the same, so that what failed together does not come back together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Backoff {
    /// The wait after the first failure, at most. At least half of it passes.
    pub first: Duration,
    /// The longest wait.
    pub longest: Duration,
}

impl Backoff {
    /// How long to wait when `failures` attempts have failed in a row.
    pub fn pause(&self, failures: u32, random: &dyn Random) -> Duration {
        let doublings = failures.saturating_sub(1).min(31);
        let full = self.first.saturating_mul(1 << doublings).min(self.longest);
        full.mul_f64(0.5 + random.fraction() / 2.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Always(u8);

    impl Random for Always {
        fn fill(&self, bytes: &mut [u8]) {
            bytes.fill(self.0);
        }
    }

    #[derive(Debug, thiserror::Error)]
    #[error("the seat is gone")]
    struct SeatIsGone;

    #[derive(Debug, thiserror::Error)]
    #[error("cannot confirm")]
    struct CannotConfirm(#[source] StoreError);

    #[test]
    fn an_error_of_the_domain_counts_against_the_event() {
        let error = HandlerError::from(SeatIsGone);
        assert_eq!((error.to_string().as_str(), error.is_transient()), ("the seat is gone", false));
    }

    #[test]
    fn a_database_that_is_not_there_does_not_count_against_the_event() {
        let error = HandlerError::from(CannotConfirm(StoreError::Unavailable("closed".to_owned())));
        assert!(error.is_transient());
        assert_eq!(error.to_string(), "cannot confirm: the database is not available: closed");
        assert!(HandlerError::from(sqlx::Error::PoolTimedOut).is_transient());
        assert!(!HandlerError::from(sqlx::Error::RowNotFound).is_transient());
    }

    #[test]
    fn a_call_that_was_not_sent_does_not_count_against_the_event() {
        let (service, method, reason) = ("payments", "charge", "no connection".to_owned());
        let not_sent = Fault::NotSent { service, method, reason: reason.clone() };
        assert!(HandlerError::from(not_sent).is_transient());
        let failed = Fault::Failed { service, method, reason };
        assert!(!HandlerError::from(failed).is_transient());
    }

    #[test]
    fn waits_double_up_to_a_limit() {
        let (first, longest) = (Duration::from_millis(100), Duration::from_secs(1));
        let backoff = Backoff { first, longest };
        let most = |failures| backoff.pause(failures, &Always(0xff)).as_millis();
        assert_eq!([1, 2, 3, 4, 5, 1_000].map(most), [100, 200, 400, 800, 1_000, 1_000]);
        assert_eq!(backoff.pause(1, &Always(0)).as_millis(), 50);
    }
}
