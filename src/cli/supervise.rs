//! `boxoffice serve --mode micro`: the whole split on one machine, a process for each service.
//!
//! The processes live as long as this one: each stops when its standard input closes, which the
//! system sees to even when this process is killed.

use std::{
    ffi::OsString,
    io::{self, Write},
    net::SocketAddr,
    path::PathBuf,
    process::{ExitStatus, Stdio},
    time::Duration,
};

use runtime::{Config, GATEWAY, ProcessesSettings};
use tokio::{
    process::{Child, ChildStdin, Command},
    task::JoinSet,
    time::MissedTickBehavior,
};
use tokio_util::sync::CancellationToken;

use super::{
    Failure, block_on, complain,
    flags::ConfigurationFlags,
    probe,
    serve::{STOPPED_AT_ONCE, catch_signals, point_to, two_signals},
};
use crate::registry::MODULES;

/// How often the processes are asked whether they are ready.
const LOOK_EVERY: Duration = Duration::from_millis(100);

pub(super) fn run(
    config: &Config,
    flags: &ConfigurationFlags,
    out: &mut impl Write,
) -> Result<(), Failure> {
    let addresses = Addresses::of(config)?;
    block_on(async {
        let mut signals = catch_signals()?;
        let stop = CancellationToken::new();
        let life = live(flags, &addresses, &stop, out);
        tokio::select! {
            outcome = life => outcome,
            () = two_signals(&mut signals, &stop) => Err(Failure::Code(STOPPED_AT_ONCE)),
        }
    })
}

