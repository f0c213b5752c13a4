//! The first admin of an installation that nobody has configured: somebody must be able to begin.

use std::{
    fs, io,
    io::Write as _,
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use runtime::{Boot, Secret, StartError};

use crate::{domain::account::EmailAddress, service::Service};

/// The account that is made. `.internal` is reserved for private use: no mail ever leaves for it.
const EMAIL: &str = "admin@boxoffice.internal";
/// In the data directory; for the owner of the process alone.
const PASSWORD_FILE: &str = "first-admin-password";

/// An address and a password drawn by chance and left in the data directory; `None` when there are
/// accounts already.
pub(crate) async fn make_up(
    boot: &Boot,
    service: &Service,
) -> Result<Option<(EmailAddress, Secret)>, StartError> {
    let accounts = service.list_accounts(None, None, 1).await;
    let accounts = accounts.map_err(|error| StartError::because("the first admin", error))?;
    if !accounts.is_empty() {
        return Ok(None);
    }
    let path: PathBuf = boot.config().node().data_dir.join(PASSWORD_FILE);
    let drawn = URL_SAFE_NO_PAD.encode(boot.random().bytes::<18>());
    let written = write(&path, &drawn);
    written.map_err(|error| StartError::because(format!("writing {}", path.display()), error))?;
    tracing::info!(email = EMAIL, password_file = %path.display(), "made the first admin");
    Ok(Some((EmailAddress::normalise(EMAIL), Secret::from(drawn))))
}

fn write(path: &Path, password: &str) -> io::Result<()> {
    let mut file =
        fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path)?;
    writeln!(file, "{password}")?;
    file.sync_all()
}
