//! One transaction that many jobs share: what they decided in memory, written as sets.

mod record;
mod staging;

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
    time::Duration,
};

use runtime::{Clock, Context, Ids};
use tokio::time::timeout;
use uuid::Uuid;

use self::{
    record::record,
    staging::{Category, Stage, Staging},
};
use crate::{
    Aggregate, Answer, Claim, Connection, Database, Events, ExecuteError, IdempotencyKey, Loaded,
    RawRecorded, RecordedSummary, StoreError, Tx,
    idempotency::{self, AnswerRow, ClaimRow, ClaimSlot},
    job::contain,
    log::{self, NewEvent, TimerGone, TimerRow},
    timers::Setting,
};

/// Readers go on; whoever inserts waits.
const LOCK_LOG: &str = "LOCK TABLE events IN SHARE ROW EXCLUSIVE MODE";
/// How long a transaction is waited for that is taken back.
const LONGEST_ROLLBACK: Duration = Duration::from_secs(1);

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
    timers_set: Vec<TimerRow>,
    timers_gone: HashMap<&'static str, Vec<TimerGone>>,
    /// What was appended to the log, for those who read it from memory.
    appended: Vec<RawRecorded>,
    /// Counts what was decided.
    decided: u64,
    /// Counts the statements that were not the jobs' own.
    own_statements: u64,
    /// Whether streams that are not remembered may be taken for new.
    may_assume: bool,
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
        may_assume: bool,
    ) -> Result<Self, StoreError> {
        Ok(Self {
            tx: database.begin().await?,
            database: database.clone(),
            clock,
            ids,
            categories: Vec::new(),
            answers: Vec::new(),
            claims: Vec::new(),
            timers_set: Vec::new(),
            timers_gone: HashMap::new(),
            appended: Vec::new(),
            decided: 0,
            own_statements: 0,
            may_assume,
        })
    }

    /// Waits until nobody else appends to this log, and lets nobody until this is over: what is read
    /// from now on is what there is. Before anything else, since on PostgreSQL a transaction sees
    /// what there was at its first statement.
    pub(crate) async fn go_alone(&mut self) -> Result<(), StoreError> {
        let before = self.tx.statements();
        if let Connection::Postgres(mut connection) = self.tx.connection().await? {
            sqlx::query(LOCK_LOG).execute(&mut *connection).await?;
        }
        self.tx.is_sound();
        self.own_statements += self.tx.statements() - before;
        Ok(())
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
        if self.stage(events, id).await?.is_guess() {
            self.find_out(events, id).await?;
        }
        Ok(&self.staged(events, id)?.cached.loaded)
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
        let mut stage = self.stage(events, id).await?;
        let mut decided = None;
        if stage.is_guess() {
            // What an empty state is told by the command holds if it makes the stream begin.
            let guess = contain(A::NAME, || stage.cached.loaded.state.decide(command.clone()))?;
            let is_sound = expected.is_none() && guess.as_ref().is_ok_and(|it| !it.is_empty());
            decided = is_sound.then_some(guess);
            if !is_sound {
                stage = self.find_out(events, id).await?;
            }
        }
        let current = stage.cached.loaded.version;
        if expected.is_some_and(|expected| expected != current) {
            return Err(ExecuteError::Stale { current });
        }
        let decided = match decided {
            Some(decided) => decided,
            None => contain(A::NAME, || stage.cached.loaded.state.decide(command))?,
        };
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
        let (now, in_flight) = (self.clock.now(), self.database.in_flight());
        self.answers.push(AnswerRow::new(key, answer, now, in_flight));
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
        if let Some(tail) = self.database.tail() {
            tail.add(self.appended);
        }
        self.database.in_flight().leave(self.answers.iter().map(|answer| &answer.id));
        keep(self.categories, true);
        leave_word(&self.database, self.timers_set, self.timers_gone);
        Ok(written)
    }

    /// Takes back everything. States that nothing was decided on are remembered.
    pub(crate) async fn abandon(self) {
        // A server that answers nothing takes it back by itself in the end.
        if let Ok(Err(error)) = timeout(LONGEST_ROLLBACK, self.tx.rollback()).await {
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
            let is_alone = self.database.is_alone();
            idempotency::write_answers(&mut self.tx, &self.answers, is_alone).await?;
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
        if self.database.is_alone() {
            self.appended = new.into_iter().filter_map(|event| event.placed(&places)).collect();
        }
        for category in &mut self.categories {
            category.place(&places);
        }
        for category in &self.categories {
            category.apply_view(&mut self.tx).await?;
        }
        self.tx.ensure_open().await?;
        let now = self.clock.now();
        let (mut set, mut snapshots) = (Vec::new(), Vec::new());
        for category in &mut self.categories {
            let mut gone = Vec::new();
            let desk = self.database.desk(category.name());
            category.timers(now, desk.as_deref(), &mut set, &mut gone)?;
            if !gone.is_empty() {
                log::clear_timers(&mut self.tx, category.name(), &gone).await?;
                self.tx.is_sound();
                self.timers_gone.insert(category.name(), gone);
            }
            category.snapshots(&mut snapshots)?;
        }
        if !set.is_empty() {
            log::set_timers(&mut self.tx, &set).await?;
            self.tx.is_sound();
            self.timers_set = set;
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

    /// Reads a stream that was taken for new.
    async fn find_out<A: Aggregate>(
        &mut self,
        events: &Events<A>,
        id: Uuid,
    ) -> Result<&mut Stage<A>, StoreError> {
        self.staged(events, id)?.forget_guess();
        self.read_announced().await?;
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
            let staging = Staging::new(Arc::clone(&events.0), self.may_assume);
            self.categories.push(Box::new(staging));
            self.categories.len() - 1
        });
        self.categories
            .get_mut(index)
            .and_then(|category| category.as_any_mut().downcast_mut())
            .expect("it was found by its type or just made")
    }
}

/// Tells those who fire timers in this process of what was committed.
fn leave_word(
    database: &Database,
    set: Vec<TimerRow>,
    mut gone: HashMap<&'static str, Vec<TimerGone>>,
) {
    let mut settings: HashMap<&'static str, Vec<Setting>> = HashMap::new();
    for TimerRow { category, stream, due, cause, .. } in set {
        let setting = Setting { stream, due: due.0, cause };
        settings.entry(category).or_default().push(setting);
    }
    let categories: HashSet<&'static str> = settings.keys().chain(gone.keys()).copied().collect();
    for category in categories {
        if let Some(desk) = database.desk(category) {
            let gone = gone.remove(category).unwrap_or_default();
            let streams: Vec<Uuid> = gone.into_iter().map(|row| row.stream).collect();
            desk.committed(settings.remove(category).unwrap_or_default(), &streams);
        }
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
    for mut category in categories {
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
