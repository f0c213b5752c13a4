//! The commit path: what a command costs from the queue to the disk, alone and in a crowd, and what
//! reading a state costs that is remembered.
//!
//! On a SQLite file in the system's temporary directory; see that it is on a real disk.

use std::{hint::black_box, sync::Arc, time::Duration};

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use futures_util::future::join_all;
use runtime::{Context, Ids, Principal, SystemClock, SystemRandom, Timestamp, TraceContext};
use serde::{Deserialize, Serialize};
use sqlx::migrate::Migrator;
use store::{Aggregate, Committer, Database, DatabaseSettings, Events, Schema};
use tempfile::TempDir;
use tokio::{runtime::Runtime, task::JoinHandle, time::Instant};
use uuid::Uuid;

/// Commands that wait at the same time.
const CROWD: usize = 64;

static NOTHING_MORE: Schema = Schema::new("turnstile", Migrator::DEFAULT, Migrator::DEFAULT);

/// Counts who came through.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
struct Turnstile {
    passed: u64,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Turned {
    Passed { at: Timestamp },
}

impl Aggregate for Turnstile {
    const NAME: &'static str = "turnstile";
    type Command = Timestamp;
    type Event = Turned;
    type Rejection = std::convert::Infallible;

    fn decide(&self, at: Timestamp) -> Result<Vec<Turned>, Self::Rejection> {
        Ok(vec![Turned::Passed { at }])
    }

    fn evolve(&mut self, Turned::Passed { .. }: &Turned) {
        self.passed += 1;
    }
}

struct Hall {
    turnstiles: Events<Turnstile>,
    ids: Ids,
    _committing: JoinHandle<()>,
    _folder: TempDir,
}

#[expect(clippy::disallowed_methods, reason = "a bench is a process of its own")]
async fn open() -> Hall {
    let folder = tempfile::tempdir().expect("a directory");
    let settings = DatabaseSettings::default();
    let database = Database::connect_alone(&settings, NOTHING_MORE.name(), folder.path()).await;
    let database = database.expect("the file opens");
    NOTHING_MORE.up_on(&database).await.expect("the log's tables are made");
    let ids = Ids::new(Arc::new(SystemClock), Arc::new(SystemRandom::default()));
    let (committer, work) = Committer::new(&database, Arc::new(SystemClock), ids.clone(), None);
    let committing = tokio::spawn(work.run());
    let turnstiles = Events::new(&committer, ());
    Hall { turnstiles, ids, _committing: committing, _folder: folder }
}

impl Hall {
    async fn pass(&self, turnstile: Uuid) {
        let trace = TraceContext::start(&SystemRandom::default());
        let deadline = Instant::now() + Duration::from_secs(30);
        let cx = Context::new(Principal::Anonymous, deadline, "bench", trace);
        let passing = self.turnstiles.execute(&cx, turnstile, Timestamp::UNIX_EPOCH);
        passing.read(|_| ()).await.expect("nobody is turned away");
    }
}

fn commits(criterion: &mut Criterion) {
    let runtime = Runtime::new().expect("a runtime starts");
    let hall = runtime.block_on(open());
    let one = hall.ids.next();
    runtime.block_on(hall.pass(one));
    let many: Vec<Uuid> = std::iter::repeat_with(|| hall.ids.next()).take(CROWD).collect();

    let mut group = criterion.benchmark_group("commit");
    group.sample_size(20).measurement_time(Duration::from_secs(3));
    group.bench_function("one command", |bencher| {
        bencher.to_async(&runtime).iter(|| hall.pass(one));
    });
    group.throughput(Throughput::Elements(CROWD as u64));
    group.bench_function("a crowd on one aggregate", |bencher| {
        bencher.to_async(&runtime).iter(|| join_all((0..CROWD).map(|_| hall.pass(one))));
    });
    group.bench_function("a crowd on as many aggregates", |bencher| {
        bencher.to_async(&runtime).iter(|| join_all(many.iter().map(|id| hall.pass(*id))));
    });
    group.finish();

    criterion.bench_function("read a remembered state", |bencher| {
        bencher.to_async(&runtime).iter(|| async {
            let passed = hall.turnstiles.read(one, |turnstile| turnstile.state.passed).await;
            black_box(passed.expect("the database answers"))
        });
    });
}

criterion_group!(benches, commits);
criterion_main!(benches);
