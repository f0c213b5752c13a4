//! The registry's rules: what may be listed together, what a process hosts, in which order it
//! starts. Pure: nothing is started or contacted here.

use std::collections::{BTreeMap, BTreeSet};

use crate::{Faults, GATEWAY, Module, Peer};

/// What stands for every service but the gateway in a list of services.
pub const ALL_SERVICES: &str = "all";

/// What a process hosts, and what it needs from elsewhere.
#[derive(Debug, Clone)]
pub struct Plan {
    /// The modules that are hosted here, each after those it requires. They stop in reverse.
    pub start_order: Vec<&'static Module>,
    /// Whether some service is hosted elsewhere: then there is an internal listener.
    pub something_is_remote: bool,
}

impl Plan {
    /// Chooses `services` from `modules`, or says everything that is wrong with the registry and
    /// with the choice, and what to do about each.
    pub fn new(
        modules: &[&'static Module],
        services: &[String],
        peers: &BTreeMap<String, Peer>,
    ) -> Result<Self, Faults> {
        let (plan, faults) = Self::examine(modules, services, peers);
        Faults::check(faults)?;
        Ok(plan)
    }

    /// Like [`Plan::new`], but with what would be hosted beside what is wrong.
    pub(crate) fn examine(
        modules: &[&'static Module],
        services: &[String],
        peers: &BTreeMap<String, Peer>,
    ) -> (Self, Vec<String>) {
        let (hosted, mut faults) = choose(modules, services);
        faults.extend(registry_faults(modules));
        faults.extend(unknown_peers(modules, peers));
        faults.extend(unaddressed(modules, &hosted, peers));
        let is_elsewhere =
            |module: &&&Module| module.name != GATEWAY && !hosted.contains(module.name);
        let plan = Self {
            something_is_remote: modules.iter().any(|module| is_elsewhere(&module)),
            start_order: in_dependency_order(modules, &hosted),
        };
        (plan, faults)
    }

    /// Whether `service` is hosted here.
    pub fn hosts(&self, service: &str) -> bool {
        self.start_order.iter().any(|module| module.name == service)
    }
}

/// Everything that is wrong with the list of modules itself, whatever a process hosts of it.
pub fn registry_faults(modules: &[&'static Module]) -> Vec<String> {
    [
        duplicate_names(modules),
        shared_settings(modules),
        prefix_faults(modules),
        provision_faults(modules),
        requirement_faults(modules),
        cycles(modules),
        unpublished_events(modules),
    ]
    .concat()
}

/// The chosen names, and a fault for each that names nothing.
fn choose(
    modules: &[&'static Module],
    services: &[String],
) -> (BTreeSet<&'static str>, Vec<String>) {
    let mut hosted = BTreeSet::new();
    let mut faults = Vec::new();
    for service in services {
        if service == ALL_SERVICES {
            hosted.extend(modules.iter().map(|module| module.name).filter(|name| *name != GATEWAY));
        } else if let Some(module) = modules.iter().find(|module| module.name == service) {
            hosted.insert(module.name);
        } else {
            faults.push(format!(
                "there is no service \"{service}\"; choose from {ALL_SERVICES}, {}",
                names(modules)
            ));
        }
    }
    (hosted, faults)
}

fn names(modules: &[&'static Module]) -> String {
    modules.iter().map(|module| module.name).collect::<Vec<_>>().join(", ")
}

fn duplicate_names(modules: &[&'static Module]) -> Vec<String> {
    let mut seen = BTreeSet::new();
    modules
        .iter()
        .filter(|module| !seen.insert(module.name))
        .map(|module| format!("two modules are called {}; give one another name", module.name))
        .collect()
}

fn shared_settings(modules: &[&'static Module]) -> Vec<String> {
    let mut readers = BTreeMap::new();
    let mut faults = Vec::new();
    for module in modules {
        let Some(section) = module.settings.map(|settings| settings.name) else { continue };
        if let Some(other) = readers.insert(section, module.name) {
            faults.push(format!(
                "{other} and {} both read [{section}]; give each a section of its own",
                module.name
            ));
        }
    }
    faults
}

fn prefix_faults(modules: &[&'static Module]) -> Vec<String> {
    let owned: Vec<(&str, &str)> = modules
        .iter()
        .flat_map(|module| module.prefixes.iter().map(|prefix| (module.name, *prefix)))
        .collect();
    let badly_written =
        owned.iter().filter(|(_, prefix)| !is_prefix(prefix)).map(|(module, prefix)| {
            format!("{module} owns \"{prefix}\", which is no path prefix; write it like /v1/orders")
        });
    let clashes = owned.iter().enumerate().flat_map(|(index, first)| {
        owned.iter().skip(index + 1).filter_map(|second| prefix_clash(*first, *second))
    });
    badly_written.chain(clashes).collect()
}

fn is_prefix(prefix: &str) -> bool {
    prefix.starts_with('/') && prefix.len() > 1 && !prefix.ends_with('/')
}

fn prefix_clash(first: (&str, &str), second: (&str, &str)) -> Option<String> {
    let ((first_module, first_prefix), (second_module, second_prefix)) = (first, second);
    if first_prefix == second_prefix {
        return Some(format!(
            "{first_module} and {second_module} both own {first_prefix}; give it to one of them"
        ));
    }
    let (inner, outer) = if lies_inside(first_prefix, second_prefix) {
        (first, second)
    } else if lies_inside(second_prefix, first_prefix) {
        (second, first)
    } else {
        return None;
    };
    Some(format!(
        "{} owns {}, which lies inside {} of {}; choose prefixes that do not contain each other",
        inner.0, inner.1, outer.1, outer.0
    ))
}

fn lies_inside(inner: &str, outer: &str) -> bool {
    inner.strip_prefix(outer).is_some_and(|rest| rest.starts_with('/'))
}

fn provision_faults(modules: &[&'static Module]) -> Vec<String> {
    let mut faults = Vec::new();
    let mut providers = BTreeMap::new();
    for module in modules {
        for provided in module.provides {
            let contract = provided.contract;
            if provided.service != module.name {
                faults.push(format!(
                    "{} provides {contract}, which is a contract of {}; provide it there",
                    module.name, provided.service
                ));
            }
            if let Some(other) = providers.insert(provided.id, module.name) {
                faults.push(format!(
                    "{contract} is provided by {other} and by {}; let only one provide it",
                    module.name
                ));
            }
        }
    }
    faults
}

fn requirement_faults(modules: &[&'static Module]) -> Vec<String> {
    let provided: BTreeSet<_> =
        modules.iter().flat_map(|module| module.provides.iter().map(|it| it.id)).collect();
    let mut faults = Vec::new();
    for module in modules {
        for needed in module.requires {
            if !provided.contains(&needed.id) {
                faults.push(format!(
                    "{} requires {} of {}, which no module provides; add the module that does",
                    module.name, needed.contract, needed.service
                ));
            }
            let has = |wanted: &&str| needed.known.iter().any(|method| method.name == *wanted);
            faults.extend(needed.methods.iter().filter(|wanted| !has(wanted)).map(|wanted| {
                let known: Vec<&str> = needed.known.iter().map(|method| method.name).collect();
                format!(
                    "{} wants to call {}.{wanted}, which {} does not have; it has: {}",
                    module.name,
                    needed.service,
                    needed.contract,
                    known.join(", ")
                )
            }));
        }
    }
    faults
}

fn cycles(modules: &[&'static Module]) -> Vec<String> {
    let mut walk = Walk { modules, ..Walk::default() };
    for module in modules {
        walk.visit(module);
    }
    walk.cycles
        .iter()
        .map(|cycle| {
            let path = cycle.join(" -> ");
            format!(
                "{path} is a cycle of calls; let one of them react to the other's events instead"
            )
        })
        .collect()
}

/// The hosted modules, each after those it requires, otherwise as listed.
fn in_dependency_order(
    modules: &[&'static Module],
    hosted: &BTreeSet<&'static str>,
) -> Vec<&'static Module> {
    let mut walk = Walk { modules, ..Walk::default() };
    for module in modules {
        walk.visit(module);
    }
    walk.finished.retain(|module| hosted.contains(module.name));
    walk.finished
}

/// A depth-first walk along what modules require.
#[derive(Default)]
struct Walk<'a> {
    modules: &'a [&'static Module],
    path: Vec<&'static str>,
    finished: Vec<&'static Module>,
    cycles: Vec<Vec<&'static str>>,
}

impl Walk<'_> {
    fn visit(&mut self, module: &'static Module) {
        if self.finished.iter().any(|finished| finished.name == module.name) {
            return;
        }
        if let Some(start) = self.path.iter().position(|name| *name == module.name) {
            let cycle = self.path.iter().skip(start).copied().chain([module.name]).collect();
            self.cycles.push(cycle);
            return;
        }
        self.path.push(module.name);
        let mut required: Vec<&str> = module.requires.iter().map(|needed| needed.service).collect();
        required.dedup();
        for service in required {
            if let Some(next) = self.modules.iter().find(|other| other.name == service) {
                self.visit(next);
            }
        }
        self.path.pop();
        self.finished.push(module);
    }
}

fn unpublished_events(modules: &[&'static Module]) -> Vec<String> {
    let published: BTreeSet<&str> =
        modules.iter().flat_map(|module| module.publishes).copied().collect();
    let mut faults = Vec::new();
    for module in modules {
        let unheard = module.consumes.iter().filter(|event| !published.contains(*event));
        faults.extend(unheard.map(|event| {
            format!(
                "{} consumes {event}, which no module publishes; correct the name, or list it \
                 under what its service publishes",
                module.name
            )
        }));
    }
    faults
}

fn unknown_peers(modules: &[&'static Module], peers: &BTreeMap<String, Peer>) -> Vec<String> {
    let is_known = |service: &str| modules.iter().any(|module| module.name == service);
    peers
        .keys()
        .filter(|service| !is_known(service))
        .map(|service| {
            format!("[peers.{service}] is about no service; choose from {}", names(modules))
        })
        .collect()
}

/// What is needed from elsewhere without anybody saying where that is.
fn unaddressed(
    modules: &[&'static Module],
    hosted: &BTreeSet<&'static str>,
    peers: &BTreeMap<String, Peer>,
) -> Vec<String> {
    let has_internal =
        |service: &str| peers.get(service).is_some_and(|peer| !peer.internal.is_empty());
    let has_public = |service: &str| peers.get(service).is_some_and(|peer| !peer.public.is_empty());
    let is_missing = |service: &str| !hosted.contains(service) && !has_internal(service);

    let mut faults = Vec::new();
    for module in modules.iter().filter(|module| hosted.contains(module.name)) {
        let name = module.name;
        for needed in module.requires.iter().filter(|needed| is_missing(needed.service)) {
            let (contract, service) = (needed.contract, needed.service);
            faults.push(format!(
                "{name} requires {contract} of {service}, which is neither hosted here nor \
                 addressed; host {service} too, or set peers.{service}.internal"
            ));
        }
        for event in module.consumes {
            let publisher = modules.iter().find(|other| other.publishes.contains(event));
            if let Some(service) = publisher.map(|other| other.name).filter(|it| is_missing(it)) {
                faults.push(format!(
                    "{name} consumes {event} of {service}, which is neither hosted here nor \
                     addressed; host {service} too, or set peers.{service}.internal"
                ));
            }
        }
    }
    if hosted.contains(GATEWAY) {
        let behind = modules.iter().filter(|module| !hosted.contains(module.name));
        let unreachable =
            behind.filter(|module| !module.prefixes.is_empty() && !has_public(module.name));
        faults.extend(unreachable.map(|module| {
            format!(
                "{GATEWAY} forwards {} to {}, whose public listener is not addressed; set \
                 peers.{1}.public, or host {1} too",
                module.prefixes.join(", "),
                module.name
            )
        }));
    }
    faults
}
