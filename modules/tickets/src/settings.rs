//! The `[tickets]` table of the configuration.

use std::path::PathBuf;

use runtime::Section;
use serde::{Deserialize, Serialize};

/// How tickets behaves.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct TicketsSettings {
    /// The directory of Ed25519 private keys (`*.pem`) that sign codes. The last by name signs, the
    /// codes of all are recognised. May be left out with embedded databases: then a key is made in
    /// the data directory.
    pub(crate) signing_keys_dir: Option<PathBuf>,
}

impl Section for TicketsSettings {
    const NAME: &'static str = "tickets";
    const SIGNING_KEYS: &'static [&'static str] = &["signing_keys_dir"];
}
