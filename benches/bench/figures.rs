//! How much is measured, and how figures are shown.

use std::time::Duration;

/// How much is measured.
#[derive(Debug, Clone, Copy)]
pub struct Effort {
    /// Calls in process.
    pub local_calls: u32,
    /// Calls over HTTP.
    pub http_calls: u32,
    /// Buyers at work at the same time.
    pub buyers: usize,
    /// Purchases of each buyer.
    pub purchases: usize,
}

impl Effort {
    /// For figures.
    pub const FULL: Self =
        Self { local_calls: 1_000_000, http_calls: 20_000, buyers: 16, purchases: 100 };
    /// To see that it runs.
    pub const TRIAL: Self = Self { local_calls: 10, http_calls: 10, buyers: 1, purchases: 1 };
}

/// The time one of `count` took, when all took `elapsed`.
pub fn each(elapsed: Duration, count: u32) -> Duration {
    elapsed / count.max(1)
}

/// `ours` as a multiple of `known`.
pub fn ratio(ours: Duration, known: Duration) -> f64 {
    ours.as_secs_f64() / known.as_secs_f64().max(f64::MIN_POSITIVE)
}

/// The value below which the share `quantile` of `sorted` lies.
pub fn quantile(sorted: &[Duration], quantile: f64) -> Duration {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        clippy::cast_precision_loss,
        reason = "a position in a list of at most some thousands"
    )]
    let at = ((sorted.len() as f64) * quantile) as usize;
    sorted.get(at.min(sorted.len().saturating_sub(1))).copied().unwrap_or_default()
}
