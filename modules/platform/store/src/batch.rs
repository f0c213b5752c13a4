//! One transaction that many jobs share: what they decided in memory, written as sets.

use std::{
    any::Any,
    collections::{HashMap, HashSet},
    panic::AssertUnwindSafe,
    sync::Arc,
};

use futures_util::{FutureExt, future::BoxFuture};
use runtime::{Clock, Context, Ids, Timestamp};
use serde_json::Value;
use uuid::Uuid;

use crate::{
    Aggregate, Answer, At, Change, Claim, Database, Events, ExecuteError, IdempotencyKey, Loaded,
    Position, RawRecorded, Recorded, RecordedSummary, StoreError, Tx,
    events::{Cached, Inner},
    idempotency::{self, AnswerRow, ClaimRow, ClaimSlot},
    job::{broken, contain},
    log::{self, NewEvent, SnapshotRow, TimerGone, TimerRow, Wanted},
};

/// Why a batch was not committed.
#[derive(Debug)]
pub(crate) enum Failure {
    /// Somebody else got in between. Trying again from the start may work.
    Conflict(StoreError),
    /// Nothing was written, and one of the jobs, or the database, is at fault.
    Store(StoreError),
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Contended(_) => Self::Conflict(error),
            other => Self::Store(other),
        }
    }
}

impl From<sqlx::Error> for Failure {
    fn from(error: sqlx::Error) -> Self {
        StoreError::from(error).into()
    }
}

/// A transaction and everything that was decided in it.
pub(crate) struct Batch {
    tx: Tx,
    database: Database,
    clock: Arc<dyn Clock>,
    ids: Ids,
    categories: Vec<Box<dyn Category>>,
    answers: Vec<AnswerRow>,
    claims: Vec<(ClaimRow, ClaimSlot)>,
    /// Counts what was decided.
    decided: u64,
    /// Counts the statements that were not the jobs' own.
    own_statements: u64,
}

/// What a batch wrote.
#[derive(Debug, Default)]
pub(crate) struct Written {
    /// The transaction's id, when it wrote events.
    pub(crate) txn: Option<i64>,
    pub(crate) events: Vec<RecordedSummary>,
}

impl Batch {
    pub(crate) async fn begin(
        database: &Database,
        clock: Arc<dyn Clock>,
        ids: Ids,
    ) -> Result<Self, StoreError> {
        Ok(Self {
            tx: database.begin().await?,
            database: database.clone(),
            clock,
            ids,
            categories: Vec::new(),
            answers: Vec::new(),
            claims: Vec::new(),
            decided: 0,
            own_statements: 0,
        })
    }

    /// Grows with everything that jobs decide and with each statement of theirs.
    pub(crate) fn traces(&self) -> u64 {
        self.decided + self.tx.statements() - self.own_statements
    }

    pub(crate) fn tx(&mut self) -> &mut Tx {
        &mut self.tx
    }

    /// Says that the stream will be needed.
    pub(crate) fn announce<A: Aggregate>(&mut self, events: &Events<A>, id: Uuid) {
        self.staging(events).announce(id);
    }

    /// Reads all streams that were announced and are not known yet: newer events for those that
    /// are remembered, snapshots and events for the others.
    pub(crate) async fn read_announced(&mut self) -> Result<(), StoreError> {
        let (before, was_doubtful) = (self.tx.statements(), self.tx.is_doubtful());
        let mut without_state = Vec::new();
        for category in &self.categories {
            category.without_state(&mut without_state);
        }
        if !without_state.is_empty() {
            for row in log::read_snapshots(&mut self.tx.connection().await?, &without_state).await?
            {
                self.hand_out(&row.category.clone(), row.stream, row, |to, row| {
                    to.take_snapshot(row);
                });
            }
        }
        let mut unknown = Vec::new();
        for category in &self.categories {
            category.unknown(&mut unknown);
        }
        if !unknown.is_empty() {
            for row in log::read_events(&mut self.tx.connection().await?, &unknown).await? {
                self.hand_out(&row.category.clone(), row.stream, row, |to, row| to.take_event(row));
            }
        }
        for category in &mut self.categories {
            category.all_known();
        }
        self.own_statements += self.tx.statements() - before;
        if !was_doubtful {
            self.tx.is_sound();
        }
        Ok(())
    }

