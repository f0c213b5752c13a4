//! Catalog: the programme. Organizers with their members, venues, events with their ticket types and
//! prices, from draft to cancellation. How many tickets are left, inventory knows.

mod announcements;
mod domain;
mod http;
mod problems;
mod service;
mod shown;
mod views;

use std::sync::Arc;

use cache::Cache;
use contracts::catalog::{Catalog, CatalogEvent};
use edge::{Idempotency, token::TokenKeys};
use runtime::{Boot, IntegrationEvents, Module, Needed, Provided, StartError};
use store::{Committer, Events, LogView, LogViews, Projection, Schema};

use crate::{
    announcements::announce,
    domain::{Event, Organizer, Venue},
    service::Programme,
    shown::Shown,
    views::{events::EventView, organizers::OrganizerView, venues::VenueView},
};

/// The service's face to the registry.
pub static MODULE: Module = Module {
    name: "catalog",
    about: "organizers, venues, events, ticket types, prices",
    prefixes: &["/v1/organizers", "/v1/venues", "/v1/events"],
    provides: &[Provided::of::<dyn Catalog>()],
    requires: &[Needed::of::<dyn TokenKeys>(&["token_keys"])],
    publishes: bus::with_audit!(CatalogEvent::NAMES, "catalog"),
    consumes: &[],
    settings: None,
    schema: Some(&SCHEMA),
    views: Some(&VIEWS),
    openapi: || edge::openapi::describe("catalog", http::routes(), problems::ALL),
    start: |boot| Box::pin(start(boot)),
};

static SCHEMA: Schema = store::schema!("catalog", views::STATEMENTS);

static VIEWS: LogViews = LogViews {
    schema: &SCHEMA,
    views: &[
        LogView {
            name: "organizers",
            tables: &["organizer_view", "organizer_member"],
            logs: &[&Projection::<Organizer, OrganizerView>::by(&OrganizerView)],
        },
        LogView {
            name: "venues",
            tables: &["venue_view"],
            logs: &[&Projection::<Venue, VenueView>::by(&VenueView)],
        },
        LogView {
            name: "events",
            tables: &["event_view"],
            logs: &[&Projection::<Event, EventView>::by(&EventView)],
        },
    ],
    tells: None,
};

async fn start(boot: &mut Boot) -> Result<(), StartError> {
    let database = store::open(boot, &SCHEMA).await?;
    let committer = Committer::start(boot, &database);
    let programme = Arc::new(Programme {
        organizers: Events::new(&committer, OrganizerView),
        venues: Events::new(&committer, VenueView),
        events: Events::new(&committer, EventView),
        clock: boot.clock(),
        ids: boot.ids(),
        shown: Shown::new(&Cache::of(boot)),
        database,
    });
    bus::publish_audit(boot, &committer)?;
    store::check_replay(
        boot,
        &VIEWS,
        &[&programme.organizers, &programme.venues, &programme.events],
    );
    bus::publish::<CatalogEvent, Event>(boot, &programme.events, announce)?;
    let keys = Idempotency::start(boot, &committer);
    boot.public(keys.around(http::routes().with_state(Arc::clone(&programme)).into()));
    boot.provide::<dyn Catalog>(programme);
    Ok(())
}
