//! Whether a database works, as its commits and a look at it tell.

use std::{
    mem,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::time::{Instant, timeout};

use super::{Database, Engine};
use crate::StoreError;

/// A commit that takes longer is worth a line in the log.
const LONG_COMMIT: Duration = Duration::from_secs(1);
/// How long a look may take; less than readiness waits, which has no reason to tell by then.
const CHECK_TIME: Duration = Duration::from_millis(900);
const PROBE_SIZE: usize = 32 * 1024;

/// The statements of this file.
pub(crate) const STATEMENTS: &[(&str, crate::Sql)] =
    crate::statements![PING, FILL_PROBE, EMPTY_PROBE];

const PING: &str = "SELECT CAST(1 AS bigint)";
const FILL_PROBE: &str = "INSERT INTO write_probe (id, filling) VALUES (1, $1) \
     ON CONFLICT (id) DO UPDATE SET filling = excluded.filling";
const EMPTY_PROBE: &str = "DELETE FROM write_probe";

/// What is known of it.
#[derive(Default)]
pub(super) struct Health(Mutex<State>);

#[derive(Default)]
struct State {
    /// Why the last commit failed, if it did because of the database.
    trouble: Option<String>,
    /// Since when a commit has been under way.
    committing_since: Option<Instant>,
}

impl Database {
    /// Whether the database can be read and written. For readiness: cheap while all is well; after
    /// a commit failed it writes to see whether the trouble is over.
    ///
    /// # Errors
    /// What is wrong, in words.
    pub async fn check(&self) -> Result<(), String> {
        if let Some(since) = self.health().committing_since {
            let taken = since.elapsed();
            if taken > self.settings().job_timeout {
                return Err(format!("a commit has been under way for {} s", taken.as_secs()));
            }
        }
        let trouble = self.health().trouble.clone();
        let probing = async {
            if trouble.is_some() { self.probe_writing().await } else { self.ping().await }
        };
        let probed = timeout(CHECK_TIME, probing)
            .await
            .unwrap_or_else(|_| Err(StoreError::Unavailable(self.silence())));
        match (probed, trouble) {
            (Ok(()), _) => {
                if self.health().trouble.take().is_some() {
                    tracing::info!(database = self.name(), "it can be written again");
                }
                Ok(())
            }
            (Err(now), Some(before)) => Err(format!("{now} (a commit failed before: {before})")),
            (Err(now), None) => Err(now.to_string()),
        }
    }

    fn silence(&self) -> String {
        let absence = match &self.0.engine {
            Engine::Sqlite(_) => None,
            Engine::Postgres(postgres) => postgres.absence(),
        };
        absence.unwrap_or_else(|| "it does not answer in time".to_owned())
    }

    async fn ping(&self) -> Result<(), StoreError> {
        crate::fetch_one!(self, (i64,), PING).await?;
        Ok(())
    }

    /// Grows the database by some pages and gives them back, which a full disk does not allow.
    async fn probe_writing(&self) -> Result<(), StoreError> {
        let mut tx = self.begin().await?;
        if let Err(error) = crate::execute!(&mut tx, FILL_PROBE, " ".repeat(PROBE_SIZE)).await {
            tx.rollback().await?;
            return Err(error.into());
        }
        tx.commit().await?;
        let mut tx = self.begin().await?;
        crate::execute!(&mut tx, EMPTY_PROBE).await?;
        tx.commit().await
    }

    pub(crate) fn committing(&self) {
        self.health().committing_since = Some(Instant::now());
    }

    pub(crate) fn committed(&self) {
        let before = mem::take(&mut *self.health());
        if before.trouble.is_some() {
            tracing::info!(database = self.name(), "commits go through again");
        }
        if let Some(taken) = before.committing_since.map(|since| since.elapsed())
            && taken > LONG_COMMIT
        {
            let milliseconds = u64::try_from(taken.as_millis()).unwrap_or(u64::MAX);
            tracing::warn!(database = self.name(), milliseconds, "a commit took long");
        }
        self.0.commits.committed();
    }

    /// `error` is `None` when only a job failed.
    pub(crate) fn commit_failed(&self, error: Option<&StoreError>) {
        let mut health = self.health();
        health.committing_since = None;
        if let (Engine::Postgres(postgres), Some(error)) = (&self.0.engine, error)
            && matches!(error, StoreError::Unavailable(_) | StoreError::Unknown(_))
        {
            postgres.doubt();
        }
        let Some(error) = error.filter(|error| error.is_about_the_database()) else {
            return;
        };
        if health.trouble.is_none() {
            tracing::error!(database = self.name(), %error, "commits do not go through");
        }
        health.trouble = Some(error.to_string());
    }

    fn health(&self) -> MutexGuard<'_, State> {
        self.0.health.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
