//! The log when it is long: whether appending slows down, what it takes to load an aggregate with
//! many events, with a snapshot and without, and how fast views are made anew.
//!
//! On a SQLite file in the system's temporary directory, and on a PostgreSQL server of its own. A
//! million events, unless a number says otherwise: `cargo bench -p store --bench log -- 100000`. It is
//! part of `make bench`.

#![expect(clippy::print_stdout, reason = "a bench talks to people")]

use std::{sync::Arc, time::Duration};

use futures_util::future::join_all;
use runtime::{
    Context, Ids, Principal, RebuildStep, Secret, SystemClock, SystemRandom, TraceContext,
    async_trait,
};
use serde::{Deserialize, Serialize};
use sqlx::migrate::Migrator;
use store::{
    Aggregate, Change, Committer, Database, DatabaseSettings, Events, Json, LogView, LogViews,
    Projection, Schema, Sql, Tx, View,
};
use tempfile::TempDir;
use tokio::{task::JoinSet, time::Instant};
use uuid::Uuid;

const EVENTS: u64 = 1_000_000;
/// Events of most aggregates, as of an order.
const EVENTS_EACH: u64 = 10;
/// Events of one aggregate that many people buy of.
const MANY: u64 = 100_000;
const FEW: u64 = 1_000;
/// Events of a run that is only to show that it runs.
const TRIAL: u64 = 2_000;
/// Commands that wait at the same time.
const CROWD: usize = 256;
/// Rounds of each measurement of appending, and events of a round.
const ROUNDS: usize = 15;
const ROUND: u64 = 2_560;

static SCHEMA: Schema = Schema::new("bench", Migrator::DEFAULT, Migrator::DEFAULT);
static VIEWS: LogViews = LogViews {
    schema: &SCHEMA,
    views: &[LogView {
        name: "parcels",
        tables: &["parcels"],
        logs: &[&Projection::<Parcel, Parcels>::by(&Parcels)],
    }],
    tells: None,
};

const TABLE_SQLITE: &str = "CREATE TABLE parcels (id BLOB NOT NULL PRIMARY KEY, \
     sender BLOB NOT NULL, version INTEGER NOT NULL, content TEXT NOT NULL) STRICT";
const TABLE_POSTGRES: &str = "CREATE TABLE parcels (id uuid NOT NULL PRIMARY KEY, \
     sender uuid NOT NULL, version bigint NOT NULL, content jsonb NOT NULL)";
const INDEX: &str = "CREATE INDEX parcels_of_sender ON parcels (sender, id)";
const EMPTY: &str = "DELETE FROM parcels";
const NO_SNAPSHOTS: &str = "DELETE FROM snapshots";
const PUT: Sql = store::sql!(
    "INSERT INTO parcels (id, sender, version, content) SELECT id, sender, version, content FROM ",
    rows("$1", id uuid, sender uuid, version bigint, content json),
    " WHERE true ON CONFLICT (id) DO UPDATE SET version = excluded.version, \
     content = excluded.content",
);

/// Something that is on its way, with about as much to tell as an order.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
struct Parcel {
    sender: Uuid,
    stations: u64,
    last: String,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Happened {
    Posted { sender: Uuid, recipient: String, address: String },
    Passed { station: String, by: String, weight: u64 },
}

impl Aggregate for Parcel {
    const NAME: &'static str = "parcel";
    type Command = Happened;
    type Event = Happened;
    type Rejection = std::convert::Infallible;

    fn decide(&self, happened: Happened) -> Result<Vec<Happened>, Self::Rejection> {
        Ok(vec![happened])
    }

    fn evolve(&mut self, event: &Happened) {
        match event {
            Happened::Posted { sender, address, .. } => {
                self.sender = *sender;
                self.last.clone_from(address);
            }
            Happened::Passed { station, .. } => {
                self.stations += 1;
                self.last.clone_from(station);
            }
        }
    }
}

struct Parcels;

#[derive(Serialize)]
struct Row<'a> {
    id: Uuid,
    sender: Uuid,
    version: u64,
    content: &'a Parcel,
}

#[async_trait]
impl View<Parcel> for Parcels {
    async fn apply(&self, tx: &mut Tx, changes: &[Change<'_, Parcel>]) -> Result<(), sqlx::Error> {
        let rows: Vec<Row<'_>> = changes
            .iter()
            .map(|change| Row {
                id: change.id,
                sender: change.state.sender,
                version: change.version,
                content: change.state,
            })
            .collect();
        store::execute!(tx, PUT, Json(&rows)).await?;
        Ok(())
    }
}

struct Depot {
    database: Database,
    committer: Committer,
    parcels: Events<Parcel>,
    ids: Ids,
    _working: JoinSet<()>,
    _folder: TempDir,
}

impl Depot {
    async fn open(url: &str) -> Self {
        let folder = tempfile::tempdir().expect("a directory");
        let url = Secret::from(url.to_owned());
        let settings = DatabaseSettings { url, ..DatabaseSettings::default() };
        let database = Database::connect_alone(&settings, SCHEMA.name(), folder.path()).await;
        let database = database.expect("the database opens");
        SCHEMA.up_on(&database).await.expect("the log's tables are made");
        let mut tx = database.begin().await.expect("it begins");
        let table = Sql::new(TABLE_SQLITE, TABLE_POSTGRES);
        store::execute!(&mut tx, table).await.expect("a table");
        store::execute!(&mut tx, INDEX).await.expect("an index");
        tx.commit().await.expect("it commits");
        let ids = Ids::new(Arc::new(SystemClock), Arc::new(SystemRandom::default()));
        let (committer, work) = Committer::new(&database, Arc::new(SystemClock), ids.clone(), None);
        let mut working = JoinSet::new();
        working.spawn(work.run());
        let parcels = Events::new(&committer, Parcels);
        Self { database, committer, parcels, ids, _working: working, _folder: folder }
    }

