//! The keys that sign codes: a directory of Ed25519 private keys, `<name>.pem` each, read at start.

use runtime::{Boot, KeyPair, Random, StartError};

use crate::{code::Codes, settings::TicketsSettings};

/// From the directory that is configured. Embedded databases are for those who want to configure
/// nothing: for them, and for nobody else, the directory may be left out, and a key is made.
pub(crate) async fn open(boot: &Boot) -> Result<Codes, StartError> {
    let settings: TicketsSettings = boot.settings();
    let made = boot.config().node().data_dir.join("keys/tickets");
    let random = boot.random();
    let reading = tokio::task::spawn_blocking(move || {
        if let Some(directory) = settings.signing_keys_dir {
            return KeyPair::read_all(&directory);
        }
        KeyPair::read_or_generate(&made.join("0001.pem"), random.as_ref() as &dyn Random)?;
        KeyPair::read_all(&made)
    });
    let keys = reading
        .await
        .map_err(|error| StartError::because("reading ticket keys", error))?
        .map_err(|error| StartError::because("the keys that sign ticket codes", error))?;
    Codes::new(keys).ok_or_else(|| StartError::new("there is no key that signs ticket codes"))
}
