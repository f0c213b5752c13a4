//! The servers of a PostgreSQL installation, and which of them takes writes now.
//!
//! An address may name several servers, as libpq's does: `postgres://user:password@one:5432,two:5432/
//! database`. One of them is the primary; after a failover it is another one. A name that leads to
//! whichever is the primary works as well. A server that is read-only is never used: what it shows
//! may be old.

use std::{
    str::FromStr as _,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use futures_util::{StreamExt as _, stream::FuturesUnordered};
use sqlx::{
    ConnectOptions as _, Connection as _, PgConnection, postgres::PgConnectOptions,
    postgres::PgSslMode,
};
use tokio::{
    sync::watch,
    time::{Instant, timeout},
};

use crate::{
    StoreError,
    settings::{DatabaseSettings, TlsMode},
};

/// For how long after a trouble every connection is tested before it is used.
const DOUBT: Duration = Duration::from_secs(5);

/// The statement that tells a server that takes writes from others, and one start of it from the
/// next.
const STANDING: &str = "SELECT \
     pg_is_in_recovery() OR current_setting('transaction_read_only') = 'on' AS is_read_only, \
     pg_postmaster_start_time()::text AS started_at";

/// Which server it is, and which start of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Identity {
    server: usize,
    started_at: String,
}

/// What a connection leads to.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub(crate) struct Standing {
    is_read_only: bool,
    started_at: String,
}

impl Standing {
    /// As the server says.
    ///
    /// # Errors
    /// When it does not answer.
    pub(crate) async fn of(connection: &mut PgConnection) -> Result<Self, sqlx::Error> {
        sqlx::query_as(STANDING).fetch_one(connection).await
    }

    /// Whether it takes writes, and is the one that was found under `identity`, not started since.
    pub(crate) fn is_still(&self, identity: &Identity) -> bool {
        !self.is_read_only && self.started_at == identity.started_at
    }
}

/// Where a service's schema may be found.
pub(crate) struct Servers {
    all: Vec<PgConnectOptions>,
    patience: Duration,
    doubted_at: Mutex<Option<Instant>>,
    /// Changes when a new connection met another server than expected.
    refused: watch::Sender<u64>,
}

impl Servers {
    /// Those that the settings name, for the schema `name`.
    ///
    /// # Errors
    /// [`StoreError::Failed`] when the address is none.
    pub(crate) fn new(settings: &DatabaseSettings, name: &str) -> Result<Self, StoreError> {
        // The parser's error could quote the URL, and with it the password.
        let no_address = || {
            StoreError::Failed(
                "database.url is no address; write postgres://user:password@host:5432/database, \
                 with commas between several hosts"
                    .to_owned(),
            )
        };
        let servers = one_url_each(settings.url.expose())
            .ok_or_else(no_address)?
            .iter()
            .map(|url| PgConnectOptions::from_str(url).map_err(|_| no_address()))
            .map(|options| Ok(with_tls(options?, settings)))
            .collect::<Result<Vec<_>, StoreError>>()?;
        let application = format!("boxoffice-{name}");
        let servers = servers.into_iter().map(|options| {
            options
                .application_name(&application)
                .options([("search_path", name)])
                .disable_statement_logging()
        });
        Ok(Self {
            all: servers.collect(),
            patience: settings.acquire_timeout,
            doubted_at: Mutex::default(),
            refused: watch::Sender::new(0),
        })
    }

    /// A connection to the one that takes writes: all are asked at once.
    ///
    /// # Errors
    /// Why each of them is not used: [`StoreError::Failed`] when waiting would not help with any.
    pub(crate) async fn connect(&self) -> Result<(PgConnection, Identity), StoreError> {
        let mut asked: FuturesUnordered<_> =
            self.all.iter().enumerate().map(|(at, server)| self.ask(at, server)).collect();
        let (mut reasons, mut may_recover) = (Vec::new(), false);
        while let Some(answer) = asked.next().await {
            match answer {
                Ok(found) => return Ok(found),
                Err(StoreError::Failed(reason)) => reasons.push(reason),
                Err(StoreError::Unavailable(reason)) => {
                    may_recover = true;
                    reasons.push(reason);
                }
                Err(other) => return Err(other),
            }
        }
        let reason = reasons.join("; ");
        Err(if may_recover { StoreError::Unavailable(reason) } else { StoreError::Failed(reason) })
    }

