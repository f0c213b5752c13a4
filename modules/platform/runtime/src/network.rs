//! What a process needs to talk to services elsewhere: its keys, who may call what, and where
//! everybody is.

use std::{collections::BTreeMap, net::IpAddr, sync::Arc};

use reqwest::Url;

use crate::{
    Addresses, AllowList, Clock, Config, Faults, HttpClient, InternalServer, InternalSettings,
    KeyPlaces, Module, Outbound, Peer, PeersSettings, Plan, Random, ServiceAuthSettings,
    ServiceTokens, Tasks,
    peers::{Acquaintance, IS_UP},
};

/// The method that serves a publisher's events to its consumers.
pub const FEED: &str = "feed";

/// A process' ways to others and theirs to it.
pub(crate) struct Network {
    peers: BTreeMap<String, Peer>,
    tokens: Arc<ServiceTokens>,
    allowed: AllowList,
    random: Arc<dyn Random>,
    /// `None` when nothing is remote.
    outbound: Option<Outbound>,
}

impl Network {
    /// Reads the keys of the services in `plan`. With nothing remote it needs none.
    pub(crate) fn open(
        config: &Config,
        modules: &[&'static Module],
        plan: &Plan,
        clock: &Arc<dyn Clock>,
        random: &Arc<dyn Random>,
    ) -> Result<Self, Faults> {
        let peers = config.section::<PeersSettings>().0;
        let allowed = allow_list(modules);
        let random = Arc::clone(random);
        if !plan.something_is_remote {
            let tokens = Arc::new(ServiceTokens::without_keys(Arc::clone(clock)));
            return Ok(Self { peers, tokens, allowed, random, outbound: None });
        }
        let services = plan.start_order.iter().map(|module| module.name);
        let places = key_places(config);
        let tokens = ServiceTokens::open(&places, services, Arc::clone(clock), random.as_ref())?;
        let tokens = Arc::new(tokens);
        let outbound = Outbound::new(Arc::clone(&tokens), Arc::clone(&random))
            .map_err(|error| Faults::one(format!("cannot call other processes: {error}")))?;
        Ok(Self { peers, tokens, allowed, random, outbound: Some(outbound) })
    }

    /// The internal listeners of `service`, as far as they are configured.
    fn internal(&self, service: &str) -> Addresses {
        self.peers.get(service).map(|peer| peer.internal.clone()).unwrap_or_default()
    }

    /// The calls of `caller` to `service`, when it is known where that is.
    pub(crate) fn client(&self, caller: &'static str, service: &'static str) -> Option<HttpClient> {
        let urls = self.internal(service).urls();
        self.outbound.as_ref()?.client(caller, service, &urls).ok()
    }

    /// Looks for `service` on behalf of `caller`.
    pub(crate) fn acquaintance(
        &self,
        caller: &'static str,
        service: &'static str,
    ) -> Option<Acquaintance> {
        let client = self.client(caller, service)?;
        Some(Acquaintance::new(caller, &client, self.internal(service)))
    }

    /// Receives calls for a service whose remaining work goes to `tasks`.
    pub(crate) fn server(&self, tasks: Tasks) -> InternalServer {
        InternalServer::new(
            Arc::clone(&self.tokens),
            self.allowed.clone(),
            tasks,
            Arc::clone(&self.random),
        )
    }
}

/// A module may call the methods it requires and read the feeds it consumes.
fn allow_list(modules: &[&'static Module]) -> AllowList {
    let mut allowed = AllowList::new();
    for module in modules {
        for needed in module.requires {
            allowed.allow(module.name, needed.service, IS_UP.name);
            for method in needed.methods {
                allowed.allow(module.name, needed.service, method);
            }
        }
        let publishes_to =
            |other: &&&Module| module.consumes.iter().any(|event| other.publishes.contains(event));
        for publisher in modules.iter().filter(publishes_to) {
            allowed.allow(module.name, publisher.name, FEED);
        }
    }
    allowed
}

/// What is wrong with the keys of the services in `plan`, found without making any.
pub(crate) fn key_faults(config: &Config, modules: &[&'static Module], plan: &Plan) -> Vec<String> {
    if !plan.something_is_remote {
        return Vec::new();
    }
    let places = key_places(config);
    if places.generate
        && let Some(why) = leaves_this_machine(config, modules, plan)
    {
        return vec![format!(
            "service_auth.private_keys_dir and public_keys_dir: are missing, and {why}; keys are \
             made in the data directory only where databases are embedded and every process is on \
             this machine; make them with `boxoffice keys DIR` and name both directories"
        )];
    }
    places.faults(plan.start_order.iter().map(|module| module.name))
}

/// Why processes that share no data directory may have to believe each other, if they may.
fn leaves_this_machine(
    config: &Config,
    modules: &[&'static Module],
    plan: &Plan,
) -> Option<String> {
    if config.spans_machines() {
        return Some("the database is a server".to_owned());
    }
    let own = config.section::<InternalSettings>().address;
    if !own.ip().is_loopback() {
        return Some(format!("internal.address is {own}"));
    }
    let peers = config.section::<PeersSettings>().0;
    let allowed = allow_list(modules);
    let is_needed = |service: &str| {
        !plan.hosts(service)
            && plan.start_order.iter().any(|caller| allowed.knows(caller.name, service))
    };
    peers.iter().filter(|(service, _)| is_needed(service)).find_map(|(service, peer)| {
        let far = peer.internal.urls().into_iter().find(|url| !is_loopback(url))?;
        let far = far.as_str().trim_end_matches('/');
        Some(format!("peers.{service}.internal is {far}"))
    })
}

fn is_loopback(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default();
    let address = host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
    host == "localhost" || address.is_ok_and(|address| address.is_loopback())
}

fn key_places(config: &Config) -> KeyPlaces {
    let settings: ServiceAuthSettings = config.section();
    let generated = config.node().data_dir.join("keys").join("services");
    KeyPlaces {
        generate: settings.private_keys_dir.is_none(),
        private_dir: settings.private_keys_dir.unwrap_or_else(|| generated.clone()),
        public_dir: settings.public_keys_dir.unwrap_or(generated),
        issuer: settings.issuer,
    }
}
