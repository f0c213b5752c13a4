//! Where a statement runs: a connection of a pool, or a transaction.

use sqlx::{Postgres, Sqlite, Transaction, error::DatabaseError, pool::MaybePoolConnection};

use crate::{StoreError, error::from_code};

/// A connection that one statement runs on. The macros take it from a [`Database`](crate::Database)
/// or a [`Tx`]; code that needs a dialect's own features takes it itself.
pub enum Connection<'c> {
    /// To a SQLite file.
    Sqlite(MaybePoolConnection<'c, Sqlite>),
    /// To a PostgreSQL server.
    Postgres(MaybePoolConnection<'c, Postgres>),
}

impl Connection<'_> {
    /// The same connection, so that the macros take one too.
    ///
    /// # Errors
    /// None; see [`Tx::connection`].
    #[expect(clippy::unused_async, reason = "the macros call either this or a database's")]
    pub async fn connection(&mut self) -> Result<Connection<'_>, sqlx::Error> {
        Ok(match self {
            Self::Sqlite(connection) => {
                Connection::Sqlite(MaybePoolConnection::from(&mut **connection))
            }
            Self::Postgres(connection) => {
                Connection::Postgres(MaybePoolConnection::from(&mut **connection))
            }
        })
    }

    /// Nothing depends on it here; see [`Tx::failed`].
    #[doc(hidden)]
    pub fn failed(&self, _error: &sqlx::Error) {}
}

/// A transaction that may write. Dropped without [`Tx::commit`], it is rolled back.
///
/// On PostgreSQL it sees the database as it was at its first statement (`REPEATABLE READ`), so that
/// the order of transaction ids is the order of causes; what others changed meanwhile makes it fail
/// with [`StoreError::Contended`]. On SQLite it is the only writer.
pub struct Tx {
    open: Open,
    /// How many statements it was used for.
    statements: u64,
    /// Whether one of them may have failed without anybody having said so.
    is_doubtful: bool,
    /// Why all of it has to be done again, once others have changed the same rows.
    contention: Option<String>,
}

enum Open {
    Sqlite(Transaction<'static, Sqlite>),
    Postgres(Transaction<'static, Postgres>),
}

impl Tx {
    pub(crate) fn sqlite(open: Transaction<'static, Sqlite>) -> Self {
        Self { open: Open::Sqlite(open), statements: 0, is_doubtful: false, contention: None }
    }

    pub(crate) fn postgres(open: Transaction<'static, Postgres>) -> Self {
        Self { open: Open::Postgres(open), statements: 0, is_doubtful: false, contention: None }
    }

    /// The connection inside the transaction.
    ///
    /// # Errors
    /// None; it has the signature of [`Database::connection`](crate::Database::connection), so that
    /// the macros take either.
    #[expect(clippy::unused_async, reason = "the macros call either this or a database's")]
    pub async fn connection(&mut self) -> Result<Connection<'_>, sqlx::Error> {
        self.statements += 1;
        self.is_doubtful = true;
        Ok(match &mut self.open {
            Open::Sqlite(open) => Connection::Sqlite(MaybePoolConnection::from(&mut **open)),
            Open::Postgres(open) => Connection::Postgres(MaybePoolConnection::from(&mut **open)),
        })
    }

    /// The macros say which statement failed. Whoever runs it may make anything of that, but when
    /// others have changed the same rows, the whole has to be done again.
    #[doc(hidden)]
    pub fn failed(&mut self, error: &sqlx::Error) {
        let code = error.as_database_error().and_then(DatabaseError::code);
        if let StoreError::Contended(reason) = from_code(code.as_deref(), error.to_string()) {
            self.contention.get_or_insert(reason);
        }
    }

    /// Why all of it has to be done again, when it has to.
    pub(crate) fn contention(&self) -> Option<&str> {
        self.contention.as_deref()
    }

    /// Makes it durable.
    ///
    /// # Errors
    /// [`StoreError::Unknown`] when the connection broke while committing; otherwise nothing was
    /// written.
    pub async fn commit(self) -> Result<(), StoreError> {
        match self.open {
            Open::Sqlite(open) => Ok(open.commit().await?),
            Open::Postgres(mut open) => {
                if self.is_doubtful {
                    // Committing a transaction in which a statement failed rolls it back and says
                    // nothing; any statement says so.
                    sqlx::query("SELECT 1").execute(&mut *open).await?;
                }
                open.commit().await.map_err(|error| match StoreError::from(error) {
                    StoreError::Unavailable(reason) => StoreError::Unknown(reason),
                    other => other,
                })
            }
        }
    }

    /// Takes it back.
    ///
    /// # Errors
    /// When the connection broke; then the database takes it back by itself.
    pub async fn rollback(self) -> Result<(), StoreError> {
        match self.open {
            Open::Sqlite(mut open) => {
                if self.is_doubtful {
                    // Brings back a transaction that SQLite took back by itself: the driver, which
                    // does not know, could not end it, and would keep the connection inside it.
                    let _in_a_transaction_anyway = sqlx::query("BEGIN").execute(&mut *open).await;
                }
                Ok(open.rollback().await?)
            }
            Open::Postgres(open) => Ok(open.rollback().await?),
        }
    }

    /// On SQLite, makes sure that the transaction is still there after statements of somebody
    /// else's: a full disk makes SQLite take it back, and what follows would be committed one by
    /// one. On PostgreSQL statements fail until the end, and [`Tx::commit`] notices.
    ///
    /// # Errors
    /// When it is gone.
    pub(crate) async fn ensure_open(&mut self) -> Result<(), StoreError> {
        let Open::Sqlite(open) = &mut self.open else {
            return Ok(());
        };
        if !self.is_doubtful {
            return Ok(());
        }
        if sqlx::query("BEGIN").execute(&mut **open).await.is_ok() {
            let reason = "a statement failed, and the database took the transaction back";
            return Err(StoreError::Failed(reason.to_owned()));
        }
        self.is_doubtful = false;
        Ok(())
    }

    /// How many statements ran, or tried to.
    pub(crate) fn statements(&self) -> u64 {
        self.statements
    }

    /// Whether a statement may have failed without anybody having said so.
    pub(crate) fn is_doubtful(&self) -> bool {
        self.is_doubtful
    }

    /// Says that the last statement succeeded, so that none before it failed.
    pub(crate) fn is_sound(&mut self) {
        self.is_doubtful = false;
    }
}
