//! Views made anew from the log, beside those that are shown, without stopping anybody.
//!
//! The first pass fills empty tables of the same shape, in the order of the streams, in many short
//! transactions. Then what happened meanwhile is taken in, until the two are compared at one moment
//! of the log: what is shown then has to be what was made. Rows that differ are corrected while
//! writers are held for a moment, and it is compared again. It is done when a comparison finds
//! nothing. So a view that was right is not touched, readers are never stopped, and nothing is
//! renamed: a transaction that began before would see an empty table.

mod difference;
mod mark;
mod projector;
mod shadow;
mod table;
mod told;

use futures_util::future::join;
use runtime::{RebuildProgress, RebuildStep, Rebuilt};
use sqlx::AssertSqlSafe;
use uuid::Uuid;

pub(crate) use self::{
    difference::{Difference, Wrong, differences},
    mark::STATEMENTS,
    shadow::Shadow,
    told::STATEMENTS as TOLD_STATEMENTS,
};
pub use self::{
    mark::Mark,
    projector::{Projecting, Projector},
    told::{Retelling, Taken},
};
use self::{
    mark::{CHANGED, COUNT, MARK, PAGE},
    table::{Table, run},
};
use crate::{
    Connection, Database, Dialect, LogView, Projected, RawRecorded, StoreError, Tx,
    log::{self, Wanted},
};

/// Events of one transaction of the first pass. Longer ones would hold back the feeds of PostgreSQL.
const EVENTS: u32 = 2_000;
/// Streams to which something happened meanwhile that are read at once.
const STREAMS: usize = 100;
/// With so little to be taken in, it is time to compare.
const FEW: u64 = 200;
/// Times that it is tried to get there.
const CATCH_UPS: usize = 10;
/// Comparisons until somebody else is to blame.
const COMPARISONS: usize = 10;
/// Rows that are corrected while writers are held.
const ROWS: usize = 10_000;
/// As many where some can be put in only when others, which may be in any other piece, have gone.
const ENTANGLED_ROWS: usize = 50_000;
/// Times that writers are asked to wait.
const HOLDS: usize = 20;

const BEFORE_ROWS: &str = "SAVEPOINT before_rows";
const BACK_TO_BEFORE_ROWS: &str = "ROLLBACK TO SAVEPOINT before_rows";

type Watch<'a> = dyn FnMut(RebuildProgress) + Send + 'a;

/// Makes `view` anew and corrects what is shown.
///
/// # Errors
/// When the database does not answer, the log cannot be read, a view writes other tables than it
/// says, another process rebuilds, or rows differ again and again because a process with other code
/// writes them. What is shown is then as it was, or corrected in part; doing it again is harmless.
pub(crate) async fn rebuild(
    database: &Database,
    view: &LogView,
    watch: &mut Watch<'_>,
) -> Result<Rebuilt, StoreError> {
    let shadow = Shadow::open(database, view.tables).await?;
    let origin = Origin::Log { projected: view.logs, logs: Vec::new() };
    let outcome = Rebuild::new(&shadow, view.name, origin, watch, database.dialect()).run().await;
    shadow.close().await;
    outcome
}

/// Makes the view `name` of these tables anew from what others tell, and corrects what is shown.
///
/// # Errors
/// As [`LogViews::rebuild_on`](crate::LogViews::rebuild_on).
pub async fn rebuild_from(
    database: &Database,
    name: &'static str,
    tables: &[&'static str],
    told: &mut dyn Retelling,
    watch: &mut (dyn FnMut(RebuildProgress) + Send),
) -> Result<Rebuilt, StoreError> {
    let shadow = Shadow::open(database, tables).await?;
    let origin = Origin::Told(told);
    let outcome = Rebuild::new(&shadow, name, origin, watch, database.dialect()).run().await;
    shadow.close().await;
    outcome
}

/// What a view is made from.
enum Origin<'a> {
    /// The service's own events.
    Log {
        /// What they are projected by.
        projected: &'a [&'static dyn Projected],
        /// Those of which the first pass is over.
        logs: Vec<Box<dyn Projecting>>,
    },
    /// Those of others.
    Told(&'a mut dyn Retelling),
}

struct Rebuild<'a, 'w> {
    shadow: &'a Shadow,
    view: &'static str,
    origin: Origin<'a>,
    watch: &'a mut Watch<'w>,
    dialect: Dialect,
    /// What was visible before it has been taken in.
    mark: Mark,
    events: u64,
    corrected: u64,
}

