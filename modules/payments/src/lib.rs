//! Payments: charges, refunds, and the providers that move the money.

mod announcements;
mod card;
mod domain;
mod http;
mod problems;
mod provider;
mod sandbox;
mod service;
mod settings;
mod views;

use std::sync::Arc;

use contracts::{
    catalog::Catalog,
    payments::{PaymentEvent, Payments},
};
use edge::{Idempotency, token::TokenKeys};
use runtime::{Boot, IntegrationEvents, Module, Needed, Provided, SectionSpec, StartError};
use store::{Committer, Events, Schema};

use crate::{
    announcements::announce,
    domain::Payment,
    http::App,
    provider::Provider,
    sandbox::SandboxProvider,
    service::Service,
    settings::{PaymentsSettings, ProviderName},
    views::PaymentList,
};

/// The service's face to the registry.
pub static MODULE: Module = Module {
    name: "payments",
    about: "charges, refunds, payment providers",
    prefixes: &["/v1/payments", "/v1/refunds"],
    provides: &[Provided::of::<dyn Payments>()],
    requires: &[
        Needed::of::<dyn TokenKeys>(&["token_keys"]),
        Needed::of::<dyn Catalog>(&["membership"]),
    ],
    publishes: bus::with_audit!(PaymentEvent::NAMES, "payments"),
    consumes: &[],
    settings: Some(SectionSpec::of::<PaymentsSettings>()),
    schema: Some(&SCHEMA),
    openapi: || edge::openapi::describe("payments", http::routes(), problems::ALL),
    start: |boot| Box::pin(start(boot)),
};

static SCHEMA: Schema = store::schema!("payments");

async fn start(boot: &mut Boot) -> Result<(), StartError> {
    service::describe_metrics();
    let settings: PaymentsSettings = boot.settings();
    let database = store::open(boot, &SCHEMA).await?;
    let committer = Committer::start(boot, &database);
    let payments: Events<Payment> = Events::new(&committer, PaymentList);
    let provider: Arc<dyn Provider> = match settings.provider {
        ProviderName::Sandbox => {
            Arc::new(SandboxProvider { committer: committer.clone(), clock: boot.clock() })
        }
    };
    let service = Service {
        payments: payments.clone(),
        provider,
        clock: boot.clock(),
        ids: boot.ids(),
        provider_timeout: settings.provider_timeout,
    };
    boot.provide::<dyn Payments>(Arc::new(service.clone()));
    bus::publish_audit(boot, &committer)?;
    bus::publish::<PaymentEvent, Payment>(boot, &payments, announce)?;

    let waking = service.clone();
    store::on_wake(boot, &payments, move |cx, order_id| {
        let service = waking.clone();
        async move { service.wake(&cx, order_id).await }
    });
    let app = App { service, database, catalog: boot.client::<dyn Catalog>()? };
    let keys = Idempotency::start(boot, &committer);
    boot.public(keys.around(http::routes().with_state(app).into()));
    Ok(())
}
