//! Which request goes where: the path prefixes of the registry, with the public addresses of their
//! services. No prefix contains another one, so the longest that fits is the only one that does.
//!
//! Services in this process serve their paths themselves; any other path is the edge's to refuse.

use std::sync::Arc;

use axum::{Router, extract::Request, routing::any};
use runtime::{Boot, Context, Endpoints, Module, Peer, PeersSettings, StartError};

use crate::forward::Gateway;

/// A service elsewhere that has paths.
pub(crate) struct Upstream {
    module: &'static Module,
    pub(crate) replicas: Endpoints,
}

/// The services elsewhere that have paths.
pub(crate) fn upstreams(boot: &Boot) -> Result<Vec<Upstream>, StartError> {
    let PeersSettings(peers) = boot.settings();
    let elsewhere = boot.modules().iter().copied().filter(|module| !boot.hosts(module.name));
    elsewhere
        .filter(|module| !module.prefixes.is_empty())
        .map(|module| {
            let replicas = replicas(module.name, peers.get(module.name))?;
            Ok(Upstream { module, replicas })
        })
        .collect()
}

/// A route for each prefix of `upstreams`, and for everything below it.
pub(crate) fn routes(upstreams: &[Upstream], gateway: &Arc<Gateway>) -> Router {
    let mut routes = Router::new();
    for Upstream { module, replicas } in upstreams {
        for prefix in module.prefixes {
            let (gateway, replicas) = (Arc::clone(gateway), replicas.clone());
            let forward = any(async move |cx: Context, request: Request| {
                gateway.forward(&replicas, &cx, request).await
            });
            routes = routes.route(prefix, forward.clone());
            routes = routes.route(&format!("{prefix}/{{*rest}}"), forward);
        }
    }
    routes
}

fn replicas(service: &'static str, peer: Option<&Peer>) -> Result<Endpoints, StartError> {
    let bases = peer.map(|peer| peer.public.urls()).unwrap_or_default();
    Endpoints::new(service, &bases).map_err(|_| {
        StartError::new(format!(
            "{service} is elsewhere, and nobody says where its public listener is; set \
             peers.{service}.public"
        ))
    })
}
