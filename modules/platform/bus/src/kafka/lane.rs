//! Takes in one partition, while it is assigned to this replica.

use std::{sync::Arc, time::Duration};

use rdkafka::message::OwnedMessage;
use store::{Mark, Partition, Passed, Position, StoreError};
use tokio::{
    sync::mpsc,
    time::{Instant, timeout_at},
};

use super::{
    chain::{Judgement, Placing, judge},
    group::Group,
    message::{Arrival, read},
};
use crate::{
    Entry,
    consumer::{Interruption, PartitionPlace, Progress, TROUBLE, UNNOTED},
};

/// How long it may stay unnoted that there was nothing for this consumer. Brokers forget what is
/// old: who has passed it must not look as if it had yet to come.
const NOTED_AFTER: Duration = Duration::from_secs(30);

/// One partition on its way in.
pub(crate) struct Lane {
    group: Arc<Group>,
    place: PartitionPlace,
    messages: mpsc::Receiver<OwnedMessage>,
    passed: Passed,
    progress: Progress<Option<Mark>>,
    /// The last event that was passed, be it stored or not: between the two there was nothing for
    /// this consumer.
    last: Position,
    /// How far it has come without noting it, and since when.
    unnoted: Option<(Mark, Instant)>,
    /// Whether messages are missing before those that arrive.
    is_gap: bool,
    /// Whether what is known is what is stored, as far as anybody can tell.
    is_known: bool,
}

/// What is to be done with messages that arrived together.
struct Sorted {
    next: Vec<(Option<Mark>, Entry)>,
    end: Option<Mark>,
    gap: Option<Gap>,
}

/// Messages are missing before this one.
struct Gap {
    offset: i64,
    placing: Placing,
}

impl Lane {
    pub(super) fn new(
        group: Arc<Group>,
        partition: Partition,
        passed: Passed,
        messages: mpsc::Receiver<OwnedMessage>,
    ) -> Self {
        let stored = passed.mark(&partition);
        let last = stored.map_or(passed.feed(), |mark| mark.last.max(passed.feed()));
        let progress = Progress { stored, aside: store::Aside::default() };
        let place = PartitionPlace { partition, feed: passed.feed() };
        Self {
            group,
            place,
            messages,
            passed,
            progress,
            last,
            unnoted: None,
            is_gap: false,
            is_known: false,
        }
    }

    /// Takes in what arrives until nothing can arrive any more.
    pub(super) async fn run(mut self) {
        let limit = self.group.taker.batch();
        let mut arrived = Vec::with_capacity(limit);
        let mut failures = 0;
        loop {
            arrived.clear();
            match self.receive(&mut arrived, limit).await {
                Some(0) => return,
                Some(_) => {}
                None => {
                    self.note().await;
                    continue;
                }
            }
            let arrivals: Vec<Arrival> = {
                let committer = self.group.taker.committer();
                let now = committer.clock().now();
                arrived.iter().map(|message| read(message, committer.ids(), now)).collect()
            };
            while let Err(interruption) = self.attempt(&arrivals).await {
                self.is_known = false;
                self.wait_after(&interruption, &mut failures).await;
            }
            self.group.taker.go_on(&mut failures);
            let is_all = self.messages.is_empty();
            self.group.taker.note_age(arrivals.last().map(|it| &it.entry.envelope), is_all);
        }
    }

    async fn wait_after(&self, interruption: &Interruption, failures: &mut u32) {
        let reason = match interruption {
            Interruption::Overtaken => return,
            Interruption::Lost(error) => error.to_string(),
            Interruption::Trouble(reason) => reason.clone(),
        };
        *failures += 1;
        self.group.taker.report(*failures, &reason);
        let pause = TROUBLE.pause(*failures, self.group.random.as_ref());
        let _passed = tokio::time::timeout(pause, std::future::pending::<()>()).await;
    }

    /// How many messages arrived; 0 when none can arrive any more, `None` when it is time to note
    /// how far it has come.
    async fn receive(&mut self, arrived: &mut Vec<OwnedMessage>, limit: usize) -> Option<usize> {
        let arriving = self.messages.recv_many(arrived, limit);
        match self.unnoted {
            Some((_, since)) => timeout_at(since + NOTED_AFTER, arriving).await.ok(),
            None => Some(arriving.await),
        }
    }

