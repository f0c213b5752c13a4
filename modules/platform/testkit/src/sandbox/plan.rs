//! Which node hosts what, on which ports, with which configuration.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use runtime::{GATEWAY, Module};

use super::Shape;
use crate::Port;

/// The nodes of a sandbox before they have a place to live.
pub(super) struct Plan {
    groups: Vec<Group>,
    mode: &'static str,
}

/// The services of one node, and the node's name.
struct Group {
    name: String,
    services: Vec<&'static str>,
}

impl Group {
    fn new(services: Vec<&'static str>) -> Self {
        Self { name: services.join("+"), services }
    }
}

/// Where one node lives, and all it needs to know.
pub(super) struct Site {
    /// Its services, joined by `+`.
    pub(super) name: String,
    /// What it hosts.
    pub(super) services: Vec<&'static str>,
    /// Its ports.
    pub(super) ports: Arc<Ports>,
    /// Its configuration as TOML.
    pub(super) configuration: String,
    /// What the test set on top, key by key.
    pub(super) settings: Vec<(String, String)>,
    /// A directory for its files.
    pub(super) home: PathBuf,
}

/// The ports of one node.
pub(super) struct Ports {
    pub(super) public: Port,
    pub(super) internal: Port,
    pub(super) admin: Port,
}

impl Ports {
    fn reserve() -> Self {
        Self { public: Port::reserve(), internal: Port::reserve(), admin: Port::reserve() }
    }
}

impl Plan {
    pub(super) fn new(modules: &'static [&'static Module], shape: &Shape) -> Self {
        let names: Vec<&'static str> = modules.iter().map(|module| module.name).collect();
        let (groups, mode) = match shape {
            Shape::Monolith => {
                let services = names.into_iter().filter(|name| *name != GATEWAY).collect();
                (vec![Group { name: "monolith".to_owned(), services }], "monolith")
            }
            Shape::Split => {
                (names.into_iter().map(|name| Group::new(vec![name])).collect(), "micro")
            }
            Shape::Groups(groups) => {
                for name in names.iter().filter(|name| **name != GATEWAY) {
                    let homes = groups.iter().filter(|group| group.contains(name)).count();
                    assert_eq!(homes, 1, "{name} is in {homes} groups of the sandbox, not in one");
                }
                (groups.iter().cloned().map(Group::new).collect(), "micro")
            }
        };
        Self { groups, mode }
    }

    pub(super) fn into_sites(self, home: &Path, settings: &[(String, String)]) -> Vec<Site> {
        let homes: Vec<(Group, Arc<Ports>)> =
            self.groups.into_iter().map(|group| (group, Arc::new(Ports::reserve()))).collect();
        let site = |(group, ports): &(Group, Arc<Ports>)| Site {
            name: group.name.clone(),
            services: group.services.clone(),
            ports: Arc::clone(ports),
            configuration: configuration(group, ports, self.mode, home) + &peers(&homes, group),
            settings: settings.to_vec(),
            home: home.to_owned(),
        };
        homes.iter().map(site).collect()
    }
}

fn configuration(group: &Group, ports: &Ports, mode: &str, home: &Path) -> String {
    format!(
        "[node]\nservices = {:?}\nmode = {mode:?}\ndata_dir = {:?}\n\
         [public]\naddress = \"{}\"\n[internal]\naddress = \"{}\"\n\
         [admin]\naddress = \"{}\"\n[shutdown]\ngrace = \"0s\"\n",
        group.services,
        home.join("data").display().to_string(),
        ports.public.address(),
        ports.internal.address(),
        ports.admin.address(),
    )
}

/// A table for each service that another node hosts.
fn peers(homes: &[(Group, Arc<Ports>)], own: &Group) -> String {
    let elsewhere = homes.iter().flat_map(|(group, ports)| {
        let services = group.services.iter().filter(|service| !own.services.contains(service));
        services.map(move |service| (service, ports))
    });
    elsewhere
        .map(|(service, ports)| {
            let (internal, public) = (ports.internal.url(), ports.public.url());
            format!("[peers.{service}]\ninternal = {internal:?}\npublic = {public:?}\n")
        })
        .collect::<Vec<_>>()
        .concat()
}
