//! What can go wrong with a database, in the few kinds that callers treat differently.

use runtime::Fault;

/// Why the store did not do what it was asked. Nothing was written, except perhaps with
/// [`StoreError::Unknown`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// More work waits for the database than it may. Nothing happened; try again a little later.
    #[error("the database is overloaded: {0}")]
    Overloaded(String),
    /// The database cannot be reached, or cannot write, or not in time: no connection, a full disk, a
    /// lock that somebody else holds. Nothing happened; try again later.
    #[error("the database is not available: {0}")]
    Unavailable(String),
    /// Others changed the same rows again and again while this was tried. Nothing happened; try
    /// again.
    #[error("others keep changing the same rows: {0}")]
    Contended(String),
    /// What is stored cannot be understood by this build. Trying again does not help.
    #[error("stored data cannot be read: {0}")]
    Corrupt(String),
    /// The value cannot be stored: text with a NUL character. The caller's input is at fault.
    #[error("a value cannot be stored: {0}")]
    Unstorable(String),
    /// The idempotency key was answered already, or is not claimed. Nothing happened; the stored
    /// answer stands.
    #[error("the idempotency key is not claimed: {0}")]
    NotClaimed(String),
    /// Nobody knows whether it was written: the connection broke during the commit, or the deadline
    /// passed before the commit was confirmed.
    #[error("the fate of the commit is unknown: {0}")]
    Unknown(String),
    /// A statement is wrong or broke a constraint, or code of the caller's panicked. Nothing
    /// happened.
    #[error("the database refused: {0}")]
    Failed(String),
}

impl StoreError {
    /// The error as a fault of the call `service.method`, for contract errors. What was certainly
    /// not written becomes [`Fault::NotSent`], which callers may always try again.
    pub fn into_fault(self, service: &'static str, method: &'static str) -> Fault {
        let reason = self.to_string();
        match self {
            Self::Overloaded(_) | Self::Unavailable(_) | Self::Contended(_) => {
                Fault::NotSent { service, method, reason }
            }
            Self::Unknown(_) => Fault::Unknown { service, method, reason },
            Self::Corrupt(_) | Self::Unstorable(_) | Self::NotClaimed(_) | Self::Failed(_) => {
                Fault::Failed { service, method, reason }
            }
        }
    }

    /// Whether trying the same again later makes sense, however often it has failed.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Overloaded(_) | Self::Unavailable(_) | Self::Contended(_) | Self::Unknown(_) => {
                true
            }
            Self::Corrupt(_) | Self::Unstorable(_) | Self::NotClaimed(_) | Self::Failed(_) => false,
        }
    }

    /// A word for metrics.
    pub(crate) fn kind(&self) -> &'static str {
        match self {
            Self::Overloaded(_) => "overloaded",
            Self::Unavailable(_) => "unavailable",
            Self::Contended(_) => "contended",
            Self::Corrupt(_) => "corrupt",
            Self::Unstorable(_) => "unstorable",
            Self::NotClaimed(_) => "not_claimed",
            Self::Unknown(_) => "unknown",
            Self::Failed(_) => "failed",
        }
    }

    /// What it says beside its kind.
    pub(crate) fn reason(&self) -> &str {
        match self {
            Self::Overloaded(reason)
            | Self::Unavailable(reason)
            | Self::Contended(reason)
            | Self::Corrupt(reason)
            | Self::Unstorable(reason)
            | Self::NotClaimed(reason)
            | Self::Unknown(reason)
            | Self::Failed(reason) => reason,
        }
    }

    /// Whether the database as a whole is the trouble, so that trying other work now is pointless.
    pub(crate) fn is_about_the_database(&self) -> bool {
        matches!(self, Self::Unavailable(_))
    }
}

impl From<sqlx::Error> for StoreError {
    fn from(error: sqlx::Error) -> Self {
        let reason = error.to_string();
        match error {
            sqlx::Error::PoolTimedOut => {
                Self::Unavailable("no connection became free in time".to_owned())
            }
            // A protocol that is cut short, as by a server that goes away, is a connection that broke.
            sqlx::Error::Io(_)
            | sqlx::Error::Tls(_)
            | sqlx::Error::Protocol(_)
            // `BEGIN` was answered, and yet there is no transaction.
            | sqlx::Error::BeginFailed
            | sqlx::Error::PoolClosed
            | sqlx::Error::WorkerCrashed => Self::Unavailable(reason),
            // What a decoder says quotes the value.
            sqlx::Error::ColumnDecode { index, .. } => {
                Self::Corrupt(format!("column {index} cannot be read"))
            }
            sqlx::Error::Decode(_) => Self::Corrupt("a value cannot be read".to_owned()),
            sqlx::Error::ColumnNotFound(_) | sqlx::Error::TypeNotFound { .. } => {
                Self::Corrupt(reason)
            }
            sqlx::Error::Database(refusal) => from_code(refusal.code().as_deref(), reason),
            _ => Self::Failed(reason),
        }
    }
}

/// Five characters are an SQLSTATE, digits alone up to four characters are a result code of SQLite.
pub(crate) fn from_code(code: Option<&str>, reason: String) -> StoreError {
    match code {
        Some(state) if state.len() == 5 => from_sqlstate(state, reason),
        Some(code) => from_sqlite_code(code.parse().unwrap_or(0), reason),
        None => StoreError::Failed(reason),
    }
}

fn from_sqlstate(state: &str, reason: String) -> StoreError {
    match state {
        // Serialization failure, deadlock.
        "40001" | "40P01" => StoreError::Contended(reason),
        // A lock was not granted in time, a statement took too long, the server is read-only.
        // The connection with its transaction was ended because nothing happened in it for too long.
        "55P03" | "57014" | "25006" | "25P03" | "25P04" => StoreError::Unavailable(reason),
        // A character that text cannot hold: NUL.
        "22021" | "22P05" => StoreError::Unstorable(reason),
        _ => match state.get(..2).unwrap_or_default() {
            // Connection, resources (disk full, too many connections), operator, system.
            "08" | "53" | "57" | "58" => StoreError::Unavailable(reason),
            "XX" => StoreError::Corrupt(reason),
            _ => StoreError::Failed(reason),
        },
    }
}

/// The low byte is the kind (<https://sqlite.org/rescode.html>).
fn from_sqlite_code(code: u32, reason: String) -> StoreError {
    match code & 0xff {
        // BUSY, LOCKED, NOMEM, READONLY, IOERR, FULL, CANTOPEN.
        5 | 6 | 7 | 8 | 10 | 13 | 14 => StoreError::Unavailable(reason),
        // CORRUPT, NOTADB.
        11 | 26 => StoreError::Corrupt(reason),
        _ => StoreError::Failed(reason),
    }
}
