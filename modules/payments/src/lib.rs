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
mod signature;
mod stripe;
mod token;
mod views;

use std::sync::Arc;

use contracts::{
    catalog::Catalog,
    payments::{PaymentEvent, Payments},
};
use edge::{Idempotency, token::TokenKeys};
use runtime::{
    Boot, IntegrationEvents, Module, Needed, Provided, SectionSpec, StartError, WebClient,
};
use store::{Committer, Events, LogView, LogViews, Projection, Schema};

use crate::{
    announcements::announce,
    domain::Payment,
    http::App,
    provider::Provider,
    sandbox::{
        SandboxProvider,
        webhooks::{Sender, channel},
    },
    service::Service,
    settings::{PaymentsSettings, ProviderName, SandboxSettings},
    signature::Secrets,
    stripe::StripeProvider,
    views::PaymentList,
};

/// The service's face to the registry.
pub static MODULE: Module = Module {
    name: "payments",
    about: "charges, refunds, payment providers",
    prefixes: &["/v1/payments", "/v1/refunds", "/v1/payment-webhooks"],
    provides: &[Provided::of::<dyn Payments>()],
    requires: &[
        Needed::of::<dyn TokenKeys>(&["token_keys"]),
        Needed::of::<dyn Catalog>(&["membership"]),
    ],
    publishes: bus::with_audit!(PaymentEvent::NAMES, "payments"),
    consumes: &[],
    settings: Some(SectionSpec::of::<PaymentsSettings>()),
    schema: Some(&SCHEMA),
    views: Some(&VIEWS),
    openapi: || edge::openapi::describe("payments", http::routes(), problems::ALL),
    start: |boot| Box::pin(start(boot)),
};

static SCHEMA: Schema = store::schema!(
    "payments",
    &[views::STATEMENTS, views::sandbox::STATEMENTS, views::webhooks::STATEMENTS]
);

static VIEWS: LogViews = LogViews {
    schema: &SCHEMA,
    views: &[LogView {
        name: "payments",
        tables: &["payments", "refunds"],
        logs: &[&Projection::<Payment, PaymentList>::by(&PaymentList)],
    }],
    tells: None,
};

async fn start(boot: &mut Boot) -> Result<(), StartError> {
    service::describe_metrics();
    let settings: PaymentsSettings = boot.settings();
    let database = store::open(boot, &SCHEMA).await?;
    let committer = Committer::start(boot, &database);
    let payments: Events<Payment> = Events::new(&committer, PaymentList);
    let provider: Arc<dyn Provider> = match settings.provider {
        ProviderName::Sandbox => Arc::new(sandbox(boot, &settings.sandbox, &committer)?),
        ProviderName::Stripe => {
            let limit = settings.provider_timeout;
            Arc::new(StripeProvider::new(&settings.stripe, boot.clock(), limit)?)
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
    store::check_replay(boot, &VIEWS, &[&payments]);
    bus::publish::<PaymentEvent, Payment>(boot, &payments, announce)?;

    let waking = service.clone();
    service::forget_old_webhooks(boot, &committer);
    store::on_wake(boot, &payments, move |cx, order_id| {
        let service = waking.clone();
        async move { service.wake(&cx, order_id).await }
    });
    let app = App { service, database, catalog: boot.client::<dyn Catalog>()? };
    let keys = Idempotency::start(boot, &committer);
    boot.public(keys.around(http::routes().with_state(app).into()));
    Ok(())
}

/// The sandbox, with somebody to send its webhooks where it is told where to.
fn sandbox(
    boot: &Boot,
    settings: &SandboxSettings,
    committer: &Committer,
) -> Result<SandboxProvider, StartError> {
    let secrets = Secrets::parse(&settings.webhook_secrets);
    let notifier = if settings.webhook_url.is_empty() {
        None
    } else {
        let (notifier, waiting) = channel();
        let sender = Sender {
            client: WebClient::new()?,
            url: settings.webhook_url.clone(),
            secrets: secrets.clone(),
            clock: boot.clock(),
            ids: boot.ids(),
        };
        boot.spawn("sandbox webhooks", |stop| sender.run(waiting, stop));
        Some(notifier)
    };
    Ok(SandboxProvider { committer: committer.clone(), clock: boot.clock(), secrets, notifier })
}
