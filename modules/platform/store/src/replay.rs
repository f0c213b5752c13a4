//! The standing check of what a service keeps beside its log: its views, its snapshots, its timers
//! and what it remembers must be what a replay of the log makes of them.
//!
//! One transaction, which only reads, sees log and views as of one moment. The replay is written with
//! the views' own statements into empty tables of the same names beside the service's, as a rebuild's
//! is (see [`mod@crate::rebuild`]), in transactions of their own, which are short: one that has
//! written and stays open would hold back the feeds of a PostgreSQL cluster. Tables that are written from other services' events have no log here to be
//! replayed; services do not name them.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use runtime::{Boot, Checked, Finding, async_trait};
use serde_json::{Map, Value};
use sqlx::{PgPool, SqlitePool};
use uuid::Uuid;

use crate::{
    Aggregate, Change, Connection, Database, Events, Json, LogViews, Recorded, Sql, StoreError, Tx,
    events::Cached,
    log::{self, SnapshotRow, Wanted},
    rebuild::{Difference, Shadow, Wrong, differences},
};

/// Aggregates that are replayed at once.
const STREAMS: i64 = 100;
/// Events that are written in one transaction.
const EVENTS: usize = 2_000;
/// Rows that differ in one table and are looked at; there is no end to them when a view is wrong.
const ROWS: usize = 200;

/// Adds the check that `views` and everything else that is derived from `logs` is what a replay makes
/// of them. `logs` are those that the views name, and may be more.
pub fn check_replay(boot: &Boot, views: &'static LogViews, logs: &[&dyn Replayed]) {
    let logs: Vec<Arc<dyn Replayed>> = logs.iter().map(|log| log.share()).collect();
    boot.check("replay", move || {
        let logs = logs.clone();
        Box::pin(async move {
            let logs: Vec<&dyn Replayed> = logs.iter().map(AsRef::as_ref).collect();
            let is_given = |name: &&str| logs.iter().any(|log| log.category() == *name);
            if let Some(missing) = views.categories().iter().find(|name| !is_given(name)) {
                return Err(format!("the log of {missing} makes views and is not replayed"));
            }
            replay(&views.tables(), &logs).await.map_err(|error| error.to_string())
        })
    });
}

/// What differs in `tables`, and in what else is derived from `logs`, from what a replay of them
/// makes of it. All are of one database; see [`check_replay`].
///
/// # Errors
/// When the database does not answer, the log cannot be read, or a view writes a table that is not
/// among `tables`.
pub async fn replay(
    tables: &[&'static str],
    logs: &[&dyn Replayed],
) -> Result<Checked, StoreError> {
    let Some(database) = logs.first().map(|log| log.database().clone()) else {
        return Ok(Checked::default());
    };
    let shadow = Shadow::to_compare(&database, tables).await?;
    let outcome = replay_beside(&shadow, logs).await;
    shadow.close().await;
    outcome
}

/// The log of one kind of aggregate, as [`check_replay`] takes it: an [`Events`].
#[async_trait]
pub trait Replayed: Send + Sync + 'static {
    /// The same log, for whoever keeps it.
    fn share(&self) -> Arc<dyn Replayed>;

    /// The kind of aggregate.
    fn category(&self) -> &'static str;

    /// Where it is.
    fn database(&self) -> &Database;

    /// Writes all views anew, and says what else differs from what the events make of it.
    ///
    /// # Errors
    /// When the log cannot be read, or a view cannot be written.
    async fn replay(&self, moment: &mut Moment<'_>) -> Result<Checked, StoreError>;
}

/// A moment of a database, and where its views are made anew.
pub struct Moment<'a> {
    /// Only reads.
    seen: Tx,
    beside: &'a Shadow,
    /// Transactions that were written beside it.
    written: u64,
}

#[async_trait]
impl<A: Aggregate> Replayed for Events<A> {
    fn share(&self) -> Arc<dyn Replayed> {
        Arc::new(self.clone())
    }

