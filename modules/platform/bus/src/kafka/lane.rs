//! Takes in one partition, while it is assigned to this replica.

use std::{sync::Arc, time::Duration};

use rdkafka::message::OwnedMessage;
use runtime::pause;
use store::{Mark, Partition, Passed, Position, StoreError};
use tokio::{
    sync::mpsc,
    time::{Instant, timeout_at},
};
use uuid::Uuid;

use super::{
    chain::{Judgement, Placing, judge},
    group::Group,
    message::{Arrival, Reader, log_of},
};
use crate::{
    Entry, Envelope,
    consumer::{Interruption, PartitionPlace, Progress, TROUBLE, UNNOTED},
};

/// How long it may stay unnoted that there was nothing for this consumer. Brokers forget what is
/// old: who has passed it must not look as if it had yet to come.
const NOTED_AFTER: Duration = Duration::from_secs(30);
/// How often it is looked whether the database has moved while nothing arrives. It may have gone
/// back, and nothing that arrives ever shows it.
const LOOK: Duration = Duration::from_secs(2);

/// One partition on its way in.
pub(crate) struct Lane {
    group: Arc<Group>,
    place: PartitionPlace,
    messages: mpsc::Receiver<OwnedMessage>,
    passed: Passed,
    /// The log of which the topic is a copy, as soon as that is known.
    log: Option<Uuid>,
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
    /// How often the database had moved before it was read.
    moves: u64,
}

/// What is to be done with messages that arrived together.
struct Sorted {
    next: Vec<(Option<Mark>, Entry)>,
    end: Option<Mark>,
    gap: Option<Gap>,
}

/// Why a lane does not go on.
enum Halt {
    /// It begins again from what is stored.
    Interrupted(Interruption),
    /// What is stored is behind what was: whatever came since has to come again.
    WentBack(String),
}

impl From<Interruption> for Halt {
    fn from(interruption: Interruption) -> Self {
        Self::Interrupted(interruption)
    }
}

