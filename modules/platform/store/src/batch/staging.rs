//! The streams of one kind of aggregate in a batch: what they were, and what is decided on them.

use std::{any::Any, collections::HashMap, mem, panic::AssertUnwindSafe, sync::Arc};

use futures_util::{FutureExt, future::BoxFuture};
use runtime::Timestamp;
use uuid::Uuid;

use super::{Failure, record::New};
use crate::{
    Aggregate, At, Change, Position, RawRecorded, Recorded, StoreError, Tx,
    events::{Cached, Inner},
    job::{broken, contain},
    log::{NewEvent, SnapshotRow, TimerGone, TimerRow, Wanted},
    timers::{Cause, Desk},
};

/// The streams of one kind of aggregate in a batch, without the kind's type.
pub(super) trait Category: Send + Sync {
    fn name(&self) -> &'static str;
    fn as_any(&self) -> &dyn Any;
    fn as_any_mut(&mut self) -> &mut dyn Any;

    /// Whether the stream is still to be read.
    fn awaits(&self, stream: Uuid) -> bool;
    fn without_state(&self, wanted: &mut Vec<Wanted>);
    fn unknown(&self, wanted: &mut Vec<Wanted>);
    fn take_snapshot(&mut self, row: SnapshotRow);
    fn take_event(&mut self, row: RawRecorded);
    fn all_known(&mut self);

    fn new_events(&mut self, new: &mut Vec<NewEvent>);
    fn place(&mut self, places: &HashMap<Uuid, Position>);
    fn apply_view<'a>(&'a self, tx: &'a mut Tx) -> BoxFuture<'a, Result<(), Failure>>;
    /// The timers to be set and to be cleared. `desk`: who takes over at once what is due.
    fn timers(
        &self,
        now: Timestamp,
        desk: Option<&Desk>,
        set: &mut Vec<TimerRow>,
        gone: &mut Vec<TimerGone>,
    ) -> Result<(), StoreError>;
    fn snapshots(&mut self, rows: &mut Vec<SnapshotRow>) -> Result<(), StoreError>;
    fn keep(&mut self, is_committed: bool);
}

pub(super) struct Staging<A: Aggregate> {
    pub(super) events: Arc<Inner<A>>,
    pub(super) streams: HashMap<Uuid, Stage<A>>,
    /// The streams in the order in which they were announced.
    order: Vec<Uuid>,
    /// Whether a stream that is not remembered may be taken for new.
    may_assume: bool,
}

/// One stream in a batch.
#[expect(clippy::struct_excessive_bools, reason = "independent facts, each true or not")]
pub(super) struct Stage<A: Aggregate> {
    pub(super) cached: Cached<A>,
    is_known: bool,
    /// It came from memory, so that only newer events are read.
    is_remembered: bool,
    /// It was not remembered and is taken for new. Should it not be, its first event finds its place
    /// in the log taken, and the batch is tried again.
    is_assumed: bool,
    pub(super) fault: Option<StoreError>,
    /// Whether a timer may be set for it in the database.
    had_timer: bool,
    fresh: Vec<Recorded<A::Event>>,
    rows: Vec<NewEvent>,
}

impl<A: Aggregate> Stage<A> {
    fn new(remembered: Option<Cached<A>>, is_alone: bool, may_assume: bool) -> Self {
        let is_remembered = remembered.is_some();
        let mut stage = Self {
            is_remembered,
            cached: remembered.unwrap_or_default(),
            is_known: false,
            is_assumed: is_alone && may_assume && !is_remembered,
            fault: None,
            had_timer: false,
            fresh: Vec::new(),
            rows: Vec::new(),
        };
        if is_alone && is_remembered || stage.is_assumed {
            stage.all_known();
        }
        stage
    }

    /// Whether it only looks like new so far.
    pub(super) fn is_guess(&self) -> bool {
        self.is_assumed && self.fresh.is_empty()
    }

