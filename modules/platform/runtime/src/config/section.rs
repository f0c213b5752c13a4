//! A table of the configuration that one part of Boxoffice reads, and its type-erased face.

use figment::{Error, value::Value};
use serde::{Serialize, de::DeserializeOwned};

/// One table of the configuration, such as `[orders]`.
///
/// Derive `Serialize` and `Deserialize` with `#[serde(deny_unknown_fields, default)]`; what
/// `Default` gives is the documented default.
pub trait Section: Serialize + DeserializeOwned + Default + Send + Sync + 'static {
    /// The table's name.
    const NAME: &'static str;

    /// Keys that each name a directory of Ed25519 private keys (`*.pem`) with which the service
    /// signs. They may be left out while nothing [spans machines](Section::spans_machines): then
    /// the service makes a key in the data directory.
    const SIGNING_KEYS: &'static [&'static str] = &[];

    /// What is wrong with values that are each of the right type, as `"key: what and what to do"`.
    fn check(&self) -> Vec<String> {
        Vec::new()
    }

    /// Whether with these values processes on different machines work on the same data, as with a
    /// database server. Then no process may make keys by itself: no other would know them.
    fn spans_machines(&self) -> bool {
        false
    }
}

/// A [`Section`] without its type, for those who load and show configurations.
#[derive(Debug, Clone, Copy)]
pub struct SectionSpec {
    /// The table's name.
    pub name: &'static str,
    /// Its keys that name directories with keys that sign; see [`Section::SIGNING_KEYS`].
    pub signing_keys: &'static [&'static str],
    pub(super) read: fn(&Value) -> Result<Read, Box<Error>>,
}

/// A section that was read.
pub(super) struct Read {
    /// All its keys, defaults too, with secrets hidden.
    pub(super) shown: Value,
    /// What its own check says.
    pub(super) faults: Vec<String>,
    /// Whether processes on different machines work together by it.
    pub(super) spans_machines: bool,
}

impl SectionSpec {
    /// The section of type `S`.
    pub const fn of<S: Section>() -> Self {
        Self { name: S::NAME, signing_keys: S::SIGNING_KEYS, read: read::<S> }
    }
}

fn read<S: Section>(value: &Value) -> Result<Read, Box<Error>> {
    let section: S = value.deserialize()?;
    let shown = Value::serialize(&section)?;
    Ok(Read { shown, faults: section.check(), spans_machines: section.spans_machines() })
}
