//! Counters with a window, one for all replicas: how often something happened since it first did, for
//! so long. In Redis one script counts, so that no two replicas miss each other; while it is away each
//! process counts for itself, from nothing.

use std::{sync::LazyLock, time::Duration};

use moka::{ops::compute::Op, sync::Cache as Moka};
use redis::Script;
use runtime::Timestamp;

use crate::link::Link;

/// So many are kept in memory; those that were used the least are forgotten first.
const MOST_IN_MEMORY: u64 = 100_000;

/// Counts and begins a window with the first: how often, and how many milliseconds it goes on.
static COUNT: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        "local count = redis.call('INCR', KEYS[1]) \
         local left = redis.call('PTTL', KEYS[1]) \
         if left < 0 then redis.call('PEXPIRE', KEYS[1], ARGV[1]) left = tonumber(ARGV[1]) end \
         return {count, left}",
    )
});

/// For how long a counter counts, from the first time on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window(pub Duration);

/// How often something has happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Counted {
    /// How often within the window, this time included.
    pub count: u64,
    /// When the window ends and the counter begins anew.
    pub left: Duration,
    /// Whether all replicas were counted, or this process alone.
    pub is_shared: bool,
}

/// The counters of this process alone.
pub(crate) struct Memory(Moka<String, Own>);

#[derive(Debug, Clone, Copy)]
struct Own {
    count: u64,
    ends_at: Timestamp,
}

impl Default for Memory {
    fn default() -> Self {
        Self(Moka::new(MOST_IN_MEMORY))
    }
}

impl Memory {
    pub(crate) fn count(&self, key: &str, window: Window, now: Timestamp) -> Counted {
        let fresh = Own { count: 1, ends_at: now.checked_add(window.0).unwrap_or(Timestamp::MAX) };
        let counted = self.0.entry_by_ref(key).and_compute_with(|known| {
            let running = known.map(moka::Entry::into_value).filter(|own| now < own.ends_at);
            let next = running.map_or(fresh, |own| Own { count: own.count + 1, ..own });
            Op::Put(next)
        });
        let own = counted.into_entry().map_or(fresh, moka::Entry::into_value);
        let left = Duration::try_from(own.ends_at.duration_since(now)).unwrap_or_default();
        Counted { count: own.count, left, is_shared: false }
    }
}

/// As Redis counts; `None` when it does not answer.
pub(crate) async fn count(link: &Link, key: &str, window: Window) -> Option<Counted> {
    let millis = u64::try_from(window.0.as_millis()).unwrap_or(u64::MAX).max(1);
    let name = link.key(&format!("count:{key}"));
    let counted = link.call("count", |mut redis| async move {
        let mut invocation = COUNT.key(name);
        let answer: (u64, u64) = invocation.arg(millis).invoke_async(&mut redis).await?;
        Ok(answer)
    });
    let (count, left) = counted.await?;
    Some(Counted { count, left: Duration::from_millis(left), is_shared: true })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_begins_with_the_first_and_ends_for_all() {
        let memory = Memory::default();
        let window = Window(Duration::from_secs(10));
        let at = |second| Timestamp::from_second(second).expect("in range");
        assert_eq!(memory.count("a", window, at(0)).count, 1);
        let second = memory.count("a", window, at(9));
        assert_eq!((second.count, second.left), (2, Duration::from_secs(1)));
        assert_eq!(memory.count("b", window, at(9)).count, 1);
        assert_eq!(memory.count("a", window, at(10)).count, 1);
    }
}