    /// Gives a row to whoever waits for its stream.
    fn hand_out<R: Clone>(
        &mut self,
        category: &str,
        stream: Uuid,
        row: R,
        take: impl Fn(&mut dyn Category, R),
    ) {
        let mut takers =
            self.categories.iter_mut().filter(|to| to.name() == category && to.awaits(stream));
        let Some(first) = takers.next() else {
            return;
        };
        for other in takers {
            take(other.as_mut(), row.clone());
        }
        take(first.as_mut(), row);
    }

    /// The aggregate as this batch has made it so far.
    pub(crate) async fn load<A: Aggregate>(
        &mut self,
        events: &Events<A>,
        id: Uuid,
    ) -> Result<&Loaded<A>, StoreError> {
        Ok(&self.stage(events, id).await?.cached.loaded)
    }

    /// Lets the aggregate decide and evolve in memory.
    pub(crate) async fn decide<A: Aggregate>(
        &mut self,
        events: &Events<A>,
        cx: &Context,
        id: Uuid,
        expected: Option<u64>,
        command: A::Command,
    ) -> Result<&Loaded<A>, ExecuteError<A::Rejection>> {
        let (now, ids) = (self.clock.now(), self.ids.clone());
        let stage = self.stage(events, id).await?;
        let current = stage.cached.loaded.version;
        if expected.is_some_and(|expected| expected != current) {
            return Err(ExecuteError::Stale { current });
        }
        let decided = contain(A::NAME, || stage.cached.loaded.state.decide(command))?;
        let happened = decided.map_err(ExecuteError::Rejected)?;
        if happened.is_empty() {
            return Ok(&self.staged(events, id)?.cached.loaded);
        }
        let new = record::<A>(cx, id, current, now, &ids, happened)?;
        self.decided += 1;
        let fresh = self.staged(events, id)?;
        fresh.evolve(new)?;
        Ok(&fresh.cached.loaded)
    }

    /// Stores the answer to a request at the end.
    pub(crate) fn answer(&mut self, key: &IdempotencyKey, answer: &Answer) {
        self.decided += 1;
        self.answers.push(AnswerRow::new(key, answer, self.clock.now()));
    }

    /// Claims a key at the end; the slot then says how that went.
    pub(crate) fn claim(&mut self, key: &IdempotencyKey, body_hash: &str, slot: ClaimSlot) {
        self.decided += 1;
        self.claims.push((ClaimRow::new(key, body_hash, self.clock.now()), slot));
    }

    /// Writes everything that was decided, and commits. With an error that leaves the fate unknown
    /// comes what would have been written.
    pub(crate) async fn commit(mut self) -> Result<Written, (Failure, Option<Written>)> {
        if self.traces() == 0 {
            let rolled_back = self.tx.rollback().await;
            if let Err(error) = rolled_back {
                tracing::debug!(%error, "a transaction without effect was not taken back in order");
            }
            keep(self.categories, true);
            return Ok(Written::default());
        }
        let written = match self.write().await {
            Ok(written) => written,
            Err(failure) => {
                self.abandon().await;
                return Err((failure, None));
            }
        };
        if let Err(error) = self.tx.commit().await {
            return Err((error.into(), Some(written)));
        }
        keep(self.categories, true);
        Ok(written)
    }

    /// Takes back everything. States that nothing was decided on are remembered.
    pub(crate) async fn abandon(self) {
        if let Err(error) = self.tx.rollback().await {
            tracing::debug!(%error, "a transaction was not taken back in order");
        }
        keep(self.categories, false);
    }

