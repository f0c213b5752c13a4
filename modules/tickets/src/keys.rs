//! The keys that sign codes: a directory of Ed25519 private keys, `<name>.pem` each, read at start.

use std::{fs, path::Path};

use runtime::{Boot, KeyPair, Random, StartError};
use store::DatabaseSettings;

use crate::{code::Codes, settings::TicketsSettings};

/// From the directory that is configured. Embedded databases are for those who want to configure
/// nothing: for them a key is made.
pub(crate) async fn open(boot: &Boot) -> Result<Codes, StartError> {
    let settings: TicketsSettings = boot.settings();
    let is_embedded = boot.settings::<DatabaseSettings>().url.is_empty();
    let (directory, may_make) = match settings.signing_keys_dir {
        Some(directory) => (directory, false),
        None if is_embedded => (boot.config().node().data_dir.join("keys/tickets"), true),
        None => {
            return Err(StartError::new(
                "[tickets] signing_keys_dir is missing; name the directory with the Ed25519 keys that \
                 sign ticket codes, which are made by themselves with embedded databases only",
            ));
        }
    };
    let random = boot.random();
    let reading = tokio::task::spawn_blocking(move || {
        if may_make {
            KeyPair::read_or_generate(&directory.join("0001.pem"), random.as_ref() as &dyn Random)
                .map_err(|error| StartError::because("the keys that sign ticket codes", error))?;
        }
        read(&directory)
    });
    let keys =
        reading.await.map_err(|error| StartError::because("reading ticket keys", error))??;
    Codes::new(keys).ok_or_else(|| {
        StartError::new(
            "[tickets] signing_keys_dir has no .pem file; put an Ed25519 private key there",
        )
    })
}

/// The keys in the order of their names.
fn read(directory: &Path) -> Result<Vec<KeyPair>, StartError> {
    let unreadable = |error| StartError::because(format!("reading {}", directory.display()), error);
    let mut paths = Vec::new();
    for entry in fs::read_dir(directory).map_err(unreadable)? {
        let path = entry.map_err(unreadable)?.path();
        if path.extension().is_some_and(|extension| extension == "pem") {
            paths.push(path);
        }
    }
    paths.sort();
    let read = |path: &std::path::PathBuf| {
        KeyPair::read(path)
            .map_err(|error| StartError::because("the keys that sign ticket codes", error))
    };
    paths.iter().map(read).collect()
}