/// Keys of rows that differ, as JSON, by table.
type Differing<'t> = Vec<(&'t Table, Vec<String>)>;
/// Some of them.
type Piece<'d> = (&'d Table, &'d [String]);

impl<'a, 'w> Rebuild<'a, 'w> {
    fn new(
        shadow: &'a Shadow,
        view: &'static str,
        origin: Origin<'a>,
        watch: &'a mut Watch<'w>,
        dialect: Dialect,
    ) -> Self {
        let mark = Mark::new(dialect, 0);
        Self { shadow, view, origin, watch, dialect, mark, events: 0, corrected: 0 }
    }

    async fn run(mut self) -> Result<Rebuilt, StoreError> {
        self.fill().await?;
        for _ in 0..COMPARISONS {
            self.catch_up().await?;
            let differing = self.compare().await?;
            if differing.is_empty() {
                let (view, events, corrected) = (self.view, self.events, self.corrected);
                return Ok(Rebuilt { view, events, corrected });
            }
            self.correct(&differing).await?;
        }
        Err(StoreError::Failed(format!(
            "rows of {} differ again as soon as they are corrected; a process with another build \
             writes them, so start one of this build in its place and rebuild again",
            self.view
        )))
    }

    fn tell(&mut self, step: RebuildStep, done: u64, total: u64) {
        (self.watch)(RebuildProgress { view: self.view, step, done, total });
    }

    /// The first pass.
    async fn fill(&mut self) -> Result<(), StoreError> {
        self.mark = now(&mut self.shadow.live().await?, self.dialect).await?;
        match &self.origin {
            Origin::Log { projected, .. } => {
                let projected = *projected;
                self.fill_from_log(projected).await?;
            }
            Origin::Told(_) => self.fill_from_told().await?,
        }
        self.shadow.analyze().await
    }

    async fn fill_from_log(&mut self, logs: &[&'static dyn Projected]) -> Result<(), StoreError> {
        let mut total = 0;
        for log in logs {
            let mut live = self.shadow.live().await?;
            let (count,): (i64,) =
                crate::fetch_one!(&mut live, (i64,), COUNT, log.category()).await?;
            total += u64::try_from(count).unwrap_or_default();
        }
        self.tell(RebuildStep::Filling, 0, total);
        let mut pages = 0_u64;
        for log in logs {
            let mut log = log.begin(self.mark);
            let category = log.category();
            let mut page = page_after(self.shadow, category, Uuid::nil(), 0).await?;
            while let Some(last) = page.last() {
                let (stream, version) = (last.stream, last.version);
                let count = page.len() as u64;
                let shadow = self.shadow;
                let write = async {
                    log.take(page)?;
                    let mut tx = shadow.write().await?;
                    log.apply(&mut tx).await?;
                    tx.commit().await
                };
                let (next, written) =
                    join(page_after(shadow, category, stream, version), write).await;
                written?;
                page = next?;
                self.events += count;
                pages += 1;
                if pages.is_power_of_two() {
                    self.shadow.analyze().await?;
                }
                self.tell(RebuildStep::Filling, self.events, total.max(self.events));
            }
            log.end_first_pass();
            if let Origin::Log { logs, .. } = &mut self.origin {
                logs.push(log);
            }
        }
        Ok(())
    }

    async fn fill_from_told(&mut self) -> Result<(), StoreError> {
        let Origin::Told(told) = &mut self.origin else { return Ok(()) };
        let total = told.total().await?;
        told.learn(&mut self.shadow.live().await?).await?;
        let view = self.view;
        let mut tell = |done: u64| {
            let progress =
                RebuildProgress { view, step: RebuildStep::Filling, done, total: total.max(done) };
            (self.watch)(progress);
        };
        tell(0);
        let mut pages = 0_u64;
        while let Some(events) = told.read().await? {
            let mut tx = self.shadow.write().await?;
            told.write(&mut tx).await?;
            tx.commit().await?;
            self.events += events;
            pages += 1;
            if pages.is_power_of_two() {
                self.shadow.analyze().await?;
            }
            tell(self.events);
        }
        Ok(())
    }

    /// Takes in what happened meanwhile, until little does.
    async fn catch_up(&mut self) -> Result<(), StoreError> {
        for _ in 0..CATCH_UPS {
            let mut live = self.shadow.live().await?;
            let news = self.follow(&mut live, None).await?;
            drop(live);
            let events = self.events;
            self.tell(RebuildStep::Following, events, events);
            if news <= FEW {
                break;
            }
        }
        Ok(())
    }

    /// Takes in what is visible to `live` and was not taken in; `within` a transaction, or in many.
    async fn follow(
        &mut self,
        live: &mut Connection<'_>,
        within: Option<&mut Tx>,
    ) -> Result<u64, StoreError> {
        let news = match &mut self.origin {
            Origin::Log { logs, .. } => {
                let next = now(live, self.dialect).await?;
                let news = follow_log(self.shadow, logs, self.mark, live, within).await?;
                self.mark = next;
                news
            }
            Origin::Told(told) => follow_told(self.shadow, *told, live, within).await?,
        };
        self.events += news;
        Ok(news)
    }

    /// The rows that differ, at one moment of the log.
    async fn compare(&mut self) -> Result<Differing<'a>, StoreError> {
        self.tell(RebuildStep::Comparing, 0, 0);
        let mut moment = self.shadow.moment().await?;
        self.follow(&mut moment.connection().await?, None).await?;
        let mut differing = Vec::new();
        for table in &self.shadow.tables {
            let mut shown = moment.connection().await?;
            let mut made = self.shadow.made().await?;
            let rows = differences(table, &mut shown, &mut made, usize::MAX).await?;
            if !rows.is_empty() {
                let keys = rows.into_iter().map(|Difference { key, .. }| key);
                differing.push((table, keys.collect()));
            }
        }
        moment.rollback().await?;
        Ok(differing)
    }

