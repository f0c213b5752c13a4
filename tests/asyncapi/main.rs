//! The events as others are told of them: `docs/events/asyncapi.json` is made from the contracts, the
//! bus and the registry, and checked in, so that a change of it is a change that somebody looks at.
//! `UPDATE_SCHEMAS=1` writes it anew.

#![expect(clippy::indexing_slicing, reason = "a test that cannot go on fails, and says where")]

#[path = "../../modules/contracts/tests/events/breaks.rs"]
mod breaks;
mod document;

use std::{collections::BTreeSet, fs, path::PathBuf};

use boxoffice::registry::MODULES;
use bus::Envelope;
use serde_json::Value;

use self::{
    breaks::breaks,
    document::{is_trail, messages, written},
};

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("docs/events")
}

/// Compares `now` with what the file says, or writes it there when asked to.
#[expect(clippy::disallowed_methods, reason = "whoever runs the test says whether to write")]
fn compare(file: &str, now: &Value) {
    let path = folder().join(file);
    let text = serde_json::to_string_pretty(now).expect("it is JSON") + "\n";
    if std::env::var_os("UPDATE_SCHEMAS").is_some() {
        fs::write(&path, &text).expect("the file can be written");
    }
    let checked_in = fs::read_to_string(&path).unwrap_or_default();
    assert!(
        checked_in == text,
        "docs/events/{file} differs from the code; if that is meant, write it anew: \
         UPDATE_SCHEMAS=1 cargo test --test asyncapi"
    );
}

fn samples() -> Vec<(String, Value)> {
    let entries = fs::read_dir(folder().join("samples")).expect("the folder is there");
    let read = |entry: fs::DirEntry| {
        let text = fs::read_to_string(entry.path()).expect("the sample can be read");
        let name = entry.file_name().into_string().expect("names are plain");
        (name, serde_json::from_str(&text).expect("a sample is JSON"))
    };
    entries.map(|entry| read(entry.expect("it can be read"))).collect()
}

#[test]
fn the_document_is_the_one_that_is_checked_in() {
    compare("asyncapi.json", &document::document(MODULES));
}

#[test]
fn the_trail_is_as_checked_in_and_breaks_nobody() {
    let (file, now) = ("schemas/audit.v1.json", document::trail_schema());
    let text = fs::read_to_string(folder().join(file)).expect("it is checked in");
    let then = serde_json::from_str(&text).expect("a schema is JSON");
    assert_eq!(breaks(&then, &now), Vec::<String>::new(), "those who read the trail would trip");
    compare(file, &now);
}

#[test]
fn every_event_that_a_module_publishes_or_consumes_is_described() {
    let described: BTreeSet<String> = messages().into_iter().map(|it| it.name).collect();
    let mut named = BTreeSet::new();
    for module in MODULES {
        named.extend(module.publishes.iter().chain(module.consumes).map(|it| (*it).to_owned()));
    }
    assert_eq!(described, named);
}

#[test]
fn every_reference_leads_to_something() {
    let document = document::document(MODULES);
    let mut references = Vec::new();
    gather(&document, &mut references);
    assert!(references.len() > 50, "there are only {references:?}");
    for reference in references {
        let is_there = match reference.strip_prefix('#') {
            Some(pointer) => document.pointer(pointer).is_some(),
            None => folder().join(&reference).is_file(),
        };
        assert!(is_there, "{reference} leads nowhere");
    }
}

fn gather(value: &Value, references: &mut Vec<String>) {
    match value {
        Value::Object(fields) => {
            references.extend(fields.get("$ref").and_then(Value::as_str).map(str::to_owned));
            fields.values().for_each(|field| gather(field, references));
        }
        Value::Array(items) => items.iter().for_each(|item| gather(item, references)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

#[test]
fn an_operation_has_messages_of_its_channel_alone() {
    let document = document::document(MODULES);
    let operations = document["operations"].as_object().expect("there are some");
    for (name, operation) in operations {
        let channel = operation["channel"]["$ref"].as_str().expect("it has one");
        let messages = operation["messages"].as_array().expect("it has some");
        assert!(!messages.is_empty(), "{name} is about nothing");
        for message in messages {
            let message = message["$ref"].as_str().expect("it is a reference");
            assert!(message.starts_with(&format!("{channel}/messages/")), "{name}: {message}");
        }
    }
}

#[test]
fn every_sample_is_a_message_of_its_channel() {
    let document = document::document(MODULES);
    for (file, sample) in samples() {
        let envelope: Envelope = serde_json::from_value(sample.clone()).expect("an envelope");
        assert_eq!(serde_json::to_value(&envelope).ok(), Some(sample), "{file} loses something");
        let name = written(&envelope.event_type, envelope.schema_version);
        let publisher = envelope.event_type.split('.').next().expect("names have two parts");
        let channel = if is_trail(&envelope.event_type) { &envelope.event_type } else { publisher };
        let messages = &document["channels"][channel]["messages"];
        assert!(messages[&name].is_object(), "{file}: no message {name} in {channel}");
    }
}

#[test]
fn the_page_names_every_event_with_its_version() {
    let page = fs::read_to_string(folder().join("README.md")).expect("the page is there");
    for message in messages() {
        if message.is_present && !is_trail(&message.name) {
            let row = format!("| `{}` | {} |", message.name, message.version);
            assert!(page.contains(&row), "docs/events/README.md has no row {row}");
        }
    }
}
