//! Whole processes, from start to stop, with real listeners.

mod check;
mod standing;
mod support;

use std::sync::{Arc, Mutex, PoisonError};

use axum::{Json, Router, http::StatusCode, routing::get};
use runtime::{
    Boot, BoxFuture, CancellationToken, Launch, Module, Needed, Provided, Random, StartError,
};
use support::{Adder, Adding, Adds, PLAIN, Sum, config, get_json, get_status, get_text, until};
use testkit::Journal;
use tokio::sync::Notify;

/// What happened, in order, as modules tell it.
#[derive(Default)]
struct Diary(Mutex<Vec<String>>);

impl Diary {
    fn note(&self, what: impl Into<String>) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(what.into());
    }

    fn read(&self) -> Vec<String> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// Lets a test decide when something goes on.
#[derive(Default)]
struct Gate {
    reached: Notify,
    open: Notify,
}

fn start_and_tell(boot: &mut Boot) -> BoxFuture<'_, Result<(), StartError>> {
    Box::pin(async move {
        let name = boot.module().name;
        let diary = boot.extension::<Diary>().unwrap_or_default();
        diary.note(format!("{name} started"));
        let (at_task_end, at_end) = (Arc::clone(&diary), Arc::clone(&diary));
        boot.spawn("tell", async move |stop: CancellationToken| {
            stop.cancelled().await;
            at_task_end.note(format!("{name}'s task ended"));
        });
        boot.at_stop(move || Box::pin(async move { at_end.note(format!("{name} stopped")) }));
        if name == "adder" {
            boot.provide::<dyn Adding>(Arc::new(Adder));
        }
        if boot.module().requires.is_empty() {
            return Ok(());
        }
        let adding = boot.client::<dyn Adding>()?;
        let cx = boot.context();
        let add = get(async move || {
            let sum = adding.add(&cx, Adds { left: 2, right: 3 }).await;
            match sum {
                Ok(Sum { sum }) => (StatusCode::OK, sum.to_string()),
                Err(error) => (StatusCode::BAD_GATEWAY, error.to_string()),
            }
        });
        boot.public(Router::new().route("/v1/five", add));
        Ok(())
    })
}

static ADDER: Module = Module {
    name: "adder",
    provides: &[Provided::of::<dyn Adding>()],
    start: start_and_tell,
    ..PLAIN
};

static CALLER: Module = Module {
    name: "caller",
    prefixes: &["/v1/five"],
    requires: &[Needed::of::<dyn Adding>(&["add"])],
    start: start_and_tell,
    ..PLAIN
};

static BOTH: &[&Module] = &[&CALLER, &ADDER];

#[tokio::test]
async fn modules_start_after_what_they_require_and_stop_before_it() {
    let diary = Arc::new(Diary::default());
    let node = Launch::new(config(""), BOTH).extension(Arc::clone(&diary)).start().await.unwrap();
    node.ready().await;
    assert_eq!(get_text(node.public_addr(), "/v1/five").await, "5");
    assert_eq!(node.internal_addr(), None);
    node.stop().await;
    assert_eq!(
        diary.read(),
        [
            "adder started",
            "caller started",
            "caller's task ended",
            "caller stopped",
            "adder's task ended",
            "adder stopped",
        ]
    );
}

#[tokio::test]
async fn a_process_can_be_started_and_stopped_many_times_on_the_same_ports() {
    let first = Launch::new(config(""), BOTH).start().await.unwrap();
    let (public, admin) = (first.public_addr(), first.admin_addr());
    first.stop().await;
    let same_ports = format!("[public]\naddress = '{public}'\n[admin]\naddress = '{admin}'\n");
    for _ in 0..5 {
        let node = Launch::new(config(&same_ports), BOTH).start().await.unwrap();
        assert_eq!(get_text(public, "/v1/five").await, "5");
        node.stop().await;
    }
}

#[tokio::test]
async fn a_split_answers_as_the_whole_does() {
    let keys = tempfile::tempdir().unwrap();
    let data_dir = format!("[node]\ndata_dir = '{}'\n", keys.path().display());
    let adder_config = config(&format!("{data_dir}services = ['adder']"));
    let adder = Launch::new(adder_config, BOTH).start().await.unwrap();
    let internal = adder.internal_addr().unwrap();
    let peer = format!("\n[peers.adder]\ninternal = 'http://{internal}'\n");
    let caller_config = config(&format!("{data_dir}services = ['caller']{peer}"));
    let caller = Launch::new(caller_config, BOTH).start().await.unwrap();
    caller.ready().await;
    assert_eq!(get_text(caller.public_addr(), "/v1/five").await, "5");
    caller.stop().await;
    adder.stop().await;
}

