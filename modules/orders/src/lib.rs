//! Orders: the purchase, from hold to fulfilment, and back where it fails.

mod announcements;
mod cancellation;
mod check;
mod code;
mod domain;
mod errands;
mod guests;
mod http;
mod job;
mod measures;
mod pricing;
mod problems;
mod reactions;
mod resource;
mod saga;
mod service;
mod settings;
mod steps;
mod views;
mod waiting;

use std::sync::Arc;

use bus::{Told, Translator};
use contracts::{
    catalog::{Catalog, CatalogEvent},
    identity::Identity,
    inventory::Inventory,
    orders::{OrderEvent, Orders},
    payments::{PaymentEvent, Payments},
    tickets::Tickets,
};
use edge::{Idempotency, token::TokenKeys};
use jiff::SignedDuration;
use runtime::{Boot, IntegrationEvents, Module, Needed, Provided, SectionSpec, StartError};
use store::{Committer, Events, HandlerError, LogView, LogViews, Projection, Schema};

use crate::{
    cancellation::Cancellation,
    domain::Order,
    guests::GuestLimits,
    measures::Measured,
    reactions::{FollowCatalog, FollowPayments},
    saga::Purchases,
    settings::OrdersSettings,
    views::OrderList,
    waiting::Waiting,
};

/// The service's face to the registry.
pub static MODULE: Module = Module {
    name: "orders",
    about: "the purchase, from hold to fulfilment",
    prefixes: &["/v1/orders", "/v1/admin/orders"],
    provides: &[Provided::of::<dyn Orders>()],
    requires: &[
        Needed::of::<dyn TokenKeys>(&["token_keys"]),
        Needed::of::<dyn Catalog>(&["sale_terms", "membership"]),
        Needed::of::<dyn Identity>(&["user", "admit_guest"]),
        Needed::of::<dyn Inventory>(&["hold", "find_hold", "confirm", "release", "release_places"]),
        Needed::of::<dyn Payments>(&["open", "close", "refund", "find"]),
        Needed::of::<dyn Tickets>(&["issue", "void", "find"]),
    ],
    publishes: bus::with_audit!(OrderEvent::NAMES, "orders"),
    consumes: &[
        "payments.payment_settled",
        "payments.payment_refunded",
        "payments.refund_failed",
        "catalog.event_cancelled",
    ],
    settings: Some(SectionSpec::of::<OrdersSettings>()),
    schema: Some(&SCHEMA),
    views: Some(&VIEWS),
    openapi: || edge::dead_letters::describe("orders", http::routes(), problems::ALL),
    start: |boot| Box::pin(start(boot)),
};

static SCHEMA: Schema = store::schema!("orders", &[views::STATEMENTS]);

static VIEWS: LogViews = LogViews {
    schema: &SCHEMA,
    views: &[LogView {
        name: "orders",
        tables: &["orders"],
        logs: &[&Projection::<Order, OrderList>::by(&OrderList)],
    }],
    tells: Some(&TOLD),
};

static TOLD: Told<OrderEvent> = Told(|| vec![Translator::of::<Order>(announcements::announce)]);

async fn start(boot: &mut Boot) -> Result<(), StartError> {
    let settings: OrdersSettings = boot.settings();
    let database = store::open(boot, &SCHEMA).await?;
    let committer = Committer::start(boot, &database);
    let orders: Events<Order> = Events::new(&committer, Measured(OrderList));
    let cancellations: Events<Cancellation> = Events::new(&committer, ());
    let (errands, queue) = errands::errands();
    measures::describe();
    edge::dead_letters::serve(boot, &database);
    let purchases = Arc::new(Purchases {
        database,
        orders: orders.clone(),
        cancellations: cancellations.clone(),
        catalog: boot.client::<dyn Catalog>()?,
        identity: boot.client::<dyn Identity>()?,
        inventory: boot.client::<dyn Inventory>()?,
        payments: boot.client::<dyn Payments>()?,
        tickets: boot.client::<dyn Tickets>()?,
        clock: boot.clock(),
        ids: boot.ids(),
        random: boot.random(),
        payment_margin: SignedDuration::from_secs(settings.payment_margin_seconds.into()),
        waiting: Waiting::default(),
        guests: GuestLimits::new(&settings),
        errands,
    });
    boot.provide::<dyn Orders>(Arc::clone(&purchases) as Arc<dyn Orders>);
    let runner = Arc::clone(&purchases);
    boot.spawn("errands", move |stop| errands::run(runner, queue, stop));

    let keys = Idempotency::start(boot, &committer);
    boot.public(keys.around(http::routes().with_state(Arc::clone(&purchases)).into()));

    bus::publish_audit(boot, &committer)?;
    store::check_replay(boot, &VIEWS, &[&orders]);
    let checking = Arc::clone(&purchases);
    boot.check("books", move || {
        let purchases = Arc::clone(&checking);
        Box::pin(async move { check::books(&purchases).await })
    });
    bus::publish_all(boot, orders.committer().database(), (TOLD.0)())?;
    let follow = FollowPayments(Arc::clone(&purchases));
    bus::subscribe::<PaymentEvent>(boot, &committer, "orders", follow)?;
    let cancelled = FollowCatalog(Arc::clone(&purchases));
    bus::subscribe::<CatalogEvent>(boot, &committer, "orders", cancelled)?;
    let undoing = Arc::clone(&purchases);
    store::on_wake(boot, &cancellations, move |cx, event_id| {
        let purchases = Arc::clone(&undoing);
        async move {
            let undone = job::undo_orders(&purchases, &cx, event_id).await;
            undone.map_err(|error| HandlerError::transient(error.to_string()))
        }
    });
    store::on_wake(boot, &orders, move |cx, order_id| {
        let purchases = Arc::clone(&purchases);
        async move {
            let woken = purchases.wake(&cx, order_id).await;
            // Being stuck is no defect: others are away or have not made up their minds.
            woken.map_err(|stuck| HandlerError::transient(stuck.to_string()))
        }
    });
    Ok(())
}
