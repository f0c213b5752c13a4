//! What came of a transaction whose commit was not confirmed.

use sqlx::PgPool;
use tokio::time::{Instant, sleep_until};

use super::{BEGIN_PAUSE, Database, Engine};
use crate::RecordedSummary;

/// Its statement as PostgreSQL alone understands it; an id that the server has not given out yet is
/// an error of this kind.
const STATUS: &str = "SELECT pg_xact_status($1::text::xid8)";
const NOT_YET: &str = "22023";
const IS_IN_LOG: &str = "SELECT EXISTS (SELECT 1 FROM events \
     WHERE category = $1 AND stream = $2 AND version = $3 AND txn = $4)";

/// What came of a transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fate {
    Committed,
    RolledBack,
    Unknown,
}

impl Database {
    /// Asks a PostgreSQL server what came of a transaction that wrote `event` and was not confirmed.
    /// The log has the last word: a server that took over may not have heard of the transaction, and
    /// have given its id to another.
    pub(crate) async fn fate_of(&self, txn: i64, event: &RecordedSummary) -> Fate {
        let give_up = Instant::now() + self.settings().acquire_timeout;
        while Instant::now() < give_up {
            let Engine::Postgres(postgres) = &self.0.engine else {
                return Fate::RolledBack;
            };
            match ask(&postgres.pool(), txn, event).await {
                Ok(Some(fate)) => return fate,
                Ok(None) => {}
                Err(_) => postgres.look(Instant::now()).await,
            }
            sleep_until(Instant::now() + BEGIN_PAUSE).await;
        }
        Fate::Unknown
    }
}

/// Nothing while it is under way.
async fn ask(
    pool: &PgPool,
    txn: i64,
    event: &RecordedSummary,
) -> Result<Option<Fate>, sqlx::Error> {
    let status: Result<Option<String>, _> =
        sqlx::query_scalar(STATUS).bind(txn.to_string()).fetch_one(pool).await;
    match status {
        Ok(Some(status)) if status == "in progress" => return Ok(None),
        Ok(Some(status)) if status == "aborted" => return Ok(Some(Fate::RolledBack)),
        Err(sqlx::Error::Database(refusal)) if refusal.code().as_deref() == Some(NOT_YET) => {}
        Ok(_) => {}
        Err(error) => return Err(error),
    }
    // A new look at the log: the transaction may have ended while it was asked about.
    let is_in_log: bool = sqlx::query_scalar(IS_IN_LOG)
        .bind(event.category)
        .bind(event.stream)
        .bind(i64::try_from(event.version).unwrap_or(i64::MAX))
        .bind(txn)
        .fetch_one(pool)
        .await?;
    Ok(Some(if is_in_log { Fate::Committed } else { Fate::RolledBack }))
}