    fn category(&self) -> &'static str {
        A::NAME
    }

    fn database(&self) -> &Database {
        self.committer().database()
    }

    async fn replay(&self, moment: &mut Moment<'_>) -> Result<Checked, StoreError> {
        let mut checked = Checked::default();
        let mut last = Uuid::nil();
        loop {
            let seen = &mut moment.seen;
            let page: Vec<(Uuid,)> =
                crate::fetch_all!(seen, (Uuid,), NEXT_STREAMS, A::NAME, last, STREAMS).await?;
            let Some((end,)) = page.last().copied() else { return Ok(checked) };
            let streams: Vec<Uuid> = page.into_iter().map(|(stream,)| stream).collect();
            checked.looked_at += streams.len() as u64;
            self.replay_page(moment, &streams, &mut checked.findings).await?;
            last = end;
        }
    }
}

impl<A: Aggregate> Events<A> {
    /// Everything that happened to each aggregate of this kind, one aggregate after the other, for
    /// checks that judge the whole log. Answers with how many there were.
    ///
    /// # Errors
    /// As [`Events::load`].
    pub async fn each_history(
        &self,
        mut look: impl FnMut(Uuid, Vec<Recorded<A::Event>>) + Send,
    ) -> Result<u64, StoreError> {
        let database = self.committer().database();
        let (mut last, mut count) = (Uuid::nil(), 0);
        loop {
            let page: Vec<(Uuid,)> =
                crate::fetch_all!(database, (Uuid,), NEXT_STREAMS, A::NAME, last, STREAMS).await?;
            let Some((end,)) = page.last().copied() else { return Ok(count) };
            let wanted: Vec<Wanted> =
                page.iter().map(|(stream,)| Wanted::of::<A>(*stream, 0)).collect();
            let rows = log::read_events(&mut database.connection().await?, &wanted).await?;
            let mut histories: BTreeMap<Uuid, Vec<Recorded<A::Event>>> = BTreeMap::new();
            for row in rows {
                let recorded = row.decode::<A>()?;
                histories.entry(recorded.stream).or_default().push(recorded);
            }
            count += histories.len() as u64;
            for (id, history) in histories {
                look(id, history);
            }
            last = end;
        }
    }

    async fn replay_page(
        &self,
        moment: &mut Moment<'_>,
        streams: &[Uuid],
        findings: &mut Vec<Finding>,
    ) -> Result<(), StoreError> {
        let wanted: Vec<Wanted> =
            streams.iter().map(|stream| Wanted::of::<A>(*stream, 0)).collect();
        let mut replays: BTreeMap<Uuid, Replay<A>> =
            streams.iter().map(|stream| (*stream, Replay::from_start())).collect();
        for row in log::read_snapshots(&mut moment.seen.connection().await?, &wanted).await? {
            if let Some(replay) = replays.get_mut(&row.stream) {
                replay.stored = Some(row);
            }
        }
        for (stream, replay) in &mut replays {
            // It may have moved on since the transaction's moment; then there is nothing to compare.
            replay.remembered = self.0.look(*stream, Cached::clone);
        }
        let mut unwritten = 0;
        for row in log::read_events(&mut moment.seen.connection().await?, &wanted).await? {
            let recorded = row.decode::<A>()?;
            if let Some(replay) = replays.get_mut(&recorded.stream) {
                replay.take_in(recorded, findings)?;
                unwritten += 1;
            }
            if unwritten == EVENTS {
                self.write(moment, &mut replays).await?;
                unwritten = 0;
            }
        }
        let seen = &mut moment.seen;
        let set: Vec<(Uuid,)> = crate::fetch_all!(seen, (Uuid,), TIMERS, Json(&wanted)).await?;
        let set: BTreeSet<Uuid> = set.into_iter().map(|(stream,)| stream).collect();
        findings.extend(
            replays.iter().filter_map(|(id, replay)| replay.timer_finding(*id, set.contains(id))),
        );
        self.write(moment, &mut replays).await
    }

