//! The thread that asks the brokers, for one group: they expect to be asked all the time, and
//! librdkafka tells of partitions that come and go only to whoever asks.

use std::{
    collections::{HashMap, VecDeque},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use rdkafka::{
    ClientContext, Message, Offset, Statistics, TopicPartitionList,
    config::RDKafkaLogLevel,
    consumer::{BaseConsumer, CommitMode, Consumer as _, ConsumerContext},
    error::{KafkaError, RDKafkaErrorCode},
    message::OwnedMessage,
    topic_partition_list::TopicPartitionListElem,
    types::RDKafkaRespErr,
};
use runtime::{CancellationToken, pause};
use store::Passed;
use tokio::{
    runtime::Handle,
    sync::{mpsc, oneshot},
};

use super::{
    client::{FORGOTTEN, has_forgotten_brokers, log},
    group::{Group, Notice},
    lane::Lane,
};
use crate::consumer::TROUBLE;

/// How long to wait for a message at most, before looking after other things.
const LOOK: Duration = Duration::from_millis(100);
/// The same while a lane is full.
const SHORT_LOOK: Duration = Duration::from_millis(5);
/// How often brokers are told how far was taken, and what they have is looked at.
const NOTES: Duration = Duration::from_secs(1);
/// How long partitions are read without a fault before former trouble is over: brokers assign what
/// they may refuse to hand out.
const STEADY: Duration = Duration::from_secs(3);
/// How many batches of a partition wait in memory.
const BATCHES: usize = 4;

/// Starts the thread. It ends with `stop`; the answer tells why reading ended otherwise.
pub(super) fn start(
    group: Arc<Group>,
    notices: mpsc::UnboundedSender<Notice>,
    stop: CancellationToken,
) -> Result<oneshot::Receiver<Result<(), String>>, String> {
    let (ended, end) = oneshot::channel();
    let runtime = Handle::current();
    let topic = group.standing.topic().to_owned();
    let work = move || {
        let outcome = connect(&group, notices, &stop, runtime).map(|consumer| {
            let outcome = read(&group, &consumer, &stop);
            consumer.context().end();
            (consumer, outcome)
        });
        // Dropping the consumer leaves the group, so that others have the partitions at once. Whoever
        // begins anew does not wait for that: a client that knows of no broker any more was seen to
        // try for more than half a minute.
        match outcome {
            Ok((_leaving, outcome)) => _ = ended.send(outcome),
            Err(reason) => _ = ended.send(Err(reason)),
        }
    };
    thread::Builder::new()
        .name(format!("kafka {topic}"))
        .spawn(work)
        .map_err(|error| format!("no thread to read {topic}: {error}"))?;
    Ok(end)
}

fn connect(
    group: &Arc<Group>,
    notices: mpsc::UnboundedSender<Notice>,
    stop: &CancellationToken,
    runtime: Handle,
) -> Result<BaseConsumer<Context>, String> {
    let words = |error: KafkaError| format!("cannot read {}: {error}", group.standing.topic());
    let session = group.settings.session_timeout.as_millis();
    let context = Context {
        group: Arc::clone(group),
        notices,
        runtime,
        stop: stop.clone(),
        lanes: Mutex::default(),
        course: Mutex::default(),
        is_over: AtomicBool::new(false),
    };
    let consumer: BaseConsumer<Context> = group
        .settings
        .client()
        .set("group.id", &group.name)
        .set("enable.auto.commit", "false")
        .set("enable.auto.offset.store", "false")
        // Where an offset is not there any more; whether something is missing shows by itself.
        .set("auto.offset.reset", "earliest")
        .set("partition.assignment.strategy", "cooperative-sticky")
        .set("session.timeout.ms", session.to_string())
        .set("heartbeat.interval.ms", (session / 6).to_string())
        .set("max.poll.interval.ms", session.max(300_000).to_string())
        .set("topic.metadata.refresh.interval.ms", "10000")
        .set("fetch.error.backoff.ms", "100")
        .set("fetch.queue.backoff.ms", "20")
        .set("queued.min.messages", "2000")
        .set("queued.max.messages.kbytes", "4096")
        .create_with_context(context)
        .map_err(words)?;
    consumer.subscribe(&[group.standing.topic()]).map_err(words)?;
    Ok(consumer)
}

/// Reads until `stop`, or until that is of no more use.
fn read(
    group: &Group,
    consumer: &BaseConsumer<Context>,
    stop: &CancellationToken,
) -> Result<(), String> {
    let mut noted = (Instant::now(), HashMap::new());
    while !stop.is_cancelled() {
        let is_waiting = consumer.context().unload(consumer);
        match consumer.poll(if is_waiting { SHORT_LOOK } else { LOOK }) {
            None => {}
            Some(Ok(message)) => consumer.context().load(consumer, message.detach()),
            Some(Err(error)) => {
                if let Some((code, reason)) = consumer.client().fatal_error() {
                    return Err(format!("cannot read on: {reason} ({code})"));
                }
                tracing::debug!(topic = group.standing.topic(), %error, "reading from Kafka");
                consumer.context().fault(&error)?;
            }
        }
        consumer.context().look()?;
        if noted.0.elapsed() >= NOTES {
            noted.0 = Instant::now();
            note(group, consumer, &mut noted.1);
        }
    }
    note(group, consumer, &mut noted.1);
    Ok(())
}

/// Tells brokers, for tools that ask them, how far was taken, and looks whether what comes next is
/// still there.
fn note(group: &Group, consumer: &BaseConsumer<Context>, noted: &mut HashMap<u32, i64>) {
    let topic = group.standing.topic();
    let mut news = TopicPartitionList::new();
    for (number, next) in group.standing.offsets() {
        if noted.insert(number, next) != Some(next) {
            let _valid = news.add_partition_offset(topic, index(number), Offset::Offset(next));
        }
    }
    if news.count() > 0
        && let Err(error) = consumer.commit(&news, CommitMode::Async)
    {
        tracing::debug!(topic, %error, "brokers do not note offsets");
    }
    let remedy = format!("bring them back with `boxoffice events republish {}`", group.publisher());
    for (number, next, low) in group.standing.truncated() {
        let reason = format!(
            "{topic}/{number}: the next message is {next}, but the brokers begin with {low}: \
             events between are missing, and nothing more is taken from this partition; {remedy}"
        );
        group.standing.gap(number, Some(reason));
    }
    for (number, former, now) in group.standing.shortened(Instant::now()) {
        let reason = format!(
            "{topic}/{number}: the brokers had messages up to {former}, and now have them up to \
             {now}: they have lost some, and with them perhaps events; {remedy}"
        );
        group.standing.gap(number, Some(reason));
    }
}

fn index(number: u32) -> i32 {
    i32::try_from(number).unwrap_or(i32::MAX)
}

/// What a fault in reading means.
#[derive(Debug, PartialEq, Eq)]
enum Fault {
    /// That brokers do not answer shows by itself.
    Connection,
    /// They refuse us. What they refused once, librdkafka does not ask for again.
    Refusal,
    Other,
}

impl Fault {
    fn of(error: &KafkaError) -> Self {
        match error.rdkafka_error_code() {
            Some(
                RDKafkaErrorCode::TopicAuthorizationFailed
                | RDKafkaErrorCode::GroupAuthorizationFailed
                | RDKafkaErrorCode::ClusterAuthorizationFailed,
            ) => Self::Refusal,
            Some(
                RDKafkaErrorCode::AllBrokersDown
                | RDKafkaErrorCode::Authentication
                | RDKafkaErrorCode::BrokerTransportFailure
                | RDKafkaErrorCode::OperationTimedOut
                | RDKafkaErrorCode::Resolve
                | RDKafkaErrorCode::SSL,
            ) => Self::Connection,
            _ => Self::Other,
        }
    }
}

/// What librdkafka calls back.
struct Context {
    group: Arc<Group>,
    notices: mpsc::UnboundedSender<Notice>,
    runtime: Handle,
    stop: CancellationToken,
    lanes: Mutex<HashMap<i32, Way>>,
    course: Mutex<Course>,
    /// Whether nothing is read any more, and somebody else may be reading already.
    is_over: AtomicBool,
}

/// How reading goes.
#[derive(Default)]
struct Course {
    /// Since when what is assigned is read without a fault.
    steady: Option<Instant>,
    /// Why nothing can be read on.
    end: Option<String>,
}

/// The way into a lane.
struct Way {
    lane: mpsc::Sender<OwnedMessage>,
    /// Messages that found the lane full. While there are some, the partition is paused; should that
    /// fail, there are more.
    waiting: VecDeque<OwnedMessage>,
}

impl Way {
    fn new(lane: mpsc::Sender<OwnedMessage>) -> Self {
        Self { lane, waiting: VecDeque::new() }
    }

    /// Sends what fits, in order. Whether everything did, or nobody wants it any more.
    fn send(&mut self, message: Option<OwnedMessage>) -> bool {
        self.waiting.extend(message);
        while let Some(first) = self.waiting.pop_front() {
            match self.lane.try_send(first) {
                Ok(()) => {}
                Err(mpsc::error::TrySendError::Full(first)) => {
                    self.waiting.push_front(first);
                    return false;
                }
                Err(mpsc::error::TrySendError::Closed(_)) => self.waiting.clear(),
            }
        }
        true
    }
}

impl Context {
    fn lanes(&self) -> MutexGuard<'_, HashMap<i32, Way>> {
        self.lanes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn course(&self) -> MutexGuard<'_, Course> {
        self.course.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Says what is wrong.
    ///
    /// # Errors
    /// When only beginning anew can help.
    fn fault(&self, error: &KafkaError) -> Result<(), String> {
        let (topic, group) = (self.group.standing.topic(), &self.group.name);
        match Fault::of(error) {
            Fault::Connection => {}
            Fault::Refusal => {
                return Err(format!(
                    "the brokers do not let us read {topic}: {error}; allow our user to read the \
                     topic and the group {group}"
                ));
            }
            Fault::Other => {
                self.group.standing.problem(Some(format!("cannot read {topic}: {error}")));
                let mut course = self.course();
                course.steady = course.steady.map(|_| Instant::now());
            }
        }
        Ok(())
    }

    /// Notices that all goes well.
    ///
    /// # Errors
    /// When nothing does.
    fn look(&self) -> Result<(), String> {
        let mut course = self.course();
        if let Some(reason) = course.end.take() {
            return Err(reason);
        }
        if course.steady.is_some_and(|since| since.elapsed() >= STEADY) {
            self.group.standing.problem(None);
        }
        Ok(())
    }

    fn list(&self, numbers: impl IntoIterator<Item = i32>) -> TopicPartitionList {
        let mut list = TopicPartitionList::new();
        for number in numbers {
            list.add_partition(self.group.standing.topic(), number);
        }
        list
    }

    fn load(&self, consumer: &BaseConsumer<Self>, message: OwnedMessage) {
        let number = message.partition();
        let mut lanes = self.lanes();
        let Some(way) = lanes.get_mut(&number) else {
            return;
        };
        // What was asked for already is asked for again when the partition goes on.
        if !way.send(Some(message))
            && let Err(error) = consumer.pause(&self.list([number]))
        {
            tracing::debug!(number, %error, "cannot pause a partition");
        }
    }

    /// Lets partitions go on whose lanes have room again. Whether some have none.
    fn unload(&self, consumer: &BaseConsumer<Self>) -> bool {
        let mut is_waiting = false;
        for (number, way) in self.lanes().iter_mut() {
            if way.waiting.is_empty() {
                continue;
            }
            if !way.send(None) {
                is_waiting = true;
            } else if let Err(error) = consumer.resume(&self.list([*number])) {
                tracing::debug!(number, %error, "cannot resume a partition");
            }
        }
        is_waiting
    }

    /// Nothing that librdkafka says from now on matters.
    fn end(&self) {
        self.is_over.store(true, Ordering::SeqCst);
        let numbers: Vec<i32> = self.lanes().keys().copied().collect();
        self.close(numbers);
    }

    fn is_over(&self) -> bool {
        self.is_over.load(Ordering::SeqCst)
    }

    /// Ends the lanes of these partitions, as far as there are any.
    fn close(&self, numbers: impl IntoIterator<Item = i32>) {
        for number in numbers {
            let Some(_way) = self.lanes().remove(&number) else {
                continue;
            };
            if let Ok(number) = u32::try_from(number) {
                self.group.standing.revoked(number);
                let _ending = self.notices.send(Notice::Revoked(number));
            }
        }
    }

    /// What the consumer has passed, as soon as its database tells.
    fn passed(&self) -> Option<Passed> {
        let taker = &self.group.taker;
        let mut failures = 0;
        let asking = async {
            loop {
                match taker.inbox().passed(taker.committer().database()).await {
                    Ok(passed) => return passed,
                    Err(error) => {
                        failures += 1;
                        taker.report(failures, &error.to_string());
                        pause(TROUBLE.pause(failures, self.group.random.as_ref())).await;
                    }
                }
            }
        };
        self.runtime.block_on(self.stop.run_until_cancelled(asking))
    }

    fn assign(&self, consumer: &BaseConsumer<Self>, given: &TopicPartitionList) {
        if self.is_over() {
            // librdkafka waits for this answer before it leaves the group.
            if let Err(error) = consumer.incremental_assign(given) {
                tracing::debug!(%error, "cannot take what is given back at once");
            }
            return;
        }
        // Nothing is asked for when the process stops meanwhile.
        let passed = self.passed().unwrap_or_default();
        let inbox = self.group.taker.inbox();
        let topic = self.group.standing.topic();
        let mut wanted = TopicPartitionList::new();
        for number in given.elements().iter().map(TopicPartitionListElem::partition) {
            let Ok(unsigned) = u32::try_from(number) else {
                continue;
            };
            let count = self.group.settings.partitions;
            let partition = inbox.partition(topic, count, unsigned);
            let next = passed.next_offset(&partition);
            let offset = next.map_or(Offset::Beginning, Offset::Offset);
            let expected = next.or_else(|| passed.is_new(&partition).then_some(0));
            let _valid = wanted.add_partition_offset(topic, number, offset);
            let (lane, messages) = mpsc::channel(self.group.taker.batch() * BATCHES);
            self.lanes().insert(number, Way::new(lane));
            self.group.standing.assigned(unsigned, expected);
            let lane = Lane::new(Arc::clone(&self.group), partition, passed.clone(), messages);
            let _ending = self.notices.send(Notice::Assigned(unsigned, Box::new(lane)));
        }
        let assigned = consumer.incremental_assign(&wanted);
        let mut course = self.course();
        course.steady = Some(Instant::now());
        course.end = assigned.err().map(|error| format!("cannot begin to read {topic}: {error}"));
    }

    fn revoke(&self, consumer: &BaseConsumer<Self>, gone: &TopicPartitionList) {
        self.close(gone.elements().iter().map(TopicPartitionListElem::partition));
        if self.lanes().is_empty() {
            self.course().steady = None;
        }
        if let Err(error) = consumer.incremental_unassign(gone) {
            tracing::debug!(%error, "cannot end reading");
        }
    }
}

impl ClientContext for Context {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        log(level, facility, message);
    }

    fn stats(&self, statistics: Statistics) {
        if self.is_over() {
            return;
        }
        self.group.standing.heard(&statistics);
        if has_forgotten_brokers(&statistics) {
            self.course().end = Some(FORGOTTEN.to_owned());
        }
    }

    fn error(&self, error: KafkaError, reason: &str) {
        tracing::debug!(topic = self.group.standing.topic(), %error, reason, "librdkafka");
        if !self.is_over() {
            self.group.standing.complained(reason.to_owned());
        }
    }
}

