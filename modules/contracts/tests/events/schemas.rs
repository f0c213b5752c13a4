//! The checked-in schemas are those of the code, or those of older versions.

use std::fs;

use contracts::events;
use runtime::{EventDescription, FIRST_EVENT_VERSION};
use serde_json::Value;

use crate::{breaks::breaks, shelf};

#[test]
#[expect(clippy::disallowed_methods, reason = "whoever runs the test says whether to write")]
fn events_are_as_checked_in_and_break_nobody() {
    let is_update = std::env::var_os("UPDATE_SCHEMAS").is_some();
    let faults: Vec<String> =
        events::describe().iter().flat_map(|event| compare(event, is_update)).collect();
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

/// Why an event is not as checked in, unless it may be and is written anew.
fn compare(event: &EventDescription, is_update: bool) -> Vec<String> {
    let EventDescription { name, version, .. } = event;
    let (path, now) = (shelf::schema_file(name, *version), shelf::document(event));
    let write = || {
        let text = serde_json::to_string_pretty(&now).expect("a schema serialises");
        fs::write(&path, text + "\n").expect("the schema is written");
    };
    let Some(then) = shelf::schema(name, *version) else {
        if is_update {
            write();
            return Vec::new();
        }
        return vec![format!("{name} has no schema of version {version}: UPDATE_SCHEMAS=1")];
    };
    let broken = breaks(&then, &now);
    if !broken.is_empty() {
        let advice = "which is another version: raise it, add an upcast and a sample";
        return broken.iter().map(|fault| format!("{name}: {fault}; {advice}")).collect();
    }
    if is_update {
        write();
    } else if then != now {
        return vec![format!("{name} has grown: run with UPDATE_SCHEMAS=1 and commit it")];
    }
    Vec::new()
}

#[test]
fn every_version_so_far_has_its_schema_and_nothing_else_has() {
    let events = events::describe();
    let expected = events.iter().flat_map(|event| {
        (FIRST_EVENT_VERSION..=event.version).map(|version| (event.name.clone(), version))
    });
    let mut expected: Vec<(String, u16)> = expected.collect();
    expected.sort();
    let mut checked_in = shelf::schemas();
    checked_in.retain(|(name, _)| name != "audit");
    assert_eq!(checked_in, expected, "an event that is written no more is still read from logs");
}

#[test]
fn every_event_says_when_it_is_told() {
    let silent: Vec<String> = events::describe()
        .into_iter()
        .filter(|event| event.about.is_empty() || event.schema["required"] == Value::Null)
        .map(|event| event.name)
        .collect();
    assert_eq!(silent, Vec::<String>::new());
}

#[test]
fn a_version_follows_another_only_where_readers_would_trip() {
    for event in events::describe() {
        for version in FIRST_EVENT_VERSION..event.version {
            let schema = |version| shelf::schema(&event.name, version).expect("it is checked in");
            let broken = breaks(&schema(version), &schema(version + 1));
            assert!(!broken.is_empty(), "{} needs no version {}", event.name, version + 1);
        }
    }
}
