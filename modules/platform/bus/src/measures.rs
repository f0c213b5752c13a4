//! What can be seen of consumers from the outside.

use metrics::{Counter, Gauge, Unit, counter, gauge};
use runtime::Timestamp;
use store::Aside;

use crate::{
    Page,
    alert::{ALERT, Alert},
};

const EVENTS: &str = "bus_events_total";
pub(crate) const LAG_EVENTS: &str = "bus_consumer_lag_events";
const LAG_SECONDS: &str = "bus_consumer_lag_seconds";
const DEAD: &str = "bus_dead_letters";
const ASIDE: &str = "bus_events_aside";
const ACTIVE: &str = "bus_consumer_active";
pub(crate) const GAP: &str = "bus_consumer_gap";
pub(crate) const REBALANCES: &str = "bus_consumer_rebalances_total";
pub(crate) const PUBLISHED: &str = "bus_relay_published_total";
pub(crate) const RELAY_LAG: &str = "bus_relay_lag_events";
pub(crate) const RELAY_POSITION: &str = "bus_relay_position";
pub(crate) const RELAY_ACTIVE: &str = "bus_relay_active";

/// Tells the metrics recorder what the metrics of the bus mean. Once a process, after the recorder
/// is installed.
pub fn describe_bus_metrics() {
    metrics::describe_counter!(
        EVENTS,
        Unit::Count,
        "Events that a consumer was given, by consumer, publisher and outcome: handled, unknown \
         (stepped over, of a newer publisher), failed (an attempt), redelivered (handled after an \
         earlier failure or a wait), dead (given up)"
    );
    metrics::describe_gauge!(
        LAG_EVENTS,
        Unit::Count,
        "How much of a publisher's log a consumer has yet to read, by consumer and publisher; over \
         Kafka the messages that are yet to be taken, by partition too"
    );
    metrics::describe_gauge!(
        GAP,
        Unit::Count,
        "1 while messages are missing in a partition and nothing more is taken from it, by \
         consumer, publisher and partition"
    );
    metrics::describe_counter!(
        REBALANCES,
        Unit::Count,
        "Partitions that were given to a consumer or taken from it, by consumer and publisher"
    );
    metrics::describe_counter!(
        PUBLISHED,
        Unit::Count,
        "Events that brokers have acknowledged, by topic; those that were published again, too"
    );
    metrics::describe_gauge!(
        RELAY_LAG,
        Unit::Count,
        "How much of the log is yet to be published, by topic"
    );
    metrics::describe_gauge!(
        RELAY_POSITION,
        Unit::Count,
        "The place in the log up to which everything is with the brokers, by topic"
    );
    metrics::describe_gauge!(
        RELAY_ACTIVE,
        Unit::Count,
        "1 where events are published, 0 where another replica does it, by topic"
    );
    metrics::describe_gauge!(
        LAG_SECONDS,
        Unit::Seconds,
        "The age of the oldest event that a consumer has yet to take, by consumer and publisher"
    );
    metrics::describe_gauge!(
        DEAD,
        Unit::Count,
        "Events about which somebody must decide, by consumer and publisher"
    );
    metrics::describe_gauge!(
        ALERT,
        Unit::Count,
        "1 while there are so many dead letters that somebody is to be told (dead_letters_alert in \
         [bus]), by consumer and publisher"
    );
    metrics::describe_gauge!(
        ASIDE,
        Unit::Count,
        "Events that are dead, tried again or wait behind one of those, by consumer and publisher"
    );
    metrics::describe_gauge!(
        ACTIVE,
        Unit::Count,
        "1 where a consumer reads, 0 where another replica does, by consumer and publisher; over \
         Kafka all replicas read, and it is 1 where what was put aside is tried again, for the trail \
         (audit) in each"
    );
}

/// The metrics of one consumer of one publisher.
pub(crate) struct Measures {
    handled: Counter,
    unknown: Counter,
    failed: Counter,
    redelivered: Counter,
    dead: Counter,
    lag_events: Gauge,
    lag_seconds: Gauge,
    dead_letters: Gauge,
    aside: Gauge,
    active: Gauge,
    alert: Alert,
}

impl Measures {
    pub(crate) fn new(consumer: &'static str, publisher: &'static str) -> Self {
        let labels = [("consumer", consumer), ("publisher", publisher)];
        let events = |outcome: &'static str| {
            let [consumer, publisher] = labels;
            counter!(EVENTS, &[consumer, publisher, ("outcome", outcome)])
        };
        Self {
            handled: events("handled"),
            unknown: events("unknown"),
            failed: events("failed"),
            redelivered: events("redelivered"),
            dead: events("dead"),
            lag_events: gauge!(LAG_EVENTS, &labels),
            lag_seconds: gauge!(LAG_SECONDS, &labels),
            dead_letters: gauge!(DEAD, &labels),
            aside: gauge!(ASIDE, &labels),
            active: gauge!(ACTIVE, &labels),
            alert: Alert::new(consumer, publisher),
        }
    }

    /// The same, with an alert from `threshold` dead letters on.
    pub(crate) fn with_alert(self, threshold: u32) -> Self {
        Self { alert: self.alert.from(threshold), ..self }
    }

    pub(crate) fn handled(&self, events: usize) {
        self.handled.increment(count(events));
    }

    pub(crate) fn unknown(&self) {
        self.unknown.increment(1);
    }

    pub(crate) fn failed(&self, is_dead: bool) {
        self.failed.increment(1);
        if is_dead {
            self.dead.increment(1);
        }
    }

    pub(crate) fn redelivered(&self) {
        self.redelivered.increment(1);
    }

    pub(crate) fn active(&self, is_active: bool) {
        self.active.set(if is_active { 1.0 } else { 0.0 });
        if !is_active {
            self.aside.set(0.0);
            self.dead_letters.set(0.0);
            self.alert.lay_down();
        }
    }

    /// What remains when `page` has arrived and nothing of it was taken yet.
    pub(crate) fn arrived(&self, page: &Page, now: Timestamp) {
        let oldest = page.entries.first().map_or(now, |entry| entry.envelope.time);
        self.lag(page.behind + count(page.entries.len()), oldest, now);
    }

    /// What remains when all of `page` was taken.
    pub(crate) fn taken(&self, page: &Page, now: Timestamp) {
        let oldest = match page.entries.last() {
            Some(last) if page.behind > 0 => last.envelope.time,
            _ => now,
        };
        self.lag(page.behind, oldest, now);
    }

    fn lag(&self, events: u64, oldest: Timestamp, now: Timestamp) {
        self.lag_events.set(number(events));
        self.age(oldest, now);
    }

    /// The age of the oldest event that remains.
    pub(crate) fn age(&self, oldest: Timestamp, now: Timestamp) {
        self.lag_seconds.set(now.duration_since(oldest).as_secs_f64().max(0.0));
    }

    pub(crate) fn aside(&self, aside: Aside) {
        self.aside.set(number(aside.events));
        self.dead_letters.set(number(aside.dead));
        self.alert.look(aside);
    }
}

fn count(events: usize) -> u64 {
    u64::try_from(events).unwrap_or(u64::MAX)
}

/// As gauges take it. Beyond four thousand million the rest does not matter.
fn number(events: u64) -> f64 {
    f64::from(u32::try_from(events).unwrap_or(u32::MAX))
}
