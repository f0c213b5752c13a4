//! Inventory: capacity, holds, availability. Never one too many.

mod domain;
mod http;
mod problems;
mod reactions;
mod service;
mod settings;
mod views;

use std::sync::Arc;

use contracts::{catalog::CatalogEvent, inventory::Inventory};
use edge::{Idempotency, token::TokenKeys};
use jiff::SignedDuration;
use runtime::{Boot, Module, Needed, Provided, SectionSpec, StartError};
use store::{Committer, Events, HandlerError, Schema};

use crate::{
    domain::{Command, Stock},
    http::App,
    reactions::FollowProgramme,
    service::Service,
    settings::InventorySettings,
    views::HoldIndex,
};

/// The service's face to the registry.
pub static MODULE: Module = Module {
    name: "inventory",
    about: "capacity, holds, availability",
    prefixes: &["/v1/availability", "/v1/holds"],
    provides: &[Provided::of::<dyn Inventory>()],
    requires: &[Needed::of::<dyn TokenKeys>(&["token_keys"])],
    publishes: &[],
    consumes: &[
        "catalog.event_published",
        "catalog.capacity_changed",
        "catalog.quota_changed",
        "catalog.quota_removed",
        "catalog.sales_opened",
        "catalog.sales_closed",
        "catalog.event_cancelled",
    ],
    settings: Some(SectionSpec::of::<InventorySettings>()),
    schema: Some(&SCHEMA),
    openapi: || edge::openapi::describe("inventory", http::routes(), problems::ALL),
    start: |boot| Box::pin(start(boot)),
};

static SCHEMA: Schema = store::schema!("inventory");

async fn start(boot: &mut Boot) -> Result<(), StartError> {
    let settings: InventorySettings = boot.settings();
    let database = store::open(boot, &SCHEMA).await?;
    let committer = Committer::start(boot, &database);
    let stocks: Events<Stock> = Events::new(&committer, HoldIndex);
    let service = Service {
        stocks: stocks.clone(),
        clock: boot.clock(),
        hold_for: SignedDuration::from_secs(settings.hold_seconds.into()),
    };
    boot.provide::<dyn Inventory>(Arc::new(service.clone()));

    let keys = Idempotency::start(boot, &committer);
    let app = App { service, database, ids: boot.ids() };
    boot.public(keys.around(http::routes().with_state(app).into()));

    let follow = FollowProgramme { stocks: stocks.clone() };
    bus::subscribe::<CatalogEvent>(boot, &committer, "inventory", follow)?;
    let (clock, expiring) = (boot.clock(), stocks.clone());
    store::on_wake(boot, &stocks, move |cx, event_id| {
        let (stocks, now) = (expiring.clone(), clock.now());
        async move {
            let expiry = stocks.execute(&cx, event_id, Command::ExpireHolds { now }).read(|_| ());
            expiry.await.map_err(HandlerError::from)
        }
    });
    Ok(())
}

#[cfg(test)]
mod tests {
    #[test]
    fn every_problem_has_a_slug_of_its_own() {
        let mut slugs: Vec<&str> = crate::problems::ALL.iter().map(|kind| kind.slug).collect();
        slugs.sort_unstable();
        slugs.dedup();
        assert_eq!(slugs.len(), crate::problems::ALL.len());
    }
}
