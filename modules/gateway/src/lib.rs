//! The single entry point of a split: forwards each public request to the service that owns its
//! path, as the registry says, and streams bodies both ways. It decides nothing: services verify
//! callers themselves. The documentation of all of them comes from the edge.

mod body;
mod forward;
mod headers;
mod reach;
mod settings;
mod table;

use std::sync::Arc;

use runtime::{Boot, GATEWAY, Module, SectionSpec, StartError};

use crate::{forward::Gateway, reach::Neighbours, settings::GatewaySettings};

/// The service's face to the registry.
pub static MODULE: Module = Module {
    name: GATEWAY,
    about: "the single entry point of a split",
    prefixes: &[],
    provides: &[],
    requires: &[],
    publishes: &[],
    consumes: &[],
    settings: Some(SectionSpec::of::<GatewaySettings>()),
    schema: None,
    views: None,
    openapi: || edge::openapi::describe(GATEWAY, edge::Routes::<()>::new(), &[]),
    start: |boot| Box::pin(std::future::ready(start(boot))),
};

fn start(boot: &mut Boot) -> Result<(), StartError> {
    let client = runtime::web_client()
        .map_err(|error| StartError::new(format!("cannot forward over HTTP: {error}")))?;
    let gateway =
        Arc::new(Gateway { client, settings: boot.settings(), draining: boot.draining() });
    let upstreams = table::upstreams(boot)?;
    let routes = table::routes(&upstreams, &gateway);
    let neighbours = Neighbours::new(upstreams.into_iter().map(|upstream| upstream.replicas));
    boot.readiness("services behind it", move || {
        let neighbours = neighbours.clone();
        Box::pin(async move { neighbours.check().await })
    });
    boot.public(routes);
    Ok(())
}
