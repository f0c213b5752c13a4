//! Wall-clock time as a parameter. The only place that reads the system's clock.

/// An instant in UTC with microsecond precision: the finest that both databases keep.
pub type Timestamp = jiff::Timestamp;

/// Tells the time. Whoever needs to know what time it is asks for one of these, so that a test can
/// say what time it is.
pub trait Clock: Send + Sync + 'static {
    /// The present instant, cut to whole microseconds.
    fn now(&self) -> Timestamp;
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
