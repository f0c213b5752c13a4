//! What is refused, with which words: before a start, at a start, and while another process runs.

use std::{fs, net::TcpListener};

use testkit::Port;

use crate::program::{Outcome, Program};

fn refused(outcome: &Outcome, words: &[&str]) {
    assert_eq!(outcome.code, Some(1), "{outcome:?}");
    for expected in words {
        assert!(outcome.err.contains(expected), "{expected} in {outcome:?}");
    }
}

fn check(program: &Program, more: &[&str]) -> Outcome {
    program.run(&[&["config", "check"], more].concat())
}

#[test]
fn a_margin_in_which_nobody_could_pay_is_no_sound_configuration() {
    let program = Program::new();
    let long = check(&program, &["--set", "orders.payment_margin_seconds=1000"]);
    refused(
        &long,
        &["orders.payment_margin_seconds (--set) is 1000", "hold_seconds (default) is 900"],
    );
    let short = ["--set", "inventory.hold_seconds=20"];
    refused(&check(&program, &short), &["is 30", "inventory.hold_seconds (--set) is 20"]);
    refused(&check(&program, &[&short[..], &["--mode", "micro"]].concat()), &["places are free"]);
    let elsewhere = ["--mode", "micro", "--services", "inventory"];
    assert_eq!(check(&program, &[&short[..], &elsewhere].concat()).code, Some(0));
}

#[test]
fn listeners_that_want_one_port_are_no_sound_configuration() {
    let program = Program::new();
    let same = check(&program, &["--set", "public.address=127.0.0.1:9090"]);
    refused(&same, &["admin.address: 127.0.0.1:9090 is taken by public.address"]);
    let any = check(&program, &["--set", "public.address=0.0.0.0:9090"]);
    refused(&any, &["is taken by public.address, 0.0.0.0:9090"]);
    let chosen = ["--set", "public.address=127.0.0.1:0", "--set", "admin.address=127.0.0.1:0"];
    assert_eq!(check(&program, &chosen).code, Some(0));
}

#[test]
fn a_data_directory_that_cannot_be_is_no_sound_configuration() {
    let program = Program::new();
    program.write("file", "");
    let outcome = check(&program, &["--data-dir", "file/below"]);
    refused(
        &outcome,
        &["--data-dir: node.data_dir: nothing can be kept in file/below: file is no directory"],
    );
    assert_eq!(check(&program, &["--data-dir", "not/there/yet"]).code, Some(0));
    assert!(!program.home().join("not").exists(), "it made something");
    assert_eq!(fs::read_dir(program.home()).unwrap().count(), 1, "it left something");
}

#[test]
fn a_word_that_is_no_level_and_a_port_that_is_no_address_are_explained() {
    let program = Program::new();
    let more = ["--set", "log.filter=loud", "--set", "public.address=8080"];
    refused(
        &check(&program, &more),
        &[
            "\"loud\" is no level",
            "public.address: must be an address with a port, such as 127.0.0.1:8080",
        ],
    );
}

#[test]
fn an_address_of_another_machine_needs_another_address_and_no_free_port() {
    let program = Program::new();
    let foreign = ["--set", "public.address=192.0.2.1:8080", "--set", "admin.address=127.0.0.1:0"];
    let outcome = program.run(
        &[
            &["serve", "--services", "identity"][..],
            &foreign,
            &["--set", "internal.address=127.0.0.1:0"],
        ]
        .concat(),
    );
    refused(&outcome, &["this machine does not have that address; set public.address to one"]);
    assert!(!outcome.err.contains("free the port"), "{outcome:?}");
}

#[test]
fn a_taken_port_of_a_split_names_the_process_and_the_key_that_is_its_own() {
    let program = Program::new();
    let (internal, admin) = (Port::reserve(), Port::reserve());
    let holding = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = holding.local_addr().unwrap();
    let settings = [
        format!("processes.gateway.public={address}"),
        format!("processes.gateway.internal={}", internal.address()),
        format!("processes.gateway.admin={}", admin.address()),
    ];
    let mut arguments = vec!["serve", "--mode", "micro", "--services", "gateway"];
    drop((internal, admin));
    for setting in &settings {
        arguments.extend(["--set", setting]);
    }
    refused(
        &program.run(&arguments),
        &[
            &format!("the process of gateway cannot listen on {address}"),
            "free the port, or set processes.gateway.public\n",
        ],
    );
}

