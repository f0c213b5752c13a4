//! The command line: one file a command. Results go to standard output, faults and logs to
//! standard error.
//!
//! Exit codes: 0 done, 1 something is wrong (it says what), 2 the command line makes no sense, or
//! `check` could not look at everything, 130 stopped at once by a second signal.

mod check;
mod config;
mod dead_letters;
pub mod demo;
mod events;
mod flags;
mod health;
mod keys;
mod migrate;
mod openapi;
mod probe;
mod serve;
mod services;
mod signals;
mod supervise;
mod table;
mod views;

use std::{
    ffi::OsString,
    io::{self, ErrorKind, Write},
    process::ExitCode,
};

use clap::{Parser, Subcommand};
use runtime::{Faults, StartError};

use self::flags::ConfigurationFlags;

/// Sells tickets: events, holds, orders, payments, tickets with codes, check-in.
///
/// Started without a configuration, `boxoffice serve` runs every service in one process on SQLite
/// files under ./data.
#[derive(Debug, Parser)]
#[command(name = "boxoffice", version, max_term_width = 100)]
struct Cli {
    #[command(flatten)]
    configuration: ConfigurationFlags,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run services until told to stop.
    ///
    /// SIGTERM or ctrl-c stops politely: not ready, but serving on for `shutdown.grace`; then
    /// requests under way finish, and the exit code is 0. A second one ends everything at once,
    /// with 130.
    ///
    /// With --mode micro and without --services, every service runs in a process of its own, and
    /// this one looks after them.
    Serve(serve::Serve),
    /// List the services: what each owns, provides, requires, publishes, consumes.
    Services,
    /// Check or show the configuration.
    Config(config::ConfigArgs),
    /// Make the keys that processes on different machines need, in a directory.
    ///
    /// What is there already is kept. The configuration that names them goes to standard output.
    Keys(keys::Keys),
    /// Bring databases to another version of their schema, or show which they have.
    Migrate(migrate::Migrate),
    /// List, show, retry or discard events that services could not take in.
    ///
    /// Works on the databases of the configuration, whether the services run or not; those that run
    /// notice within a second.
    DeadLetters(dead_letters::DeadLettersArgs),
    /// Show how far events were published over Kafka, or have them published again.
    Events(events::EventsArgs),
    /// Make what services show anew from events, or show what there is.
    Views(views::ViewsArgs),
    /// Print the OpenAPI document of all services.
    Openapi,
    /// Ask a running process whether it is well; for containers that have no shell.
    Health(health::Health),
    /// Ask running processes whether what must always be true of their data is.
    ///
    /// That no more places are sold and held than there are, that every paid order has its tickets
    /// and its money adds up, that every list equals a replay of the log behind it. Asks the process
    /// with this configuration; with --mode micro, every process of the split on this machine.
    ///
    /// Exit codes: 0 nothing is wrong, 1 something is (see the table), 2 not everything could be
    /// looked at, or nothing was, as where a gateway alone was asked.
    Check(check::Check),
    /// Fill a running Boxoffice with a demo set: events, accounts, purchases.
    Demo(demo::Demo),
}

/// What a command came to when it did not do what was asked.
#[derive(Debug)]
pub(crate) enum Failure {
    /// What is wrong, and what to do about it.
    Faults {
        /// What could not be done.
        what: &'static str,
        /// Why.
        faults: Faults,
    },
    /// The exit code says it all.
    Code(u8),
    /// Nobody reads the output.
    Output(io::Error),
}

impl Failure {
    fn faults(what: &'static str, faults: Faults) -> Self {
        Self::Faults { what, faults }
    }

    fn error(what: &'static str, error: impl Into<StartError>) -> Self {
        Self::Faults { what, faults: Faults::one(error.into().to_string()) }
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self::Output(error)
    }
}

/// Does what `arguments` say, the program's name first, and gives the exit code.
pub fn run(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let cli = match Cli::try_parse_from(arguments) {
        Ok(cli) => cli,
        Err(error) => {
            let _ = error.print();
            return if error.use_stderr() { ExitCode::from(2) } else { ExitCode::SUCCESS };
        }
    };
    match execute(cli, &mut io::stdout()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(Failure::Code(code)) => ExitCode::from(code),
        Err(Failure::Output(error)) if error.kind() == ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        Err(Failure::Output(error)) => {
            complain(&format!("cannot write: {error}"));
            ExitCode::FAILURE
        }
        Err(Failure::Faults { what, faults }) => {
            complain(&format!("{what}:\n{faults}"));
            ExitCode::FAILURE
        }
    }
}

fn execute(cli: Cli, out: &mut impl Write) -> Result<(), Failure> {
    let flags = cli.configuration;
    match cli.command {
        Command::Serve(serve) => serve::run(&serve, &flags, out),
        Command::Services => services::run(&flags, out),
        Command::Config(config) => config::run(&config, &flags, out),
        Command::Keys(keys) => keys::run(&keys, out),
        Command::Migrate(migrate) => migrate::run(&migrate, &flags, out),
        Command::DeadLetters(wish) => dead_letters::run(&wish, &flags, out),
        Command::Events(wish) => events::run(&wish, &flags, out),
        Command::Views(views) => views::run(&views, &flags, out),
        Command::Openapi => openapi::run(out),
        Command::Health(health) => health::run(&health, &flags, out),
        Command::Check(check) => check::run(&check, &flags, out),
        Command::Demo(demo) => demo::run(&demo, &flags, out),
    }
}

/// Says it to whoever started the process. That it cannot be said can be said to nobody.
fn complain(what: &str) {
    let _ = writeln!(io::stderr(), "boxoffice: {what}");
}

/// Runs `work`, and does not wait for what it leaves behind.
fn block_on<T>(work: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::error("cannot start threads", error))?;
    let outcome = runtime.block_on(work);
    runtime.shutdown_background();
    outcome
}