    /// Notes that there was nothing for this consumer. Should it not succeed, there is time.
    async fn note(&mut self) {
        let Some((end, _)) = self.unnoted.take() else {
            return;
        };
        if self.step_over(end).await.is_err() {
            self.is_known = false;
            self.unnoted = Some((end, Instant::now()));
        }
    }

    async fn step_over(&mut self, end: Mark) -> Result<(), Interruption> {
        self.learn().await?;
        // Somebody else may have noted more.
        if self.progress.stored.is_some_and(|stored| stored.last >= end.last) {
            return Ok(());
        }
        let (taker, place) = (&self.group.taker, &self.place);
        taker.step_over(place, Some(end), &mut self.progress).await
    }

    async fn attempt(&mut self, arrivals: &[Arrival]) -> Result<(), Interruption> {
        self.learn().await?;
        self.take(arrivals).await
    }

    /// Reads what is stored, unless it is known: somebody else may have gone on from there.
    async fn learn(&mut self) -> Result<(), StoreError> {
        if self.is_known {
            return Ok(());
        }
        let taker = &self.group.taker;
        let database = taker.committer().database();
        self.passed = taker.inbox().passed(database).await?;
        self.progress.aside = taker.inbox().aside(database).await?;
        self.place.feed = self.passed.feed();
        self.progress.stored = self.passed.mark(&self.place.partition);
        let stored = self.progress.stored.map_or(Position::START, |mark| mark.last);
        self.last = self.last.max(stored).max(self.passed.feed());
        self.is_known = true;
        Ok(())
    }

    async fn take(&mut self, arrivals: &[Arrival]) -> Result<(), Interruption> {
        let sorted = self.sort(arrivals);
        let number = self.place.partition.number;
        let (group, place) = (&self.group, &self.place);
        if let Some(end) = sorted.end {
            let stored = self.progress.stored.map_or(0, |mark| mark.next_offset);
            if !sorted.next.is_empty() {
                group.taker.take(place, &sorted.next, sorted.end, &mut self.progress).await?;
                self.unnoted = None;
            } else if end.next_offset.abs_diff(stored) >= UNNOTED.unsigned_abs() {
                group.taker.step_over(place, sorted.end, &mut self.progress).await?;
                self.unnoted = None;
            } else {
                let since = self.unnoted.map_or_else(Instant::now, |(_, since)| since);
                self.unnoted = Some((end, since));
            }
            self.last = self.last.max(end.last);
            group.standing.taken(number, end.next_offset);
        }
        self.is_gap = sorted.gap.is_some();
        group.standing.gap(number, sorted.gap.map(|gap| self.words(&gap)));
        Ok(())
    }

    /// What of this concerns the consumer, and how far it comes with it.
    fn sort(&self, arrivals: &[Arrival]) -> Sorted {
        let taker = &self.group.taker;
        let mut sorted = Sorted { next: Vec::new(), end: None, gap: None };
        let (mut last, mut is_gap) = (self.last, self.is_gap);
        for arrival in arrivals {
            let envelope = &arrival.entry.envelope;
            let judgement = match arrival.placing {
                Some(placing) => {
                    let was_passed = self.passed.contains(envelope.key, placing.position);
                    judge(last, placing, was_passed)
                }
                None if is_gap => Judgement::Premature,
                None => Judgement::Next,
            };
            is_gap = judgement == Judgement::Premature;
            if is_gap {
                let gap = arrival.placing.map(|placing| Gap { offset: arrival.offset, placing });
                sorted.gap = sorted.gap.or(gap);
                continue;
            }
            sorted.gap = None;
            last = last.max(arrival.placing.map_or(last, |placing| placing.position));
            sorted.end = Some(Mark { next_offset: arrival.offset + 1, last });
            if judgement == Judgement::Next && taker.concerns(envelope) {
                sorted.next.push((sorted.end, arrival.entry.clone()));
            }
        }
        sorted
    }

    fn words(&self, gap: &Gap) -> String {
        let Partition { consumer, publisher, topic, number, .. } = &self.place.partition;
        let (last, placing) = (self.last, gap.placing);
        format!(
            "{topic}/{number}: message {} (event {}.{}) follows {}.{}, but {consumer} has come to \
             {}.{}: events between are missing, and nothing more is taken from this partition; \
             bring them back with `boxoffice events republish {publisher}`",
            gap.offset,
            placing.position.txn,
            placing.position.seq,
            placing.previous.txn,
            placing.previous.seq,
            last.txn,
            last.seq
        )
    }
}
