//! The README's walk-through, pasted into a shell as it stands: a stranger's first sale, in both
//! shapes.

#![cfg(test)]

use std::{os::unix::fs::symlink, path::Path, process::Command};

use boxoffice::{node, registry};
use testkit::{Composition, Sandbox, Shape, TestClock};

/// Everything in the README that is meant for a shell, in order.
fn walk_through(address: &str) -> String {
    let readme = include_str!("../README.md");
    let blocks = readme.split("```sh\n").skip(1).filter_map(|rest| rest.split("```").next());
    let commands: String = blocks.collect();
    assert!(commands.contains("API=http://127.0.0.1:8080\n"), "the README says where the API is");
    commands.replace("API=http://127.0.0.1:8080\n", &format!("API={address}\n"))
}

fn paste(commands: &str, directory: &Path) -> String {
    let shell = Command::new("bash").args(["-eu", "-c", commands]).current_dir(directory).output();
    let output = shell.expect("there is a shell");
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let complaints = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "the shell gave up:\n{said}\n{complaints}");
    said
}

async fn a_stranger_sells_and_scans_a_ticket(shape: Shape) {
    let composition = Composition {
        modules: registry::MODULES,
        sections: registry::SECTIONS,
        launch: node::launch,
    };
    let sandbox =
        Sandbox::builder(composition).shape(shape).clock(TestClock::running()).start().await;
    let home = tempfile::tempdir().expect("a directory");
    symlink(sandbox.data_dir(), home.path().join("data")).expect("the data is where README says");
    let commands = walk_through(&sandbox.public_url());
    let directory = home.path().to_owned();
    let pasting = tokio::task::spawn_blocking(move || paste(&commands, &directory));
    let said = pasting.await.expect("the shell ran");
    for expected in
        ["on_sale", "settled", "fulfilled", "\"entrance\":\"north\"", "already-admitted"]
    {
        assert!(said.contains(expected), "{expected} is missing in:\n{said}");
    }
    sandbox.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_walk_through_sells_and_scans_a_ticket_in_one_process() {
    a_stranger_sells_and_scans_a_ticket(Shape::Monolith).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_walk_through_sells_and_scans_a_ticket_in_a_split() {
    a_stranger_sells_and_scans_a_ticket(Shape::Split).await;
}
