//! The API as it is promised: its document and its problems are checked in, so that a change of them
//! is a change that somebody looks at. `UPDATE=1` writes both anew.

#![cfg(test)]

use std::{fs, path::Path};

use boxoffice::registry::MODULES;

/// Compares `now` with what the file says, or writes it there when asked to.
#[expect(clippy::disallowed_methods, reason = "a test process has no other configuration")]
fn compare(file: &str, now: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(file);
    if std::env::var_os("UPDATE").is_some() {
        fs::write(&path, now).expect("the file can be written");
    }
    let checked_in = fs::read_to_string(&path).unwrap_or_default();
    let difference = checked_in.lines().zip(now.lines()).position(|(then, now)| then != now);
    let line = difference.unwrap_or_else(|| checked_in.lines().count().min(now.lines().count()));
    assert!(
        checked_in == now,
        "{file} differs from the code from line {} on; if that is meant, write it anew: \
         UPDATE=1 cargo test --test openapi",
        line + 1,
    );
}

#[test]
fn the_document_is_the_one_that_is_checked_in() {
    let document = edge::openapi::merge(MODULES);
    let text = serde_json::to_string_pretty(&document).expect("the document is JSON");
    compare("docs/openapi.json", &format!("{text}\n"));
}

#[test]
fn the_problems_are_those_that_are_explained() {
    let document = edge::openapi::merge(MODULES);
    let explanations = edge::openapi::explanations(&document);
    compare("docs/errors.md", &edge::problems::markdown(&explanations));
}

#[test]
fn no_two_services_describe_one_thing_differently() {
    let clashes = edge::openapi::clashes(MODULES);
    assert!(clashes.is_empty(), "give one of them another name: {clashes:#?}");
}