    async fn write(&mut self) -> Result<Written, Failure> {
        self.tx.ensure_open().await?;
        let mut written = Written::default();
        let mut new = Vec::new();
        for category in &mut self.categories {
            category.new_events(&mut new);
        }
        if !new.is_empty() {
            written.events = new.iter().map(|event| summary(self.database.name(), event)).collect();
            written.txn = self.write_events(new).await?;
        }
        if !self.claims.is_empty() {
            self.write_claims().await?;
        }
        if !self.answers.is_empty() {
            idempotency::write_answers(&mut self.tx, &self.answers).await?;
            self.tx.is_sound();
        }
        Ok(written)
    }

    async fn write_events(&mut self, mut new: Vec<NewEvent>) -> Result<Option<i64>, Failure> {
        for (ordinal, event) in new.iter_mut().enumerate() {
            event.ordinal = ordinal;
        }
        let places = log::append(&mut self.tx, &new).await.map_err(version_conflict)?;
        self.tx.is_sound();
        for category in &mut self.categories {
            category.place(&places);
        }
        for category in &self.categories {
            category.apply_view(&mut self.tx).await?;
        }
        self.tx.ensure_open().await?;
        let (mut set, mut snapshots) = (Vec::new(), Vec::new());
        for category in &mut self.categories {
            let mut gone = Vec::new();
            category.timers(&mut set, &mut gone)?;
            if !gone.is_empty() {
                log::clear_timers(&mut self.tx, category.name(), &gone).await?;
                self.tx.is_sound();
            }
            category.snapshots(&mut snapshots)?;
        }
        if !set.is_empty() {
            log::set_timers(&mut self.tx, &set).await?;
            self.tx.is_sound();
        }
        if !snapshots.is_empty() {
            log::write_snapshots(&mut self.tx, &snapshots).await?;
            self.tx.is_sound();
        }
        Ok(places.values().next().map(|place| place.txn))
    }

    /// Of several claims of one key in one batch, the first is made; the others see it in flight.
    async fn write_claims(&mut self) -> Result<(), Failure> {
        let mut seen = HashSet::new();
        let first_ones: Vec<&ClaimRow> =
            self.claims.iter().map(|(row, _)| row).filter(|row| seen.insert(&row.id)).collect();
        let states = idempotency::write_claims(&mut self.tx, &first_ones, self.clock.now()).await?;
        self.tx.is_sound();
        let mut claimed = HashSet::new();
        for (row, slot) in &self.claims {
            let outcome = match states.get(&row.id) {
                None if claimed.insert(&row.id) => Claim::Claimed,
                None => idempotency::beside(row, &first_ones),
                Some(stored) => stored.seen_by(row),
            };
            slot.set(outcome);
        }
        Ok(())
    }

    /// The stage of a stream, read if it was not announced.
    async fn stage<A: Aggregate>(
        &mut self,
        events: &Events<A>,
        id: Uuid,
    ) -> Result<&mut Stage<A>, StoreError> {
        if !events.committer().database().is(&self.database) {
            return Err(StoreError::Failed(format!(
                "{} is kept in the database {}, and this is a transaction in {}",
                A::NAME,
                events.committer().database().name(),
                self.database.name()
            )));
        }
        if self.staging(events).announce(id) {
            self.read_announced().await?;
        }
        self.staged(events, id)
    }

    fn staged<A: Aggregate>(
        &mut self,
        events: &Events<A>,
        id: Uuid,
    ) -> Result<&mut Stage<A>, StoreError> {
        let unknown = || StoreError::Failed(format!("{} {id} was not read", A::NAME));
        let stage = self.staging(events).streams.get_mut(&id).ok_or_else(unknown)?;
        match &stage.fault {
            Some(fault) => Err(fault.clone()),
            None => Ok(stage),
        }
    }

