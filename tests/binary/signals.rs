//! How `serve` stops.

use std::path::PathBuf;

use crate::program::{Program, Serving};

/// A service that waits for a database which is not there, and so never finishes starting. Its keys
/// are there.
const NEVER_STARTS: &[&str] = &[
    "--config",
    "keys.toml",
    "--services",
    "catalog",
    "--set",
    "database.url=postgres://127.0.0.1:1/nowhere",
    "--set",
    "peers.identity.internal=http://127.0.0.1:1",
];

fn started(program: &Program, more: &[&str]) -> Serving {
    let serving = program.serve(&[&["--services", "identity"], more].concat());
    serving.says("stop it with ctrl-c");
    serving
}

#[test]
fn a_signal_stops_politely() {
    for signal in ["TERM", "INT"] {
        let program = Program::new();
        let serving = started(&program, &[]);
        serving.signal(signal);
        serving.logs("stopped");
        assert_eq!(serving.end().code(), Some(0), "after SIG{signal}");
    }
}

#[test]
fn a_signal_in_the_middle_of_the_start_stops_politely() {
    let program = Program::new();
    program.write("keys.toml", &program.run(&["keys", "keys"]).out);
    let serving = program.serve(NEVER_STARTS);
    serving.logs("the database does not answer yet");
    serving.signal("TERM");
    assert_eq!(serving.end().code(), Some(0));
}

#[test]
fn a_second_signal_ends_the_process_at_once() {
    let program = Program::new();
    let serving = started(&program, &["--set", "shutdown.grace=1h"]);
    serving.signal("TERM");
    serving.logs("stopping");
    serving.signal("TERM");
    assert_eq!(serving.end().code(), Some(130));
}

#[test]
fn a_process_with_a_supervisor_stops_when_its_standard_input_closes() {
    let program = Program::new();
    let mut serving = program.serve(&["--services", "identity", "--until-stdin-closes"]);
    serving.logs("migrated");
    serving.close_stdin();
    assert_eq!(serving.end().code(), Some(0));
}

#[test]
fn a_port_that_is_taken_is_a_fault() {
    let program = Program::new();
    let serving = program.serve(&["--services", "identity"]);
    let line = serving.says("readiness");
    let address = line.trim_start_matches(|c: char| !c.is_ascii_digit()).replace("/readyz", "");
    let second = Program::new();
    let admin = format!("admin.address={address}");
    let outcome = second.run(&["serve", "--services", "identity", "--set", &admin]);
    assert_eq!(outcome.code, Some(1));
    assert!(outcome.err.contains("free the port, or set admin.address"), "{outcome:?}");
}

#[test]
fn what_is_stored_outlives_the_process() {
    let program = Program::new();
    for _ in 0..2 {
        let serving = started(&program, &[]);
        serving.signal("TERM");
        assert_eq!(serving.end().code(), Some(0));
    }
    let database: PathBuf = program.home().join("data").join("identity.db");
    assert!(database.exists());
}