    async fn ask(
        &self,
        at: usize,
        server: &PgConnectOptions,
    ) -> Result<(PgConnection, Identity), StoreError> {
        let asked = async {
            let mut connection = server.connect().await?;
            let standing = Standing::of(&mut connection).await?;
            Ok::<_, sqlx::Error>((connection, standing))
        };
        let name = format!("{}:{}", server.get_host(), server.get_port());
        match timeout(self.patience, asked).await {
            Err(_) => Err(StoreError::Unavailable(format!("{name} did not answer in time"))),
            Ok(Err(error)) => Err(match StoreError::from(error) {
                StoreError::Failed(reason) => StoreError::Failed(format!("{name}: {reason}")),
                other => StoreError::Unavailable(format!("{name}: {}", other.reason())),
            }),
            Ok(Ok((connection, standing))) if standing.is_read_only => {
                // It goes by itself where the server does not hear of it.
                let _closed = connection.close().await;
                Err(StoreError::Unavailable(format!("{name} is read-only")))
            }
            Ok(Ok((connection, Standing { started_at, .. }))) => {
                Ok((connection, Identity { server: at, started_at }))
            }
        }
    }

    /// How to reach the server that was found under `identity`.
    pub(crate) fn options(&self, identity: &Identity) -> Option<&PgConnectOptions> {
        self.all.get(identity.server)
    }

    /// Its address, for people.
    pub(crate) fn address(&self, identity: &Identity) -> String {
        self.options(identity).map_or_else(String::new, |server| {
            format!("{}:{}", server.get_host(), server.get_port())
        })
    }

    /// Says that something is wrong, so that connections are tested for a while.
    pub(crate) fn doubt(&self) {
        *self.doubted_at() = Some(Instant::now());
    }

    /// Whether something was wrong lately.
    pub(crate) fn is_doubted(&self) -> bool {
        self.doubted_at().is_some_and(|at| at.elapsed() < DOUBT)
    }

    fn doubted_at(&self) -> MutexGuard<'_, Option<Instant>> {
        self.doubted_at.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Says that a new connection met another server than expected, or one that only reads.
    pub(crate) fn refuse(&self) {
        self.doubt();
        self.refused.send_modify(|count| *count += 1);
    }

    /// Hears of it.
    pub(crate) fn refusals(&self) -> watch::Receiver<u64> {
        self.refused.subscribe()
    }
}

/// Splits an address with several hosts into one for each. Nothing, where it is none.
fn one_url_each(url: &str) -> Option<Vec<String>> {
    let (scheme, rest) = url.split_once("://")?;
    let end = rest.find(['/', '?']).unwrap_or(rest.len());
    let (authority, after) = rest.split_at_checked(end)?;
    let (user, hosts) = match authority.rsplit_once('@') {
        Some((user, hosts)) => (format!("{user}@"), hosts),
        None => (String::new(), authority),
    };
    let urls: Vec<String> =
        hosts.split(',').map(|host| format!("{scheme}://{user}{host}{after}")).collect();
    let is_gap = urls.len() > 1 && hosts.split(',').any(str::is_empty);
    (!is_gap).then_some(urls)
}

fn with_tls(options: PgConnectOptions, settings: &DatabaseSettings) -> PgConnectOptions {
    let mut secured = match settings.tls {
        None => options,
        Some(mode) => options.ssl_mode(match mode {
            TlsMode::Disable => PgSslMode::Disable,
            TlsMode::Prefer => PgSslMode::Prefer,
            TlsMode::Require => PgSslMode::Require,
            TlsMode::VerifyCa => PgSslMode::VerifyCa,
            TlsMode::VerifyFull => PgSslMode::VerifyFull,
        }),
    };
    if let Some(file) = &settings.ca_file {
        secured = secured.ssl_root_cert(file);
    }
    if let Some(file) = &settings.certificate_file {
        secured = secured.ssl_client_cert(file);
    }
    if let Some(file) = &settings.key_file {
        secured = secured.ssl_client_key(file);
    }
    secured
}

#[cfg(test)]
mod tests {
    use super::*;

    fn each(url: &str) -> Vec<String> {
        one_url_each(url).unwrap()
    }

    #[test]
    fn an_address_with_several_hosts_is_one_for_each() {
        let urls = each("postgres://me:se,cr@et@one:1,two/db?application_name=x");
        assert_eq!(
            urls,
            [
                "postgres://me:se,cr@et@one:1/db?application_name=x",
                "postgres://me:se,cr@et@two/db?application_name=x"
            ]
        );
        assert_eq!(
            each("postgres://[::1]:5,[::2]/db"),
            ["postgres://[::1]:5/db", "postgres://[::2]/db"]
        );
        assert_eq!(each("postgres:///db?host=/run"), ["postgres:///db?host=/run"]);
        assert_eq!(each("postgres://one"), ["postgres://one"]);
    }

    #[test]
    fn an_address_with_a_gap_between_commas_is_none() {
        assert_eq!(one_url_each("postgres://one,,two/db"), None);
        assert_eq!(one_url_each("one"), None);
    }
}