/// Where the processes listen and keep their data, as far as this one needs to know.
struct Addresses {
    /// Each service's admin listener.
    admin: Vec<(&'static str, SocketAddr)>,
    gateway_public: SocketAddr,
    data_dir: PathBuf,
}

impl Addresses {
    fn of(config: &Config) -> Result<Self, Failure> {
        let admin = admin_addresses(config)?;
        let gateway_public = config
            .section::<ProcessesSettings>()
            .0
            .get(GATEWAY)
            .and_then(|process| process.public)
            .ok_or_else(|| missing(GATEWAY, "public"))?;
        Ok(Self { admin, gateway_public, data_dir: config.node().data_dir })
    }
}

/// The admin listener of each service's process.
pub(super) fn admin_addresses(config: &Config) -> Result<Vec<(&'static str, SocketAddr)>, Failure> {
    let processes = config.section::<ProcessesSettings>().0;
    let addresses = MODULES.iter().map(|module| {
        let address = processes.get(module.name).and_then(|process| process.admin);
        let address = address.ok_or_else(|| missing(module.name, "admin"))?;
        Ok((module.name, address))
    });
    addresses.collect()
}

fn missing(service: &str, listener: &str) -> Failure {
    let what = format!(
        "processes.{service}.{listener} is missing; set it, or name one process with --services"
    );
    Failure::error("the processes are not all known", runtime::StartError::new(what))
}

/// Runs all until one ends or `stop` says so, and then until all have ended.
async fn live(
    flags: &ConfigurationFlags,
    addresses: &Addresses,
    stop: &CancellationToken,
    out: &mut impl Write,
) -> Result<(), Failure> {
    writeln!(out, "Boxoffice {} starts {} processes", env!("CARGO_PKG_VERSION"), MODULES.len())?;
    let mut family = Family::start(flags)?;
    let greeting = async {
        all_ready(&addresses.admin).await;
        greet(out, addresses)
    };
    let first = tokio::select! {
        () = stop.cancelled() => None,
        ended = family.next_end() => ended,
        Err(error) = greeting => {
            let _ = family.end_all().await;
            return Err(error.into());
        }
    };
    let Some((service, status)) = first else {
        return family.end_all().await;
    };
    complain(&format!("{service} ended with {status}; the others stop, too"));
    let _ = family.end_all().await;
    Err(Failure::Code(code_of(status)))
}

async fn all_ready(admin: &[(&'static str, SocketAddr)]) {
    let mut looks = tokio::time::interval(LOOK_EVERY);
    looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    for (_, address) in admin {
        while !probe::ask(*address, "/readyz").await.is_ok_and(|(is_ready, _)| is_ready) {
            looks.tick().await;
        }
    }
}

fn greet(out: &mut impl Write, addresses: &Addresses) -> io::Result<()> {
    let names: Vec<&str> = addresses.admin.iter().map(|(service, _)| *service).collect();
    writeln!(out, "all are ready: {}", names.join(", "))?;
    let of_gateway = addresses.admin.iter().find(|(service, _)| *service == GATEWAY);
    let admin = of_gateway.map_or(addresses.gateway_public, |(_, address)| *address);
    point_to(out, addresses.gateway_public, admin, &addresses.data_dir)?;
    let services = addresses.admin.iter().filter(|(service, _)| *service != GATEWAY);
    let services: Vec<String> =
        services.map(|(service, address)| format!("{service} http://{address}")).collect();
    writeln!(
        out,
        "  services    have readiness and metrics of their own: {}",
        services.join(", ")
    )?;
    writeln!(out, "  stop them with ctrl-c")?;
    out.flush()
}

/// What this process ends with when a child ended on its own.
fn code_of(status: ExitStatus) -> u8 {
    status.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(1)
}

/// The processes that were started.
struct Family {
    /// Closing one asks its process to stop.
    leashes: Vec<ChildStdin>,
    ends: JoinSet<(&'static str, io::Result<ExitStatus>)>,
}

impl Family {
    fn start(flags: &ConfigurationFlags) -> Result<Self, Failure> {
        let mut family = Self { leashes: Vec::new(), ends: JoinSet::new() };
        let program = std::env::current_exe()
            .map_err(|error| Failure::error("cannot find the own program", error))?;
        for module in MODULES {
            let mut command = Command::new(&program);
            command.args(arguments(module.name, flags)).stdin(Stdio::piped()).kill_on_drop(true);
            // Ctrl-c is for this process, which tells the others.
            #[cfg(unix)]
            command.process_group(0);
            let mut child =
                command.spawn().map_err(|error| Failure::error("cannot start a process", error))?;
            family.leashes.extend(child.stdin.take());
            family.ends.spawn(wait(module.name, child));
        }
        Ok(family)
    }

    /// The next process that ends.
    async fn next_end(&mut self) -> Option<(&'static str, ExitStatus)> {
        let (service, status) = self.ends.join_next().await?.ok()?;
        Some((service, status.unwrap_or_default()))
    }

    /// Asks all to stop and waits for them. One that does not stop well is a failure.
    async fn end_all(&mut self) -> Result<(), Failure> {
        self.leashes.clear();
        let mut outcome = Ok(());
        while let Some((service, status)) = self.next_end().await {
            if !status.success() {
                complain(&format!("{service} ended with {status}"));
                outcome = Err(Failure::Code(code_of(status)));
            }
        }
        outcome
    }
}

async fn wait(service: &'static str, mut child: Child) -> (&'static str, io::Result<ExitStatus>) {
    (service, child.wait().await)
}

/// The command line of the process that hosts `service`.
fn arguments(service: &str, flags: &ConfigurationFlags) -> Vec<OsString> {
    let mut arguments: Vec<OsString> =
        ["serve", "--until-stdin-closes", "--mode", "micro", "--services", service]
            .map(OsString::from)
            .to_vec();
    // Nobody's load balancer has to notice that a process on this machine stops.
    arguments.extend(["--set", "shutdown.grace=0s"].map(OsString::from));
    let mut pass_on = |flag: &str, value: OsString| arguments.extend([flag.into(), value]);
    if let Some(file) = &flags.config {
        pass_on("--config", file.clone().into());
    }
    if let Some(profile) = &flags.profile {
        pass_on("--profile", profile.into());
    }
    if let Some(data_dir) = &flags.data_dir {
        pass_on("--data-dir", data_dir.clone().into());
    }
    for (key, value) in &flags.set {
        pass_on("--set", format!("{key}={value}").into());
    }
    arguments
}
