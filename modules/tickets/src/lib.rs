//! Tickets: issued for paid orders, with codes that doors can verify, passed on, printed, and checked
//! in once.

mod announcements;
mod code;
mod domain;
mod doors;
mod http;
mod keys;
mod paper;
mod press;
mod problems;
mod qr;
mod service;
mod settings;
mod views;

use std::sync::Arc;

use bus::{Told, Translator};
use contracts::{
    catalog::Catalog,
    tickets::{TicketEvent, Tickets},
};
use edge::{Idempotency, token::TokenKeys};
use runtime::{Boot, IntegrationEvents, Module, Needed, Provided, SectionSpec, StartError};
use store::{Committer, Events, LogView, LogViews, Projection, Schema};

use crate::{
    domain::{CheckInList, Door, OrderTickets},
    doors::Lately,
    press::Presses,
    service::Service,
    settings::TicketsSettings,
    views::{DoorTables, ListTable, TicketTables},
};

/// The service's face to the registry.
pub static MODULE: Module = Module {
    name: "tickets",
    about: "issued tickets, codes, transfers, check-in",
    prefixes: &["/v1/tickets", "/v1/check-ins", "/v1/check-in-lists"],
    provides: &[Provided::of::<dyn Tickets>()],
    requires: &[
        Needed::of::<dyn TokenKeys>(&["token_keys"]),
        Needed::of::<dyn Catalog>(&["membership", "sale_terms"]),
    ],
    publishes: bus::with_audit!(TicketEvent::NAMES, "tickets"),
    consumes: &[],
    settings: Some(SectionSpec::of::<TicketsSettings>()),
    schema: Some(&SCHEMA),
    views: Some(&VIEWS),
    openapi: || edge::openapi::describe("tickets", http::routes(), problems::ALL),
    start: |boot| Box::pin(start(boot)),
};

static SCHEMA: Schema = store::schema!("tickets", views::STATEMENTS);

static VIEWS: LogViews = LogViews {
    schema: &SCHEMA,
    views: &[
        LogView {
            name: "tickets",
            tables: &["tickets", "scans", "conflicts"],
            logs: &[
                &Projection::<OrderTickets, TicketTables>::by(&TicketTables),
                &Projection::<Door, DoorTables>::by(&DoorTables),
            ],
        },
        LogView {
            name: "check_in_lists",
            tables: &["check_in_lists"],
            logs: &[&Projection::<CheckInList, ListTable>::by(&ListTable)],
        },
    ],
    tells: Some(&TOLD),
};

static TOLD: Told<TicketEvent> =
    Told(|| vec![Translator::of::<OrderTickets>(announcements::announce)]);

async fn start(boot: &mut Boot) -> Result<(), StartError> {
    let codes = keys::open(boot).await?;
    let database = store::open(boot, &SCHEMA).await?;
    let committer = Committer::start(boot, &database);
    let tickets: Events<OrderTickets> = Events::new(&committer, TicketTables);
    let clock = boot.clock();
    let service = Arc::new(Service {
        database,
        tickets: tickets.clone(),
        lists: Events::<CheckInList>::new(&committer, ListTable),
        doors: Events::<Door>::new(&committer, DoorTables),
        catalog: boot.client::<dyn Catalog>()?,
        codes,
        posts: Lately::new(Arc::clone(&clock)),
        scanners: Lately::new(Arc::clone(&clock)),
        clock,
        ids: boot.ids(),
        random: boot.random(),
        presses: Presses::new(),
    });
    boot.provide::<dyn Tickets>(Arc::clone(&service) as Arc<dyn Tickets>);
    store::check_replay(boot, &VIEWS, &[&service.tickets, &service.lists, &service.doors]);
    let keys = Idempotency::start(boot, &committer);
    boot.public(keys.around(http::routes().with_state(service).into()));
    bus::publish_audit(boot, &committer)?;
    bus::publish_all(boot, tickets.committer().database(), (TOLD.0)())
}
