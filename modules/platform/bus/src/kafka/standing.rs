//! How reading a topic stands, as readiness and metrics tell it.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use metrics::{Counter, counter, gauge};
use rdkafka::Statistics;
use runtime::Standing;
use serde_json::json;

use super::{
    client::is_connected,
    trouble::{News, Trouble},
};
use crate::measures::{GAP, LAG_EVENTS, REBALANCES};

/// How long a partition waits before readiness tells of it: most of what is in its way is over soon.
const LONG: Duration = Duration::from_secs(5);

/// How one group's replica in this process stands.
pub(crate) struct GroupStanding {
    consumer: &'static str,
    publisher: &'static str,
    topic: String,
    rebalances: Counter,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// Why nothing is read, before there are any messages.
    problem: Trouble,
    /// Whether a broker answers.
    is_connected: bool,
    /// What the client said last of why it does not reach any.
    complaint: Option<String>,
    /// How often messages were taken.
    takings: u64,
    partitions: BTreeMap<u32, PartitionStanding>,
}

#[derive(Default)]
struct PartitionStanding {
    /// The offset of the next message to take.
    next: Option<i64>,
    /// What brokers have: the first offset and that of the next message.
    range: Option<(i64, i64)>,
    /// The offset of the next message as far as it was ever known.
    reached: i64,
    /// Since when brokers have less than that.
    short_since: Option<Instant>,
    gap: Option<String>,
    /// Why messages that are there are not taken, and since when.
    wait: Option<(String, Instant)>,
}

impl PartitionStanding {
    fn long_wait(&self, now: Instant) -> Option<&str> {
        let (reason, since) = self.wait.as_ref()?;
        (now.duration_since(*since) >= LONG).then_some(reason.as_str())
    }

    fn note_range(&mut self, low: i64, high: i64) {
        self.range = Some((low, high));
        if high < self.reached {
            self.short_since.get_or_insert_with(Instant::now);
        } else {
            (self.reached, self.short_since) = (high, None);
        }
    }

    /// Up to where brokers had messages, and have them now, where that is less for long: another
    /// broker that begins to lead may know for a moment of less than it has. Told once.
    fn shortened(&mut self, now: Instant) -> Option<(i64, i64)> {
        let (_, high) = self.range?;
        self.short_since.take_if(|since| now.duration_since(*since) >= LONG)?;
        Some((std::mem::replace(&mut self.reached, high), high))
    }

    fn lag(&self) -> Option<i64> {
        let (low, high) = self.range?;
        Some((high - self.next.unwrap_or(low)).max(0))
    }
}

impl GroupStanding {
    pub(crate) fn new(consumer: &'static str, publisher: &'static str, topic: String) -> Self {
        let labels = [("consumer", consumer), ("publisher", publisher)];
        let rebalances = counter!(REBALANCES, &labels);
        Self { consumer, publisher, topic, rebalances, state: Mutex::default() }
    }

    pub(crate) fn topic(&self) -> &str {
        &self.topic
    }

    pub(super) fn publisher(&self) -> &str {
        self.publisher
    }

    /// What is told at `/readyz`.
    pub(crate) fn report(&self) -> Standing {
        self.report_at(Instant::now())
    }

    fn report_at(&self, now: Instant) -> Standing {
        let state = self.state();
        let details: BTreeMap<u32, _> = state
            .partitions
            .iter()
            .map(|(number, it)| {
                let (low, high) = it.range.unzip();
                let about = json!({
                    "next_offset": it.next, "low": low, "high": high, "lag": it.lag(),
                    "gap": it.gap, "waits": it.long_wait(now),
                });
                (*number, about)
            })
            .collect();
        let partitions = state.partitions.values();
        let gaps: Vec<&str> = partitions.clone().filter_map(|it| it.gap.as_deref()).collect();
        let waits: BTreeSet<&str> = partitions.filter_map(|it| it.long_wait(now)).collect();
        let waits = Vec::from_iter(waits).join("; ");
        let degraded = match state.problem.reason() {
            Some(problem) => Some(problem.to_owned()),
            None if !gaps.is_empty() => Some(gaps.join("; ")),
            None if !state.is_connected => {
                let why = state.complaint.as_ref().map(|why| format!(": {why}"));
                let (publisher, why) = (self.publisher, why.unwrap_or_default());
                Some(format!("no Kafka broker answers; events of {publisher} have to wait{why}"))
            }
            None if !waits.is_empty() => {
                Some(format!("events of {} have to wait: {waits}", self.publisher))
            }
            None => None,
        };
        let details = json!({
            "topic": self.topic, "connected": state.is_connected, "partitions": details,
        });
        Standing { degraded, details }
    }