/// Its caller may then be sure that nothing happened.
#[tokio::test]
async fn a_method_that_only_newer_builds_know_is_not_executed() {
    let keys = tempfile::tempdir().unwrap();
    let data_dir = keys.path().display();
    let adder_config = config(&format!("[node]\ndata_dir = '{data_dir}'\nservices = ['adder']"));
    let adder = Launch::new(adder_config, BOTH).start().await.unwrap();
    let url = format!("http://{}/internal/adder/multiply", adder.internal_addr().unwrap());
    let response = runtime::web_client().unwrap().post(url).send().await.unwrap();
    assert_eq!(response.status(), StatusCode::NOT_FOUND);
    assert!(response.headers().contains_key("x-boxoffice-not-executed"));
    adder.stop().await;
}

#[tokio::test]
async fn a_peer_that_is_not_up_yet_is_no_fault_but_a_reason() {
    let keys = tempfile::tempdir().unwrap();
    let internal = support::free_address().await;
    let home = format!("[node]\ndata_dir = '{}'\n", keys.path().display());
    let peer = format!("[peers.adder]\ninternal = 'http://{internal}'\n");
    let caller_config = config(&format!("{home}services = ['caller']\n{peer}"));
    let caller = Launch::new(caller_config, BOTH).start().await.unwrap();
    let admin = caller.admin_addr();
    let expected = format!("caller: waiting for adder at http://{internal} (no connection");
    until(async || {
        let (status, report) = get_json(admin, "/readyz").await;
        let reason = report["reasons"][0].as_str().unwrap_or_default();
        status == StatusCode::SERVICE_UNAVAILABLE && reason.starts_with(&expected)
    })
    .await;
    assert_eq!(get_status(admin, "/livez").await, StatusCode::OK);
    assert_eq!(get_status(admin, "/startupz").await, StatusCode::OK);

    let own = format!("[internal]\naddress = '{internal}'\n");
    let adder_config = config(&format!("{home}services = ['adder']\n{own}"));
    let adder = Launch::new(adder_config, BOTH).start().await.unwrap();
    caller.ready().await;
    adder.stop().await;
    let report = caller.readiness().await;
    assert!(report.ready, "a peer that goes away later is its callers' matter: {report:?}");
    caller.stop().await;
}

#[tokio::test]
async fn a_peer_that_does_not_accept_our_token_is_a_reason() {
    let (ours, theirs) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let home = |dir: &tempfile::TempDir| format!("[node]\ndata_dir = '{}'\n", dir.path().display());
    let adder_config = config(&format!("{}services = ['adder']\n", home(&theirs)));
    let adder = Launch::new(adder_config, BOTH).start().await.unwrap();
    let internal = adder.internal_addr().unwrap();
    let peer = format!("[peers.adder]\ninternal = 'http://{internal}'\n");
    let caller_config = config(&format!("{}services = ['caller']\n{peer}", home(&ours)));
    let caller = Launch::new(caller_config, BOTH).start().await.unwrap();
    let why = "the service token's key is unknown here";
    let expected = format!("caller: waiting for adder at http://{internal} ({why})");
    until(async || caller.readiness().await.reasons == [expected.as_str()]).await;
    caller.stop().await;
    adder.stop().await;
}

/// Gives small numbers, for short pauses.
struct Hasty;

impl Random for Hasty {
    fn fill(&self, bytes: &mut [u8]) {
        bytes.fill(5);
    }
}

