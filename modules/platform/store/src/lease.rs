//! Leases: what only one process may do at a time, and the proof that it still may.
//!
//! A holder moves the lease's `beat` while it lives. Others take the lease when they have seen no
//! beat for a while, measured by their own monotonic clocks, so that neither skewed nor jumping
//! clocks matter. Each change of hands raises the `epoch`; who writes on the strength of a lease
//! checks its epoch in the same transaction, so that a holder that was paused cannot do harm when
//! it wakes.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use runtime::pause;
use sqlx::FromRow;
use tokio::time::Instant;
use uuid::Uuid;

use crate::{Database, Dialect, StoreError, Tx};

/// Beats in the time after which a silent holder is taken for dead.
const BEATS: u32 = 4;

/// The statements of this file.
pub(crate) const STATEMENTS: &[(&str, crate::Sql)] =
    crate::statements![READ, READ_BELOW, TAKE, BEAT, RELEASE, REMOVE, REMOVE_SILENT];

const READ: &str = "SELECT name, holder, epoch, beat FROM leases WHERE name = $1";
const READ_BELOW: &str = "SELECT name, holder, epoch, beat FROM leases \
     WHERE substr(name, 1, length(CAST($1 AS text)) + 1) = $1 || '/'";
const TAKE: &str = "INSERT INTO leases (name, holder, epoch, beat) VALUES ($1, $2, 1, 0) \
     ON CONFLICT (name) DO UPDATE SET holder = excluded.holder, epoch = leases.epoch + 1, beat = 0 \
     WHERE leases.holder IS NULL OR (leases.epoch = $3 AND leases.beat = $4) RETURNING epoch";
const BEAT: &str = "UPDATE leases SET beat = beat + 1 WHERE name = $1 AND epoch = $2";
const RELEASE: &str = "UPDATE leases SET holder = NULL WHERE name = $1 AND epoch = $2";
const REMOVE: &str = "DELETE FROM leases WHERE name = $1 AND epoch = $2";
const REMOVE_SILENT: &str = "DELETE FROM leases WHERE name = $1 AND epoch = $2 AND beat = $3";

/// Something that only one process may do at a time, as a candidate sees it.
///
/// On PostgreSQL a candidate waits until the holder releases the lease or falls silent. A SQLite
/// file belongs to one process, so there a holder that is found has died, and the lease is taken at
/// once; should there be two processes nevertheless, epochs keep them from doing harm.
#[derive(Clone)]
pub struct Lease {
    database: Database,
    name: String,
    candidate: Uuid,
    silence: Duration,
}

impl Lease {
    /// The lease `name`, for the process or task that calls itself `candidate`. A holder that shows
    /// no sign of life for `silence` has lost it.
    pub fn new(
        database: &Database,
        name: impl Into<String>,
        candidate: Uuid,
        silence: Duration,
    ) -> Self {
        Self { database: database.clone(), name: name.into(), candidate, silence }
    }

    /// The lease's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Waits until the lease is the candidate's. Trouble with the database prolongs the wait.
    pub async fn acquire(&self) -> HeldLease {
        let mut watch = SilenceWatch::new(&self.database, self.silence);
        let mut has_trouble = false;
        loop {
            match self.try_to_acquire(&mut watch).await {
                Ok(Some(held)) => return held,
                Ok(None) => has_trouble = false,
                Err(StoreError::Contended(reason)) => {
                    tracing::debug!(lease = self.name, reason, "others ask for a lease, too");
                    continue;
                }
                Err(error) => {
                    if has_trouble {
                        tracing::debug!(lease = self.name, %error, "cannot ask for a lease");
                    } else {
                        tracing::warn!(lease = self.name, %error, "cannot ask for a lease");
                    }
                    has_trouble = true;
                }
            }
            pause(self.silence / BEATS).await;
        }
    }

    async fn try_to_acquire(
        &self,
        watch: &mut SilenceWatch,
    ) -> Result<Option<HeldLease>, StoreError> {
        let seen: Option<Row> =
            crate::fetch_optional!(&self.database, Row, READ, &self.name).await?;
        let is_free = seen.as_ref().is_none_or(|row| row.holder.is_none());
        let silent = watch.silent(seen).into_iter().next();
        if !is_free && silent.is_none() {
            return Ok(None);
        }
        let (epoch, beat) = silent.map_or((0, 0), |row| (row.epoch, row.beat));
        let mut tx = self.database.begin().await?;
        let taken: Option<(i64,)> =
            crate::fetch_optional!(&mut tx, (i64,), TAKE, &self.name, self.candidate, epoch, beat)
                .await?;
        tx.commit().await?;
        Ok(taken.map(|(epoch,)| HeldLease::new(self.clone(), epoch)))
    }
}

/// A lease that was acquired, perhaps lost since.
#[derive(Clone)]
pub struct HeldLease {
    lease: Lease,
    epoch: i64,
    last_sign: Arc<Mutex<Instant>>,
}

/// Why a lease gives no right any more, or could not be checked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LeaseError {
    /// Somebody else has it.
    #[error("the lease {0} is somebody else's now")]
    Lost(String),
    /// The database could not tell.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<sqlx::Error> for LeaseError {
    fn from(error: sqlx::Error) -> Self {
        Self::Store(error.into())
    }
}

impl HeldLease {
    fn new(lease: Lease, epoch: i64) -> Self {
        Self { lease, epoch, last_sign: Arc::new(Mutex::new(Instant::now())) }
    }

    /// How often the lease has changed hands. Never the same for two holders.
    pub fn epoch(&self) -> i64 {
        self.epoch
    }

