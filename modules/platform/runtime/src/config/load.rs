//! From sources to a configuration, as far as they can be read, and to every fault in them.

use std::{
    cmp::Ordering,
    collections::{BTreeMap, BTreeSet},
};

use figment::{
    Error,
    error::{Actual, Kind},
    value::{Dict, Value},
};

use super::{
    Config, Loaded, Mode, NodeSettings, ProcessesSettings, Section, SectionSpec, Sources,
    collect_leaves, nest, secret::HIDDEN, section::Read, settings,
};

const ADDRESS: &str = "must be an address with a port, such as 127.0.0.1:8080";

/// What the key of a secret's file has after the secret's own.
const FILE_SUFFIX: &str = "_file";

/// A key that somebody gave a value.
struct Supplied {
    /// Below the section.
    path: Vec<String>,
    value: Value,
    source: String,
    /// Of two sources that give one key in different ways, the one with more wins.
    strength: usize,
    /// The value is text because its source knows nothing else.
    is_text: bool,
}

/// The configuration without the values that cannot be read, and everything that is wrong.
pub(super) fn read(
    sections: impl IntoIterator<Item = SectionSpec>,
    mut sources: Sources,
) -> (Config, Vec<String>) {
    let specs: BTreeMap<&'static str, SectionSpec> =
        settings::PLATFORM.iter().copied().chain(sections).map(|spec| (spec.name, spec)).collect();

    add_process_addresses(&mut sources);
    let mut supplied = by_section(&sources);
    let mut faults = std::mem::take(&mut sources.faults);
    let mut loaded = BTreeMap::new();
    for (name, spec) in &specs {
        let keys = supplied.remove(*name).unwrap_or_default();
        let (section, found) = read_section(spec, &keys);
        loaded.insert(*name, section);
        faults.extend(found);
    }
    faults.extend(unknown_sections(&supplied, &specs));
    (Config(loaded.into()), faults)
}

/// Gives a process of a split on one machine the addresses that `[processes]` has for it.
fn add_process_addresses(sources: &mut Sources) {
    let supplied = by_section(sources);
    let node: NodeSettings = best_effort(&supplied, SectionSpec::of::<NodeSettings>());
    let processes: ProcessesSettings =
        best_effort(&supplied, SectionSpec::of::<ProcessesSettings>());
    if node.mode != Mode::Micro {
        return;
    }
    let Some((service, addresses)) =
        node.services.iter().find_map(|service| processes.0.get_key_value(service))
    else {
        return;
    };
    let named = [
        ("public", addresses.public),
        ("internal", addresses.internal),
        ("admin", addresses.admin),
    ];
    let values: Dict = named
        .into_iter()
        .filter_map(|(listener, address)| {
            let table = Dict::from([("address".to_owned(), Value::from(address?.to_string()))]);
            Some((listener.to_owned(), Value::from(table)))
        })
        .collect();
    sources.insert_below_text(format!("processes.{service}"), values);
}

/// The section as far as it can be read; faults are reported when it is loaded for good.
fn best_effort<S: Section>(supplied: &BTreeMap<String, Vec<Supplied>>, spec: SectionSpec) -> S {
    let keys = supplied.get(spec.name).map(Vec::as_slice).unwrap_or_default();
    let mut section = Value::from(Dict::new());
    for key in keys {
        if let Ok(value) = typed(&spec, key) {
            insert(&mut section, &key.path, value);
        }
    }
    section.deserialize().unwrap_or_default()
}

fn by_section(sources: &Sources) -> BTreeMap<String, Vec<Supplied>> {
    let merged = sources.merge();
    let text_sources = sources.text_sources();
    let tables: Dict = merged.extract().unwrap_or_default();
    let mut sections: BTreeMap<String, Vec<Supplied>> = BTreeMap::new();
    for (name, table) in tables {
        let mut leaves = Vec::new();
        collect_leaves(&table, &mut Vec::new(), &mut leaves);
        let supplied = leaves.into_iter().map(|(path, value)| {
            let source = merged
                .get_metadata(value.tag())
                .map_or_else(|| "unknown source".to_owned(), |metadata| metadata.name.to_string());
            let is_text = text_sources.contains(source.as_str());
            let strength = sources.strength(&source);
            Supplied { path, value, source, strength, is_text }
        });
        sections.insert(name, supplied.collect());
    }
    sections
}

