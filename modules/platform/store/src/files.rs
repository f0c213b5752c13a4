//! The files of an embedded database: the directory they are in, who serves them, and what is said
//! where they cannot be used. What cannot mend itself is told from what can: a process that waits
//! for a file which nobody will make writable waits for ever.

use std::{
    fs::{File, TryLockError},
    io,
    path::{Path, PathBuf},
};

use crate::StoreError;

/// A data directory that is made here is its owner's alone: it holds what people confided.
const OWNER_ONLY: u32 = 0o700;

/// Where the database `name` is.
pub(crate) fn database_file(data_dir: &Path, name: &str) -> PathBuf {
    data_dir.join(format!("{name}.db"))
}

/// Makes the directory, if it is missing.
pub(crate) async fn make_directory(data_dir: &Path) -> Result<(), StoreError> {
    let mut directory = tokio::fs::DirBuilder::new();
    let made = directory.recursive(true).mode(OWNER_ONLY).create(data_dir).await;
    made.map_err(|error| {
        unusable(&format!("cannot create the directory {}", data_dir.display()), &error)
    })
}

/// Held as long as no other process may serve the file, or change its schema.
#[derive(Debug)]
pub(crate) struct Claim(File);

impl Claim {
    /// Takes it for the database `name`. Beside the file, because whoever closes the file itself
    /// gives up SQLite's own locks.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] while another process has it, [`StoreError::Failed`] when the
    /// directory cannot be used.
    pub(crate) async fn take(name: &str, data_dir: &Path) -> Result<Self, StoreError> {
        make_directory(data_dir).await?;
        let beside = data_dir.join(format!("{name}.lock"));
        let cannot = |error| unusable(&format!("cannot claim {}", beside.display()), &error);
        let opened = File::options().create(true).truncate(false).write(true).open(&beside);
        let file = opened.map_err(cannot)?;
        match file.try_lock() {
            Ok(()) => Ok(Self(file)),
            Err(TryLockError::WouldBlock) => Err(StoreError::Unavailable(format!(
                "another process serves {name} from the directory {}; stop that process first, or \
                 name another directory with --data-dir",
                data_dir.display()
            ))),
            Err(TryLockError::Error(error)) => Err(cannot(error)),
        }
    }

    /// Lets others have it.
    pub(crate) fn release(self) {
        drop(self.0);
    }
}

/// A full disk may be emptied while somebody waits; nothing else here changes by itself.
fn unusable(what: &str, error: &io::Error) -> StoreError {
    let reason = format!("{what}: {error}");
    if matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded) {
        return StoreError::Unavailable(reason);
    }
    StoreError::Failed(format!(
        "{reason}; let the user that runs this write there, or name another directory with \
         --data-dir"
    ))
}

/// Why the database in `file` cannot be opened.
pub(crate) fn not_opened(file: &Path, error: sqlx::Error) -> StoreError {
    let advice = match result_code(&error) {
        Some(READONLY) => {
            "cannot be written; let the user that runs this write it and its directory"
        }
        Some(CANTOPEN) => {
            "cannot be opened; it must be a file, or not be there yet, in a directory that the \
             user that runs this may write"
        }
        Some(NOTADB) => "is no SQLite database; move it away, or put a backup in its place",
        Some(CORRUPT) => "is damaged; put a backup in its place",
        _ => {
            return match StoreError::from(error) {
                StoreError::Unavailable(reason) => {
                    StoreError::Unavailable(format!("cannot open {}: {reason}", file.display()))
                }
                StoreError::Failed(reason) => {
                    StoreError::Failed(format!("cannot open {}: {reason}", file.display()))
                }
                other => other,
            };
        }
    };
    StoreError::Failed(format!("{} {advice} ({error})", file.display()))
}

/// Whether SQLite says that nothing can be written.
pub(crate) fn is_read_only(error: &sqlx::Error) -> bool {
    result_code(error) == Some(READONLY)
}

/// The kinds of result of SQLite that matter here (<https://sqlite.org/rescode.html>).
const READONLY: u32 = 8;
const CORRUPT: u32 = 11;
const CANTOPEN: u32 = 14;
const NOTADB: u32 = 26;

fn result_code(error: &sqlx::Error) -> Option<u32> {
    let sqlx::Error::Database(refusal) = error else { return None };
    let code: u32 = refusal.code()?.parse().ok()?;
    Some(code & 0xff)
}