    /// Takes in what librdkafka tells.
    pub(super) fn heard(&self, statistics: &Statistics) {
        let is_connected = is_connected(statistics);
        let mut state = self.state();
        if state.is_connected != is_connected {
            let (consumer, publisher) = (self.consumer, self.publisher);
            if is_connected {
                tracing::info!(consumer, publisher, "the Kafka brokers answer");
            } else {
                tracing::warn!(consumer, publisher, "no Kafka broker answers; events have to wait");
            }
            state.is_connected = is_connected;
            state.complaint = state.complaint.take().filter(|_| !is_connected);
        }
        let Some(topic) = statistics.topics.get(&self.topic) else {
            return;
        };
        for (number, told) in &topic.partitions {
            let known = u32::try_from(*number).ok().and_then(|it| state.partitions.get_mut(&it));
            if let Some(known) = known.filter(|_| told.hi_offset >= 0 && told.lo_offset >= 0) {
                known.note_range(told.lo_offset, told.hi_offset);
                self.measure(*number, known.lag());
            }
        }
    }

    /// The partitions that this replica has lost messages of: those that begin after the next one
    /// it has to take.
    pub(super) fn truncated(&self) -> Vec<(u32, i64, i64)> {
        let state = self.state();
        let is_cut = |(number, it): (&u32, &PartitionStanding)| {
            let (low, next) = (it.range?.0, it.next?);
            (it.gap.is_none() && next < low).then_some((*number, next, low))
        };
        state.partitions.iter().filter_map(is_cut).collect()
    }

    /// The partitions of which brokers have less than they had, with how much that was and is; each is
    /// told once.
    pub(super) fn shortened(&self, now: Instant) -> Vec<(u32, i64, i64)> {
        let mut state = self.state();
        let told = |(number, it): (&u32, &mut PartitionStanding)| {
            let (former, high) = it.shortened(now)?;
            it.gap.is_none().then_some((*number, former, high))
        };
        state.partitions.iter_mut().filter_map(told).collect()
    }

    pub(super) fn problem(&self, problem: Option<String>) {
        let mut state = self.state();
        let (consumer, publisher) = (self.consumer, self.publisher);
        match state.problem.note(problem, Instant::now()) {
            News::Nothing => {}
            News::Lasts => {
                let reason = state.problem.reason();
                tracing::warn!(consumer, publisher, reason, "events have to wait");
            }
            News::Over => tracing::info!(consumer, publisher, "events go on"),
        }
    }

    /// What the client says of its connections.
    pub(super) fn complained(&self, complaint: String) {
        self.state().complaint = Some(complaint);
    }

    /// How often messages were taken. It is more when there was progress.
    pub(super) fn takings(&self) -> u64 {
        self.state().takings
    }

    pub(super) fn assigned(&self, number: u32, next: Option<i64>) {
        self.rebalances.increment(1);
        let reached = next.unwrap_or_default();
        let standing = PartitionStanding { next, reached, ..PartitionStanding::default() };
        self.state().partitions.insert(number, standing);
    }

    pub(super) fn revoked(&self, number: u32) {
        self.rebalances.increment(1);
        self.state().partitions.remove(&number);
        self.measure(i32::try_from(number).unwrap_or(-1), None);
        // Whoever has it now measures it.
        gauge!(GAP, &self.labels(number)).set(0.0);
    }

    pub(super) fn taken(&self, number: u32, next: i64) {
        let mut state = self.state();
        state.takings += 1;
        if let Some(partition) = state.partitions.get_mut(&number) {
            partition.next = Some(next);
        }
    }

    /// Why messages of a partition are not taken, if they are not.
    pub(super) fn waits(&self, number: u32, reason: Option<String>) {
        let mut state = self.state();
        if let Some(partition) = state.partitions.get_mut(&number) {
            let since = partition.wait.as_ref().map_or_else(Instant::now, |(_, since)| *since);
            partition.wait = reason.map(|reason| (reason, since));
        }
    }

    /// How far each partition was taken.
    pub(super) fn offsets(&self) -> Vec<(u32, i64)> {
        let state = self.state();
        state.partitions.iter().filter_map(|(number, it)| Some((*number, it.next?))).collect()
    }

    /// That messages are missing in a partition, or no longer are.
    pub(super) fn gap(&self, number: u32, gap: Option<String>) {
        let mut state = self.state();
        let Some(partition) = state.partitions.get_mut(&number) else {
            return;
        };
        let (consumer, publisher) = (self.consumer, self.publisher);
        match (&partition.gap, &gap) {
            (None, Some(reason)) => {
                tracing::error!(consumer, publisher, reason, "events are missing");
            }
            (Some(_), None) => {
                tracing::info!(consumer, publisher, partition = number, "nothing is missing now");
            }
            _ => return,
        }
        let labels = self.labels(number);
        gauge!(GAP, &labels).set(if gap.is_some() { 1.0 } else { 0.0 });
        partition.gap = gap;
    }