    fn staging<A: Aggregate>(&mut self, events: &Events<A>) -> &mut Staging<A> {
        let is_it = |category: &dyn Category| {
            let staging = category.as_any().downcast_ref::<Staging<A>>();
            staging.is_some_and(|staging| Arc::ptr_eq(&staging.events, &events.0))
        };
        let found = self.categories.iter().position(|category| is_it(category.as_ref()));
        let index = found.unwrap_or_else(|| {
            self.categories.push(Box::new(Staging::new(Arc::clone(&events.0))));
            self.categories.len() - 1
        });
        self.categories
            .get_mut(index)
            .and_then(|category| category.as_any_mut().downcast_mut())
            .expect("it was found by its type or just made")
    }
}

fn summary(database: &str, event: &NewEvent) -> RecordedSummary {
    RecordedSummary {
        database: database.to_owned(),
        category: event.category,
        stream: event.stream,
        version: event.version,
        event_type: event.event_type.clone(),
    }
}

/// The states go back to where they are remembered.
fn keep(categories: Vec<Box<dyn Category>>, is_committed: bool) {
    for category in categories {
        category.keep(is_committed);
    }
}

/// Someone appended to one of the streams since they were read.
fn version_conflict(error: sqlx::Error) -> Failure {
    match &error {
        sqlx::Error::Database(refusal) if refusal.is_unique_violation() => {
            Failure::Conflict(StoreError::Contended(error.to_string()))
        }
        _ => error.into(),
    }
}

/// An event as it will be recorded, and as a row.
type New<A> = (Recorded<<A as Aggregate>::Event>, NewEvent);

/// What happened, ready to be taken in and written.
fn record<A: Aggregate>(
    cx: &Context,
    stream: Uuid,
    version: u64,
    now: Timestamp,
    ids: &Ids,
    happened: Vec<A::Event>,
) -> Result<Vec<New<A>>, StoreError> {
    let (actor, traceparent) = (cx.principal().actor(), cx.trace().traceparent());
    happened
        .into_iter()
        .zip(version + 1..)
        .map(|(event, version)| {
            let (event_type, payload) = to_payload::<A>(&event)?;
            let recorded = Recorded {
                id: ids.next(),
                stream,
                version,
                position: Position::START,
                event,
                recorded_at: now,
                actor: actor.clone(),
                correlation_id: cx.correlation_id().to_owned(),
                causation_id: cx.causation_id(),
                traceparent: traceparent.clone(),
            };
            let row = NewEvent {
                ordinal: 0,
                id: recorded.id,
                category: A::NAME,
                stream,
                version,
                event_type,
                schema_version: A::EVENT_SCHEMA,
                payload,
                recorded_at: At(now),
                actor: actor.clone(),
                correlation_id: recorded.correlation_id.clone(),
                causation_id: recorded.causation_id,
                traceparent: traceparent.clone(),
            };
            Ok((recorded, row))
        })
        .collect()
}

fn to_payload<A: Aggregate>(event: &A::Event) -> Result<(String, Value), StoreError> {
    let serialized = contain(A::NAME, || serde_json::to_value(event))?;
    let payload = serialized.map_err(|error| {
        StoreError::Failed(format!("an event of {} is no JSON: {error}", A::NAME))
    })?;
    let Some(event_type) = payload.get("type").and_then(Value::as_str) else {
        return Err(StoreError::Failed(format!(
            "an event of {} has no type in its JSON; tag the enum with #[serde(tag = \"type\")]",
            A::NAME
        )));
    };
    if has_nul(&payload) {
        return Err(StoreError::Unstorable(format!(
            "{event_type} of {} has text with a NUL character",
            A::NAME
        )));
    }
    Ok((event_type.to_owned(), payload))
}

