//! `[database]`: which databases a process uses, and how.

use std::time::Duration;

use runtime::{Secret, Section, duration};
use serde::{Deserialize, Serialize};

use crate::Dialect;

/// `[database]`: which databases a process uses, and how.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct DatabaseSettings {
    /// A PostgreSQL server, `postgres://user:password@host:5432/database`, in which each service
    /// has a schema of its own. Empty: each service has a SQLite file in the data directory.
    pub url: Secret,
    /// Connections of each service to PostgreSQL.
    pub postgres_connections: u32,
    /// Connections of each service that read its SQLite file; one more writes.
    pub sqlite_readers: u32,
    /// How long to wait for a connection, and for a transaction to begin.
    #[serde(with = "duration")]
    pub acquire_timeout: Duration,
    /// How long PostgreSQL works on one statement.
    #[serde(with = "duration")]
    pub statement_timeout: Duration,
    /// How long a statement waits for a lock that another process holds.
    #[serde(with = "duration")]
    pub lock_timeout: Duration,
    /// After how long PostgreSQL ends a transaction in which nothing happens.
    #[serde(with = "duration")]
    pub idle_in_transaction_timeout: Duration,
    /// How long one piece of work inside a shared commit may take.
    #[serde(with = "duration")]
    pub job_timeout: Duration,
    /// After how long a process that shows no sign of life loses what only one may do, and the
    /// timers it was busy with. Matters on PostgreSQL only.
    #[serde(with = "duration")]
    pub lease_timeout: Duration,
    /// Timers of each kind of aggregate that are handled at once.
    pub timer_concurrency: usize,
    /// Commands that may wait for a commit; further ones are refused at once.
    pub queue: usize,
    /// Commands that share one commit at most.
    pub batch: usize,
    /// Aggregates of each kind whose state is kept in memory.
    pub cached_aggregates: usize,
}

impl Default for DatabaseSettings {
    fn default() -> Self {
        Self {
            url: Secret::default(),
            postgres_connections: 8,
            sqlite_readers: 4,
            acquire_timeout: Duration::from_secs(3),
            statement_timeout: Duration::from_secs(5),
            lock_timeout: Duration::from_secs(2),
            idle_in_transaction_timeout: Duration::from_secs(10),
            job_timeout: Duration::from_secs(5),
            lease_timeout: Duration::from_secs(5),
            timer_concurrency: 128,
            queue: 1_024,
            batch: 256,
            cached_aggregates: 10_000,
        }
    }
}

impl DatabaseSettings {
    /// Which kind of database they are about.
    pub(crate) fn dialect(&self) -> Dialect {
        if self.url.is_empty() { Dialect::Sqlite } else { Dialect::Postgres }
    }
}

impl Section for DatabaseSettings {
    const NAME: &'static str = "database";

    fn spans_machines(&self) -> bool {
        !self.url.is_empty()
    }

    fn check(&self) -> Vec<String> {
        let url = self.url.expose();
        let is_server =
            ["postgres://", "postgresql://"].iter().any(|scheme| url.starts_with(scheme));
        let url_fault = (!url.is_empty() && !is_server).then(|| {
            "url: does not begin with postgres://; write such an address, or leave it empty for \
             SQLite files in the data directory"
                .to_owned()
        });
        let counts = [
            ("postgres_connections", u64::from(self.postgres_connections), 2),
            ("sqlite_readers", u64::from(self.sqlite_readers), 1),
            ("timer_concurrency", self.timer_concurrency as u64, 1),
            ("queue", self.queue as u64, 1),
            ("batch", self.batch as u64, 1),
        ];
        let too_few = counts.into_iter().filter(|(_, count, least)| count < least).map(
            |(key, count, least)| {
                format!("{key}: is {count}, which is too few; use at least {least}")
            },
        );
        let times = [
            ("acquire_timeout", self.acquire_timeout),
            ("statement_timeout", self.statement_timeout),
            ("lock_timeout", self.lock_timeout),
            ("idle_in_transaction_timeout", self.idle_in_transaction_timeout),
            ("job_timeout", self.job_timeout),
            ("lease_timeout", self.lease_timeout),
        ];
        let too_short =
            times.into_iter().filter(|(_, time)| time.as_millis() == 0).map(|(key, _)| {
                format!("{key}: is less than 1ms, in which nothing works; use 1s or more")
            });
        url_fault.into_iter().chain(too_few).chain(too_short).collect()
    }
}
