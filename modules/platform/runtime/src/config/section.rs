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

    /// What is wrong with values that are each of the right type, as `"key: what and what to do"`.
    fn check(&self) -> Vec<String> {
        Vec::new()
    }
}

/// A [`Section`] without its type, for those who load and show configurations.
#[derive(Debug, Clone, Copy)]
pub struct SectionSpec {
    /// The table's name.
    pub name: &'static str,
    pub(super) read: fn(&Value) -> Result<Read, Box<Error>>,
}

/// A section that was read.
pub(super) struct Read {
    /// All its keys, defaults too, with secrets hidden.
    pub(super) shown: Value,
    /// What its own check says.
    pub(super) faults: Vec<String>,
}

impl SectionSpec {
    /// The section of type `S`.
    pub const fn of<S: Section>() -> Self {
        Self { name: S::NAME, read: read::<S> }
    }
}

fn read<S: Section>(value: &Value) -> Result<Read, Box<Error>> {
    let section: S = value.deserialize()?;
    let shown = Value::serialize(&section)?;
    Ok(Read { shown, faults: section.check() })
}
