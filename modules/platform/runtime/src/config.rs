//! Configuration: sections, where their values come from, and finding every fault at once.
//!
//! Precedence, weakest first: the defaults of each [`Section`], file, profile, environment, flags.

mod durations;
mod load;
mod peers;
mod secret;
mod section;
mod settings;
mod sources;

use std::{collections::BTreeMap, fmt, sync::Arc};

use figment::value::{Dict, Value};

pub use durations::{duration, optional_duration};
pub use peers::{Addresses, Peer, PeersSettings};
pub use secret::Secret;
pub use section::{Section, SectionSpec};
pub use settings::{
    AdminSettings, CheckSettings, InternalSettings, LogFormat, LogSettings, Mode, NodeSettings,
    ProcessAddresses, ProcessesSettings, PublicSettings, ServiceAuthSettings, ShutdownSettings,
};
pub use sources::{ENVIRONMENT_PREFIX, Sources};

use crate::Faults;

/// A configuration without faults. Cheap to clone.
#[derive(Clone)]
pub struct Config(Arc<BTreeMap<&'static str, Loaded>>);

/// One section as it was given and as it may be shown.
struct Loaded {
    given: Value,
    shown: Value,
    sources: BTreeMap<String, String>,
    /// The keys whose values could not be read; they count as not given.
    lost: Vec<String>,
    spans_machines: bool,
}

/// One key of a configuration, for people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Its section, `public`.
    pub section: &'static str,
    /// Its name in the section, `address`.
    pub key: String,
    /// Its value as TOML; `None` when it has none. A secret is `"<hidden>"`.
    pub value: Option<String>,
    /// Where the value comes from: `default`, a file, an environment variable, a flag.
    pub source: String,
}

impl Config {
    /// Merges `sources` over the defaults of `sections` and the platform's own sections, and
    /// reports every fault with its source and key.
    pub fn load(
        sections: impl IntoIterator<Item = SectionSpec>,
        sources: Sources,
    ) -> Result<Self, Faults> {
        let (config, faults) = Self::read(sections, sources);
        Faults::check(faults)?;
        Ok(config)
    }

    /// Like [`Config::load`], but with what can be read beside what is wrong, so that the rest can
    /// be examined, too.
    pub fn read(
        sections: impl IntoIterator<Item = SectionSpec>,
        sources: Sources,
    ) -> (Self, Vec<String>) {
        load::read(sections, sources)
    }

    /// Whether by some section processes on different machines work on the same data.
    pub fn spans_machines(&self) -> bool {
        self.0.values().any(|section| section.spans_machines)
    }

    /// Whether a value of `section` could not be read whose key begins with `key`.
    pub(crate) fn has_lost(&self, section: &str, key: &str) -> bool {
        let section = self.0.get(section);
        section.is_some_and(|section| section.lost.iter().any(|lost| lost.starts_with(key)))
    }

    /// The text at `key` of `section`, when it was given.
    pub(crate) fn text(&self, section: &str, key: &str) -> Option<&str> {
        self.0.get(section)?.given.find_ref(key)?.as_str()
    }

    /// Something that is wrong with `section` in the light of everything else, written like
    /// [`Section::check`] does: with its section, and where the value comes from.
    pub(crate) fn fault(&self, section: &'static str, fault: &str) -> String {
        match self.0.get(section) {
            Some(loaded) => loaded.fault(section, fault),
            None => format!("{section}.{fault}"),
        }
    }

    /// A section's values. The defaults when the section was not among those that were loaded.
    pub fn section<S: Section>(&self) -> S {
        self.0.get(S::NAME).and_then(|section| section.given.deserialize().ok()).unwrap_or_default()
    }

    /// `[node]`.
    pub fn node(&self) -> NodeSettings {
        self.section()
    }

    /// Where `service` can be reached, when it is configured.
    pub fn peer(&self, service: &str) -> Option<Peer> {
        self.section::<PeersSettings>().0.remove(service)
    }

    /// Every key of every section, section by section.
    pub fn entries(&self) -> Vec<Entry> {
        let sections = self.0.iter();
        sections.flat_map(|(name, section)| section.entries(name)).collect()
    }
}

impl fmt::Debug for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut map = f.debug_map();
        for Entry { section, key, value, .. } in self.entries() {
            map.entry(&format_args!("{section}.{key}"), &value);
        }
        map.finish()
    }
}

/// The configuration as TOML, each value with its source.
impl fmt::Display for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut present = None;
        for entry in self.entries() {
            if present != Some(entry.section) {
                let gap = if present.is_some() { "\n" } else { "" };
                writeln!(f, "{gap}[{}]", entry.section)?;
                present = Some(entry.section);
            }
            let line = match entry.value {
                Some(value) => format!("{} = {value}", entry.key),
                None => format!("# {} is not set", entry.key),
            };
            writeln!(f, "{line:<48}  # {}", entry.source)?;
        }
        Ok(())
    }
}

impl Loaded {
    /// A fault of the section called `name`, `"key: what"`, with its section and source.
    fn fault(&self, name: &str, fault: &str) -> String {
        let key = fault.split_once(':').map_or(fault, |(key, _)| key);
        match self.sources.get(key) {
            Some(source) => format!("{source}: {name}.{fault}"),
            None => format!("{name}.{fault}"),
        }
    }

    /// What is said of a value that could not be read misses the point: it is not the default that
    /// somebody wanted.
    fn is_about_what_was_lost(&self, fault: &str) -> bool {
        self.lost.iter().any(|key| fault.contains(key.as_str()))
    }

    fn entries(&self, section: &'static str) -> Vec<Entry> {
        let mut leaves = Vec::new();
        collect_leaves(&self.shown, &mut Vec::new(), &mut leaves);
        leaves
            .into_iter()
            .map(|(path, value)| {
                let key = path.join(".");
                let source = self.sources.get(&key).map_or("default", String::as_str).to_owned();
                Entry { section, key, value: toml(&value), source }
            })
            .collect()
    }
}

/// Walks down tables; whatever is no table is a leaf.
fn collect_leaves(value: &Value, path: &mut Vec<String>, leaves: &mut Vec<(Vec<String>, Value)>) {
    let Value::Dict(_, table) = value else {
        leaves.push((path.clone(), value.clone()));
        return;
    };
    for (key, inner) in table {
        path.push(key.clone());
        collect_leaves(inner, path, leaves);
        path.pop();
    }
}

/// A value as TOML; `None` for nothing.
fn toml(value: &Value) -> Option<String> {
    match value {
        Value::Empty(..) => None,
        Value::String(_, text) => Some(quoted(text)),
        Value::Char(_, character) => Some(quoted(&character.to_string())),
        Value::Bool(_, truth) => Some(truth.to_string()),
        Value::Num(_, number) => number
            .to_i128()
            .map(|whole| whole.to_string())
            .or_else(|| number.to_u128().map(|whole| whole.to_string()))
            .or_else(|| number.to_f64().map(|fraction| fraction.to_string())),
        Value::Array(_, items) => {
            let items: Vec<String> = items.iter().filter_map(toml).collect();
            Some(format!("[{}]", items.join(", ")))
        }
        Value::Dict(_, table) => {
            let entries: Vec<String> = table
                .iter()
                .filter_map(|(key, value)| Some(format!("{key} = {}", toml(value)?)))
                .collect();
            Some(format!("{{ {} }}", entries.join(", ")))
        }
    }
}

/// JSON's escapes are among TOML's.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// A table with `value` at `path`.
fn nest(path: &[String], value: Value) -> Value {
    path.iter().rev().fold(value, |inner, key| Value::from(Dict::from([(key.clone(), inner)])))
}
