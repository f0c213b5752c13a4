//! Everything that would keep a process from starting, found without starting anything: nothing is
//! made, bound or contacted here.

use crate::{
    Config, Faults, KeyPair, Module, PeersSettings, Plan, SectionSpec, Sources, network::key_faults,
};

/// The configuration that `sources` make and what a process with it hosts; otherwise every fault of
/// the values, of what is hosted, and of the keys that its services need.
pub fn preflight(
    modules: &[&'static Module],
    sections: impl IntoIterator<Item = SectionSpec>,
    sources: Sources,
) -> Result<(Config, Plan), Faults> {
    let (config, mut faults) = Config::read(sections, sources);
    let (plan, found) = examine(&config, modules);
    faults.extend(found);
    Faults::check(faults)?;
    Ok((config, plan))
}

/// What a process with `config` hosts, and why it could not start.
pub(crate) fn examine(config: &Config, modules: &[&'static Module]) -> (Plan, Vec<String>) {
    let node = config.node();
    let peers = config.section::<PeersSettings>().0;
    let (plan, mut faults) = Plan::examine(modules, &node.services, &peers);
    if config.has_lost("node", "services") || config.has_lost("peers", "") {
        faults.clear();
    }
    faults.extend(plan.start_order.iter().flat_map(|module| signing_key_faults(config, module)));
    if !config.has_lost("service_auth", "") {
        faults.extend(key_faults(config, modules, &plan));
    }
    (plan, faults)
}

/// What is wrong with the directories of keys with which `module` signs.
fn signing_key_faults(config: &Config, module: &Module) -> Vec<String> {
    let Some(section) = module.settings else { return Vec::new() };
    let kept = section.signing_keys.iter().filter(|key| !config.has_lost(section.name, key));
    kept.filter_map(|key| {
        let what = match config.text(section.name, key) {
            Some(directory) => KeyPair::read_all(directory.as_ref()).err()?.to_string(),
            None if config.spans_machines() => "is missing; name a directory with Ed25519 keys, \
                 which are made in the data directory with embedded databases only; \
                 `boxoffice keys DIR` makes some"
                .to_owned(),
            None => return None,
        };
        Some(config.fault(section.name, &format!("{key}: {what}")))
    })
    .collect()
}
