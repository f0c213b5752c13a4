//! `boxoffice serve`: runs services until told to stop.
//!
//! The first signal stops politely, even in the middle of the start, and the exit code is 0. A
//! second one ends the process at once with 130.

use std::{
    io::{self, Read, Write},
    net::SocketAddr,
    path::Path,
    sync::Arc,
    thread,
};

use clap::Args;
use runtime::{Faults, Plan, RunningNode, Tasks};
use tokio_util::sync::CancellationToken;

use super::{
    Failure, block_on,
    demo::{FIRST_ADMIN, PASSWORD_FILE},
    flags::{ConfigurationFlags, is_whole_split, wrong},
    signals::Signals,
    supervise,
};
use crate::node;

/// What a second signal means.
pub(super) const STOPPED_AT_ONCE: u8 = 130;

#[derive(Debug, Args)]
pub(super) struct Serve {
    /// Stop when standard input closes, and say nothing on standard output: for the process that
    /// started this one.
    #[arg(long, hide = true)]
    pub(super) until_stdin_closes: bool,
}

pub(super) fn run(
    serve: &Serve,
    flags: &ConfigurationFlags,
    out: &mut impl Write,
) -> Result<(), Failure> {
    let (config, plan) = flags.load_for_process().map_err(wrong)?;
    if is_whole_split(&config) {
        return supervise::run(&config, flags, out);
    }
    let metrics =
        telemetry::Metrics::install().map_err(|error| Failure::error("cannot measure", error))?;
    runtime::describe_call_metrics();
    runtime::describe_check_metrics();
    bus::describe_bus_metrics();
    cache::describe_cache_metrics();
    store::describe_timer_metrics();
    block_on(async {
        let background = Tasks::new();
        drop(background.spawn(metrics.clone().upkeep()));
        let launch = node::launch(config.clone()).metrics(Arc::new(move || metrics.render()));
        let stop = CancellationToken::new();
        if serve.until_stdin_closes {
            stop_with_stdin(stop.clone());
        }
        let mut signals = catch_signals()?;
        let life = async {
            let Some(node) = launch.start_unless(stop.clone()).await.map_err(cannot_start)? else {
                return Ok(());
            };
            if !serve.until_stdin_closes {
                greet(out, &plan, &node, &config.node().data_dir)?;
            }
            stop.cancelled().await;
            node.stop().await;
            Ok(())
        };
        tokio::select! {
            outcome = life => outcome,
            () = two_signals(&mut signals, &stop) => Err(Failure::Code(STOPPED_AT_ONCE)),
        }
    })
}

pub(super) fn catch_signals() -> Result<Signals, Failure> {
    Signals::catch().map_err(|error| Failure::error("cannot catch signals", error))
}

/// Passes the first signal on as `stop`, and resolves at the second.
pub(super) async fn two_signals(signals: &mut Signals, stop: &CancellationToken) {
    signals.next().await;
    stop.cancel();
    signals.next().await;
}

fn cannot_start(faults: Faults) -> Failure {
    Failure::faults("cannot start", faults)
}

/// A thread of its own, because reading cannot be interrupted: the process ends without it.
fn stop_with_stdin(stop: CancellationToken) {
    thread::spawn(move || {
        let mut ignored = [0; 1024];
        let mut stdin = io::stdin().lock();
        while stdin.read(&mut ignored).is_ok_and(|length| length > 0) {}
        stop.cancel();
    });
}

fn greet(out: &mut impl Write, plan: &Plan, node: &RunningNode, data_dir: &Path) -> io::Result<()> {
    let names: Vec<&str> = plan.start_order.iter().map(|module| module.name).collect();
    writeln!(out, "Boxoffice {} hosts {}", env!("CARGO_PKG_VERSION"), names.join(", "))?;
    point_to(out, node.public_addr(), node.admin_addr(), data_dir)?;
    writeln!(out, "  stop it with ctrl-c")?;
    out.flush()
}

/// Where people find what they look for first.
pub(super) fn point_to(
    out: &mut impl Write,
    public: SocketAddr,
    admin: SocketAddr,
    data_dir: &Path,
) -> io::Result<()> {
    writeln!(out, "  API         http://{public}/v1")?;
    writeln!(out, "  Swagger UI  http://{public}/docs")?;
    writeln!(out, "  readiness   http://{admin}/readyz")?;
    writeln!(out, "  metrics     http://{admin}/metrics")?;
    let password = data_dir.join(PASSWORD_FILE);
    if password.exists() {
        writeln!(out, "  first admin {FIRST_ADMIN}, password in {}", password.display())?;
    }
    Ok(())
}
