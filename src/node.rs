//! How a process is put together: services from the registry, the edge around their public routes.
//! Tests start exactly this.

use std::sync::Arc;

use bus::Hub;
use runtime::{Config, Faults, Launch, Plan, SectionSpec, Sources};

use crate::registry::{MODULES, SECTIONS};

/// The configuration that `sources` make, over the defaults of everything in the registry.
pub fn configuration(sources: Sources) -> Result<Config, Faults> {
    Config::load(sections(), sources)
}

/// The configuration that `sources` make, as far as it can be read.
pub fn read(sources: Sources) -> Config {
    Config::read(sections(), sources).0
}

/// The configuration that `sources` make and what a process with it hosts; otherwise everything
/// that keeps it from starting.
pub fn preflight(sources: Sources) -> Result<(Config, Plan), Faults> {
    runtime::preflight(MODULES, sections(), sources)
}

fn sections() -> impl Iterator<Item = SectionSpec> {
    let of_services = MODULES.iter().filter_map(|module| module.settings);
    of_services.chain(SECTIONS.iter().copied())
}

/// A process with `config`, ready to be started.
pub fn launch(config: Config) -> Launch {
    Launch::new(config, MODULES).public_stack(edge::public_stack).extension(Arc::new(Hub::new()))
}