    /// Has it read after all.
    pub(super) fn forget_guess(&mut self) {
        (self.is_assumed, self.is_known) = (false, false);
    }

    fn all_known(&mut self) {
        self.is_known = true;
        if self.fault.is_some() {
            return;
        }
        match self.wake_at() {
            Ok(wake_at) => self.had_timer = wake_at.is_some(),
            Err(fault) => self.fault = Some(fault),
        }
    }

    pub(super) fn evolve(&mut self, new: Vec<New<A>>) -> Result<(), StoreError> {
        for (recorded, row) in new {
            let evolved = self.cached.take_in(&recorded);
            self.fault = evolved.clone().err();
            evolved?;
            self.fresh.push(recorded);
            self.rows.push(row);
        }
        Ok(())
    }

    fn wake_at(&self) -> Result<Option<Timestamp>, StoreError> {
        contain(A::NAME, || self.cached.loaded.state.wake_at())
    }
}

impl<A: Aggregate> Staging<A> {
    pub(super) fn new(events: Arc<Inner<A>>, may_assume: bool) -> Self {
        Self { events, streams: HashMap::new(), order: Vec::new(), may_assume }
    }

    /// Whether it must be read.
    pub(super) fn announce(&mut self, id: Uuid) -> bool {
        if let Some(stage) = self.streams.get(&id) {
            return !stage.is_known;
        }
        let is_alone = self.events.committer.database().is_alone();
        let stage = Stage::new(self.events.take(id), is_alone, self.may_assume);
        let is_known = stage.is_known;
        self.streams.insert(id, stage);
        self.order.push(id);
        !is_known
    }

    /// The row of a timer; one that is due is claimed by whoever has time for it.
    fn timer(
        stream: Uuid,
        stage: &Stage<A>,
        due: Timestamp,
        now: Timestamp,
        desk: Option<&Desk>,
        taken: &mut usize,
    ) -> TimerRow {
        let claimant = desk.filter(|_| due <= now).and_then(|desk| desk.claimant(stream, *taken));
        let cause = claimant.and_then(|_| stage.fresh.last()).map(|last| Cause {
            id: last.id,
            correlation_id: last.correlation_id.clone(),
            traceparent: last.traceparent.clone(),
        });
        *taken += usize::from(claimant.is_some());
        TimerRow {
            category: A::NAME,
            stream,
            due: At(due),
            claimed_by: claimant,
            attempts: u32::from(claimant.is_some()),
            cause,
        }
    }

    /// The streams to which something happened, in order.
    fn changed(&self) -> impl Iterator<Item = (Uuid, &Stage<A>)> {
        self.order
            .iter()
            .filter_map(|id| Some((*id, self.streams.get(id)?)))
            .filter(|(_, stage)| !stage.fresh.is_empty())
    }
}

