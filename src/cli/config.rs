//! `boxoffice config`: what the configuration is, and what is wrong with it.

use std::io::Write;

use clap::{Args, Subcommand};

use super::{
    Failure,
    flags::{ConfigurationFlags, wrong},
};

#[derive(Debug, Args)]
pub(super) struct ConfigArgs {
    #[command(subcommand)]
    command: ConfigCommand,
}

#[derive(Debug, Subcommand)]
enum ConfigCommand {
    /// Say whether a process could start with it; otherwise everything that is wrong.
    Check,
    /// Print every key with its value and where that comes from. Secrets are hidden.
    Show,
}

pub(super) fn run(
    config: &ConfigArgs,
    flags: &ConfigurationFlags,
    out: &mut impl Write,
) -> Result<(), Failure> {
    match config.command {
        ConfigCommand::Check => {
            flags.load_for_process().map_err(wrong)?;
            writeln!(out, "the configuration is sound")?;
        }
        ConfigCommand::Show => write!(out, "{}", flags.config()?)?,
    }
    Ok(())
}
