//! Inventory: quotas, numbered seats, holds, availability. Never one too many.

mod check;
mod domain;
mod http;
mod measures;
mod problems;
mod reactions;
mod service;
mod settings;
mod shown;
mod streams;
mod views;

use std::sync::Arc;

use cache::Cache;
use contracts::{catalog::CatalogEvent, inventory::Inventory};
use edge::{Idempotency, Pages, token::TokenKeys};
use jiff::SignedDuration;
use runtime::{Boot, Module, Needed, Provided, PublicSettings, SectionSpec, StartError};
use store::{Committer, Events, HandlerError, LogView, LogViews, Projection, Schema};

use crate::{
    domain::{Command, Stock},
    http::App,
    reactions::FollowProgramme,
    service::Service,
    settings::InventorySettings,
    streams::Streams,
    views::HoldIndex,
};

/// The service's face to the registry.
pub static MODULE: Module = Module {
    name: "inventory",
    about: "capacity, holds, availability",
    prefixes: &["/v1/availability", "/v1/holds", "/v1/admin/inventory"],
    provides: &[Provided::of::<dyn Inventory>()],
    requires: &[Needed::of::<dyn TokenKeys>(&["token_keys"])],
    publishes: &["inventory.audit"],
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
    views: Some(&VIEWS),
    openapi: || edge::dead_letters::describe("inventory", http::routes(), problems::ALL),
    start: |boot| Box::pin(start(boot)),
};

static SCHEMA: Schema = store::schema!("inventory", &[views::STATEMENTS]);

static VIEWS: LogViews = LogViews {
    schema: &SCHEMA,
    views: &[LogView {
        name: "holds",
        tables: &["holds"],
        logs: &[&Projection::<Stock, HoldIndex>::by(&HoldIndex)],
    }],
    tells: None,
};

async fn start(boot: &mut Boot) -> Result<(), StartError> {
    measures::describe();
    let settings: InventorySettings = boot.settings();
    let database = store::open(boot, &SCHEMA).await?;
    let committer = Committer::start(boot, &database);
    let stocks: Events<Stock> = Events::new(&committer, HoldIndex);
    let shown = Pages::new(&Cache::of(boot), "inventory.availability");
    let service = Service {
        stocks: stocks.clone(),
        clock: boot.clock(),
        hold_for: SignedDuration::from_secs(settings.hold_seconds.into()),
        open_holds: settings.open_holds_per_customer,
        pages: Arc::clone(&shown),
    };
    boot.provide::<dyn Inventory>(Arc::new(service.clone()));

    let keys = Idempotency::start(boot, &committer);
    let checking = (service.clone(), database.clone());
    boot.check("places", move || {
        let (service, database) = checking.clone();
        Box::pin(async move { check::places(&service, &database).await })
    });
    edge::dead_letters::serve(boot, &database);
    let public: PublicSettings = boot.settings();
    let app = App {
        service: service.clone(),
        database,
        ids: boot.ids(),
        streams: Streams::new(&settings, &public),
        draining: boot.draining(),
    };
    boot.public(keys.around(http::routes().with_state(app).into()));

    let follow = FollowProgramme { stocks: stocks.clone(), pages: shown, tasks: boot.tasks() };
    bus::publish_audit(boot, &committer)?;
    store::check_replay(boot, &VIEWS, &[&stocks]);
    bus::subscribe::<CatalogEvent>(boot, &committer, "inventory", follow)?;
    store::on_wake(boot, &stocks, move |cx, event_id| {
        let service = service.clone();
        async move {
            let command = Command::EndHolds { now: service.clock.now() };
            let expiry = service.stocks.execute(&cx, event_id, command).read(|_| ());
            service.execute(event_id, expiry).await.map_err(HandlerError::from)
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
