//! Mail that is kept in a directory: what embedded installations begin with, and something that any
//! mail program can open.

use std::{io, path::PathBuf};

use runtime::{StartError, async_trait};
use tokio::{
    fs::{self, OpenOptions},
    io::AsyncWriteExt,
};

use super::{Letter, Transport, Undelivered};

pub(super) struct FileTransport {
    directory: PathBuf,
}

impl FileTransport {
    /// Keeps mail in `directory`, which is made when it is not there, for the owner alone.
    pub(super) async fn open(directory: PathBuf) -> Result<Self, StartError> {
        let made = make(&directory).await;
        made.map_err(|error| {
            let place = directory.display();
            StartError::because(format!("the directory of mails {place} cannot be made"), error)
        })?;
        Ok(Self { directory })
    }

    /// Writes it whole or not at all. The same mail again replaces itself.
    async fn keep(&self, letter: &Letter) -> io::Result<()> {
        let path = self.directory.join(format!("{}.eml", letter.name));
        let unfinished = self.directory.join(format!(".{}.part", letter.name));
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(true);
        #[cfg(unix)]
        options.mode(0o600);
        let mut file = options.open(&unfinished).await?;
        file.write_all(&letter.message.formatted()).await?;
        file.sync_all().await?;
        fs::rename(unfinished, path).await
    }
}

async fn make(directory: &std::path::Path) -> io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    builder.mode(0o700);
    builder.create(directory).await
}

#[async_trait]
impl Transport for FileTransport {
    async fn send(&self, letter: &Letter) -> Result<(), Undelivered> {
        self.keep(letter).await.map_err(|error| {
            let kind = error.kind();
            Undelivered::for_now(format!("the directory of mails cannot be written: {kind}"))
        })
    }
}
