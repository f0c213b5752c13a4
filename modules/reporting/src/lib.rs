//! Reporting: what was sold, as far as other services have told.

mod domain;
mod http;
mod reactions;
mod views;

use contracts::{catalog::Catalog, orders::OrderEvent, tickets::TicketEvent};
use edge::token::TokenKeys;
use runtime::{Boot, Module, Needed, StartError};
use store::{Committer, Schema};

use crate::{
    http::App,
    reactions::{CountAdmissions, CountSales},
};

/// The service's face to the registry.
pub static MODULE: Module = Module {
    name: CONSUMER,
    about: "sales of events: tickets, revenue, cancellations, admissions",
    prefixes: &["/v1/reports"],
    provides: &[],
    requires: &[
        Needed::of::<dyn TokenKeys>(&["token_keys"]),
        Needed::of::<dyn Catalog>(&["sale_terms", "membership"]),
    ],
    publishes: &[],
    consumes: &["orders.order_confirmed", "orders.order_cancelled", "tickets.ticket_admitted"],
    settings: None,
    schema: Some(&SCHEMA),
    openapi: || edge::openapi::describe(CONSUMER, http::routes(), &[]),
    start: |boot| Box::pin(start(boot)),
};

/// Under which name it remembers how far it has read.
const CONSUMER: &str = "reporting";

static SCHEMA: Schema = store::schema!("reporting");

async fn start(boot: &mut Boot) -> Result<(), StartError> {
    let database = store::open(boot, &SCHEMA).await?;
    let committer = Committer::start(boot, &database);
    let catalog = boot.client::<dyn Catalog>()?;
    boot.public(http::routes().with_state(App { database, catalog }).into());
    let clock = boot.clock();
    bus::subscribe::<OrderEvent>(boot, &committer, CONSUMER, CountSales(clock.clone()))?;
    bus::subscribe::<TicketEvent>(boot, &committer, CONSUMER, CountAdmissions(clock))
}
