//! Notifications: what people are told, and what became of telling them.

mod domain;
mod http;
mod reactions;
mod views;

use contracts::orders::OrderEvent;
use edge::token::TokenKeys;
use runtime::{Boot, Module, Needed, StartError};
use store::{Committer, Schema};

use crate::{http::App, reactions::TellBuyers};

/// The service's face to the registry.
pub static MODULE: Module = Module {
    name: "notifications",
    about: "what people are told: confirmations and cancellations",
    prefixes: &["/v1/notifications"],
    provides: &[],
    requires: &[Needed::of::<dyn TokenKeys>(&["token_keys"])],
    publishes: &[],
    consumes: &["orders.order_confirmed", "orders.order_cancelled"],
    settings: None,
    schema: Some(&SCHEMA),
    openapi: || edge::openapi::describe("notifications", http::routes(), &[]),
    start: |boot| Box::pin(start(boot)),
};

static SCHEMA: Schema = store::schema!("notifications");

async fn start(boot: &mut Boot) -> Result<(), StartError> {
    let database = store::open(boot, &SCHEMA).await?;
    let committer = Committer::start(boot, &database);
    boot.public(http::routes().with_state(App { database }).into());
    bus::subscribe::<OrderEvent>(boot, &committer, "notifications", TellBuyers)
}
