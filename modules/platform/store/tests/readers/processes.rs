//! Processes of their own on one PostgreSQL schema, which are killed, or stopped by SIGSTOP and let
//! go on by SIGCONT. Each is this test's program again, in a role.

use std::{process::Stdio, sync::Arc, time::Duration};

use runtime::{CancellationToken, Clock, Ids, SystemClock};
use store::{Committer, Database, DatabaseSettings, Events, Lease, LeaseError, TimerRunner};
use testkit::eventually;
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines, Stdin, stdin},
    process::{Child, ChildStdin, ChildStdout, Command},
    sync::watch,
    task::JoinSet,
    time::{Instant, timeout},
};
use uuid::Uuid;

use crate::support::{Lamp, LampCommand, SILENCE, Shop, context, random, uuid};

const ROLE: &str = "BOXOFFICE_TEST_ROLE";
const URL: &str = "BOXOFFICE_TEST_URL";
const NAME: &str = "BOXOFFICE_TEST_NAME";
const SOON: Duration = Duration::from_secs(30);
/// After how long the server ends a transaction in which nothing happens.
const IDLE: Duration = Duration::from_secs(2);
/// Who fires timers is taken for dead after so long: more than a busy machine holds anybody up.
const PATIENCE: Duration = Duration::from_secs(3);
/// Lamps that one process turns off at a time.
const BUSY: usize = 4;
/// What it says of each.
const WOKEN: &str = "woken ";

/// What is written on the strength of a lease, in the order in which it was.
const MARKS: &str = "CREATE TABLE marks (place bigserial PRIMARY KEY, epoch bigint, name bigint)";
const MARK: &str = "INSERT INTO marks (epoch, name) VALUES ($1, $2)";
const VERSIONS: &str = "SELECT count(*), max(version) FROM events WHERE stream = $1";
const EPOCHS: &str = "SELECT epoch, name FROM marks ORDER BY place";

/// A process in a role. Dropped, it is killed.
struct Actor {
    process: Child,
    says: Lines<BufReader<ChildStdout>>,
    hears: ChildStdin,
}

impl Actor {
    fn new(role: &str, name: u128, url: &str) -> Self {
        let program = std::env::current_exe().unwrap();
        let mut process = Command::new(program)
            .args(["processes::acts", "--exact", "--ignored", "--nocapture"])
            .env(ROLE, role)
            .env(URL, url)
            .env(NAME, name.to_string())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let says = BufReader::new(process.stdout.take().unwrap()).lines();
        let hears = process.stdin.take().unwrap();
        Self { process, says, hears }
    }

    /// Waits until it says this.
    async fn until(&mut self, word: &str) {
        let said = async {
            while let Some(line) = self.says.next_line().await.unwrap() {
                if line == word {
                    return true;
                }
            }
            false
        };
        assert!(timeout(SOON, said).await.expect(word), "it ended without saying {word}");
    }

    async fn tell(&mut self, word: &str) {
        self.hears.write_all(format!("{word}\n").as_bytes()).await.unwrap();
    }

    /// Waits until it wakes a lamp, and says which.
    async fn wakes(&mut self) -> Uuid {
        let said = async {
            while let Some(line) = self.says.next_line().await.unwrap() {
                if let Some(lamp) = lamp_in(&line) {
                    return Some(lamp);
                }
            }
            None
        };
        timeout(SOON, said).await.expect("it wakes a lamp").expect("it goes on until it is ended")
    }

    /// Kills it, and says which lamps it has woken besides.
    async fn end(mut self) -> Vec<Uuid> {
        self.process.kill().await.unwrap();
        let mut woken = Vec::new();
        while let Some(line) = self.says.next_line().await.unwrap() {
            woken.extend(lamp_in(&line));
        }
        woken
    }

    async fn signal(&self, signal: &str) {
        let id = self.process.id().unwrap().to_string();
        assert!(Command::new("kill").args([signal, &id]).status().await.unwrap().success());
    }
}

fn lamp_in(line: &str) -> Option<Uuid> {
    line.strip_prefix(WOKEN).map(|lamp| lamp.parse().unwrap())
}

/// The processes' database and a connection to it.
async fn stage() -> (Shop, Database) {
    let shop = Shop::on_postgres().await;
    let database = shop.connect().await;
    let mut tx = database.begin().await.unwrap();
    store::execute!(&mut tx, MARKS).await.unwrap();
    tx.commit().await.unwrap();
    (shop, database)
}

