//! The standing check of what a service keeps beside its log: its views, its snapshots, its timers
//! and what it remembers must be what a replay of the log makes of them.
//!
//! The replay is written with the views' own statements into temporary tables that have the views'
//! names and hide them, in a transaction that sees log and views as of one moment and ends by being
//! taken back. It can write nothing else: on SQLite its connection only reads, on PostgreSQL the
//! transaction does. Tables that are written from other services' events have no log here to be
//! replayed; services do not name them.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use runtime::{Boot, Checked, Finding, async_trait};
use sqlx::{AssertSqlSafe, PgPool, Row as _, SqlitePool};
use uuid::Uuid;

use crate::{
    Aggregate, Change, Connection, Database, Events, Json, LogViews, Recorded, Sql, StoreError, Tx,
    events::Cached,
    log::{self, SnapshotRow, Wanted},
};

/// Aggregates that are replayed at once.
const STREAMS: i64 = 100;
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
pub async fn replay(tables: &[&str], logs: &[&dyn Replayed]) -> Result<Checked, StoreError> {
    let Some(database) = logs.first().map(|log| log.database().clone()) else {
        return Ok(Checked::default());
    };
    let apart = database.apart().await?;
    let outcome = replay_apart(&apart, database.name(), tables, logs).await;
    apart.close().await;
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
    async fn replay(&self, tx: &mut Tx) -> Result<Checked, StoreError>;
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

    async fn replay(&self, tx: &mut Tx) -> Result<Checked, StoreError> {
        let mut checked = Checked::default();
        let mut last = Uuid::nil();
        loop {
            let page: Vec<(Uuid,)> =
                crate::fetch_all!(&mut *tx, (Uuid,), NEXT_STREAMS, A::NAME, last, STREAMS).await?;
            let Some((end,)) = page.last().copied() else { return Ok(checked) };
            let streams: Vec<Uuid> = page.into_iter().map(|(stream,)| stream).collect();
            checked.looked_at += streams.len() as u64;
            self.replay_page(tx, &streams, &mut checked.findings).await?;
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
        tx: &mut Tx,
        streams: &[Uuid],
        findings: &mut Vec<Finding>,
    ) -> Result<(), StoreError> {
        let wanted: Vec<Wanted> =
            streams.iter().map(|stream| Wanted::of::<A>(*stream, 0)).collect();
        let mut replays: BTreeMap<Uuid, Replay<A>> =
            streams.iter().map(|stream| (*stream, Replay::from_start())).collect();
        for row in log::read_snapshots(&mut tx.connection().await?, &wanted).await? {
            if let Some(replay) = replays.get_mut(&row.stream) {
                replay.stored = Some(row);
            }
        }
        for (stream, replay) in &mut replays {
            // It may have moved on since the transaction's moment; then there is nothing to compare.
            replay.remembered = self.0.look(*stream, Cached::clone);
        }
        for row in log::read_events(&mut tx.connection().await?, &wanted).await? {
            let recorded = row.decode::<A>()?;
            if let Some(replay) = replays.get_mut(&recorded.stream) {
                replay.take_in(recorded, findings)?;
            }
        }
        let set: Vec<(Uuid,)> = crate::fetch_all!(&mut *tx, (Uuid,), TIMERS, Json(&wanted)).await?;
        let set: BTreeSet<Uuid> = set.into_iter().map(|(stream,)| stream).collect();
        findings.extend(
            replays.iter().filter_map(|(id, replay)| replay.timer_finding(*id, set.contains(id))),
        );
        let changes: Vec<Change<'_, A>> =
            replays.iter().map(|(id, replay)| replay.change(*id)).collect();
        Ok(self.0.view.apply(tx, &changes).await?)
    }
}

/// One aggregate on its way from nothing to now.
struct Replay<A: Aggregate> {
    state: Cached<A>,
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

async fn replay_apart(
    apart: &Apart,
    schema: &str,
    tables: &[&str],
    logs: &[&dyn Replayed],
) -> Result<Checked, StoreError> {
    let mut tx = apart.begin().await?;
    for table in tables {
        hide(&mut tx, schema, table).await?;
    }
    write_nothing_else(&mut tx).await?;
    let mut checked = Checked::default();
    for log in logs {
        let seen = log.replay(&mut tx).await?;
        checked.looked_at += seen.looked_at;
        checked.findings.extend(seen.findings);
    }
    for table in tables {
        checked.findings.extend(compare(&mut tx, schema, table).await?);
    }
    tx.rollback().await?;
    Ok(checked)
}

/// A connection that nobody else has: statements may take as long as they take, and what the
/// database prepared for them is forgotten with it.
pub(crate) enum Apart {
    Sqlite(SqlitePool),
    Postgres(PgPool),
}

impl Apart {
    /// A transaction that sees everything as of its first look. Where it is cancelled, its
    /// connection goes with it.
    pub(crate) async fn begin(&self) -> Result<Tx, StoreError> {
        self.begin_with("BEGIN", "BEGIN ISOLATION LEVEL REPEATABLE READ").await
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

const TABLE_SQLITE: &str =
    "SELECT sql FROM sqlite_master WHERE tbl_name = $1 AND sql IS NOT NULL ORDER BY type DESC";
const READ_ONLY_POSTGRES: &str = "SET TRANSACTION READ ONLY";

/// Puts an empty temporary table of the same shape before `table`.
async fn hide(tx: &mut Tx, schema: &str, table: &str) -> Result<(), StoreError> {
    match tx.connection().await? {
        Connection::Sqlite(mut connection) => {
            let texts: Vec<(String,)> =
                sqlx::query_as(TABLE_SQLITE).bind(table).fetch_all(&mut *connection).await?;
            if texts.is_empty() {
                return Err(StoreError::Failed(format!("there is no table {table} to compare")));
            }
            for (text,) in texts {
                let temporary = temporary(&text).ok_or_else(|| {
                    StoreError::Failed(format!("the schema of {table} cannot be copied"))
                })?;
                sqlx::raw_sql(AssertSqlSafe(temporary)).execute(&mut *connection).await?;
            }
        }
        Connection::Postgres(mut connection) => {
            let text = format!(
                "CREATE TEMPORARY TABLE \"{table}\" (LIKE \"{schema}\".\"{table}\" INCLUDING ALL) \
                 ON COMMIT DROP"
            );
            sqlx::raw_sql(AssertSqlSafe(text)).execute(&mut *connection).await?;
        }
    }
    Ok(())
}

/// SQLite's own text of a table or an index, for a temporary one.
fn temporary(text: &str) -> Option<String> {
    const STARTS: [(&str, &str); 3] = [
        ("CREATE TABLE ", "CREATE TEMPORARY TABLE "),
        ("CREATE INDEX ", "CREATE INDEX temp."),
        ("CREATE UNIQUE INDEX ", "CREATE UNIQUE INDEX temp."),
    ];
    STARTS.iter().find_map(|(start, instead)| {
        text.strip_prefix(start).map(|rest| format!("{instead}{rest}"))
    })
}

/// A view that writes a table which was not named fails from here on. On SQLite it does anyway.
async fn write_nothing_else(tx: &mut Tx) -> Result<(), StoreError> {
    if let Connection::Postgres(mut connection) = tx.connection().await? {
        sqlx::query(READ_ONLY_POSTGRES).execute(&mut *connection).await?;
    }
    Ok(())
}

/// What is in `table`, and what should be.
async fn compare(tx: &mut Tx, schema: &str, table: &str) -> Result<Vec<Finding>, StoreError> {
    let (real, replayed) = match tx.connection().await? {
        Connection::Sqlite(_) => (format!("main.\"{table}\""), format!("temp.\"{table}\"")),
        Connection::Postgres(_) => {
            (format!("\"{schema}\".\"{table}\""), format!("pg_temp.\"{table}\""))
        }
    };
    let present = only_in(tx, &real, &replayed).await?;
    let expected = only_in(tx, &replayed, &real).await?;
    let both: BTreeSet<Uuid> = present.named.intersection(&expected.named).copied().collect();
    let row = |id: &Uuid, what: &str| Finding::new(format!("row {id} of {table}"), what);
    let differing = both.iter().map(|id| row(id, "is not what the events make of it"));
    let superfluous =
        present.named.difference(&both).map(|id| row(id, "is there, and no event made it"));
    let missing =
        expected.named.difference(&both).map(|id| row(id, "is missing, and events made it"));
    let mut findings: Vec<Finding> = differing.chain(superfluous).chain(missing).collect();
    if present.nameless + expected.nameless > 0 {
        let what = format!(
            "{} rows are there that no event made like this, and {} are missing",
            present.nameless, expected.nameless
        );
        findings.push(Finding::new(format!("table {table}"), what));
    }
    Ok(findings)
}

/// Rows by the identifier in their first column. Another first column is not shown: it could be
/// anything, such as an address.
#[derive(Default)]
struct Rows {
    named: BTreeSet<Uuid>,
    nameless: usize,
}

impl Rows {
    fn of(ids: impl Iterator<Item = Option<Uuid>>) -> Self {
        let mut rows = Self::default();
        for id in ids {
            match id {
                Some(id) => drop(rows.named.insert(id)),
                None => rows.nameless += 1,
            }
        }
        rows
    }
}

async fn only_in(tx: &mut Tx, table: &str, other: &str) -> Result<Rows, StoreError> {
    let text = format!("SELECT * FROM {table} EXCEPT SELECT * FROM {other} LIMIT {ROWS}");
    Ok(match tx.connection().await? {
        Connection::Sqlite(mut connection) => {
            let rows = sqlx::query(AssertSqlSafe(text)).fetch_all(&mut *connection).await?;
            Rows::of(rows.iter().map(|row| row.try_get(0).ok()))
        }
        Connection::Postgres(mut connection) => {
            let rows = sqlx::query(AssertSqlSafe(text)).fetch_all(&mut *connection).await?;
            Rows::of(rows.iter().map(|row| row.try_get(0).ok()))
        }
    })
}
