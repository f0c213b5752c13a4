//! Which request goes where: the path prefixes of the registry, with the public addresses of their
//! services. No prefix contains another one, so the longest that fits is the only one that does.
//!
//! Services in this process serve their paths themselves; any other path is the edge's to refuse.

use std::sync::Arc;

use axum::{Router, extract::Request, routing::any};
use runtime::{Boot, Context, Peer, PeersSettings, StartError};

use crate::forward::{Gateway, Upstream};

/// A route for each prefix of a service elsewhere, and for everything below it.
pub(crate) fn routes(boot: &Boot, gateway: &Arc<Gateway>) -> Result<Router, StartError> {
    let PeersSettings(peers) = boot.settings();
    let elsewhere = boot.modules().iter().filter(|module| !boot.hosts(module.name));
    let mut routes = Router::new();
    for module in elsewhere.filter(|module| !module.prefixes.is_empty()) {
        let upstream = upstream(module.name, peers.get(module.name))?;
        for prefix in module.prefixes {
            let (gateway, upstream) = (Arc::clone(gateway), upstream.clone());
            let forward = any(async move |cx: Context, request: Request| {
                gateway.forward(&upstream, &cx, request).await
            });
            routes = routes.route(prefix, forward.clone());
            routes = routes.route(&format!("{prefix}/{{*rest}}"), forward);
        }
    }
    Ok(routes)
}

/// The services elsewhere that have paths.
pub(crate) fn upstreams(boot: &Boot) -> Result<Vec<Upstream>, StartError> {
    let PeersSettings(peers) = boot.settings();
    let elsewhere = boot.modules().iter().filter(|module| !boot.hosts(module.name));
    let behind = elsewhere.filter(|module| !module.prefixes.is_empty());
    behind.map(|module| upstream(module.name, peers.get(module.name))).collect()
}

fn upstream(service: &'static str, peer: Option<&Peer>) -> Result<Upstream, StartError> {
    let bases = peer.map(|peer| peer.public.urls()).unwrap_or_default();
    let base = bases.into_iter().next().ok_or_else(|| {
        StartError::new(format!(
            "{service} is elsewhere, and nobody says where its public listener is; set \
             peers.{service}.public"
        ))
    })?;
    Ok(Upstream { service, base })
}