impl<A: Aggregate> Category for Staging<A> {
    fn name(&self) -> &'static str {
        A::NAME
    }

    fn as_any(&self) -> &dyn Any {
        self
    }

    fn as_any_mut(&mut self) -> &mut dyn Any {
        self
    }

    fn awaits(&self, stream: Uuid) -> bool {
        self.streams.get(&stream).is_some_and(|stage| !stage.is_known)
    }

    fn without_state(&self, wanted: &mut Vec<Wanted>) {
        let new = self.streams.iter().filter(|(_, stage)| !stage.is_known && !stage.is_remembered);
        wanted.extend(new.map(|(id, _)| Wanted::of::<A>(*id, 0)));
    }

    fn unknown(&self, wanted: &mut Vec<Wanted>) {
        let unknown = self.streams.iter().filter(|(_, stage)| !stage.is_known);
        wanted.extend(unknown.map(|(id, stage)| Wanted::of::<A>(*id, stage.cached.loaded.version)));
    }

    fn take_snapshot(&mut self, row: SnapshotRow) {
        let Some(stage) = self.streams.get_mut(&row.stream) else {
            return;
        };
        if let Some(snapshot) = Cached::from_snapshot(row) {
            stage.cached = snapshot;
        }
    }

    fn take_event(&mut self, row: RawRecorded) {
        let Some(stage) = self.streams.get_mut(&row.stream) else {
            return;
        };
        if stage.fault.is_none() {
            let taken = row.decode::<A>().and_then(|recorded| stage.cached.take_in(&recorded));
            stage.fault = taken.err();
        }
    }

    fn all_known(&mut self) {
        let unknown = self.streams.values_mut().filter(|stage| !stage.is_known);
        unknown.for_each(Stage::all_known);
    }

    fn new_events(&mut self, new: &mut Vec<NewEvent>) {
        for id in &self.order {
            if let Some(stage) = self.streams.get_mut(id) {
                new.append(&mut stage.rows);
            }
        }
    }

    fn place(&mut self, places: &HashMap<Uuid, Position>) {
        for recorded in self.streams.values_mut().flat_map(|stage| &mut stage.fresh) {
            if let Some(position) = places.get(&recorded.id) {
                recorded.position = *position;
            }
        }
    }

    fn apply_view<'a>(&'a self, tx: &'a mut Tx) -> BoxFuture<'a, Result<(), Failure>> {
        Box::pin(async move {
            let changes: Vec<Change<'_, A>> = self
                .changed()
                .map(|(id, stage)| Change {
                    id,
                    version: stage.cached.loaded.version,
                    state: &stage.cached.loaded.state,
                    events: &stage.fresh,
                })
                .collect();
            if changes.is_empty() {
                return Ok(());
            }
            let whole = async {
                self.events.view.apply(tx, &changes).await?;
                self.events.view.measure(&changes);
                Ok::<(), sqlx::Error>(())
            };
            match AssertUnwindSafe(whole).catch_unwind().await {
                Ok(applied) => Ok(applied?),
                Err(panic) => Err(Failure::Store(broken(A::NAME, panic.as_ref()))),
            }
        })
    }

    fn timers(
        &self,
        now: Timestamp,
        desk: Option<&Desk>,
        set: &mut Vec<TimerRow>,
        gone: &mut Vec<TimerGone>,
    ) -> Result<(), StoreError> {
        let mut taken = 0;
        for (stream, stage) in self.changed() {
            match stage.wake_at()? {
                Some(due) => set.push(Self::timer(stream, stage, due, now, desk, &mut taken)),
                None if stage.had_timer => gone.push(TimerGone { stream }),
                None => {}
            }
        }
        Ok(())
    }

    fn snapshots(&mut self, rows: &mut Vec<SnapshotRow>) -> Result<(), StoreError> {
        for (id, stage) in self.streams.iter_mut().filter(|(_, stage)| !stage.fresh.is_empty()) {
            let version = stage.cached.loaded.version;
            if version - stage.cached.snapshot_at >= stage.cached.loaded.state.snapshot_after() {
                rows.push(stage.cached.snapshot(*id)?);
                stage.cached.snapshot_at = version;
            }
        }
        Ok(())
    }

    fn keep(&mut self, is_committed: bool) {
        let states = mem::take(&mut self.streams).into_iter().map(|(id, stage)| {
            let is_in_the_log = stage.is_known && (is_committed || stage.fresh.is_empty());
            let is_sound = is_in_the_log && stage.fault.is_none();
            (id, (is_sound && stage.cached.loaded.version > 0).then_some(stage.cached))
        });
        self.events.give_back(states);
    }
}

/// A batch that is dropped in the middle knows nothing of its states any more.
impl<A: Aggregate> Drop for Staging<A> {
    fn drop(&mut self) {
        if !self.streams.is_empty() {
            let ids = mem::take(&mut self.streams).into_keys();
            self.events.give_back(ids.map(|id| (id, None)));
        }
    }
}