async fn marks(database: &Database) -> Vec<(i64, i64)> {
    store::fetch_all!(database, (i64, i64), EPOCHS).await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lease_moves_within_seconds_when_its_holder_is_killed() {
    let (shop, database) = stage().await;
    let mut first = Actor::new("writes under a lease", 1, shop.url());
    first.until("holds").await;
    let mut second = Actor::new("writes under a lease", 2, shop.url());
    second.until("waits").await;
    first.process.kill().await.unwrap();
    let killed = Instant::now();
    second.until("holds").await;
    assert!(killed.elapsed() < SILENCE * 3 + Duration::from_secs(2), "{:?}", killed.elapsed());
    eventually("the successor writes", || async {
        marks(&database).await.last().is_some_and(|mark| *mark == (2, 2))
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_holder_that_was_stopped_writes_nothing_when_it_goes_on() {
    let (shop, database) = stage().await;
    let mut first = Actor::new("writes under a lease", 1, shop.url());
    first.until("holds").await;
    eventually("the first writes", || async { !marks(&database).await.is_empty() }).await;
    let mut second = Actor::new("writes under a lease", 2, shop.url());
    second.until("waits").await;

    first.signal("-STOP").await;
    second.until("holds").await;
    eventually("the second writes", || async {
        marks(&database).await.last().is_some_and(|mark| *mark == (2, 2))
    })
    .await;
    first.signal("-CONT").await;
    first.until("lost").await;

    let marks = marks(&database).await;
    let taken_over = marks.iter().position(|mark| mark.0 == 2).unwrap();
    assert!(marks[..taken_over].iter().all(|mark| *mark == (1, 1)));
    assert!(marks[taken_over..].iter().all(|mark| *mark == (2, 2)), "nothing of the first after");
}

/// It has shown that it holds the lease, and stands still before it commits.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_holder_that_was_stopped_in_a_transaction_does_not_commit_it() {
    let (shop, database) = stage().await;
    let mut first = Actor::new("stands in a transaction", 1, shop.url());
    first.until("inside").await;
    let mut second = Actor::new("writes under a lease", 2, shop.url());
    second.until("waits").await;

    first.signal("-STOP").await;
    second.until("holds").await;
    first.signal("-CONT").await;
    first.tell("commit").await;
    first.until("refused").await;
    assert!(marks(&database).await.iter().all(|mark| *mark == (2, 2)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn commands_of_two_processes_on_one_aggregate_all_take_effect_once() {
    let (shop, database) = stage().await;
    let mut crowds = [1, 2].map(|name| Actor::new("gives commands", name, shop.url()));
    for crowd in &mut crowds {
        crowd.until("done").await;
    }
    let counted: (i64, i64) =
        store::fetch_one!(&database, (i64, i64), VERSIONS, uuid(1)).await.unwrap();
    assert_eq!(counted, (800, 800));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn timers_fire_once_although_processes_are_killed_and_stopped() {
    const LAMPS: u128 = 60;
    let (shop, _database) = stage().await;
    let process = shop.process().await;
    let mut actors = [1, 2, 3, 4].map(|name| Actor::new("fires timers", name, shop.url()));
    for actor in &mut actors {
        actor.until("waits").await;
    }
    let due = SystemClock.now() + jiff::SignedDuration::from_millis(300);
    for lamp in 0..LAMPS {
        process.give(uuid(lamp), LampCommand::TurnOn { off_at: Some(due) }).await;
    }
    let mut woken = Vec::new();
    for actor in &mut actors {
        for _ in 0..BUSY {
            woken.push(actor.wakes().await);
        }
    }
    let taken_over = woken[..2 * BUSY].to_vec();
    let [killed, mut stopped, mut one, mut other] = actors;
    stopped.signal("-STOP").await;
    woken.extend(killed.end().await);
    for actor in [&mut stopped, &mut one, &mut other] {
        actor.tell("go on").await;
    }

    let all_off = || async {
        for lamp in 0..LAMPS {
            if process.lamps.load(uuid(lamp)).await.unwrap().unwrap().state.is_on {
                return false;
            }
        }
        true
    };
    eventually("all lamps to be off", all_off).await;
    stopped.signal("-CONT").await;
    woken.extend(one.end().await);
    woken.extend(other.end().await);
    // Going on, it takes part again.
    process.give(uuid(LAMPS), LampCommand::TurnOn { off_at: Some(due) }).await;
    eventually("one lamp more to be off", || async {
        !process.lamps.load(uuid(LAMPS)).await.unwrap().unwrap().state.is_on
    })
    .await;
    woken.extend(stopped.end().await);

    // Once, and once more where the one that was busy with it was taken for dead.
    for lamp in (0..=LAMPS).map(uuid) {
        let times = woken.iter().filter(|it| **it == lamp).count();
        assert_eq!(times, 1 + usize::from(taken_over.contains(&lamp)), "lamp {lamp}");
        let state = process.lamps.load(lamp).await.unwrap().unwrap().state;
        assert_eq!(state.times_off, 1, "lamp {lamp}");
    }
}

/// The other processes of these tests.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "no test: what the others start"]
#[expect(clippy::disallowed_methods, reason = "a process of a test has no other configuration")]
async fn acts() {
    let (Ok(role), Ok(url), Ok(name)) =
        (std::env::var(ROLE), std::env::var(URL), std::env::var(NAME))
    else {
        return;
    };
    let name: i64 = name.parse().unwrap();
    let settings: DatabaseSettings =
        serde_json::from_value(serde_json::json!({ "url": url })).unwrap();
    let settings = DatabaseSettings {
        lease_timeout: if role == "fires timers" { PATIENCE } else { SILENCE },
        idle_in_transaction_timeout: IDLE,
        timer_concurrency: BUSY,
        ..settings
    };
    let nowhere = std::path::Path::new("");
    let database = Database::connect(&settings, "shop", nowhere).await.unwrap();
    let (told, is_told) = watch::channel(false);
    let act = async {
        match role.as_str() {
            "writes under a lease" => write_under_a_lease(&database, name).await,
            "stands in a transaction" => stand_in_a_transaction(&database, name).await,
            "gives commands" => give_commands(&database).await,
            "fires timers" => fire_timers(&database, is_told).await,
            other => panic!("nobody is {other}"),
        }
    };
    // Without the test that started it, it has nothing to do.
    let mut ears = BufReader::new(stdin()).lines();
    tokio::select! {
        () = act => {}
        () = silence(&mut ears, &told), if role != "stands in a transaction" => {}
    }
}

async fn silence(ears: &mut Lines<BufReader<Stdin>>, told: &watch::Sender<bool>) {
    while ears.next_line().await.is_ok_and(|line| line.is_some()) {
        told.send_replace(true);
    }
}

#[expect(clippy::print_stdout, reason = "how processes of a test talk")]
fn say(word: &str) {
    println!("{word}");
}

fn lease(database: &Database, name: i64) -> Lease {
    Lease::new(database, "reports", uuid(u128::try_from(name).unwrap()), SILENCE)
}

async fn write_under_a_lease(database: &Database, name: i64) {
    say("waits");
    let held = lease(database, name).acquire().await;
    say("holds");
    loop {
        let written = async {
            let mut tx = database.begin().await?;
            held.fence(&mut tx).await?;
            store::execute!(&mut tx, MARK, held.epoch(), name).await?;
            Ok::<_, LeaseError>(tx.commit().await?)
        };
        if let Err(LeaseError::Lost(_)) = written.await {
            say("lost");
            std::future::pending::<()>().await;
        }
    }
}

async fn stand_in_a_transaction(database: &Database, name: i64) {
    let held = lease(database, name).acquire().await;
    let mut tx = database.begin().await.unwrap();
    held.fence(&mut tx).await.unwrap();
    store::execute!(&mut tx, MARK, held.epoch(), name).await.unwrap();
    say("inside");
    BufReader::new(stdin()).lines().next_line().await.unwrap();
    say(if tx.commit().await.is_ok() { "committed" } else { "refused" });
}

/// The committer of a process, which works as long as the tasks are there.
fn committer(database: &Database) -> (Events<Lamp>, JoinSet<()>) {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let ids = Ids::new(Arc::clone(&clock), random());
    let (committer, work) = Committer::new(database, clock, ids, None);
    let mut tasks = JoinSet::new();
    tasks.spawn(work.run());
    (Events::new(&committer, ()), tasks)
}

async fn give_commands(database: &Database) {
    let (lamps, _tasks) = committer(database);
    let mut buyers = JoinSet::new();
    for _ in 0..8 {
        let lamps = lamps.clone();
        buyers.spawn(async move {
            for _ in 0..50 {
                let on = LampCommand::TurnOn { off_at: None };
                lamps.execute(&context(), uuid(1), on).await.unwrap();
            }
        });
    }
    buyers.join_all().await;
    say("done");
}

/// Turns off nothing before it is told to go on.
async fn fire_timers(database: &Database, is_told: watch::Receiver<bool>) {
    let (lamps, _tasks) = committer(database);
    let switch = lamps.clone();
    let runner = TimerRunner::new(&lamps, "shop", random(), move |cx, lamp| {
        let (switch, mut is_told) = (switch.clone(), is_told.clone());
        async move {
            say(&format!("{WOKEN}{lamp}"));
            is_told.wait_for(|is_told| *is_told).await?;
            switch.execute(&cx, lamp, LampCommand::TurnOff).await?;
            Ok(())
        }
    });
    say("waits");
    runner.run(CancellationToken::new()).await;
}
