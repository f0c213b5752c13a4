//! Reporting: what was sold, and who changed what, as far as other services have told.

mod check;
mod csv;
mod domain;
mod http;
mod reactions;
mod views;

use bus::{FeedView, FeedViews, FromAudit, FromEvents};
use contracts::{catalog::Catalog, orders::OrderEvent, tickets::TicketEvent};
use edge::token::TokenKeys;
use runtime::{Boot, Module, Needed, StartError};
use store::{Committer, Schema};

use crate::{
    http::App,
    reactions::{Admissions, CountAdmissions, CountSales, KeepTrail, Sales},
};

/// The service's face to the registry.
pub static MODULE: Module = Module {
    name: NAME,
    about: "sales of events, what customers bought, the trail of all changes",
    prefixes: &["/v1/reports", "/v1/audit", "/v1/admin/reporting"],
    provides: &[],
    requires: &[
        Needed::of::<dyn TokenKeys>(&["token_keys"]),
        Needed::of::<dyn Catalog>(&["sale_terms", "membership"]),
    ],
    publishes: &[],
    consumes: &[
        "orders.order_confirmed",
        "orders.positions_cancelled",
        "orders.order_refunded",
        "orders.order_cancelled",
        "tickets.ticket_admitted",
        "identity.audit",
        "catalog.audit",
        "inventory.audit",
        "orders.audit",
        "payments.audit",
        "tickets.audit",
        "notifications.audit",
    ],
    settings: None,
    schema: Some(&SCHEMA),
    views: Some(&VIEWS),
    openapi: || edge::dead_letters::describe(NAME, http::routes(), &[]),
    start: |boot| Box::pin(start(boot)),
};

const NAME: &str = "reporting";

// Under which names it remembers how far it has read. The ledger of sales began with a name of its
// own, so that it has everything from the first order on.
const SALES: &str = "sales";
const ADMISSIONS: &str = NAME;
const TRAIL: &str = "audit";

static SCHEMA: Schema = store::schema!("reporting", views::STATEMENTS);

static VIEWS: FeedViews = FeedViews {
    schema: &SCHEMA,
    views: &[
        FeedView {
            name: "sales",
            tables: &["reported_events", "sales_ledger", "sold_items", "order_standings"],
            from: &FromEvents::<OrderEvent, Sales>::by(SALES, &Sales),
        },
        FeedView {
            name: "admissions",
            tables: &["admissions"],
            from: &FromEvents::<TicketEvent, Admissions>::by(ADMISSIONS, &Admissions),
        },
        FeedView {
            name: "audit",
            tables: &["audit_records"],
            from: &FromAudit::<KeepTrail>::by(TRAIL, &KeepTrail),
        },
    ],
};

async fn start(boot: &mut Boot) -> Result<(), StartError> {
    let database = store::open(boot, &SCHEMA).await?;
    let committer = Committer::start(boot, &database);
    let catalog = boot.client::<dyn Catalog>()?;
    let checking = database.clone();
    boot.check("sums", move || {
        let database = checking.clone();
        Box::pin(async move { check::sums(&database).await.map_err(|error| error.to_string()) })
    });
    edge::dead_letters::serve(boot, &database);
    boot.public(http::routes().with_state(App { database, catalog }).into());
    let clock = boot.clock();
    bus::subscribe::<OrderEvent>(boot, &committer, SALES, CountSales(clock.clone()))?;
    bus::subscribe::<TicketEvent>(boot, &committer, ADMISSIONS, CountAdmissions(clock))?;
    bus::keep_audit(boot, &committer, TRAIL, KeepTrail)
}
