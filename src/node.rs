//! How a process is put together: services from the registry, the edge around their public routes.
//! Tests start exactly this.

use std::sync::Arc;

use bus::Hub;
use runtime::{Config, Faults, Launch, Sources};

use crate::registry::{MODULES, SECTIONS};

/// The configuration that `sources` make, over the defaults of everything in the registry.
pub fn configuration(sources: Sources) -> Result<Config, Faults> {
    let of_services = MODULES.iter().filter_map(|module| module.settings);
    Config::load(of_services.chain(SECTIONS.iter().copied()), sources)
}

/// A process with `config`, ready to be started.
pub fn launch(config: Config) -> Launch {
    Launch::new(config, MODULES).public_stack(edge::public_stack).extension(Arc::new(Hub::new()))
}
