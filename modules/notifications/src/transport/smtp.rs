//! Mail to a mail server (RFC 5321), over connections that are kept for the next one.

use std::{error::Error as _, io, path::Path, time::Duration};

use lettre::{
    AsyncSmtpTransport, AsyncTransport, Tokio1Executor,
    transport::smtp::{
        Error, PoolConfig,
        authentication::Credentials,
        client::{Certificate, Tls, TlsParameters},
    },
};
use runtime::{StartError, async_trait};

use super::{Letter, Transport, Undelivered};
use crate::settings::{Encryption, SmtpSettings};

/// How long a connection is kept that nobody uses.
const KEPT: Duration = Duration::from_secs(30);
/// Answers that mean the receiver or the mail, and not this client: the same mail again would get
/// the same answer. What is said about a login or a command can be mended by the operator.
const HOPELESS: std::ops::RangeInclusive<u16> = 550..=556;

pub(super) struct SmtpTransport {
    server: AsyncSmtpTransport<Tokio1Executor>,
    timeout: Duration,
}

impl SmtpTransport {
    /// Contacts nobody yet: a mail server that is away is no reason not to start.
    pub(super) async fn open(settings: &SmtpSettings) -> Result<Self, StartError> {
        let encryption = encryption(settings).await?;
        let pool = PoolConfig::new().max_size(settings.connections).idle_timeout(KEPT);
        let mut builder = AsyncSmtpTransport::<Tokio1Executor>::builder_dangerous(&settings.host)
            .port(settings.port())
            .tls(encryption)
            .timeout(Some(settings.timeout))
            .pool_config(pool);
        if !settings.user.is_empty() {
            let password = settings.password.expose().to_owned();
            builder = builder.credentials(Credentials::new(settings.user.clone(), password));
        }
        Ok(Self { server: builder.build(), timeout: settings.timeout })
    }
}

async fn encryption(settings: &SmtpSettings) -> Result<Tls, StartError> {
    if settings.tls == Encryption::None {
        return Ok(Tls::None);
    }
    let mut parameters = TlsParameters::builder(settings.host.clone());
    if let Some(path) = &settings.ca_file {
        parameters = parameters.add_root_certificate(certificate(path).await?);
    }
    let parameters = parameters.build();
    let parameters =
        parameters.map_err(|error| StartError::because("notifications.smtp.tls", error))?;
    Ok(match settings.tls {
        Encryption::Tls => Tls::Wrapper(parameters),
        Encryption::None | Encryption::Starttls => Tls::Required(parameters),
    })
}

async fn certificate(path: &Path) -> Result<Certificate, StartError> {
    let what = || format!("notifications.smtp.ca_file: {}", path.display());
    let pem = tokio::fs::read(path).await;
    let pem = pem.map_err(|error| StartError::because(what(), error))?;
    Certificate::from_pem(&pem).map_err(|error| StartError::because(what(), error))
}

#[async_trait]
impl Transport for SmtpTransport {
    async fn send(&self, letter: &Letter) -> Result<(), Undelivered> {
        let envelope = letter.message.envelope();
        let bytes = letter.message.formatted();
        let sending = self.server.send_raw(envelope, &bytes);
        match tokio::time::timeout(self.timeout, sending).await {
            Ok(Ok(_taken)) => Ok(()),
            Ok(Err(error)) => Err(undelivered(&error)),
            Err(_) => Err(Undelivered::for_now("the mail server did not answer in time")),
        }
    }
}

/// What an error means, in our own words.
fn undelivered(error: &Error) -> Undelivered {
    if let Some(code) = error.status() {
        let code = u16::from(code);
        let reason = format!("the mail server answered {code}");
        let for_good = HOPELESS.contains(&code);
        return Undelivered { reason, for_good };
    }
    Undelivered::for_now(if error.is_timeout() {
        "the mail server did not answer in time"
    } else if is_about_encryption(error) {
        "no encrypted connection to the mail server could be agreed on"
    } else if error.is_response() {
        "the mail server answered what nobody understands"
    } else if error.is_client() {
        "the mail server lacks what is asked of it: encryption, or a way to log in"
    } else {
        "the mail server cannot be reached, or the connection broke"
    })
}

/// Whether encryption was what failed: a certificate that nobody vouches for is told as a broken
/// connection, and why it broke stands inside.
fn is_about_encryption(error: &Error) -> bool {
    let mut cause = error.source();
    while let Some(next) = cause {
        let inside = next.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
        if matches!(inside, Some(it) if it.is::<rustls::Error>()) {
            return true;
        }
        cause = next.source();
    }
    error.is_tls()
}