#[tokio::test]
async fn who_waits_for_a_peer_says_once_why() {
    let (journal, subscriber) = Journal::open();
    let _logging = tracing::dispatcher::set_default(&subscriber);
    let (ours, theirs) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let home = |dir: &tempfile::TempDir| format!("[node]\ndata_dir = '{}'\n", dir.path().display());
    let adder_config = config(&format!("{}services = ['adder']\n", home(&theirs)));
    let adder = Launch::new(adder_config, BOTH).start().await.unwrap();
    let internal = adder.internal_addr().unwrap();
    let peer = format!("[peers.adder]\ninternal = 'http://{internal}'\n");
    let caller_config = config(&format!("{}services = ['caller']\n{peer}", home(&ours)));
    let caller = Launch::new(caller_config, BOTH).random(Arc::new(Hasty)).start().await.unwrap();

    let asked = || journal.lines_with("peer not reached").len();
    let waiting = || journal.lines_with("waiting for a peer");
    until(async || !waiting().is_empty()).await;
    let before = asked();
    until(async || asked() > before + 3).await;
    let lines = waiting();
    let [line] = &lines[..] else { panic!("one line and no other: {lines:?}") };
    let fields = &line["fields"];
    assert_eq!((&line["level"], &fields["module"]), (&"WARN".into(), &"caller".into()));
    assert_eq!(
        (&fields["peer"], &fields["at"]),
        (&"adder".into(), &format!("http://{internal}").into())
    );
    assert_eq!(fields["why"], "the service token's key is unknown here");
    caller.stop().await;
    adder.stop().await;
}

fn start_at_the_gate(boot: &mut Boot) -> BoxFuture<'_, Result<(), StartError>> {
    Box::pin(async move {
        let gate = boot.extension::<Gate>().unwrap_or_default();
        boot.readiness("gate", || Box::pin(async { Err("waiting at the gate".to_owned()) }));
        gate.reached.notify_one();
        gate.open.notified().await;
        boot.public(Router::new().route("/v1/gate", get(async || "open")));
        Ok(())
    })
}

static GATED: Module = Module { name: "gated", start: start_at_the_gate, ..PLAIN };
static ADDER_ONLY: &[&Module] = &[&ADDER];
static ADDER_AND_GATED: &[&Module] = &[&ADDER, &GATED];

#[tokio::test]
async fn while_modules_start_the_process_is_live_and_says_for_what_it_waits() {
    let gate = Arc::new(Gate::default());
    let diary = Arc::new(Diary::default());
    let (public, admin) = (support::free_address().await, support::free_address().await);
    let addresses = format!("[public]\naddress = '{public}'\n[admin]\naddress = '{admin}'\n");
    let launch = Launch::new(config(&addresses), ADDER_AND_GATED)
        .extension(Arc::clone(&gate))
        .extension(Arc::clone(&diary));
    let mut tasks = tokio::task::JoinSet::new();
    tasks.spawn(launch.start());
    gate.reached.notified().await;

    assert_eq!(get_status(admin, "/livez").await, StatusCode::OK);
    assert_eq!(get_status(admin, "/startupz").await, StatusCode::SERVICE_UNAVAILABLE);
    let (_, report) = get_json(admin, "/readyz").await;
    insta::assert_snapshot!(serde_json::to_string_pretty(&report).unwrap(), @r#"
    {
      "degraded": [],
      "details": {},
      "modules": {
        "adder": {
          "degraded": [],
          "details": {},
          "ready": true,
          "reasons": []
        },
        "gated": {
          "degraded": [],
          "details": {},
          "ready": false,
          "reasons": [
            "starting",
            "waiting at the gate"
          ]
        }
      },
      "ready": false,
      "reasons": [
        "gated: starting",
        "gated: waiting at the gate"
      ]
    }
    "#);
    let (status, problem) = get_json(public, "/v1/gate").await;
    assert_eq!((status, problem["status"].as_u64()), (StatusCode::SERVICE_UNAVAILABLE, Some(503)));

    gate.open.notify_one();
    let node = tasks.join_next().await.unwrap().unwrap().unwrap();
    assert_eq!(get_text(public, "/v1/gate").await, "open");
    assert_eq!(get_status(admin, "/startupz").await, StatusCode::OK);
    assert_eq!(node.readiness().await.reasons, ["gated: waiting at the gate"]);
    node.stop().await;
}

/// Between the end of the last module's start and the moment in which its routes are served, a
/// request would still be told to come back later.
#[tokio::test(flavor = "multi_thread")]
async fn a_process_is_ready_only_once_its_public_routes_are_served() {
    let admin = support::free_address().await;
    let (reached, at_the_end) = std::sync::mpsc::channel();
    let (go_on, may_go_on) = std::sync::mpsc::channel();
    let may_go_on = Mutex::new(may_go_on);
    let launch = Launch::new(config(&format!("[admin]\naddress = '{admin}'\n")), ADDER_ONLY)
        .public_stack(move |routes, _| {
            reached.send(()).unwrap();
            tokio::task::block_in_place(|| may_go_on.lock().unwrap().recv().unwrap());
            Ok(routes.route("/v1/late", get(async || "served")))
        });
    let mut tasks = tokio::task::JoinSet::new();
    tasks.spawn(launch.start());
    tokio::task::block_in_place(|| at_the_end.recv().unwrap());

    assert_eq!(get_status(admin, "/startupz").await, StatusCode::SERVICE_UNAVAILABLE);
    let (status, report) = get_json(admin, "/readyz").await;
    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(report["reasons"][0], "the public routes are not served yet");
    assert_eq!(report["modules"]["adder"]["ready"], true);

    go_on.send(()).unwrap();
    let node = tasks.join_next().await.unwrap().unwrap().unwrap();
    assert_eq!(get_status(admin, "/readyz").await, StatusCode::OK);
    assert_eq!(get_text(node.public_addr(), "/v1/late").await, "served");
    node.stop().await;
}

#[tokio::test]
async fn a_stop_in_the_middle_of_the_start_undoes_what_was_started() {
    let gate = Arc::new(Gate::default());
    let diary = Arc::new(Diary::default());
    let stop = CancellationToken::new();
    let launch = Launch::new(config(""), ADDER_AND_GATED)
        .extension(Arc::clone(&gate))
        .extension(Arc::clone(&diary));
    let (started, ()) = tokio::join!(launch.start_unless(stop.clone()), async {
        gate.reached.notified().await;
        stop.cancel();
    });
    assert!(started.unwrap().is_none());
    assert_eq!(diary.read(), ["adder started", "adder's task ended", "adder stopped"]);
}

#[tokio::test]
async fn a_module_that_cannot_start_stops_those_that_had() {
    static BAD: Module = Module {
        name: "bad",
        start: |_| {
            Box::pin(async {
                std::fs::read("/there/is/none")?;
                Ok(())
            })
        },
        ..PLAIN
    };
    static MODULES: &[&Module] = &[&ADDER, &BAD];
    let diary = Arc::new(Diary::default());
    let outcome = Launch::new(config(""), MODULES).extension(Arc::clone(&diary)).start().await;
    insta::assert_snapshot!(outcome.err().unwrap(), @"- bad cannot start: No such file or directory (os error 2)");
    assert_eq!(diary.read(), ["adder started", "adder's task ended", "adder stopped"]);
}

async fn start_fault(module: &'static Module) -> String {
    let modules: &'static [&'static Module] = Box::leak(Box::new([module, &ADDER]));
    let launch = Launch::new(config(""), modules);
    launch.start().await.err().expect("it does not start").to_string()
}

