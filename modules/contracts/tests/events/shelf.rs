//! What is checked in under `docs/events`.

use std::{fs, path::PathBuf};

use runtime::EventDescription;
use serde_json::{Value, json};

fn folder(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../docs/events").join(name)
}

/// The file of one version of an event.
pub(crate) fn schema_file(name: &str, version: u16) -> PathBuf {
    folder("schemas").join(format!("{name}.v{version}.json"))
}

/// The schema of one version of an event, if it is checked in.
pub(crate) fn schema(name: &str, version: u16) -> Option<Value> {
    let text = fs::read_to_string(schema_file(name, version)).ok()?;
    Some(serde_json::from_str(&text).expect("a schema is JSON"))
}

/// The names and versions of all schemas that are checked in.
pub(crate) fn schemas() -> Vec<(String, u16)> {
    let read = |name: String| {
        let (event, version) = name.strip_suffix(".json")?.rsplit_once(".v")?;
        Some((event.to_owned(), version.parse().ok()?))
    };
    let names = files("schemas");
    names.into_iter().map(|name| read(name.clone()).unwrap_or_else(|| panic!("{name}"))).collect()
}

/// What is written for a description: its schema with its name and version.
pub(crate) fn document(event: &EventDescription) -> Value {
    let mut document = event.schema.clone();
    let fields = document.as_object_mut().expect("a schema is an object");
    fields.insert("$schema".to_owned(), json!("http://json-schema.org/draft-07/schema#"));
    fields.insert("title".to_owned(), json!(event.name));
    fields.insert("x-schema-version".to_owned(), json!(event.version));
    document
}

/// A message as it was written once.
pub(crate) struct Sample {
    pub(crate) file: String,
    pub(crate) name: String,
    pub(crate) version: u16,
    pub(crate) payload: Value,
}

/// All samples but those of trails, which are the bus' own.
pub(crate) fn samples() -> Vec<Sample> {
    let read = |file: String| {
        let text = fs::read_to_string(folder("samples").join(&file)).expect("the sample is there");
        let message: Value = serde_json::from_str(&text).expect("a sample is JSON");
        let name = message["type"].as_str().expect("it says what it is").to_owned();
        let version = message["schema_version"].as_u64().expect("it says in which version");
        let version = u16::try_from(version).expect("versions are small");
        let prefix = format!("{name}.v{version}.");
        assert!(file.starts_with(&prefix), "{file} holds {name} of version {version}");
        Sample { file, name, version, payload: message["payload"].clone() }
    };
    let is_event = |file: &String| !file.contains(".audit.");
    files("samples").into_iter().filter(is_event).map(read).collect()
}

fn files(of: &str) -> Vec<String> {
    let entries = fs::read_dir(folder(of)).expect("the folder is there");
    let name = |entry: fs::DirEntry| entry.file_name().into_string().expect("names are plain");
    let mut names: Vec<String> = entries.map(|it| name(it.expect("it can be read"))).collect();
    names.sort();
    names
}
