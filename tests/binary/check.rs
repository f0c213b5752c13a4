//! `boxoffice check`: what it asks, what it prints, how it ends.

use crate::program::{Program, Serving};

/// The admin listener of a process that serves.
fn admin_of(serving: &Serving) -> String {
    let line = serving.says("readiness");
    let address = line.trim_start_matches(|c: char| !c.is_ascii_digit()).replace("/readyz", "");
    serving.says("stop it with ctrl-c");
    format!("admin.address={address}")
}

#[test]
fn a_process_that_is_well_has_nothing_to_report() {
    let program = Program::new();
    let serving = program.serve(&["--services", "identity"]);
    let admin = admin_of(&serving);
    let checked = program.run(&["check", "--set", &admin]);
    assert_eq!((checked.code, checked.err.as_str()), (Some(0), ""));
    let row = checked.out.lines().last().unwrap().split_whitespace().collect::<Vec<_>>();
    assert_eq!((row[0], row[1], row[2], row[4]), ("identity", "replay", "1", "clean"));

    let json = program.run(&["check", "--json", "--services", "identity", "--set", &admin]);
    let report: serde_json::Value = serde_json::from_str(&json.out).unwrap();
    assert_eq!((json.code, &report["identity"]["clean"]), (Some(0), &true.into()));
}

#[tokio::test]
async fn what_is_wrong_is_listed_and_ends_with_1() {
    let program = Program::new();
    let serving = program.serve(&["--services", "identity"]);
    let admin = admin_of(&serving);
    let settings = store::DatabaseSettings::default();
    let directory = program.home().join("data");
    let database = store::Database::connect(&settings, "identity", &directory).await.unwrap();
    let mut tx = database.begin().await.unwrap();
    store::execute!(&mut tx, "UPDATE accounts SET version = version + 1").await.unwrap();
    tx.commit().await.unwrap();
    database.close().await;

    let checked = program.run(&["check", "--set", &admin]);
    assert_eq!(checked.code, Some(1), "{checked:?}");
    assert!(checked.out.contains(" 1 finding\n"), "{}", checked.out);
    let finding = checked.out.lines().last().unwrap();
    assert!(finding.starts_with("identity  replay  row "), "{finding}");
    assert!(finding.ends_with(" of accounts  is not what the events make of it"), "{finding}");
}

#[test]
fn a_process_that_cannot_be_asked_ends_with_2() {
    let program = Program::new();
    let checked = program.run(&["check", "--set", "admin.address=127.0.0.1:1"]);
    assert_eq!(checked.code, Some(2), "{checked:?}");
    assert!(checked.err.contains("boxoffice: all: nobody answers at 127.0.0.1:1"), "{checked:?}");
}