#[test]
fn what_is_no_database_is_named_and_not_waited_for() {
    let program = Program::new();
    fs::create_dir_all(program.home().join("data/identity.db")).unwrap();
    let serve = [
        "serve",
        "--services",
        "identity",
        "--set",
        "public.address=127.0.0.1:0",
        "--set",
        "internal.address=127.0.0.1:0",
        "--set",
        "admin.address=127.0.0.1:0",
    ];
    refused(&program.run(&serve), &["data/identity.db cannot be opened; it must be a file"]);
    fs::remove_dir(program.home().join("data/identity.db")).unwrap();
    program.write("data/identity.db", &"this is no database. ".repeat(500));
    refused(&program.run(&serve), &["data/identity.db is no SQLite database"]);
}

#[test]
fn looking_at_the_steps_of_a_schema_makes_nothing() {
    let program = Program::new();
    let status = program.run(&["migrate", "status", "--data-dir", "nothing"]);
    assert_eq!(status.code, Some(0), "{status:?}");
    assert!(status.out.contains("identity"), "{status:?}");
    assert_eq!(fs::read_dir(program.home()).unwrap().count(), 0);
    assert_eq!(program.run(&["migrate", "up", "--service", "identity"]).code, Some(0));
    let files = || fs::read_dir(program.home().join("data")).unwrap().count();
    let before = files();
    let applied = program.run(&["migrate", "status", "--service", "identity"]);
    assert!(applied.out.lines().skip(2).all(|line| line.contains(" yes ")), "{applied:?}");
    assert_eq!(files(), before);
}

#[test]
fn a_data_directory_that_is_served_is_neither_served_twice_nor_migrated_down() {
    let program = Program::new();
    let serving = program.serve(&["--services", "identity"]);
    serving.says("stop it with ctrl-c");
    let down = program.run(&["migrate", "down", "--service", "identity"]);
    refused(&down, &["another process serves identity from the directory data"]);
    let status = program.run(&["migrate", "status", "--service", "identity"]);
    assert!(status.out.contains(" yes "), "{status:?}");
    let second = program.serve(&["--services", "identity"]);
    second.logs("another process serves identity from the directory data; stop that process first");
    second.logs("cannot start");
    assert_eq!(second.end().code(), Some(1));
    serving.signal("TERM");
    assert_eq!(serving.end().code(), Some(0));
    assert_eq!(program.run(&["migrate", "down", "--service", "identity"]).code, Some(0));
}

#[test]
fn a_gateway_alone_says_for_whom_it_waits_and_in_whose_name() {
    let program = Program::new();
    let ports = [Port::reserve(), Port::reserve()];
    let [public, admin] = ports.each_ref().map(|port| port.address().to_string());
    drop(ports);
    let (own, probed) = (format!("public.address={public}"), format!("admin.address={admin}"));
    let arguments = [
        "--mode",
        "micro",
        "--services",
        "gateway",
        "--set",
        &own,
        "--set",
        &probed,
        "--set",
        "internal.address=127.0.0.1:0",
        "--set",
        "peers.orders.public=http://127.0.0.1:1",
        "--set",
        "peers.identity.public=http://127.0.0.1:1",
        "--set",
        "shutdown.grace=0s",
    ];
    let serving = program.start(&arguments);
    serving.says("stop it with ctrl-c");
    let health = program.run(&["health", "--set", &probed]);
    assert_eq!(health.code, Some(1), "{health:?}");
    assert!(health.out.contains("waiting for identity at http://127.0.0.1:1"), "{health:?}");
    serving.signal("TERM");
    assert!(serving.logs("stopped").contains("gateway | "));
}

#[test]
fn a_demo_for_what_is_no_address_is_refused_before_anything_is_asked() {
    let program = Program::new();
    let outcome = program.run(&["demo", "--url", "localhost:8080"]);
    refused(
        &outcome,
        &["--url localhost:8080 is no address of a Boxoffice", "http://127.0.0.1:8080"],
    );
}
