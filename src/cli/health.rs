//! `boxoffice health`: asks the process with this configuration whether it is well.

use std::io::Write;

use clap::Args;
use runtime::AdminSettings;

use super::{Failure, block_on, complain, flags::ConfigurationFlags, probe};

#[derive(Debug, Args)]
pub(super) struct Health {
    /// Ask only whether it runs, not whether it can take requests.
    #[arg(long)]
    live: bool,
}

pub(super) fn run(
    health: &Health,
    flags: &ConfigurationFlags,
    out: &mut impl Write,
) -> Result<(), Failure> {
    let config = flags.config()?;
    let address = config.section::<AdminSettings>().address;
    let path = if health.live { "/livez" } else { "/readyz" };
    let answer = block_on(async { Ok(probe::ask(address, path).await) })?;
    match answer {
        Ok((is_good, text)) => {
            writeln!(out, "{}", text.trim_end())?;
            if is_good { Ok(()) } else { Err(Failure::Code(1)) }
        }
        Err(why) => {
            complain(&why);
            Err(Failure::Code(1))
        }
    }
}
