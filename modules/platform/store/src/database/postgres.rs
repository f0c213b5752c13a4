//! How a schema of a PostgreSQL server is reached: a pool of connections to the server that takes
//! writes, and another one when that has become another server.

use std::{
    io, mem,
    sync::{
        Arc, Mutex, PoisonError, RwLock,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use sqlx::{
    PgConnection, PgPool, Postgres as Driver,
    pool::{PoolConnection, PoolOptions},
    postgres::PgConnectOptions,
};
use tokio::{
    sync::watch,
    time::{Instant, sleep_until, timeout},
};

use super::servers::{Identity, Servers, Standing};
use crate::{StoreError, Tx, settings::DatabaseSettings};

/// A connection that was idle for longer is tested before it is used.
const TRUSTED_IDLE: Duration = Duration::from_secs(1);
/// How long such a test may take.
const TEST_TIME: Duration = Duration::from_secs(1);
/// For how long the reason is told why no server was found.
const KNOWN: Duration = Duration::from_secs(5);
/// Between two attempts on a server that drops connections.
const PAUSE: Duration = Duration::from_millis(50);

const FIND_SCHEMA: &str = "SELECT 1 FROM pg_namespace WHERE nspname = $1";

/// The connections to a schema.
pub(super) struct Postgres {
    name: String,
    settings: DatabaseSettings,
    servers: Arc<Servers>,
    /// Where they lead.
    current: RwLock<Current>,
    /// How often they have led elsewhere since.
    moves: AtomicU64,
    /// When no server was found last, and why.
    absence: Mutex<Option<(Instant, String)>>,
    /// Held by whoever looks for the server; when that was done last.
    looked: tokio::sync::Mutex<Option<Instant>>,
}

struct Current {
    identity: Identity,
    pool: PgPool,
}

impl Postgres {
    /// Finds the server, and makes the schema if it is missing.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] while no server takes writes; [`StoreError::Failed`] when the
    /// settings are wrong.
    pub(super) async fn open(settings: &DatabaseSettings, name: &str) -> Result<Self, StoreError> {
        let servers = Arc::new(Servers::new(settings, name)?);
        let (mut connection, identity) = servers.connect().await?;
        create_schema(&mut connection, name).await?;
        close(connection).await;
        let pool = pool(settings, &servers, &identity)?;
        // From here on others see that the schema is in use.
        drop(pool.acquire().await?);
        Ok(Self {
            name: name.to_owned(),
            settings: settings.clone(),
            servers,
            current: RwLock::new(Current { identity, pool }),
            moves: AtomicU64::new(0),
            absence: Mutex::default(),
            looked: tokio::sync::Mutex::default(),
        })
    }

    /// The pool as of now; another one after a failover.
    pub(super) fn pool(&self) -> PgPool {
        self.current.read().unwrap_or_else(PoisonError::into_inner).pool.clone()
    }

    /// How to reach the server, without limits of time for statements.
    pub(super) fn options(&self) -> Result<PgConnectOptions, StoreError> {
        let current = self.current.read().unwrap_or_else(PoisonError::into_inner);
        self.servers.options(&current.identity).cloned().ok_or_else(nowhere)
    }

    /// A connection of the pool. Looks for the server while there is time, when there is none.
    ///
    /// # Errors
    /// When there is none within the configured time.
    pub(super) async fn acquire(&self) -> Result<PoolConnection<Driver>, sqlx::Error> {
        let give_up = Instant::now() + self.settings.acquire_timeout;
        loop {
            let asked_at = Instant::now();
            let refusals = self.servers.refusals();
            let pool = self.pool();
            let acquired = tokio::select! {
                biased;
                acquired = pool.acquire() => acquired,
                () = refused(refusals) => Err(sqlx::Error::PoolTimedOut),
                () = self.moved(asked_at) => Err(sqlx::Error::PoolTimedOut),
            };
            match acquired {
                Err(error) if is_passing(&error) && self.has_time(give_up) => {
                    self.servers.doubt();
                    self.look(asked_at).await;
                }
                Err(error) => {
                    let absence = self.absence().filter(|_| is_passing(&error));
                    return Err(absence.map_or(error, |reason| {
                        sqlx::Error::Io(io::Error::new(io::ErrorKind::NotConnected, reason))
                    }));
                }
                done => return done,
            }
        }
    }

    /// Begins a transaction. Looks for the server while there is time, when there is none.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when it does not begin within the configured time.
    pub(super) async fn begin(&self) -> Result<Tx, StoreError> {
        let give_up = Instant::now() + self.settings.acquire_timeout;
        loop {
            let asked_at = Instant::now();
            let refusals = self.servers.refusals();
            let begun = tokio::select! {
                biased;
                begun = begin_uninterrupted(self.pool()) => begun,
                () = refused(refusals) => Err(StoreError::Unavailable("it changed".to_owned())),
                () = self.moved(asked_at) => Err(StoreError::Unavailable("it changed".to_owned())),
            };
            match begun {
                Err(StoreError::Unavailable(_)) if self.has_time(give_up) => {
                    self.servers.doubt();
                    self.look(asked_at).await;
                }
                Err(StoreError::Unavailable(reason)) => {
                    return Err(StoreError::Unavailable(self.absence().unwrap_or(reason)));
                }
                done => return done,
            }
        }
    }

    fn has_time(&self, give_up: Instant) -> bool {
        Instant::now() < give_up && !self.pool().is_closed()
    }

    /// Returns when somebody has waited since `asked_at` for connections that lead nowhere any more.
    /// Connections that wait for an answer which never comes do not come back by themselves.
    async fn moved(&self, asked_at: Instant) {
        let before = self.moves();
        sleep_until(asked_at + self.settings.acquire_timeout / 3).await;
        self.look(asked_at).await;
        if self.moves() == before {
            std::future::pending::<()>().await;
        }
    }

    /// Changes when the server is another one, or was started anew: what is remembered of it may not
    /// be there any more.
    pub(super) fn moves(&self) -> u64 {
        self.moves.load(Ordering::Acquire)
    }

    /// Says that something went wrong.
    pub(super) fn doubt(&self) {
        self.servers.doubt();
    }

    /// Finds the server that takes writes, unless somebody else did since `asked_at`. Where it is
    /// another one, or was started anew, old connections are left to themselves: some may never
    /// answer again. Without one, this takes a moment.
    pub(super) async fn look(&self, asked_at: Instant) {
        let mut looked = self.looked.lock().await;
        if looked.is_some_and(|at| at > asked_at) {
            return;
        }
        match self.servers.connect().await {
            Ok((connection, identity)) => {
                close(connection).await;
                self.turn_to(identity);
                self.set_absence(None);
            }
            Err(error) => self.set_absence(Some(error.reason().to_owned())),
        }
        sleep_until(Instant::now() + PAUSE).await;
        *looked = Some(Instant::now());
    }

    /// Why there is no server that takes writes, where none was found just now.
    pub(super) fn absence(&self) -> Option<String> {
        let known = self.absence.lock().unwrap_or_else(PoisonError::into_inner).clone();
        known.filter(|(at, _)| at.elapsed() < KNOWN).map(|(_, reason)| reason)
    }

    fn set_absence(&self, reason: Option<String>) {
        let known = reason.map(|reason| (Instant::now(), reason));
        *self.absence.lock().unwrap_or_else(PoisonError::into_inner) = known;
    }

    fn turn_to(&self, identity: Identity) {
        let mut current = self.current.write().unwrap_or_else(PoisonError::into_inner);
        if current.identity == identity {
            return;
        }
        let Ok(pool) = pool(&self.settings, &self.servers, &identity) else { return };
        let server = self.servers.address(&identity);
        tracing::warn!(service = self.name, server, "the database was started anew or has moved");
        self.moves.fetch_add(1, Ordering::Release);
        current.identity = identity;
        let old = mem::replace(&mut current.pool, pool);
        // Connections in use are closed when they come back; nobody waits for that.
        drop(old.close());
    }

    /// Closes all connections; those in use when they come back.
    pub(super) async fn close(&self) {
        self.pool().close().await;
    }
}

async fn refused(mut refusals: watch::Receiver<u64>) {
    if refusals.changed().await.is_err() {
        std::future::pending::<()>().await;
    }
}

fn is_passing(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::PoolTimedOut | sqlx::Error::Io(_) | sqlx::Error::Protocol(_) => true,
        sqlx::Error::Database(refusal) => {
            refusal.code().is_some_and(|state| state.starts_with("57") || state.starts_with("08"))
        }
        _ => false,
    }
}

/// A `begin` that is cancelled leaves its connection inside a transaction in the pool, so it runs
/// where nobody cancels it.
#[expect(clippy::disallowed_methods, reason = "awaited at once; ends by itself when cancelled")]
async fn begin_uninterrupted(pool: PgPool) -> Result<Tx, StoreError> {
    let begun = tokio::spawn(async move {
        pool.begin_with("BEGIN ISOLATION LEVEL REPEATABLE READ").await.map(Tx::postgres)
    });
    match begun.await {
        Ok(begun) => Ok(begun?),
        Err(stopped) => Err(StoreError::Unavailable(format!("beginning stopped: {stopped}"))),
    }
}

fn pool(
    settings: &DatabaseSettings,
    servers: &Arc<Servers>,
    identity: &Identity,
) -> Result<PgPool, StoreError> {
    let milliseconds = |limit: Duration| limit.as_millis().to_string();
    let limited = servers.options(identity).cloned().ok_or_else(nowhere)?.options([
        ("statement_timeout", milliseconds(settings.statement_timeout)),
        ("lock_timeout", milliseconds(settings.lock_timeout)),
        ("idle_in_transaction_session_timeout", milliseconds(settings.idle_in_transaction_timeout)),
    ]);
    let (testing, meeting) = (Arc::clone(servers), Arc::clone(servers));
    let (tested, met) = (identity.clone(), identity.clone());
    Ok(PoolOptions::new()
        .max_connections(settings.postgres_connections)
        .acquire_timeout(settings.acquire_timeout)
        .test_before_acquire(false)
        .before_acquire(move |connection: &mut PgConnection, meta| {
            let (servers, identity) = (Arc::clone(&testing), tested.clone());
            Box::pin(async move {
                if meta.idle_for < TRUSTED_IDLE && !servers.is_doubted() {
                    return Ok(true);
                }
                let standing = timeout(TEST_TIME, Standing::of(connection)).await;
                let is_good = matches!(standing, Ok(Ok(it)) if it.is_still(&identity));
                if !is_good {
                    servers.doubt();
                }
                Ok(is_good)
            })
        })
        .after_connect(move |connection, _| {
            let (servers, identity) = (Arc::clone(&meeting), met.clone());
            Box::pin(async move {
                if !Standing::of(connection).await?.is_still(&identity) {
                    servers.refuse();
                    // Whoever asked has heard, and looks elsewhere; the pool would try the same
                    // server again.
                    std::future::pending::<()>().await;
                }
                Ok(())
            })
        })
        .connect_lazy_with(limited))
}

fn nowhere() -> StoreError {
    StoreError::Failed("database.url names no server".to_owned())
}

async fn close(connection: PgConnection) {
    if let Err(error) = sqlx::Connection::close(connection).await {
        tracing::debug!(%error, "a connection was not closed in order");
    }
}

async fn create_schema(connection: &mut PgConnection, name: &str) -> Result<(), StoreError> {
    let found = sqlx::query(FIND_SCHEMA).bind(name).fetch_optional(&mut *connection).await?;
    if found.is_some() {
        return Ok(());
    }
    // `check_name` let only letters and underscores through.
    let create = sqlx::AssertSqlSafe(format!("CREATE SCHEMA IF NOT EXISTS \"{name}\""));
    match sqlx::query(create).execute(&mut *connection).await {
        Ok(_) => Ok(()),
        // Another process created it at the same moment.
        Err(sqlx::Error::Database(refusal)) if refusal.is_unique_violation() => Ok(()),
        Err(error) => Err(error.into()),
    }
}