    /// Corrects rows, in pieces that are short: whoever writes meanwhile waits for one of them at
    /// most. Where a row can be put in only when another has gone, all at once.
    async fn correct(&mut self, differing: &Differing<'_>) -> Result<(), StoreError> {
        let total: usize = differing.iter().map(|(_, keys)| keys.len()).sum();
        let before = self.corrected;
        let whole: Vec<Piece<'_>> =
            differing.iter().map(|(table, keys)| (*table, keys.as_slice())).collect();
        let parts: Vec<Vec<Piece<'_>>> = if total <= ROWS {
            vec![whole.clone()]
        } else {
            let parts =
                whole.iter().flat_map(|(table, keys)| keys.chunks(ROWS).map(|it| (*table, it)));
            parts.map(|piece| vec![piece]).collect()
        };
        for part in &parts {
            self.tell(RebuildStep::Correcting, self.corrected - before, total as u64);
            match self.correct_at_once(part).await? {
                Corrected::Done => {}
                Corrected::RowInTheWay(error) if parts.len() == 1 => return Err(error),
                Corrected::RowInTheWay(error) if total > ENTANGLED_ROWS => {
                    return Err(self.entangled(total, &error));
                }
                Corrected::RowInTheWay(_) => {
                    if let Corrected::RowInTheWay(error) = self.correct_at_once(&whole).await? {
                        return Err(error);
                    }
                    break;
                }
            }
        }
        self.tell(RebuildStep::Correcting, self.corrected - before, total as u64);
        Ok(())
    }

    fn entangled(&self, total: usize, error: &StoreError) -> StoreError {
        let tables = self.shadow.tables.iter().map(|table| table.name).collect::<Vec<_>>();
        StoreError::Failed(format!(
            "{total} rows of {} differ, and some can be corrected only together with others, for \
             which writers would have to wait too long; at a quiet hour delete all rows of {} and \
             rebuild again ({error})",
            self.view,
            tables.join(", ")
        ))
    }

    async fn correct_at_once(&mut self, part: &[Piece<'_>]) -> Result<Corrected, StoreError> {
        let mut tx = hold_writers(self.shadow).await?;
        let mut live = self.shadow.live().await?;
        self.follow(&mut live, Some(&mut tx)).await?;
        drop(live);
        run(&mut tx.connection().await?, BEFORE_ROWS.to_owned()).await?;
        let corrected = correct_rows(&mut tx, part).await;
        if corrected.is_err() {
            // What was taken in stays.
            run(&mut tx.connection().await?, BACK_TO_BEFORE_ROWS.to_owned()).await?;
        }
        tx.commit().await?;
        self.shadow.let_go().await?;
        match corrected {
            Ok(rows) => {
                self.corrected += rows;
                Ok(Corrected::Done)
            }
            Err(error) if is_in_the_way(&error) => Ok(Corrected::RowInTheWay(error.into())),
            Err(error) => Err(error.into()),
        }
    }
}

