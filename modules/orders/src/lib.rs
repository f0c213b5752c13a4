//! Orders: the purchase, from hold to fulfilment, and back where it fails.

mod announcements;
mod code;
mod domain;
mod http;
mod problems;
mod reactions;
mod saga;
mod settings;
mod views;

use std::sync::Arc;

use contracts::{
    catalog::Catalog,
    inventory::Inventory,
    orders::OrderEvent,
    payments::{PaymentEvent, Payments},
    tickets::Tickets,
};
use edge::{Idempotency, token::TokenKeys};
use jiff::SignedDuration;
use runtime::{Boot, IntegrationEvents, Module, Needed, SectionSpec, StartError};
use store::{Committer, Events, HandlerError, Schema};
use tokio::sync::Semaphore;

use crate::{
    domain::Order, reactions::FollowPayments, saga::Purchases, settings::OrdersSettings,
    views::OrderList,
};

/// The service's face to the registry.
pub static MODULE: Module = Module {
    name: "orders",
    about: "the purchase, from hold to fulfilment",
    prefixes: &["/v1/orders"],
    provides: &[],
    requires: &[
        Needed::of::<dyn TokenKeys>(&["token_keys"]),
        Needed::of::<dyn Catalog>(&["sale_terms", "membership"]),
        Needed::of::<dyn Inventory>(&["hold", "find_hold", "confirm", "release"]),
        Needed::of::<dyn Payments>(&["open", "close", "refund"]),
        Needed::of::<dyn Tickets>(&["issue", "void"]),
    ],
    publishes: bus::with_audit!(OrderEvent::NAMES, "orders"),
    consumes: &["payments.payment_settled", "payments.payment_refunded"],
    settings: Some(SectionSpec::of::<OrdersSettings>()),
    schema: Some(&SCHEMA),
    openapi: || edge::openapi::describe("orders", http::routes(), problems::ALL),
    start: |boot| Box::pin(start(boot)),
};

static SCHEMA: Schema = store::schema!("orders");

/// How many readers may wait for orders at the same time; the others are answered at once.
const MOST_WAITING: usize = 128;

async fn start(boot: &mut Boot) -> Result<(), StartError> {
    let settings: OrdersSettings = boot.settings();
    let database = store::open(boot, &SCHEMA).await?;
    let committer = Committer::start(boot, &database);
    let orders: Events<Order> = Events::new(&committer, OrderList);
    let purchases = Arc::new(Purchases {
        database,
        orders: orders.clone(),
        catalog: boot.client::<dyn Catalog>()?,
        inventory: boot.client::<dyn Inventory>()?,
        payments: boot.client::<dyn Payments>()?,
        tickets: boot.client::<dyn Tickets>()?,
        clock: boot.clock(),
        random: boot.random(),
        payment_margin: SignedDuration::from_secs(settings.payment_margin_seconds.into()),
        waiting: Semaphore::new(MOST_WAITING),
    });

    let keys = Idempotency::start(boot, &committer);
    boot.public(keys.around(http::routes().with_state(Arc::clone(&purchases)).into()));

    bus::publish_audit(boot, &committer)?;
    bus::publish::<OrderEvent, Order>(boot, &orders, announcements::announce)?;
    let follow = FollowPayments(Arc::clone(&purchases));
    bus::subscribe::<PaymentEvent>(boot, &committer, "orders", follow)?;
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