    /// Who holds it: the candidate that acquired it.
    pub fn holder(&self) -> Uuid {
        self.lease.candidate
    }

    /// Lets `tx` commit only if the lease is still held. Call it in every transaction that the
    /// lease gives the right to; it counts as a sign of life.
    ///
    /// # Errors
    /// [`LeaseError::Lost`] when it is not held any more; then roll back.
    pub async fn fence(&self, tx: &mut Tx) -> Result<(), LeaseError> {
        if self.lease.database.is_alone() {
            return Ok(());
        }
        let beats = crate::execute!(tx, BEAT, &self.lease.name, self.epoch).await?;
        if beats == 0 {
            return Err(self.lost());
        }
        *self.last_sign() = Instant::now();
        Ok(())
    }

    fn last_sign(&self) -> MutexGuard<'_, Instant> {
        self.last_sign.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Shows signs of life for as long as the lease is held; the answer says why it is not any more.
    /// Trouble with the database is no reason to give up: while nobody can write, nobody can take
    /// the lease either. On SQLite [`HeldLease::fence`] alone tells.
    pub async fn keep(&self) -> LeaseError {
        if self.lease.database.dialect() == Dialect::Sqlite {
            return std::future::pending().await;
        }
        let interval = self.lease.silence / BEATS;
        let mut has_trouble = false;
        loop {
            pause(interval).await;
            // A beat would only get in the way of transactions that give signs themselves.
            if self.last_sign().elapsed() < interval {
                continue;
            }
            match self.beat().await {
                Ok(true) => has_trouble = false,
                Ok(false) => return self.lost(),
                Err(error) => {
                    if has_trouble {
                        tracing::debug!(lease = self.lease.name, %error, "cannot renew a lease");
                    } else {
                        tracing::warn!(lease = self.lease.name, %error, "cannot renew a lease");
                    }
                    has_trouble = true;
                }
            }
        }
    }

    /// Shows a sign of life. `false` when the lease is lost.
    async fn beat(&self) -> Result<bool, StoreError> {
        let (database, lease) = (&self.lease.database, self.lease.name.as_str());
        loop {
            match crate::execute!(database, BEAT, lease, self.epoch).await.map_err(StoreError::from)
            {
                Err(StoreError::Contended(reason)) => {
                    tracing::debug!(lease, reason, "others write a lease, too");
                }
                beats => return Ok(beats? > 0),
            }
        }
    }

    /// Gives the lease up, so that another candidate can have it at once.
    ///
    /// # Errors
    /// When the database does not answer; then the lease ends by silence.
    pub async fn release(self) -> Result<(), StoreError> {
        self.write(RELEASE).await
    }

    /// Gives up a lease whose name nobody else will ever ask for.
    pub(crate) async fn remove(self) -> Result<(), StoreError> {
        self.write(REMOVE).await
    }

    async fn write(&self, statement: &'static str) -> Result<(), StoreError> {
        loop {
            match self.try_to_write(statement).await {
                Err(StoreError::Contended(reason)) => {
                    let lease = self.lease.name.as_str();
                    tracing::debug!(lease, reason, "others write a lease, too");
                }
                written => return written,
            }
        }
    }

    async fn try_to_write(&self, statement: &'static str) -> Result<(), StoreError> {
        let mut tx = self.lease.database.begin().await?;
        crate::execute!(&mut tx, statement, &self.lease.name, self.epoch).await?;
        tx.commit().await
    }

    fn lost(&self) -> LeaseError {
        LeaseError::Lost(self.lease.name.clone())
    }
}

/// The leases whose names begin with `prefix` and a slash.
pub(crate) async fn read_below(database: &Database, prefix: &str) -> Result<Vec<Row>, StoreError> {
    Ok(crate::fetch_all!(database, Row, READ_BELOW, prefix).await?)
}

/// Removes a lease that was found silent, unless it has shown a sign of life meanwhile.
pub(crate) async fn remove_silent(tx: &mut Tx, row: &Row) -> Result<bool, StoreError> {
    let removed = crate::execute!(tx, REMOVE_SILENT, &row.name, row.epoch, row.beat).await?;
    Ok(removed > 0)
}

#[derive(Debug, Clone, PartialEq, Eq, FromRow)]
pub(crate) struct Row {
    name: String,
    pub(crate) holder: Option<Uuid>,
    epoch: i64,
    beat: i64,
}

/// Notices leases that show no sign of life.
pub(crate) struct SilenceWatch {
    patience: Duration,
    seen: HashMap<String, (Row, Instant)>,
}

impl SilenceWatch {
    pub(crate) fn new(database: &Database, silence: Duration) -> Self {
        let patience = match database.dialect() {
            Dialect::Sqlite => Duration::ZERO,
            Dialect::Postgres => silence,
        };
        Self { patience, seen: HashMap::new() }
    }

    /// Takes in how the leases are now; the answer holds those that have long been like this.
    pub(crate) fn silent(&mut self, rows: impl IntoIterator<Item = Row>) -> Vec<Row> {
        let now = Instant::now();
        let before = std::mem::take(&mut self.seen);
        for row in rows {
            let since = before
                .get(&row.name)
                .filter(|(known, _)| *known == row)
                .map_or(now, |(_, since)| *since);
            self.seen.insert(row.name.clone(), (row, since));
        }
        self.seen
            .values()
            .filter(|(_, since)| now.duration_since(*since) >= self.patience)
            .map(|(row, _)| row.clone())
            .collect()
    }
}
