//! What can be seen of the cache from the outside.

use metrics::{Unit, counter, gauge};

const UP: &str = "cache_redis_up";
const CALLS: &str = "cache_calls_total";
const FOLLOWING: &str = "cache_news_followed";

/// Tells the metrics recorder what the metrics of the cache mean. Once a process, after the recorder
/// is installed.
pub fn describe_cache_metrics() {
    metrics::describe_gauge!(
        UP,
        Unit::Count,
        "1 while Redis answers, 0 while it is away and memory has taken over; absent with \
         cache.kind = memory"
    );
    metrics::describe_gauge!(
        FOLLOWING,
        Unit::Count,
        "1 while this process hears at once what other replicas write, 0 while it does not"
    );
    metrics::describe_counter!(
        CALLS,
        Unit::Count,
        "Calls of Redis, by what they were for and outcome: answered, failed, skipped (Redis was \
         away; nobody waited)"
    );
}

pub(crate) fn up(is_up: bool) {
    gauge!(UP).set(if is_up { 1.0 } else { 0.0 });
}

pub(crate) fn following(is_following: bool) {
    gauge!(FOLLOWING).set(if is_following { 1.0 } else { 0.0 });
}

pub(crate) fn call(what: &'static str, outcome: &'static str) {
    counter!(CALLS, "what" => what, "outcome" => outcome).increment(1);
}
