//! Where configuration comes from: files, environment variables, flags.

use std::{collections::BTreeSet, path::Path};

use figment::{
    Error, Figment, Metadata, Profile, Provider,
    providers::{Format, Toml},
    value::{Dict, Map, Value},
};

/// Environment variables that begin with this are configuration:
/// `BOXOFFICE__PUBLIC__ADDRESS` is the key `public.address`.
pub const ENVIRONMENT_PREFIX: &str = "BOXOFFICE__";

/// What faults call an environment variable, before its name.
const VARIABLE: &str = "environment variable";

/// What was configured, in the order of precedence: what is added later wins. By convention that
/// is file, profile, environment, flags.
#[derive(Debug, Clone, Default)]
pub struct Sources {
    layers: Vec<Layer>,
    pub(super) faults: Vec<String>,
}

/// One file, one environment variable or one flag.
#[derive(Debug, Clone)]
pub(super) struct Layer {
    source: String,
    pub(super) is_text: bool,
    values: Dict,
}

impl Sources {
    /// Nothing but defaults.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a TOML file.
    #[must_use]
    pub fn file(mut self, path: &Path) -> Self {
        match std::fs::read_to_string(path) {
            Ok(text) => self.toml(path.display().to_string(), &text),
            Err(error) => {
                self.faults.push(format!("{}: cannot be read: {error}", path.display()));
                self
            }
        }
    }

    /// Adds TOML text; faults call it `source`.
    #[must_use]
    pub fn toml(mut self, source: impl Into<String>, text: &str) -> Self {
        let source = source.into();
        match Toml::from_str::<Dict>(text) {
            Ok(values) => self.layers.push(Layer { source, is_text: false, values }),
            Err(error) => {
                let start = error.span().map_or(0, |span| span.start);
                let line = text.bytes().take(start).filter(|byte| *byte == b'\n').count() + 1;
                let what = error.message().replace('\n', "; ");
                self.faults.push(format!("{source}, line {line}: is not valid TOML: {what}"));
            }
        }
        self
    }

    /// Adds those of `variables` that begin with [`ENVIRONMENT_PREFIX`].
    #[must_use]
    pub fn environment(mut self, variables: impl IntoIterator<Item = (String, String)>) -> Self {
        let mut variables: Vec<(String, String)> = variables.into_iter().collect();
        variables.sort();
        for (name, value) in variables {
            let Some(path) = name.strip_prefix(ENVIRONMENT_PREFIX) else { continue };
            let key = path.to_ascii_lowercase().replace("__", ".");
            self = self.set(format!("{VARIABLE} {name}"), &key, value);
        }
        self
    }

    /// Adds one key, such as `public.address`, with its value as text; faults call it `source`.
    #[must_use]
    pub fn set(mut self, source: impl Into<String>, key: &str, value: impl Into<String>) -> Self {
        let source = source.into();
        if key.split('.').any(str::is_empty) {
            self.faults
                .push(format!("{source}: \"{key}\" is no key; write it like public.address"));
            return self;
        }
        let mut path = key.rsplit('.');
        let innermost = path.next().unwrap_or(key);
        let mut values = Dict::from([(innermost.to_owned(), Value::from(value.into()))]);
        for table in path {
            values = Dict::from([(table.to_owned(), Value::from(values))]);
        }
        self.layers.push(Layer { source, is_text: true, values });
        self
    }

    /// Adds a fault that the reader of a source of its own found.
    #[must_use]
    pub fn fault(mut self, fault: impl Into<String>) -> Self {
        self.faults.push(fault.into());
        self
    }

    /// Puts values under the first environment variable or flag.
    pub(super) fn insert_below_text(&mut self, source: String, values: Dict) {
        let index = self.layers.iter().position(|layer| layer.is_text).unwrap_or(self.layers.len());
        self.layers.insert(index, Layer { source, is_text: false, values });
    }

    /// What is more wins. All environment variables are equally strong.
    pub(super) fn strength(&self, source: &str) -> usize {
        let is_same = |layer: &Layer| {
            let are_variables =
                [&layer.source, source].iter().all(|name| name.starts_with(VARIABLE));
            layer.source == source || are_variables
        };
        self.layers.iter().position(is_same).unwrap_or_default()
    }

    pub(super) fn merge(&self) -> Figment {
        self.layers.iter().fold(Figment::new(), Figment::merge)
    }

    /// The names of the sources whose values are text, whatever type the key has.
    pub(super) fn text_sources(&self) -> BTreeSet<&str> {
        self.layers
            .iter()
            .filter(|layer| layer.is_text)
            .map(|layer| layer.source.as_str())
            .collect()
    }
}

impl Provider for &Layer {
    fn metadata(&self) -> Metadata {
        Metadata::named(self.source.clone())
    }

    fn data(&self) -> Result<Map<Profile, Dict>, Error> {
        Ok(Map::from([(Profile::Default, self.values.clone())]))
    }
}
