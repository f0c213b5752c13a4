//! How long the monolith takes to be ready, and what it holds then.

use std::{
    net::TcpListener,
    path::Path,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use super::wire::Connection;
use crate::figures::{Effort, Table};

/// How often readiness is asked for.
const LOOK: Duration = Duration::from_millis(2);

/// Starts it in an empty directory, and again in the same one.
pub async fn measure(effort: Effort) -> Table {
    let mut table = Table::new("start, monolith-sqlite", &["", "ready after", "memory at rest"]);
    let folder = tempfile::tempdir().expect("a directory");
    let (first, memory) = start(folder.path()).await;
    let milliseconds = |taken: Duration| format!("{} ms", taken.as_millis());
    table.row(["in an empty directory".to_owned(), milliseconds(first), memory].into());
    let mut again = Vec::new();
    for _ in 0..effort.starts {
        again.push(start(folder.path()).await);
    }
    again.sort_by_key(|(taken, _)| *taken);
    if let Some((taken, memory)) = again.get(again.len() / 2).cloned() {
        let what = format!("with its databases there, median of {}", again.len());
        table.row([what, milliseconds(taken), memory].into());
    }
    table
}

async fn start(folder: &Path) -> (Duration, String) {
    let free = || TcpListener::bind("127.0.0.1:0").and_then(|it| it.local_addr());
    let [public, admin] = [free(), free()].map(|port| port.expect("a port is free").to_string());
    let log = std::fs::File::create(folder.join("log")).expect("a log");
    let begun = Instant::now();
    let child = Command::new(env!("CARGO_BIN_EXE_boxoffice"))
        .args(["serve", "--data-dir"])
        .arg(folder.join("data"))
        .args(["--set", &format!("public.address={public}")])
        .args(["--set", &format!("admin.address={admin}")])
        .args(["--set", "shutdown.grace=0s"])
        .stdout(Stdio::null())
        .stderr(log)
        .spawn();
    let mut server = Server(child.expect("the server starts"));
    loop {
        if is_ready(&admin).await {
            break;
        }
        assert!(begun.elapsed() < Duration::from_secs(30), "the server becomes ready");
        #[expect(clippy::disallowed_methods, reason = "the time that passes is what is measured")]
        tokio::time::sleep(LOOK).await;
    }
    let taken = begun.elapsed();
    let memory = server.memory();
    server.stop();
    (taken, memory)
}

async fn is_ready(admin: &str) -> bool {
    let Ok(mut connection) = Connection::open(admin).await else { return false };
    connection.send("GET", "/readyz", "", "").await.is_ok_and(|reply| reply.status == 200)
}

/// A process that does not outlive this one.
struct Server(Child);

impl Server {
    fn memory(&self) -> String {
        let status = format!("/proc/{}/status", self.0.id());
        let status = std::fs::read_to_string(status).unwrap_or_default();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let kibibytes = line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok());
        kibibytes.map_or_else(String::new, |kibibytes| format!("{} MiB", kibibytes / 1024))
    }

    fn stop(&mut self) {
        let _asked = Command::new("kill").arg(self.0.id().to_string()).status();
        let _status = self.0.wait();
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ended_already = self.0.kill();
    }
}