/// What came of an attempt to correct rows.
enum Corrected {
    Done,
    /// One can be put in only when another one has gone.
    RowInTheWay(StoreError),
}

fn is_in_the_way(error: &sqlx::Error) -> bool {
    matches!(error, sqlx::Error::Database(refusal) if refusal.is_unique_violation())
}

async fn follow_log(
    shadow: &Shadow,
    logs: &mut [Box<dyn Projecting>],
    mark: Mark,
    live: &mut Connection<'_>,
    mut within: Option<&mut Tx>,
) -> Result<u64, StoreError> {
    let changed: Vec<(String, Uuid, i64)> =
        crate::fetch_all!(&mut *live, (String, Uuid, i64), CHANGED, mark.at()).await?;
    let mut news = 0;
    for log in logs {
        let category = log.category();
        let wanted: Vec<Wanted> = changed
            .iter()
            .filter(|(name, _, _)| name == category)
            .filter_map(|(_, stream, version)| {
                log.wanted(*stream, u64::try_from(*version).unwrap_or_default())
            })
            .collect();
        for some in wanted.chunks(STREAMS) {
            let rows = log::read_events(live, some).await?;
            news += log.take_news(rows)?;
            if let Some(tx) = within.as_deref_mut() {
                log.apply(tx).await?;
            } else {
                let mut tx = shadow.write().await?;
                log.apply(&mut tx).await?;
                tx.commit().await?;
            }
        }
    }
    Ok(news)
}

async fn follow_told(
    shadow: &Shadow,
    told: &mut dyn Retelling,
    live: &mut Connection<'_>,
    mut within: Option<&mut Tx>,
) -> Result<u64, StoreError> {
    told.learn(live).await?;
    let mut news = 0;
    while let Some(events) = told.read().await? {
        news += events;
        if let Some(tx) = within.as_deref_mut() {
            told.write(tx).await?;
        } else {
            let mut tx = shadow.write().await?;
            told.write(&mut tx).await?;
            tx.commit().await?;
        }
    }
    Ok(news)
}

/// Takes away rows and puts in what should be there. Says how many that were.
async fn correct_rows(tx: &mut Tx, part: &[Piece<'_>]) -> Result<u64, sqlx::Error> {
    let mut rows = 0;
    for (table, keys) in part {
        let keys = format!("[{}]", keys.join(","));
        execute(&mut tx.connection().await?, &table.remove, &keys).await?;
    }
    for (table, some) in part {
        let keys = format!("[{}]", some.join(","));
        execute(&mut tx.connection().await?, &table.put, &keys).await?;
        rows += some.len() as u64;
    }
    Ok(rows)
}

async fn execute(on: &mut Connection<'_>, text: &str, keys: &str) -> Result<(), sqlx::Error> {
    match on {
        Connection::Sqlite(connection) => {
            sqlx::query(AssertSqlSafe(text)).bind(keys).execute(&mut **connection).await?;
        }
        Connection::Postgres(connection) => {
            sqlx::query(AssertSqlSafe(text)).bind(keys).execute(&mut **connection).await?;
        }
    }
    Ok(())
}

/// Who writes the same tables in another order may be in the way; then one of the two gives way.
async fn hold_writers(shadow: &Shadow) -> Result<Tx, StoreError> {
    let mut tries = 0;
    loop {
        match shadow.hold_writers().await {
            Err(error) if error.is_transient() && tries < HOLDS => tries += 1,
            held => return held,
        }
    }
}

async fn page_after(
    shadow: &Shadow,
    category: &'static str,
    stream: Uuid,
    version: u64,
) -> Result<Vec<RawRecorded>, StoreError> {
    let version = i64::try_from(version).unwrap_or(i64::MAX);
    let limit = i64::from(EVENTS);
    let mut live = shadow.live().await?;
    let rows = crate::fetch_all!(&mut live, RawRecorded, PAGE, category, stream, version, limit);
    Ok(rows.await?)
}

async fn now(on: &mut Connection<'_>, dialect: Dialect) -> Result<Mark, StoreError> {
    let (at,): (i64,) = crate::fetch_one!(on, (i64,), MARK).await?;
    Ok(Mark::new(dialect, at))
}