impl From<StoreError> for Halt {
    fn from(error: StoreError) -> Self {
        Self::Interrupted(error.into())
    }
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
            log: None,
            progress,
            last,
            unnoted: None,
            is_gap: false,
            is_known: false,
            moves: 0,
        }
    }

    /// Takes in what arrives until nothing can arrive any more.
    ///
    /// # Errors
    /// When messages that have arrived already must arrive again.
    pub(super) async fn run(mut self) -> Result<(), String> {
        let limit = self.group.taker.batch();
        let mut arrived = Vec::with_capacity(limit);
        loop {
            arrived.clear();
            match self.receive(&mut arrived, limit).await {
                Some(0) => return Ok(()),
                Some(_) => self.take_in(&arrived).await?,
                None => self.look().await?,
            }
        }
    }

    /// Takes in what has arrived, however long it takes.
    async fn take_in(&mut self, arrived: &[OwnedMessage]) -> Result<(), String> {
        let mut failures = 0;
        loop {
            match self.attempt(arrived).await {
                Ok(last) => {
                    self.group.taker.go_on(&mut failures);
                    self.group.standing.waits(self.place.partition.number, None);
                    self.group.taker.note_age(last.as_ref(), self.messages.is_empty());
                    return Ok(());
                }
                Err(Halt::WentBack(reason)) => return Err(reason),
                Err(Halt::Interrupted(interruption)) => {
                    self.is_known = false;
                    self.wait_after(&interruption, &mut failures).await;
                }
            }
        }
    }

    async fn wait_after(&self, interruption: &Interruption, failures: &mut u32) {
        let reason = match interruption {
            Interruption::Overtaken => return,
            Interruption::Lost(error) => error.to_string(),
            Interruption::Trouble(reason) => reason.clone(),
        };
        *failures += 1;
        self.group.standing.waits(self.place.partition.number, Some(reason.clone()));
        self.group.taker.report(*failures, &reason);
        pause(TROUBLE.pause(*failures, self.group.random.as_ref())).await;
    }

    /// How many messages arrived; 0 when none can arrive any more, `None` when it is time
    /// to look after other things.
    async fn receive(&mut self, arrived: &mut Vec<OwnedMessage>, limit: usize) -> Option<usize> {
        let quiet = Instant::now() + LOOK;
        let until = self.unnoted.map_or(quiet, |(_, since)| quiet.min(since + NOTED_AFTER));
        timeout_at(until, self.messages.recv_many(arrived, limit)).await.ok()
    }

    /// Looks whether the database has gone back, and notes in time that there was nothing for this
    /// consumer. Should it not succeed, there is time.
    async fn look(&mut self) -> Result<(), String> {
        let due = self.unnoted.take_if(|(_, since)| since.elapsed() >= NOTED_AFTER);
        let looked = match due {
            Some((end, _)) => self.step_over(end).await,
            None => self.learn().await,
        };
        match looked {
            Ok(()) => {}
            Err(Halt::WentBack(reason)) => return Err(reason),
            Err(Halt::Interrupted(_)) => {
                self.is_known = false;
                self.unnoted = self.unnoted.or(due.map(|(end, _)| (end, Instant::now())));
            }
        }
        Ok(())
    }

    async fn step_over(&mut self, end: Mark) -> Result<(), Halt> {
        self.learn().await?;
        // Somebody else may have noted more.
        if self.progress.stored.is_some_and(|stored| stored.last >= end.last) {
            return Ok(());
        }
        let (taker, place) = (&self.group.taker, &self.place);
        Ok(taker.step_over(place, Some(end), &mut self.progress).await?)
    }

    /// The answer is what came last.
    async fn attempt(&mut self, arrived: &[OwnedMessage]) -> Result<Option<Envelope>, Halt> {
        self.learn().await?;
        let partitions = self.place.partition.count;
        self.log = match self.log {
            Some(log) => Some(log),
            None => self.follow(arrived.iter().find_map(|it| log_of(it, partitions))).await?,
        };
        let committer = self.group.taker.committer();
        let now = committer.clock().now();
        let reader = Reader { log: self.log, partitions, ids: committer.ids(), now };
        let arrivals: Vec<Arrival> = arrived.iter().map(|message| reader.read(message)).collect();
        self.take(&arrivals).await?;
        Ok(arrivals.into_iter().next_back().map(|it| it.entry.envelope))
    }

    /// Of which log the topic is a copy: of that of which it was, or of the first that was `found`.
    async fn follow(&self, found: Option<Uuid>) -> Result<Option<Uuid>, StoreError> {
        let database = self.group.taker.committer().database();
        let known = self.place.partition.log(database).await?;
        match (known, found) {
            (None, Some(found)) => Ok(Some(self.place.partition.follow(database, found).await?)),
            (known, _) => Ok(known),
        }
    }

    /// Reads what is stored, unless it is known: somebody else may have gone on from there.
    async fn learn(&mut self) -> Result<(), Halt> {
        let taker = &self.group.taker;
        let database = taker.committer().database();
        let moves = database.moves();
        if self.is_known && self.moves == moves {
            return Ok(());
        }
        let passed = taker.inbox().passed(database).await?;
        let stored = passed.mark(&self.place.partition);
        let last = stored.map_or(passed.feed(), |mark| mark.last.max(passed.feed()));
        let former = self.progress.stored.map_or(Position::START, |mark| mark.last);
        if last < former.max(self.place.feed) {
            let reason = self.words_of_return(last, former);
            tracing::warn!(consumer = %self.group.name, reason, "a database has gone back");
            return Err(Halt::WentBack(reason));
        }
        self.progress.aside = taker.inbox().aside(database).await?;
        self.progress.stored = stored;
        self.place.feed = passed.feed();
        self.passed = passed;
        self.last = self.last.max(last);
        (self.is_known, self.moves) = (true, moves);
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
        let taken = self.taken_of(arrivals);
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
                None if arrival.offset < taken => Judgement::Passed,
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

    /// The offset up to which these were taken already, before something came in between.
    fn taken_of(&self, arrivals: &[Arrival]) -> i64 {
        let next = self.progress.stored.map_or(i64::MIN, |mark| mark.next_offset);
        let are_these = arrivals.first().is_some_and(|it| it.offset < next)
            && arrivals.last().is_some_and(|it| next <= it.offset + 1);
        if are_these { next } else { i64::MIN }
    }

    fn words_of_return(&self, last: Position, former: Position) -> String {
        let Partition { consumer, topic, number, .. } = &self.place.partition;
        format!(
            "{topic}/{number}: {consumer} had come to {}.{} and stands at {}.{} in its database, \
             which has gone back; what came since is read again",
            former.txn, former.seq, last.txn, last.seq
        )
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
