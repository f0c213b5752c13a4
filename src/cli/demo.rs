//! `boxoffice demo`: fills a running Boxoffice with something to look at, over the public HTTP API
//! that everybody has, and says what it made.

mod api;
mod fill;
mod programme;
mod summary;

use std::{fs, io::Write, path::PathBuf, sync::Arc};

use clap::Args;
use runtime::{Clock, Random, Secret, StartError, SystemClock, SystemRandom};
use serde_json::json;

use self::api::Api;
pub use self::{
    api::DemoError,
    summary::{Account, DemoSet, ScheduledEvent, ShownPurchase},
};
use super::{Failure, block_on, flags::ConfigurationFlags};

/// The account that a Boxoffice with embedded databases makes at its first start, and where it
/// leaves that account's password, in its data directory.
pub(super) const FIRST_ADMIN: &str = "admin@boxoffice.internal";
pub(super) const PASSWORD_FILE: &str = "first-admin-password";

#[derive(Debug, Args)]
pub(super) struct Demo {
    /// The Boxoffice to fill: its public listener, or its gateway.
    #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:8080")]
    url: String,
    /// An admin's address (by default that of the first admin, `admin@boxoffice.internal`).
    #[arg(long, value_name = "ADDRESS", requires = "password_file")]
    email: Option<String>,
    /// Holds the admin's password (by default `first-admin-password` in the data directory).
    #[arg(long, value_name = "FILE")]
    password_file: Option<PathBuf>,
}

pub(super) fn run(
    demo: &Demo,
    flags: &ConfigurationFlags,
    out: &mut impl Write,
) -> Result<(), Failure> {
    check_url(&demo.url)?;
    let email = demo.email.as_deref().unwrap_or(FIRST_ADMIN);
    let password = read_password(demo, flags)?;
    writeln!(out, "filling {} ...", demo.url)?;
    let set = block_on(async {
        let admin = Admin::log_in(
            &demo.url,
            email,
            &password,
            Arc::new(SystemClock),
            Arc::new(SystemRandom::default()),
        );
        let admin = admin.await.map_err(|error| {
            Failure::error(
                "cannot log in as an admin (--email and --password-file name one)",
                error,
            )
        })?;
        admin.fill().await.map_err(|error| {
            let what = "the demo set is incomplete; what was made of it stays, and another run \
                        makes a new one";
            Failure::error(what, error)
        })
    })?;
    write!(out, "\n{set}")?;
    Ok(())
}

fn check_url(url: &str) -> Result<(), Failure> {
    if url.starts_with("http://") || url.starts_with("https://") {
        return Ok(());
    }
    let what = format!(
        "--url {url} is no address of a Boxoffice; write it with its scheme, like \
         http://127.0.0.1:8080"
    );
    Err(Failure::error("cannot fill it", StartError::new(what)))
}

fn read_password(demo: &Demo, flags: &ConfigurationFlags) -> Result<Secret, Failure> {
    let path = match &demo.password_file {
        Some(path) => path.clone(),
        None => flags.config()?.node().data_dir.join(PASSWORD_FILE),
    };
    let text = fs::read_to_string(&path).map_err(|error| {
        let why = format!(
            "reading {} (--email and --password-file name another admin, --data-dir another \
             installation)",
            path.display()
        );
        Failure::error("cannot find the admin's password", StartError::because(why, error))
    })?;
    Ok(Secret::from(text.trim_end_matches(['\r', '\n']).to_owned()))
}

/// Somebody who may give accounts their roles, logged in.
pub struct Admin {
    url: String,
    nobody: Api,
    api: Api,
    clock: Arc<dyn Clock>,
    random: Arc<dyn Random>,
}

impl Admin {
    /// Logs in at the Boxoffice at `url`, such as `http://127.0.0.1:8080`, as an admin. What is made
    /// is dated after `clock`; names and passwords are drawn from `random`.
    pub async fn log_in(
        url: &str,
        email: &str,
        password: &Secret,
        clock: Arc<dyn Clock>,
        random: Arc<dyn Random>,
    ) -> Result<Self, DemoError> {
        let url = url.trim_end_matches('/').to_owned();
        let nobody = Api::new(&url, Arc::clone(&random)).map_err(|error| DemoError::NoAnswer {
            request: url.clone(),
            why: error.to_string(),
        })?;
        let api = log_in(&nobody, email, password).await?;
        Ok(Self { url, nobody, api, clock, random })
    }
}

/// The API as the person who has this account.
async fn log_in(nobody: &Api, email: &str, password: &Secret) -> Result<Api, DemoError> {
    let credentials = json!({ "email": email, "password": password.expose() });
    let tokens = nobody.post("/v1/auth/login", credentials).await?;
    Ok(nobody.with_token(tokens.field("access_token")?))
}
