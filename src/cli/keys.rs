//! `boxoffice keys`: makes the keys that a process makes for itself only where everything is on one
//! machine.

use std::{
    io::Write,
    path::{Path, PathBuf},
};

use clap::Args;
use runtime::{KeyError, KeyPair, KeyPlaces, Random, SystemRandom};

use super::Failure;
use crate::registry::MODULES;

/// A key that follows it by name takes its place.
const FIRST: &str = "0001.pem";

#[derive(Debug, Args)]
pub(super) struct Keys {
    /// Where to.
    #[arg(value_name = "DIR")]
    directory: PathBuf,
}

pub(super) fn run(keys: &Keys, out: &mut impl Write) -> Result<(), Failure> {
    let cannot = |error| Failure::error("cannot make keys", error);
    let random = SystemRandom::default();
    let home = std::path::absolute(&keys.directory)?;
    let places = KeyPlaces {
        private_dir: home.join("services").join("private"),
        public_dir: home.join("services").join("public"),
        issuer: String::new(),
        generate: true,
    };
    for module in MODULES {
        places.make_pair(module.name, &random).map_err(cannot)?;
    }
    writeln!(out, "# A process needs the private keys of the services that it hosts only.")?;
    writeln!(out, "[service_auth]")?;
    writeln!(out, "private_keys_dir = \"{}\"", places.private_dir.display())?;
    writeln!(out, "public_keys_dir = \"{}\"", places.public_dir.display())?;
    for section in MODULES.iter().filter_map(|module| module.settings) {
        if section.signing_keys.is_empty() {
            continue;
        }
        writeln!(out, "\n# Needed by the process that hosts it.\n[{}]", section.name)?;
        for key in section.signing_keys {
            let directory = home.join(section.name).join(key.trim_end_matches("_dir"));
            make_if_none(&directory, &random).map_err(cannot)?;
            writeln!(out, "{key} = \"{}\"", directory.display())?;
        }
    }
    Ok(())
}

fn make_if_none(directory: &Path, random: &dyn Random) -> Result<(), KeyError> {
    if directory.is_dir() && KeyPair::read_all(directory).is_ok() {
        return Ok(());
    }
    KeyPair::read_or_generate(&directory.join(FIRST), random).map(|_| ())
}