#[tokio::test]
async fn a_module_gets_and_gives_only_what_it_declared() {
    static ASKS: Module = Module {
        name: "asks",
        start: |boot| Box::pin(async { boot.client::<dyn Adding>().map(drop) }),
        ..PLAIN
    };
    static GIVES: Module = Module {
        name: "gives",
        start: |boot| {
            Box::pin(async {
                boot.provide::<dyn Adding>(Arc::new(Adder));
                Ok(())
            })
        },
        ..PLAIN
    };
    static PANICS: Module =
        Module { name: "panics", start: |_| Box::pin(async { panic!("no coffee") }), ..PLAIN };
    insta::assert_snapshot!(start_fault(&ASKS).await, @"- asks cannot start: asks asks for Adding, which it does not require; list Needed::of::<dyn Adding>(&[…]) under its requires");
    insta::assert_snapshot!(start_fault(&GIVES).await, @"- gives provides Adding without saying so; list Provided::of::<dyn Adding>() under its provides");
    insta::assert_snapshot!(start_fault(&PANICS).await, @"- panics panicked while starting: no coffee");
}

#[tokio::test]
async fn a_contract_that_is_declared_must_be_provided() {
    static EMPTY: Module =
        Module { name: "adder", provides: &[Provided::of::<dyn Adding>()], ..PLAIN };
    static MODULES: &[&Module] = &[&EMPTY];
    let outcome = Launch::new(config(""), MODULES).start().await;
    insta::assert_snapshot!(outcome.err().unwrap(), @"- adder lists Adding under its provides but did not provide it; call boot.provide::<dyn Adding>(…) in its start");
}

