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

/// How many nodes there are of each group.
#[derive(Debug, Clone)]
pub(super) struct Replicas {
    /// Where nothing else is said.
    pub(super) usual: usize,
    /// Of the groups with these services.
    pub(super) of: Vec<(&'static str, usize)>,
}

impl Replicas {
    fn count(&self, group: &Group) -> usize {
        let said = self.of.iter().filter(|(service, _)| group.services.contains(service));
        said.map(|(_, count)| *count).max().unwrap_or(self.usual)
    }
}

/// Where one node lives, and all it needs to know.
pub(super) struct Site {
    /// Its services, joined by `+`, and which of the replicas it is from the second on.
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

impl Site {
    /// Where a process of its own reads its configuration from.
    pub(super) fn configuration_file(&self) -> PathBuf {
        self.home.join(format!("{}.toml", self.name))
    }

    /// What the test set on top, as variables of the environment.
    pub(super) fn environment(&self) -> impl Iterator<Item = (String, &str)> {
        self.settings.iter().map(|(key, value)| {
            let name = format!("BOXOFFICE__{}", key.to_uppercase().replace('.', "__"));
            (name, value.as_str())
        })
    }
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

    /// Where the nodes of each group live.
    pub(super) fn into_sites(
        self,
        home: &Path,
        settings: &[(String, String)],
        replicas: &Replicas,
    ) -> Vec<Site> {
        let homes: Vec<(Group, Vec<Arc<Ports>>)> = self
            .groups
            .into_iter()
            .map(|group| {
                let ports = (0..replicas.count(&group)).map(|_| Arc::new(Ports::reserve()));
                let ports = ports.collect();
                (group, ports)
            })
            .collect();
        let sites = |(group, replicas): &(Group, Vec<Arc<Ports>>)| -> Vec<Site> {
            let peers = peers(&homes, group);
            let site = |(ports, number): (&Arc<Ports>, usize)| Site {
                name: match number {
                    1 => group.name.clone(),
                    further => format!("{}-{further}", group.name),
                },
                services: group.services.clone(),
                ports: Arc::clone(ports),
                configuration: configuration(group, ports, self.mode, home) + &peers,
                settings: settings.to_vec(),
                home: home.to_owned(),
            };
            replicas.iter().zip(1..).map(site).collect()
        };
        homes.iter().flat_map(sites).collect()
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

/// A table for each service that another group hosts, with the addresses of all its replicas.
fn peers(homes: &[(Group, Vec<Arc<Ports>>)], own: &Group) -> String {
    let elsewhere = homes.iter().flat_map(|(group, replicas)| {
        let services = group.services.iter().filter(|service| !own.services.contains(service));
        services.map(move |service| (service, replicas))
    });
    elsewhere
        .map(|(service, replicas)| {
            let urls = |port: fn(&Ports) -> &Port| -> Vec<String> {
                replicas.iter().map(|ports| port(ports).url()).collect()
            };
            let (internal, public) = (urls(|ports| &ports.internal), urls(|ports| &ports.public));
            format!("[peers.{service}]\ninternal = {internal:?}\npublic = {public:?}\n")
        })
        .collect::<Vec<_>>()
        .concat()
}
