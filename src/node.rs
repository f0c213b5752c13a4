//! How a process is put together: services from the registry, the edge around their public routes.
//! Tests start exactly this.

use std::sync::Arc;

use bus::Hub;
use cache::Cache;
use runtime::{ALL_SERVICES, Config, Entry, Faults, Launch, Plan, SectionSpec, Sources};

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

/// What is wrong with settings of different services in the light of each other, where both are
/// known: services elsewhere have a configuration of their own. `is_whole_split` says that this one
/// is everybody's.
pub fn faults_between_services(config: &Config, is_whole_split: bool) -> Vec<String> {
    let hosted = config.node().services;
    let is_here = |name: &str| hosted.iter().any(|it| it == name || it == ALL_SERVICES);
    if !(is_whole_split || is_here("orders") && is_here("inventory")) {
        return Vec::new();
    }
    let entries = config.entries();
    let seconds = |section: &str, key: &str| -> Option<(&Entry, u64)> {
        let entry = entries.iter().find(|it| it.section == section && it.key == key)?;
        Some((entry, entry.value.as_deref()?.parse().ok()?))
    };
    let margin = seconds("orders", "payment_margin_seconds");
    let hold = seconds("inventory", "hold_seconds");
    let (Some((entry, margin)), Some((other, hold))) = (margin, hold) else { return Vec::new() };
    if margin < hold {
        return Vec::new();
    }
    vec![format!(
        "orders.payment_margin_seconds ({}) is {margin}, and inventory.hold_seconds ({}) is {hold}: \
         places are free again before anybody may pay; choose a margin that is less than the hold",
        entry.source, other.source
    )]
}

fn sections() -> impl Iterator<Item = SectionSpec> {
    let of_services = MODULES.iter().filter_map(|module| module.settings);
    of_services.chain(SECTIONS.iter().copied())
}

/// A process with `config`, ready to be started.
pub fn launch(config: Config) -> Launch {
    let cache = Cache::new(config.section());
    Launch::new(config, MODULES)
        .public_stack(edge::public_stack)
        .extension(Arc::new(Hub::new()))
        .extension(Arc::new(cache))
}