#[tokio::test]
async fn every_port_that_is_taken_is_reported() {
    let bind = || tokio::net::TcpListener::bind("127.0.0.1:0");
    let (first, second) = (bind().await.unwrap(), bind().await.unwrap());
    let (public, admin) = (first.local_addr().unwrap(), second.local_addr().unwrap());
    let both = format!("[public]\naddress = '{public}'\n[admin]\naddress = '{admin}'\n");
    let outcome = Launch::new(config(&both), BOTH).start().await;
    let said = outcome.err().unwrap().to_string();
    let faults = said.replace(&public.to_string(), "PUBLIC").replace(&admin.to_string(), "ADMIN");
    insta::assert_snapshot!(faults, @r"
    - cannot listen on PUBLIC: Address already in use (os error 98); free the port, or set public.address
    - cannot listen on ADMIN: Address already in use (os error 98); free the port, or set admin.address
    ");
}

#[tokio::test]
async fn a_task_that_panics_makes_its_module_not_ready_for_good() {
    static FRAGILE: Module = Module {
        name: "fragile",
        start: |boot| {
            Box::pin(async {
                boot.spawn("sweep", async |_| panic!("no broom"));
                Ok(())
            })
        },
        ..PLAIN
    };
    static MODULES: &[&Module] = &[&FRAGILE];
    let node = Launch::new(config(""), MODULES).start().await.unwrap();
    until(async || !node.readiness().await.ready).await;
    let reasons = node.readiness().await.reasons;
    assert_eq!(reasons, ["fragile: its task \"sweep\" panicked: no broom"]);
    node.stop().await;
}

#[tokio::test]
async fn a_check_that_does_not_answer_is_a_reason() {
    static STUCK: Module = Module {
        name: "stuck",
        start: |boot| {
            Box::pin(async {
                boot.readiness("database", || Box::pin(std::future::pending()));
                Ok(())
            })
        },
        ..PLAIN
    };
    static MODULES: &[&Module] = &[&STUCK];
    let node = Launch::new(config(""), MODULES).start().await.unwrap();
    let reasons = node.readiness().await.reasons;
    assert_eq!(reasons, ["stuck: database did not answer within 1s"]);
    node.stop().await;
}

fn start_slow(boot: &mut Boot) -> BoxFuture<'_, Result<(), StartError>> {
    Box::pin(async move {
        let gate = boot.extension::<Gate>().unwrap_or_default();
        let slow = get(async move || {
            gate.reached.notify_one();
            gate.open.notified().await;
            "done"
        });
        boot.public(Router::new().route("/v1/slow", slow).route("/v1/fast", get(async || "fast")));
        Ok(())
    })
}

static SLOW: Module = Module { name: "slow", start: start_slow, ..PLAIN };
static SLOW_ALONE: &[&Module] = &[&SLOW];

#[tokio::test]
async fn a_stopping_process_finishes_what_it_accepted_and_keeps_its_probes() {
    let gate = Arc::new(Gate::default());
    let node = Launch::new(config(""), SLOW_ALONE).extension(Arc::clone(&gate)).start().await;
    let node = node.unwrap();
    let (public, admin) = (node.public_addr(), node.admin_addr());
    let mut tasks = tokio::task::JoinSet::new();
    tasks.spawn(async move { get_text(public, "/v1/slow").await });
    gate.reached.notified().await;
    let mut stopping = tokio::task::JoinSet::new();
    stopping.spawn(node.stop());
    until(async || tokio::net::TcpStream::connect(public).await.is_err()).await;

    let (status, report) = get_json(admin, "/readyz").await;
    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(report["reasons"][0], "the process is stopping");
    assert_eq!(get_status(admin, "/livez").await, StatusCode::OK);

    gate.open.notify_one();
    assert_eq!(tasks.join_next().await.unwrap().unwrap(), "done");
    stopping.join_next().await.unwrap().unwrap();
    assert!(tokio::net::TcpStream::connect(admin).await.is_err());
}

#[tokio::test]
async fn work_that_outlived_its_client_is_finished_before_the_modules_stop() {
    let diary = Arc::new(Diary::default());
    let (begun, finish) = (CancellationToken::new(), CancellationToken::new());
    let (at_work, may_end, notes) = (begun.clone(), finish.clone(), Arc::clone(&diary));
    let launch = Launch::new(config(""), BOTH).extension(Arc::clone(&diary));
    let launch = launch.public_stack(move |routes, inputs| {
        drop(inputs.tasks().spawn(async move {
            at_work.cancel();
            may_end.cancelled().await;
            notes.note("the work is done");
        }));
        Ok(routes)
    });
    let node = launch.start().await.unwrap();
    begun.cancelled().await;
    let (public, mut stopping) = (node.public_addr(), tokio::task::JoinSet::new());
    stopping.spawn(node.stop());
    until(async || tokio::net::TcpStream::connect(public).await.is_err()).await;
    finish.cancel();
    stopping.join_next().await.unwrap().unwrap();
    let said = diary.read();
    let done = said.iter().position(|it| it == "the work is done").unwrap();
    let stopped = said.iter().position(|it| it.ends_with("stopped")).unwrap();
    assert!(done < stopped, "{said:?}");
}

