//! A module's database from start to stop.

use std::sync::{Arc, Mutex, PoisonError};

use runtime::{Boot, Config, Launch, Module, RunningNode, SectionSpec, Sources, StartError};
use store::{Committer, Database, DatabaseSettings, Events, StoreError};
use testkit::{Port, eventually};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    sync::Notify,
    task::JoinSet,
};
use uuid::Uuid;

use crate::{
    account::{Account, AccountsView, Command},
    proxy::Proxy,
    world::{SCHEMA, World, cx, on_all, on_both},
};

static LEDGER: Module = Module {
    name: "ledger",
    about: "the service of these tests",
    prefixes: &[],
    provides: &[],
    requires: &[],
    publishes: &[],
    consumes: &[],
    settings: None,
    schema: Some(&SCHEMA),
    views: None,
    openapi: utoipa::openapi::OpenApi::default,
    start: |boot| Box::pin(start(boot)),
};

static MODULES: &[&Module] = &[&LEDGER];

/// What the module and its test have in common.
#[derive(Default)]
struct Desk {
    accounts: Mutex<Option<Events<Account>>>,
    /// Lets the module's task go on after it was told to stop.
    go_on: Notify,
}

impl Desk {
    fn accounts(&self) -> Events<Account> {
        self.accounts.lock().unwrap_or_else(PoisonError::into_inner).clone().unwrap()
    }
}

async fn start(boot: &mut Boot) -> Result<(), StartError> {
    let database = store::open(boot, &SCHEMA).await?;
    let committer = Committer::start(boot, &database);
    let accounts = Events::new(&committer, AccountsView);
    let desk = boot.extension::<Desk>().unwrap();
    *desk.accounts.lock().unwrap_or_else(PoisonError::into_inner) = Some(accounts.clone());
    boot.spawn("a task that ends late", |stop| async move {
        stop.cancelled().await;
        desk.go_on.notified().await;
        accounts.execute(&cx(), LATE, Command::Deposit(7)).await.unwrap();
    });
    Ok(())
}

/// What the task deposits on when it ends.
const LATE: Uuid = Uuid::from_u128(7);

fn launch(world: &World, admin: &Port, desk: &Arc<Desk>) -> Launch {
    let node = world.directory().display().to_string();
    let sources = Sources::new()
        .set("test", "node.data_dir", node)
        .set("test", "public.address", "127.0.0.1:0")
        .set("test", "admin.address", admin.address().to_string())
        .set("test", "database.url", world.settings.url.expose())
        .set("test", "database.acquire_timeout", "200ms");
    let config = Config::load([SectionSpec::of::<DatabaseSettings>()], sources).unwrap();
    Launch::new(config, MODULES).clock(Arc::new(world.clock.clone())).extension(Arc::clone(desk))
}

async fn launched(world: &World) -> (RunningNode, Arc<Desk>) {
    let (admin, desk) = (Port::reserve(), Arc::default());
    let node = launch(world, &admin, &desk).start().await.unwrap();
    (node, desk)
}

async fn readyz(admin: &Port) -> String {
    let Ok(mut connection) = TcpStream::connect(admin.address()).await else {
        return String::new();
    };
    let request = b"GET /readyz HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n";
    connection.write_all(request).await.unwrap();
    let mut answer = String::new();
    connection.read_to_string(&mut answer).await.unwrap();
    answer
}

on_all! {
    async fn a_module_keeps_what_it_was_told_from_start_to_start(world) {
        let (node, desk) = launched(&world).await;
        node.ready().await;
        let id = Uuid::from_u128(1);
        desk.accounts().execute(&cx(), id, Command::Deposit(5)).await.unwrap();
        desk.go_on.notify_one();
        node.stop().await;

        let (node, desk) = launched(&world).await;
        assert_eq!(desk.accounts().load(id).await.unwrap().unwrap().state.balance, 5);
        desk.go_on.notify_one();
        node.stop().await;
    }

    async fn commands_of_tasks_that_end_late_are_committed(world) {
        let (node, desk) = launched(&world).await;
        let stopping = node.stop();
        desk.go_on.notify_one();
        stopping.await;
        let refused = desk.accounts().execute(&cx(), LATE, Command::Deposit(7)).await;
        assert!(refused.is_err(), "{refused:?}");

        let again = world.start().await;
        assert_eq!(again.accounts.load(LATE).await.unwrap().unwrap().version, 1);
    }
}

on_both! {
    async fn an_aborted_node_commits_nothing_more(world) {
        let (node, desk) = launched(&world).await;
        let id = Uuid::from_u128(1);
        desk.accounts().execute(&cx(), id, Command::Deposit(5)).await.unwrap();
        node.abort().await;
        let outcome = desk.accounts().execute(&cx(), id, Command::Deposit(5)).await;
        assert!(outcome.is_err(), "{outcome:?}");

        let again = world.start().await;
        assert_eq!(again.accounts.load(id).await.unwrap().unwrap().version, 1);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_module_waits_for_its_server_and_says_so() {
    let mut world = World::postgres().await;
    let (way, admin, desk) = (Port::reserve(), Port::reserve(), Arc::default());
    let server = world.detour(way.address());
    let mut starting = JoinSet::new();
    starting.spawn(launch(&world, &admin, &desk).start());
    eventually("the reason in readiness", || async {
        let answer = readyz(&admin).await;
        let is_said = answer.starts_with("HTTP/1.1 503")
            && answer.contains("ledger: waiting for the database");
        if is_said { Ok(()) } else { Err(answer) }
    })
    .await;

    let _proxy = Proxy::listen(way.address(), server).await;
    let node = starting.join_next().await.unwrap().unwrap().unwrap();
    node.ready().await;
    assert!(readyz(&admin).await.starts_with("HTTP/1.1 200"));
    desk.accounts().execute(&cx(), LATE, Command::Deposit(5)).await.unwrap();
    desk.go_on.notify_one();
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_that_one_process_serves_is_closed_to_others_until_it_is_closed() {
    let world = World::alone();
    let serving = world.start().await;
    let other = Database::connect_alone(&world.settings, SCHEMA.name(), world.directory()).await;
    let Err(StoreError::Unavailable(reason)) = other else { panic!("two serve one file") };
    assert!(reason.contains("another process serves ledger from the directory"), "{reason}");
    serving.stop().await;
    world.start().await.stop().await;
}