impl ConsumerContext for Context {
    fn rebalance(
        &self,
        consumer: &BaseConsumer<Self>,
        event: RDKafkaRespErr,
        partitions: &mut TopicPartitionList,
    ) {
        match event {
            RDKafkaRespErr::RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS => {
                self.assign(consumer, partitions);
            }
            _ => self.revoke(consumer, partitions),
        }
    }
}

#[cfg(test)]
mod tests {
    use rdkafka::Timestamp;

    use super::*;

    #[test]
    fn whoever_is_refused_begins_anew_and_whoever_reaches_nobody_does_not() {
        let fault = |code| Fault::of(&KafkaError::MessageConsumption(code));
        assert_eq!(fault(RDKafkaErrorCode::TopicAuthorizationFailed), Fault::Refusal);
        assert_eq!(fault(RDKafkaErrorCode::BrokerTransportFailure), Fault::Connection);
        assert_eq!(fault(RDKafkaErrorCode::UnknownTopicOrPartition), Fault::Other);
    }

    #[test]
    fn a_partition_that_could_not_be_paused_loses_nothing() {
        let message = |offset| {
            OwnedMessage::new(None, None, String::new(), Timestamp::NotAvailable, 0, offset, None)
        };
        let (lane, mut messages) = mpsc::channel(1);
        let mut way = Way::new(lane);
        let fits = [1, 2, 3].map(|offset| way.send(Some(message(offset))));
        assert_eq!(fits, [true, false, false]);
        for (offset, is_last) in [(1, false), (2, true), (3, true)] {
            assert_eq!(messages.try_recv().unwrap().offset(), offset);
            assert_eq!(way.send(None), is_last, "after {offset}");
        }
    }
}
