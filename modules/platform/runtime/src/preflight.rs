//! Everything that would keep a process from starting, found without starting anything: nothing is
//! made, bound or contacted here.

use std::{
    fs::{self, File},
    net::SocketAddr,
    path::Path,
};

use crate::{
    AdminSettings, Config, Faults, InternalSettings, KeyPair, Module, PeersSettings, Plan,
    PublicSettings, SectionSpec, Sources, network::key_faults,
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
    faults.extend(shared_addresses(config, &plan));
    (plan, faults)
}

/// Why nothing can be kept in the data directory, if nothing can. Only writing tells: a file is made
/// in it, or in what it would be made in, and taken away again.
pub fn data_dir_fault(config: &Config) -> Option<String> {
    if config.spans_machines() || config.has_lost("node", "data_dir") {
        return None;
    }
    let data_dir = config.node().data_dir;
    let nearest = data_dir.ancestors().map(or_here).find(|it| it.exists())?;
    let reason = if nearest.is_dir() {
        let probe = nearest.join(format!(".boxoffice-{}", std::process::id()));
        let written = File::options().write(true).create_new(true).open(&probe);
        let error = written.and_then(|_| fs::remove_file(&probe)).err()?;
        format!("{} cannot be written ({error})", nearest.display())
    } else {
        format!("{} is no directory", nearest.display())
    };
    let what = format!(
        "data_dir: nothing can be kept in {}: {reason}; name a directory that the user that runs \
         this may write",
        data_dir.display()
    );
    Some(config.fault("node", &what))
}

/// The last of a relative path's ancestors has no name.
fn or_here(path: &Path) -> &Path {
    if path.as_os_str().is_empty() { Path::new(".") } else { path }
}

/// Listeners that want the same port of the same address.
fn shared_addresses(config: &Config, plan: &Plan) -> Vec<String> {
    let mut listeners = vec![
        ("public", config.section::<PublicSettings>().address),
        ("admin", config.section::<AdminSettings>().address),
    ];
    if plan.something_is_remote {
        listeners.push(("internal", config.section::<InternalSettings>().address));
    }
    listeners.retain(|(name, _)| !config.has_lost(name, "address"));
    let pairs = listeners.iter().enumerate().flat_map(|(index, first)| {
        listeners.iter().skip(index + 1).map(move |second| (*first, *second))
    });
    pairs
        .filter(|((_, first), (_, second))| cannot_share(*first, *second))
        .map(|((first, address), (second, other))| {
            let what = format!("address: {other} is taken by {first}.address, {address}");
            config.fault(second, &format!("{what}; give each listener a port of its own"))
        })
        .collect()
}

fn cannot_share(first: SocketAddr, second: SocketAddr) -> bool {
    let (one, other) = (first.ip(), second.ip());
    let is_same_ip = one == other || one.is_unspecified() || other.is_unspecified();
    first.port() != 0 && first.port() == second.port() && is_same_ip
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
