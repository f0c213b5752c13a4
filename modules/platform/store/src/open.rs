//! Opens a module's database when the module starts.

use std::{
    path::Path,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use runtime::{Boot, BoxFuture, StartError};
use tokio::time::Instant;

use crate::{Database, DatabaseSettings, Schema, StoreError, feed, files::Claim};

const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);
/// How long a start may wait for the database before somebody should know: many processes that start
/// together wait for each other.
const WORRY: Duration = Duration::from_secs(10);
/// How long a process that serves the same file may take to stop, as at a restart.
const HANDOVER: Duration = Duration::from_secs(10);
const HANDOVER_PAUSE: Duration = Duration::from_millis(100);

/// Opens the module's database and brings it up to `schema`. Waits for a PostgreSQL server that is
/// not up yet, and says so in the module's readiness; from then on readiness tells whether the
/// database can be read and written. Closes it when the module has stopped.
///
/// # Errors
/// When the settings are wrong, a file cannot be used, another process goes on serving it, a
/// migration fails, or its log was written by transactions that the server has yet to come to;
/// waiting would not help.
pub async fn open(boot: &Boot, schema: &'static Schema) -> Result<Database, StartError> {
    let settings: DatabaseSettings = boot.settings();
    let data_dir = boot.config().node().data_dir;
    let opening = Arc::new(Mutex::new(Opening::Waiting("opening the database".to_owned())));
    let asked = Arc::clone(&opening);
    boot.readiness("database", move || look(&asked));

    let claim = if settings.url.is_empty() {
        Some(claim(schema, &data_dir, &opening).await?)
    } else {
        None
    };
    let database = connect(&settings, schema, &data_dir, &opening).await?.keeping(claim);
    set(&opening, Opening::Open(database.clone()));
    let closing = database.clone();
    boot.at_stop(move || Box::pin(async move { closing.close().await }));
    Ok(database)
}

/// How far opening is.
enum Opening {
    Waiting(String),
    Open(Database),
}

fn look(opening: &Mutex<Opening>) -> BoxFuture<'static, Result<(), String>> {
    match &*opening.lock().unwrap_or_else(PoisonError::into_inner) {
        Opening::Waiting(reason) => {
            let reason = reason.clone();
            Box::pin(async move { Err(reason) })
        }
        Opening::Open(database) => {
            let database = database.clone();
            Box::pin(async move { database.check().await })
        }
    }
}

fn set(opening: &Mutex<Opening>, state: Opening) {
    *opening.lock().unwrap_or_else(PoisonError::into_inner) = state;
}

/// Waits for a process that is about to stop, and for no other.
async fn claim(
    schema: &'static Schema,
    data_dir: &Path,
    opening: &Mutex<Opening>,
) -> Result<Claim, StoreError> {
    let give_up = Instant::now() + HANDOVER;
    let mut is_told = false;
    loop {
        match Claim::take(schema.name(), data_dir).await {
            Err(StoreError::Unavailable(reason)) if Instant::now() < give_up => {
                if !is_told {
                    tracing::warn!(service = schema.name(), reason, "waiting for it to stop");
                    is_told = true;
                }
                set(opening, Opening::Waiting(format!("waiting for the database: {reason}")));
            }
            Err(StoreError::Unavailable(reason)) => return Err(StoreError::Failed(reason)),
            taken => return taken,
        }
        tokio::time::sleep_until(Instant::now() + HANDOVER_PAUSE).await;
    }
}

async fn connect(
    settings: &DatabaseSettings,
    schema: &'static Schema,
    data_dir: &Path,
    opening: &Mutex<Opening>,
) -> Result<Database, StoreError> {
    let mut pause = FIRST_PAUSE;
    let begun = Instant::now();
    loop {
        match connect_once(settings, schema, data_dir).await {
            Err(StoreError::Unavailable(reason)) => {
                let waiting = format!("waiting for the database: {reason}");
                let service = schema.name();
                if begun.elapsed() < WORRY {
                    tracing::info!(service, reason, "the database does not answer yet");
                } else {
                    tracing::warn!(service, reason, "the database still does not answer");
                }
                set(opening, Opening::Waiting(waiting));
            }
            opened => return opened,
        }
        tokio::time::sleep_until(Instant::now() + pause).await;
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}

async fn connect_once(
    settings: &DatabaseSettings,
    schema: &'static Schema,
    data_dir: &Path,
) -> Result<Database, StoreError> {
    let database = Database::connect(settings, schema.name(), data_dir).await?;
    let prepared = async {
        let applied = schema.up_on(&database).await?;
        feed::expect_own_transactions(&database).await?;
        Ok(applied)
    };
    match prepared.await {
        Ok(applied) => {
            for step in applied {
                let (set, version, step) = (step.set, step.version, step.description);
                tracing::info!(service = schema.name(), set, version, step, "migrated");
            }
            Ok(database)
        }
        Err(error) => {
            database.close().await;
            Err(error)
        }
    }
}