    /// Lets the view have what it has not seen.
    async fn write(
        &self,
        moment: &mut Moment<'_>,
        replays: &mut BTreeMap<Uuid, Replay<A>>,
    ) -> Result<(), StoreError> {
        let fresh = replays.iter().filter(|(_, replay)| !replay.events.is_empty());
        let changes: Vec<Change<'_, A>> = fresh.map(|(id, replay)| replay.change(*id)).collect();
        if changes.is_empty() {
            return Ok(());
        }
        let mut tx = moment.beside.write().await?;
        self.0.view.apply(&mut tx, &changes).await?;
        tx.commit().await?;
        moment.written += 1;
        if moment.written.is_power_of_two() {
            moment.beside.analyze().await?;
        }
        for replay in replays.values_mut() {
            replay.events.clear();
        }
        Ok(())
    }
}

/// One aggregate on its way from nothing to now.
struct Replay<A: Aggregate> {
    state: Cached<A>,
    /// Those that the view has not seen.
    events: Vec<Recorded<A::Event>>,
    stored: Option<SnapshotRow>,
    remembered: Option<Cached<A>>,
}

impl<A: Aggregate> Replay<A> {
    fn from_start() -> Self {
        Self { state: Cached::default(), events: Vec::new(), stored: None, remembered: None }
    }

    fn take_in(
        &mut self,
        recorded: Recorded<A::Event>,
        findings: &mut Vec<Finding>,
    ) -> Result<(), StoreError> {
        self.state.take_in(&recorded)?;
        let (id, version) = (recorded.stream, self.state.loaded.version);
        let stored = self.stored.take_if(|stored| stored.version == version);
        if let Some(stored) = stored.filter(|stored| stored.state_schema == A::STATE_SCHEMA)
            && stored.state != self.state.snapshot(id)?.state
        {
            findings.push(about::<A>(id, format!("its snapshot of version {version}")));
        }
        let remembered = self.remembered.take_if(|it| it.loaded.version == version);
        if let Some(remembered) = remembered
            && remembered.snapshot(id)?.state != self.state.snapshot(id)?.state
        {
            findings.push(about::<A>(id, format!("its remembered state of version {version}")));
        }
        self.events.push(recorded);
        Ok(())
    }

    fn timer_finding(&self, id: Uuid, is_set: bool) -> Option<Finding> {
        let wants_one = self.state.loaded.state.wake_at().is_some();
        let what = match (wants_one, is_set) {
            (true, false) => "it wants to be woken, and has no timer",
            (false, true) => "it has a timer, and does not want to be woken",
            (true, true) | (false, false) => return None,
        };
        Some(Finding::new(format!("{} {id}", A::NAME), what))
    }

    fn change(&self, id: Uuid) -> Change<'_, A> {
        let loaded = &self.state.loaded;
        Change { id, version: loaded.version, state: &loaded.state, events: &self.events }
    }
}

fn about<A: Aggregate>(id: Uuid, what: String) -> Finding {
    Finding::new(format!("{} {id}", A::NAME), what + " is not what its events make of it")
}

async fn replay_beside(shadow: &Shadow, logs: &[&dyn Replayed]) -> Result<Checked, StoreError> {
    let mut moment = Moment { seen: shadow.moment().await?, beside: shadow, written: 0 };
    let mut checked = Checked::default();
    for log in logs {
        let seen = log.replay(&mut moment).await?;
        checked.looked_at += seen.looked_at;
        checked.findings.extend(seen.findings);
    }
    for table in &shadow.tables {
        let mut shown = moment.seen.connection().await?;
        let mut made = shadow.made().await?;
        let rows = differences(table, &mut shown, &mut made, ROWS).await?;
        checked.findings.extend(Rows::of(rows, &table.first).findings(table.name));
    }
    moment.seen.rollback().await?;
    Ok(checked)
}

/// A connection that nobody else has: statements may take as long as they take, and what the
/// database prepared for them is forgotten with it.
pub(crate) enum Apart {
    Sqlite(SqlitePool),
    Postgres(PgPool),
}