    fn measure(&self, number: i32, lag: Option<i64>) {
        let labels = self.labels(u32::try_from(number).unwrap_or_default());
        let lag = u32::try_from(lag.unwrap_or(0)).unwrap_or(u32::MAX);
        gauge!(LAG_EVENTS, &labels).set(f64::from(lag));
    }

    fn labels(&self, number: u32) -> [(&'static str, String); 3] {
        [
            ("consumer", self.consumer.to_owned()),
            ("publisher", self.publisher.to_owned()),
            ("partition", number.to_string()),
        ]
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use metrics_exporter_prometheus::PrometheusBuilder;
    use rdkafka::statistics::{Partition, Topic};

    use super::*;

    #[test]
    fn nothing_is_missing_here_in_a_partition_that_is_somebody_elses() {
        let recorder = PrometheusBuilder::new().build_recorder();
        metrics::with_local_recorder(&recorder, || {
            let standing = GroupStanding::new("ledger", "sales", "boxoffice.sales".to_owned());
            standing.assigned(1, None);
            standing.gap(1, Some("events are missing".to_owned()));
            standing.revoked(1);
        });
        let measured = recorder.handle().render();
        let gap = measured.lines().find(|line| line.starts_with(GAP)).unwrap();
        assert!(gap.ends_with(" 0"), "{measured}");
    }

    #[test]
    fn what_a_partition_has_left_is_measured_where_it_is_read() {
        let recorder = PrometheusBuilder::new().build_recorder();
        let told = Statistics {
            topics: HashMap::from([("boxoffice.sales".to_owned(), between(2, 8))]),
            ..Statistics::default()
        };
        metrics::with_local_recorder(&recorder, || {
            let standing = GroupStanding::new("ledger", "sales", "boxoffice.sales".to_owned());
            let measured = || {
                standing.heard(&told);
                let text = recorder.handle().render();
                let line = text.lines().find(|line| line.starts_with(LAG_EVENTS));
                line.map(str::to_owned)
            };
            assert_eq!(measured(), None, "somebody else's");
            standing.assigned(1, Some(3));
            let line = |lag| {
                format!(
                    r#"{LAG_EVENTS}{{consumer="ledger",publisher="sales",partition="1"}} {lag}"#
                )
            };
            assert_eq!(measured(), Some(line(5)));
            standing.taken(1, 7);
            assert_eq!(measured(), Some(line(1)));
            standing.revoked(1);
            assert_eq!(measured(), Some(line(0)), "somebody else's again");
        });
    }

    /// A topic whose second partition has the messages from `low` to before `high`.
    fn between(low: i64, high: i64) -> Topic {
        let partition = Partition { lo_offset: low, hi_offset: high, ..Partition::default() };
        Topic { partitions: HashMap::from([(1, partition)]), ..Topic::default() }
    }

    #[test]
    fn a_partition_that_waits_for_long_is_told_of_once_for_each_reason() {
        let standing = GroupStanding::new("ledger", "sales", "boxoffice.sales".to_owned());
        standing.state().is_connected = true;
        for number in 0..3 {
            standing.assigned(number, None);
            standing.waits(number, Some("the lights are out".to_owned()));
        }
        assert_eq!(standing.report().degraded, None);
        let later = Instant::now() + LONG;
        let told = standing.report_at(later).degraded.unwrap();
        assert_eq!(told, "events of sales have to wait: the lights are out");
        for number in 0..3 {
            standing.waits(number, None);
        }
        assert_eq!(standing.report_at(later).degraded, None);
    }

    #[test]
    fn brokers_that_have_less_than_they_had_are_told_of_once_it_lasts() {
        let standing = GroupStanding::new("ledger", "sales", "boxoffice.sales".to_owned());
        standing.assigned(1, Some(14));
        let later = Instant::now() + LONG + LONG;
        let hears = |high| standing.state().partitions.get_mut(&1).unwrap().note_range(0, high);
        let mut told = Vec::new();
        for highs in [&[14, 20][..], &[19, 20], &[3], &[3], &[4], &[0]] {
            for high in highs {
                hears(*high);
            }
            told.push(standing.shortened(later));
        }
        let (nothing, short) = (Vec::new(), |former, high| vec![(1, former, high)]);
        let nothings = || nothing.clone();
        assert_eq!(
            told,
            [nothings(), nothings(), short(20, 3), nothings(), nothings(), short(4, 0)]
        );
        hears(5);
        hears(0);
        assert_eq!(standing.shortened(Instant::now()), nothing, "perhaps it is over soon");
    }

    #[test]
    fn whoever_reaches_no_broker_says_why() {
        let standing = GroupStanding::new("ledger", "sales", "boxoffice.sales".to_owned());
        standing.complained("SASL authentication failed".to_owned());
        let told = standing.report().degraded.unwrap();
        assert!(told.ends_with("have to wait: SASL authentication failed"), "{told}");
    }
}