#[tokio::test]
async fn a_stopping_process_serves_on_until_load_balancers_have_noticed() {
    let node = Launch::new(config("shutdown.grace = '1s'"), SLOW_ALONE).start().await.unwrap();
    let (public, admin) = (node.public_addr(), node.admin_addr());
    let mut stopping = tokio::task::JoinSet::new();
    stopping.spawn(node.stop());
    until(async || get_status(admin, "/readyz").await == StatusCode::SERVICE_UNAVAILABLE).await;
    assert_eq!(get_text(public, "/v1/fast").await, "fast");
    stopping.join_next().await.unwrap().unwrap();
}

#[tokio::test]
async fn a_request_that_never_ends_does_not_keep_a_process_from_stopping() {
    let gate = Arc::new(Gate::default());
    let launch = Launch::new(config("shutdown.drain = '50ms'"), SLOW_ALONE);
    let node = launch.extension(Arc::clone(&gate)).start().await.unwrap();
    let public = node.public_addr();
    let mut tasks = tokio::task::JoinSet::new();
    tasks.spawn(async move { support::try_get(public, "/v1/slow").await.is_err() });
    gate.reached.notified().await;
    node.stop().await;
    assert!(tasks.join_next().await.unwrap().unwrap(), "the connection was cut");
}

#[tokio::test]
async fn a_task_that_never_ends_does_not_keep_a_process_from_stopping() {
    static STUBBORN: Module = Module {
        name: "stubborn",
        start: |boot| {
            Box::pin(async {
                boot.spawn("forever", |_| std::future::pending());
                Ok(())
            })
        },
        ..PLAIN
    };
    static MODULES: &[&Module] = &[&STUBBORN];
    let node = Launch::new(config("shutdown.module = '50ms'"), MODULES).start().await.unwrap();
    node.stop().await;
}

#[tokio::test]
async fn an_abort_finishes_nothing() {
    let diary = Arc::new(Diary::default());
    let node = Launch::new(config(""), BOTH).extension(Arc::clone(&diary)).start().await.unwrap();
    let (public, admin) = (node.public_addr(), node.admin_addr());
    node.abort().await;
    assert!(tokio::net::TcpStream::connect(public).await.is_err());
    assert!(tokio::net::TcpStream::connect(admin).await.is_err());
    assert_eq!(diary.read(), ["adder started", "caller started"]);
    assert_eq!(Arc::strong_count(&diary), 1, "nothing of the process is left");
}

#[tokio::test]
async fn what_is_around_public_routes_knows_what_they_know() {
    let launch = Launch::new(config(""), BOTH).public_stack(|routes, inputs| {
        assert_eq!(inputs.hosted().len(), 2);
        let adding = inputs.client::<dyn Adding>().ok_or_else(|| StartError::new("no adding"))?;
        drop(adding);
        let names: Vec<&str> = inputs.modules().iter().map(|module| module.name).collect();
        Ok(routes.route("/modules", get(async move || Json(names))))
    });
    let node = launch.start().await.unwrap();
    assert_eq!(get_text(node.public_addr(), "/modules").await, r#"["caller","adder"]"#);
    assert_eq!(get_text(node.public_addr(), "/v1/five").await, "5");
    node.stop().await;
}

#[tokio::test]
async fn metrics_are_served_on_the_admin_listener() {
    let launch = Launch::new(config(""), BOTH).metrics(Arc::new(|| "sales 3\n".to_owned()));
    let node = launch.start().await.unwrap();
    assert_eq!(get_text(node.admin_addr(), "/metrics").await, "sales 3\n");
    node.stop().await;
    let without = Launch::new(config(""), BOTH).start().await.unwrap();
    assert_eq!(get_status(without.admin_addr(), "/metrics").await, StatusCode::NOT_FOUND);
    without.stop().await;
}
