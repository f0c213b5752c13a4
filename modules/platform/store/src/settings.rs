//! `[database]`: which databases a process uses, and how.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use runtime::{Secret, Section, duration};
use serde::{Deserialize, Serialize};

use crate::Dialect;

/// Whether the way to a PostgreSQL server is encrypted, and what its certificate must show.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TlsMode {
    /// Nothing is encrypted.
    Disable,
    /// Encrypted where the server can; whoever answers is believed.
    Prefer,
    /// Encrypted; whoever answers is believed.
    Require,
    /// Encrypted, and the certificate was issued by an authority that is trusted.
    VerifyCa,
    /// As `verify-ca`, and the certificate is of the host that the address names.
    VerifyFull,
}

/// `[database]`: which databases a process uses, and how.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct DatabaseSettings {
    /// A PostgreSQL server, `postgres://user:password@host:5432/database`, in which each service
    /// has a schema of its own. Several hosts, with commas between them: the one that takes writes.
    /// Empty: each service has a SQLite file in the data directory.
    pub url: Secret,
    /// Whether the way to the server is encrypted. `None`: as the address says with `sslmode`, or
    /// [`TlsMode::Prefer`].
    pub tls: Option<TlsMode>,
    /// Certificates (PEM) of authorities to trust beside the public ones.
    pub ca_file: Option<PathBuf>,
    /// A certificate (PEM) to show to the server.
    pub certificate_file: Option<PathBuf>,
    /// Its key (PEM).
    pub key_file: Option<PathBuf>,
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
            tls: None,
            ca_file: None,
            certificate_file: None,
            key_file: None,
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
    /// Whether the address says itself how it is encrypted.
    fn url_names_tls(&self) -> bool {
        ["sslmode=", "ssl-mode="].iter().any(|key| self.url.expose().contains(key))
    }

    fn tls_faults(&self) -> Vec<String> {
        let mut faults = Vec::new();
        if self.tls.is_some() && self.url_names_tls() {
            faults.push("tls: database.url says sslmode, too; say it in one place".to_owned());
        }
        let verifies = matches!(self.tls, Some(TlsMode::VerifyCa | TlsMode::VerifyFull));
        if self.ca_file.is_some() && !verifies && !self.url_names_tls() {
            faults.push(
                "ca_file: is used by nobody; set tls to \"verify-full\", or leave it out"
                    .to_owned(),
            );
        }
        if self.certificate_file.is_some() != self.key_file.is_some() {
            faults.push(
                "certificate_file: it and key_file are given together or not at all".to_owned(),
            );
        }
        let files = [
            ("ca_file", &self.ca_file),
            ("certificate_file", &self.certificate_file),
            ("key_file", &self.key_file),
        ];
        for (key, file) in files {
            if let Some(file) = file
                && let Err(error) = std::fs::File::open(file)
            {
                faults.push(format!("{key}: {} cannot be read: {error}", file.display()));
            }
        }
        faults
    }

    /// Where the databases are, for people: "the data directory data".
    pub fn place(&self, data_dir: &Path) -> String {
        match self.dialect() {
            Dialect::Sqlite => format!("the data directory {}", data_dir.display()),
            Dialect::Postgres => "the database server of the configuration".to_owned(),
        }
    }

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
        url_fault.into_iter().chain(self.tls_faults()).chain(too_few).chain(too_short).collect()
    }
}