/// PostgreSQL cannot store the character; both databases refuse it, so that they agree.
fn has_nul(value: &Value) -> bool {
    match value {
        Value::String(text) => text.contains('\0'),
        Value::Array(items) => items.iter().any(has_nul),
        Value::Object(fields) => {
            fields.iter().any(|(name, field)| name.contains('\0') || has_nul(field))
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => false,
    }
}

/// The streams of one kind of aggregate in a batch, without the kind's type.
trait Category: Send + Sync {
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
    fn timers(&self, set: &mut Vec<TimerRow>, gone: &mut Vec<TimerGone>) -> Result<(), StoreError>;
    fn snapshots(&mut self, rows: &mut Vec<SnapshotRow>) -> Result<(), StoreError>;
    fn keep(self: Box<Self>, is_committed: bool);
}

struct Staging<A: Aggregate> {
    events: Arc<Inner<A>>,
    streams: HashMap<Uuid, Stage<A>>,
    /// The streams in the order in which they were announced.
    order: Vec<Uuid>,
}

/// One stream in a batch.
struct Stage<A: Aggregate> {
    cached: Cached<A>,
    is_known: bool,
    /// It came from memory, so that only newer events are read.
    is_remembered: bool,
    fault: Option<StoreError>,
    /// Whether a timer may be set for it in the database.
    had_timer: bool,
    fresh: Vec<Recorded<A::Event>>,
    rows: Vec<NewEvent>,
}

impl<A: Aggregate> Stage<A> {
    fn new(remembered: Option<Cached<A>>) -> Self {
        Self {
            is_remembered: remembered.is_some(),
            cached: remembered.unwrap_or_default(),
            is_known: false,
            fault: None,
            had_timer: false,
            fresh: Vec::new(),
            rows: Vec::new(),
        }
    }

    fn evolve(&mut self, new: Vec<New<A>>) -> Result<(), StoreError> {
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
    fn new(events: Arc<Inner<A>>) -> Self {
        Self { events, streams: HashMap::new(), order: Vec::new() }
    }

    /// Whether it is new to the batch, and must be read.
    fn announce(&mut self, id: Uuid) -> bool {
        if self.streams.contains_key(&id) {
            return false;
        }
        self.streams.insert(id, Stage::new(self.events.take(id)));
        self.order.push(id);
        true
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
        for stage in self.streams.values_mut().filter(|stage| !stage.is_known) {
            stage.is_known = true;
            if stage.fault.is_some() {
                continue;
            }
            match stage.wake_at() {
                Ok(wake_at) => stage.had_timer = wake_at.is_some(),
                Err(fault) => stage.fault = Some(fault),
            }
        }
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
            let whole = async { self.events.view.apply(tx, &changes).await };
            match AssertUnwindSafe(whole).catch_unwind().await {
                Ok(applied) => Ok(applied?),
                Err(panic) => Err(Failure::Store(broken(A::NAME, panic.as_ref()))),
            }
        })
    }

    fn timers(&self, set: &mut Vec<TimerRow>, gone: &mut Vec<TimerGone>) -> Result<(), StoreError> {
        for (stream, stage) in self.changed() {
            match stage.wake_at()? {
                Some(due) => set.push(TimerRow { category: A::NAME, stream, due: At(due) }),
                None if stage.had_timer => gone.push(TimerGone { stream }),
                None => {}
            }
        }
        Ok(())
    }

    fn snapshots(&mut self, rows: &mut Vec<SnapshotRow>) -> Result<(), StoreError> {
        for (id, stage) in self.streams.iter_mut().filter(|(_, stage)| !stage.fresh.is_empty()) {
            let version = stage.cached.loaded.version;
            if version - stage.cached.snapshot_at >= A::SNAPSHOT_EVERY {
                rows.push(stage.cached.snapshot(*id)?);
                stage.cached.snapshot_at = version;
            }
        }
        Ok(())
    }

    fn keep(self: Box<Self>, is_committed: bool) {
        for (id, stage) in self.streams {
            let is_in_the_log = stage.is_known && (is_committed || stage.fresh.is_empty());
            if is_in_the_log && stage.fault.is_none() && stage.cached.loaded.version > 0 {
                self.events.offer(id, stage.cached);
            }
        }
    }
}