fn unknown_sections(
    supplied: &BTreeMap<String, Vec<Supplied>>,
    specs: &BTreeMap<&'static str, SectionSpec>,
) -> Vec<String> {
    let known: Vec<&str> = specs.keys().copied().collect();
    supplied
        .iter()
        .map(|(section, keys)| {
            let sources: BTreeSet<&str> = keys.iter().map(|key| key.source.as_str()).collect();
            let sources: Vec<&str> = sources.into_iter().collect();
            let prefix = if sources.is_empty() {
                String::new()
            } else {
                format!("{}: ", sources.join(", "))
            };
            format!("{prefix}[{section}] is no section; there are: {}", known.join(", "))
        })
        .collect()
}

/// The section without the values that cannot be read, and what is wrong with it.
fn read_section(spec: &SectionSpec, keys: &[Supplied]) -> (Loaded, Vec<String>) {
    let mut faults = Vec::new();
    let mut faults_of_values = Vec::new();
    let mut given = Value::from(Dict::new());
    let mut sound = given.clone();
    let mut sources: BTreeMap<String, String> = BTreeMap::new();
    let mut strengths = BTreeMap::new();
    let (mut lost, mut doubtful) = (Vec::new(), Vec::new());
    for key in keys {
        let (path, value, source) = match typed(spec, key) {
            Ok(value) => (key.path.clone(), value, key.source.clone()),
            Err(error) => match secret_from_file(spec, key) {
                Some(Ok(read)) => read,
                Some(Err(fault)) => {
                    faults.push(fault);
                    let name = key.path.join(".");
                    lost.push(name.strip_suffix(FILE_SUFFIX).map(str::to_owned).unwrap_or(name));
                    continue;
                }
                None => {
                    faults_of_values.push(value_fault(spec, key, &error));
                    doubtful.push(key.path.join("."));
                    (key.path.clone(), key.value.clone(), key.source.clone())
                }
            },
        };
        let name = path.join(".");
        // Only a secret can be given in two ways.
        if let (Some(other), Some(strength)) = (sources.get(&name), strengths.get(&name)) {
            match key.strength.cmp(strength) {
                Ordering::Less => continue,
                Ordering::Equal => faults.push(format!(
                    "{}.{name} is given twice, by {other} and by {source}",
                    spec.name
                )),
                Ordering::Greater => {}
            }
        }
        strengths.insert(name.clone(), key.strength);
        if !doubtful.contains(&name) {
            insert(&mut sound, &path, value.clone());
        }
        insert(&mut given, &path, value);
        sources.insert(name, source);
    }
    let (given, read) = match (spec.read)(&given) {
        Ok(read) => (given, read),
        Err(error) => {
            faults.append(&mut faults_of_values);
            lost.append(&mut doubtful);
            if faults.is_empty() {
                faults.push(format!("[{}]: {}", spec.name, error_text(spec.name, &error.kind)));
                lost.extend(sources.keys().cloned());
            }
            readable(spec, sound)
        }
    };
    let Read { shown, faults: found, spans_machines } = read;
    let loaded = Loaded { given, shown, sources, lost, spans_machines };
    let sensible = found.iter().filter(|fault| !loaded.is_about_what_was_lost(fault));
    faults.extend(sensible.map(|fault| loaded.fault(spec.name, fault)));
    (loaded, faults)
}

/// The section with `sound` values; with the defaults where they do not go together.
fn readable(spec: &SectionSpec, sound: Value) -> (Value, Read) {
    if let Ok(read) = (spec.read)(&sound) {
        return (sound, read);
    }
    let nothing = Value::from(Dict::new());
    let read = (spec.read)(&nothing).unwrap_or_else(|_| Read {
        shown: nothing.clone(),
        faults: Vec::new(),
        spans_machines: false,
    });
    (nothing, read)
}

/// The value as the section's type wants it, found by trying the key alone over the defaults.
fn typed(spec: &SectionSpec, key: &Supplied) -> Result<Value, Box<Error>> {
    let alone = |value: &Value| (spec.read)(&nest(&key.path, value.clone())).map(|_| ());
    let first = match alone(&key.value) {
        Ok(()) => return Ok(key.value.clone()),
        Err(error) => error,
    };
    let Some(text) = key.value.as_str().filter(|_| key.is_text) else {
        return Err(first);
    };
    let Ok(parsed) = text.parse::<Value>();
    let second = match alone(&parsed) {
        Ok(()) => return Ok(parsed),
        Err(error) => error,
    };
    let list = Value::from(text.split(',').map(str::trim).collect::<Vec<_>>());
    alone(&list).map(|()| list).map_err(|_| second)
}