impl Apart {
    /// A transaction that sees everything as of its first look, and only reads: on PostgreSQL it
    /// has no transaction id, so that no feed waits for it. Where it is cancelled, its connection
    /// goes with it.
    pub(crate) async fn begin(&self) -> Result<Tx, StoreError> {
        self.begin_with("BEGIN", "BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY").await
    }

    /// A transaction that begins with what is said.
    pub(crate) async fn begin_with(
        &self,
        sqlite: &'static str,
        postgres: &'static str,
    ) -> Result<Tx, StoreError> {
        Ok(match self {
            Self::Sqlite(pool) => Tx::sqlite(pool.begin_with(sqlite).await?),
            Self::Postgres(pool) => Tx::postgres(pool.begin_with(postgres).await?),
        })
    }

    /// The connection, for one statement at a time.
    pub(crate) async fn connection(&self) -> Result<Connection<'static>, sqlx::Error> {
        Ok(match self {
            Self::Sqlite(pool) => Connection::Sqlite(pool.acquire().await?.into()),
            Self::Postgres(pool) => Connection::Postgres(pool.acquire().await?.into()),
        })
    }

    pub(crate) async fn close(self) {
        match self {
            Self::Sqlite(pool) => pool.close().await,
            Self::Postgres(pool) => pool.close().await,
        }
    }
}

/// The statements of this file that run on both databases.
pub(crate) const STATEMENTS: &[(&str, Sql)] = crate::statements![NEXT_STREAMS, TIMERS];

const NEXT_STREAMS: &str = "SELECT stream FROM events WHERE category = $1 AND stream > $2 \
     GROUP BY stream ORDER BY stream LIMIT $3";
const TIMERS: Sql = crate::sql!(
    "SELECT t.stream FROM ",
    rows("$1", category text, stream uuid),
    " CROSS JOIN timers t WHERE t.category = given.category AND t.stream = given.stream",
);

/// Rows by the identifier in the first column of their keys. Another first column is not shown: it
/// could be anything, such as an address.
#[derive(Default)]
struct Rows {
    present: BTreeSet<Uuid>,
    expected: BTreeSet<Uuid>,
    nameless_present: usize,
    nameless_expected: usize,
}

impl Rows {
    fn of(differences: Vec<Difference>, first: &str) -> Self {
        let mut rows = Self::default();
        for Difference { key, wrong } in differences {
            let key: Map<String, Value> = serde_json::from_str(&key).unwrap_or_default();
            let id = key.get(first).and_then(Value::as_str).and_then(|id| id.parse().ok());
            if matches!(wrong, Wrong::Superfluous | Wrong::Different) {
                match id {
                    Some(id) => drop(rows.present.insert(id)),
                    None => rows.nameless_present += 1,
                }
            }
            if matches!(wrong, Wrong::Missing | Wrong::Different) {
                match id {
                    Some(id) => drop(rows.expected.insert(id)),
                    None => rows.nameless_expected += 1,
                }
            }
        }
        rows
    }

    fn findings(&self, table: &str) -> Vec<Finding> {
        let row = |id: &Uuid, what: &str| Finding::new(format!("row {id} of {table}"), what);
        let differing = self.present.intersection(&self.expected);
        let differing = differing.map(|id| row(id, "is not what the events make of it"));
        let superfluous = self.present.difference(&self.expected);
        let superfluous = superfluous.map(|id| row(id, "is there, and no event made it"));
        let missing = self.expected.difference(&self.present);
        let missing = missing.map(|id| row(id, "is missing, and events made it"));
        let mut findings: Vec<Finding> = differing.chain(superfluous).chain(missing).collect();
        if self.nameless_present + self.nameless_expected > 0 {
            let what = format!(
                "{} rows are there that no event made like this, and {} are missing",
                self.nameless_present, self.nameless_expected
            );
            findings.push(Finding::new(format!("table {table}"), what));
        }
        findings
    }
}