    async fn happen(&self, id: Uuid, event: Happened) {
        let trace = TraceContext::start(&SystemRandom::default());
        let deadline = Instant::now() + Duration::from_mins(1);
        let cx = Context::new(Principal::Anonymous, deadline, "bench", trace);
        self.parcels.execute(&cx, id, event).read(|_| ()).await.expect("nothing is refused");
    }

    /// Appends so many events, of aggregates with some each.
    async fn append(&self, events: u64) {
        let mut left = events;
        while left > 0 {
            let ids: Vec<Uuid> = std::iter::repeat_with(|| self.ids.next()).take(CROWD).collect();
            for step in 0..EVENTS_EACH {
                let now = usize::try_from(left).unwrap_or(CROWD).min(CROWD);
                join_all(ids.iter().take(now).map(|id| self.happen(*id, event(*id, step)))).await;
                left -= now as u64;
            }
        }
    }

    /// Appends so many events to one aggregate.
    async fn append_to_one(&self, id: Uuid, events: u64) {
        for _ in 0..=events / CROWD as u64 {
            join_all((0..CROWD).map(|step| self.happen(id, event(id, step as u64)))).await;
        }
    }

    async fn run(&self, statement: &'static str) {
        let mut tx = self.database.begin().await.expect("it begins");
        store::execute!(&mut tx, statement).await.expect("it is done");
        tx.commit().await.expect("it commits");
    }

    /// What loading takes that is not remembered.
    async fn load(&self, id: Uuid, many: u64) -> Duration {
        let parcels: Events<Parcel> = Events::new(&self.committer, Parcels);
        let began = Instant::now();
        let loaded = parcels.load(id).await.expect("it can be read");
        assert!(loaded.is_some_and(|it| it.version >= many));
        began.elapsed()
    }
}

fn event(id: Uuid, step: u64) -> Happened {
    if step == 0 {
        return Happened::Posted {
            sender: id,
            recipient: "Ada Lovelace <ada@example.org>".to_owned(),
            address: "12 St James's Square, London SW1Y 4JH".to_owned(),
        };
    }
    Happened::Passed {
        station: format!("the station with the number {step} on the way"),
        by: "train 1815 from King's Cross".to_owned(),
        weight: step * 1_843,
    }
}

fn median(mut of: Vec<f64>) -> f64 {
    of.sort_by(f64::total_cmp);
    of.get(of.len() / 2).copied().unwrap_or_default()
}

#[expect(clippy::cast_precision_loss, reason = "rates are shown without fractions")]
fn rate(events: u64, taken: Duration) -> f64 {
    events as f64 / taken.as_secs_f64()
}

/// Rates of a short log and of a long one, by turns, so that both meet the same noise.
async fn appending(short: &Depot, long: &Depot) -> (f64, f64) {
    let (mut of_short, mut of_long) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        for (depot, rates) in [(short, &mut of_short), (long, &mut of_long)] {
            let began = Instant::now();
            depot.append(ROUND).await;
            rates.push(rate(ROUND, began.elapsed()));
        }
    }
    (median(of_short), median(of_long))
}

/// What filling took, and all of it.
async fn rebuilding(depot: &Depot) -> (u64, Duration, Duration, u64) {
    let began = Instant::now();
    let mut filled = Duration::ZERO;
    let done = VIEWS
        .rebuild_on(&depot.database, None, &mut |progress| {
            if progress.step == RebuildStep::Filling {
                filled = began.elapsed();
            }
        })
        .await
        .expect("it is rebuilt");
    let rebuilt = done.first().expect("one view");
    (rebuilt.events, filled, began.elapsed(), rebuilt.corrected)
}

async fn measure(name: &str, short: Depot, long: Depot, events: u64) {
    let many = events.min(MANY);
    short.append(FEW).await;
    let began = Instant::now();
    long.append(events).await;
    println!("{name}: {events} events appended, {:.0} a second", rate(events, began.elapsed()));
    let (of_short, of_long) = appending(&short, &long).await;
    println!(
        "{name}: appends {of_short:.0} events a second to {FEW} of them, {of_long:.0} to {events} \
         (ratio {:.2}; median of {ROUNDS} rounds by turns)",
        of_long / of_short
    );
    let one = long.ids.next();
    long.append_to_one(one, many).await;
    println!("{name}: loads {many} events with a snapshot in {:?}", long.load(one, many).await);
    long.run(NO_SNAPSHOTS).await;
    println!("{name}: loads {many} events without one in {:?}", long.load(one, many).await);
    for wreck in [false, true] {
        if wreck {
            long.run(EMPTY).await;
        }
        let (count, filled, taken, corrected) = rebuilding(&long).await;
        println!(
            "{name}: rebuilds {count} events in {taken:.1?}, {:.0} a second ({:.0} while it fills); \
             {corrected} rows corrected",
            rate(count, taken),
            rate(count, filled)
        );
    }
}

#[tokio::main]
async fn main() {
    // `cargo bench` says so; whoever else runs this wants to see that it runs.
    let is_trial = !std::env::args().any(|argument| argument == "--bench");
    let asked = std::env::args().find_map(|argument| argument.parse().ok());
    let events = asked.unwrap_or(if is_trial { TRIAL } else { EVENTS });
    measure("SQLite", Depot::open("").await, Depot::open("").await, events).await;
    let short = testkit::postgres::fresh_database().await;
    let long = testkit::postgres::fresh_database().await;
    let (short, long) = (Depot::open(short.as_str()).await, Depot::open(long.as_str()).await);
    measure("PostgreSQL", short, long, events).await;
}