type FromFile = Result<(Vec<String>, Value, String), String>;

/// The value of the secret `password`, when the key is its `password_file`.
fn secret_from_file(spec: &SectionSpec, key: &Supplied) -> Option<FromFile> {
    let (last, tables) = key.path.split_last()?;
    let stem = last.strip_suffix(FILE_SUFFIX)?;
    let path: Vec<String> = tables.iter().cloned().chain([stem.to_owned()]).collect();
    if !is_secret(spec, &path) {
        return None;
    }
    let name = format!("{}: {}.{}", key.source, spec.name, key.path.join("."));
    let Some(file) = key.value.as_str() else {
        return Some(Err(format!("{name}: is not the path of a file")));
    };
    let read = match std::fs::read_to_string(file) {
        Ok(text) => {
            let secret = Value::from(text.trim_end_matches(['\r', '\n']));
            Ok((path, secret, format!("{file} ({})", key.source)))
        }
        Err(error) => Err(format!("{name}: {file} cannot be read: {error}")),
    };
    Some(read)
}

/// Whether what the section has at `path` hides itself.
fn is_secret(spec: &SectionSpec, path: &[String]) -> bool {
    let probe = nest(path, Value::from("probe"));
    let Ok(read) = (spec.read)(&probe) else {
        return false;
    };
    read.shown.find_ref(&path.join(".")).and_then(Value::as_str) == Some(HIDDEN)
}

fn insert(section: &mut Value, path: &[String], value: Value) {
    let Some((first, rest)) = path.split_first() else {
        *section = value;
        return;
    };
    if !matches!(section, Value::Dict(..)) {
        *section = Value::from(Dict::new());
    }
    if let Value::Dict(_, table) = section {
        let inner = table.entry(first.clone()).or_insert_with(|| Value::from(Dict::new()));
        insert(inner, rest, value);
    }
}

fn value_fault(spec: &SectionSpec, key: &Supplied, error: &Error) -> String {
    let source = &key.source;
    if key.path.is_empty() {
        return format!("{source}: {} is a section, not a value; write [{0}]", spec.name);
    }
    let name = format!("{}.{}", spec.name, key.path.join("."));
    let what = if is_secret(spec, &key.path) {
        "is a secret of the wrong type; it must be text".to_owned()
    } else {
        error_text(spec.name, &error.kind)
    };
    format!("{source}: {name}: {what}")
}

fn error_text(section: &str, kind: &Kind) -> String {
    match kind {
        Kind::UnknownField(field, known) => {
            format!("there is no key {field} here; [{section}] knows: {}", known.join(", "))
        }
        Kind::UnknownVariant(value, known) => {
            format!("is \"{value}\", but must be one of: {}", known.join(", "))
        }
        Kind::InvalidType(_, expected) | Kind::InvalidValue(_, expected)
            if expected == "socket address" =>
        {
            ADDRESS.to_owned()
        }
        Kind::InvalidType(actual, expected) | Kind::InvalidValue(actual, expected) => {
            format!("is {}, but must be {}", found(actual), wanted(expected))
        }
        Kind::Message(message) if message == "invalid socket address syntax" => ADDRESS.to_owned(),
        Kind::MissingField(field) => format!("{field} is missing"),
        other => other.to_string(),
    }
}

fn found(actual: &Actual) -> String {
    match actual {
        Actual::Bool(truth) => truth.to_string(),
        Actual::Unsigned(number) => number.to_string(),
        Actual::Signed(number) => number.to_string(),
        Actual::Float(number) => number.to_string(),
        Actual::Str(text) => format!("\"{text}\""),
        Actual::Seq => "a list".to_owned(),
        Actual::Map => "a table".to_owned(),
        other => other.to_string(),
    }
}

fn wanted(expected: &str) -> &str {
    match expected {
        "u8" | "u16" | "u32" | "u64" | "usize" => "a whole number, 0 or more",
        "i8" | "i16" | "i32" | "i64" | "isize" => "a whole number",
        "f32" | "f64" => "a number",
        "a boolean" => "true or false",
        "a string" | "string" => "text",
        "path string" => "a path",
        "a sequence" => "a list",
        other if other.starts_with("struct ") || other == "a map" => "a table",
        other => other,
    }
}
