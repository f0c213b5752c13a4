//! A standby: a server that follows another one, reads only, and can take its place.

use std::{
    io,
    os::unix::fs::chown,
    path::{Path, PathBuf},
    process::Command,
};

use super::{
    Account, DEBIAN_VERSIONS, PostgresUrl, account, become_account, bring_up, programs, search_path,
};
use crate::{Port, server::Server};

/// A server that follows the private one at `primary`, with the same databases and accounts. It is
/// read-only until `SELECT pg_promote()`.
///
/// # Panics
/// When it cannot be started; the message says why.
pub async fn standby_of(primary: &PostgresUrl) -> (PostgresUrl, Server) {
    let programs = programs(search_path().as_deref(), Path::new(DEBIAN_VERSIONS))
        .unwrap_or_else(|reason| panic!("{reason}"));
    let account = account().unwrap_or_else(|error| panic!("cannot tell who runs tests: {error}"));
    let port = Port::reserve();
    let url = at(primary, &port);
    let (copies, source) = (beside(&programs, "pg_basebackup"), primary.0.clone());
    let prepare = move |home: &Path| {
        copy(home, &copies, account.as_ref(), &source)
            .map_err(|error| format!("{}: {error}", copies.display()))
    };
    (url, bring_up(&programs, account, port, Vec::new(), prepare).await)
}

/// A program of the same installation, of which only the usual ones may be on the PATH.
fn beside(programs: &Path, name: &str) -> PathBuf {
    let server = programs.join("postgres").canonicalize().unwrap_or_else(|_| programs.into());
    server.with_file_name(name)
}

/// The same database on another port.
fn at(primary: &PostgresUrl, port: &Port) -> PostgresUrl {
    let (before, rest) = primary.0.split_once('@').unwrap_or_default();
    let (_, after) = rest.split_once('/').unwrap_or_default();
    PostgresUrl(format!("{before}@{}/{after}", port.address()))
}

/// Copies the whole installation, and has the copy follow.
fn copy(home: &Path, copies: &Path, account: Option<&Account>, source: &str) -> io::Result<()> {
    if let Some(account) = account {
        chown(home, Some(account.user), Some(account.group))?;
    }
    let mut command = Command::new(copies);
    command
        .arg("--pgdata")
        .arg(home.join("data"))
        .args(["--dbname", source])
        .args(["--write-recovery-conf", "--checkpoint", "fast", "--no-sync"])
        .current_dir(home);
    let output = become_account(&mut command, account).output()?;
    if output.status.success() {
        return Ok(());
    }
    Err(io::Error::other(String::from_utf8_lossy(&output.stderr).into_owned()))
}

#[cfg(test)]
mod tests {
    use sqlx::{Connection as _, Executor as _, PgConnection};

    use crate::{eventually, postgres::private};

    use super::*;

    #[tokio::test]
    async fn a_standby_follows_until_it_takes_the_place() {
        let (first, server) = private().await;
        let (second, _standby) = standby_of(&first).await;
        let mut writer = PgConnection::connect(first.as_str()).await.unwrap();
        writer.execute("CREATE TABLE seats (id bigint)").await.unwrap();
        let mut reader = PgConnection::connect(second.as_str()).await.unwrap();
        eventually("the table", || async {
            PgConnection::connect(second.as_str()).await?.execute("SELECT * FROM seats").await
        })
        .await;
        assert!(reader.execute("INSERT INTO seats VALUES (1)").await.is_err(), "it reads only");
        server.crash().await;
        reader.execute("SELECT pg_promote()").await.unwrap();
        reader.execute("INSERT INTO seats VALUES (1)").await.unwrap();
    }
}
