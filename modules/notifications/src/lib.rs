//! Notifications: what people are told by mail, in whose words, and what became of telling them.

mod domain;
mod http;
mod measures;
mod pace;
mod reactions;
mod sending;
mod settings;
mod templates;
mod transport;
mod views;

use std::sync::Arc;

use contracts::{
    catalog::Catalog,
    orders::{OrderEvent, Orders},
    tickets::Tickets,
};
use edge::token::TokenKeys;
use runtime::{Boot, Module, Needed, SectionSpec, StartError};
use store::{Committer, Events, LogView, LogViews, Projection, Schema};

use crate::{
    domain::{mail::Mail, stationery::Stationery},
    http::App,
    pace::Pace,
    reactions::TellBuyers,
    sending::PostOffice,
    settings::{NotificationsSettings, TransportName},
    views::MailList,
};

/// The service's face to the registry.
pub static MODULE: Module = Module {
    name: "notifications",
    about: "what people are told by mail: confirmations, cancellations, refunds",
    prefixes: &["/v1/notifications", "/v1/admin/notifications"],
    provides: &[],
    requires: &[
        Needed::of::<dyn TokenKeys>(&["token_keys"]),
        Needed::of::<dyn Catalog>(&["sale_terms", "membership"]),
        Needed::of::<dyn Orders>(&["contact", "find_order"]),
        Needed::of::<dyn Tickets>(&["print"]),
    ],
    publishes: &["notifications.audit"],
    consumes: &[
        "orders.order_fulfilled",
        "orders.positions_cancelled",
        "orders.order_refunded",
        "orders.paid_too_late",
        "orders.order_cancelled",
    ],
    settings: Some(SectionSpec::of::<NotificationsSettings>()),
    schema: Some(&SCHEMA),
    views: Some(&VIEWS),
    openapi: || edge::dead_letters::describe("notifications", http::routes(), &[]),
    start: |boot| Box::pin(start(boot)),
};

static SCHEMA: Schema = store::schema!("notifications", &[views::STATEMENTS]);

static VIEWS: LogViews = LogViews {
    schema: &SCHEMA,
    views: &[LogView {
        name: "notifications",
        tables: &["notifications"],
        logs: &[&Projection::<Mail, MailList>::by(&MailList)],
    }],
    tells: None,
};

/// How many mails are under way at once where no mail server limits it.
const AT_ONCE: u32 = 2;

async fn start(boot: &mut Boot) -> Result<(), StartError> {
    measures::describe();
    let settings: NotificationsSettings = boot.settings();
    let data_dir = boot.config().node().data_dir;
    let (sender, transport) = transport::open(&settings, &data_dir).await?;
    let database = store::open(boot, &SCHEMA).await?;
    let committer = Committer::start(boot, &database);
    let mails: Events<Mail> = Events::new(&committer, MailList);
    let stationery: Events<Stationery> = Events::new(&committer, ());
    let catalog = boot.client::<dyn Catalog>()?;
    let clock = boot.clock();
    let at_once = match settings.transport {
        TransportName::Smtp => settings.smtp.connections,
        TransportName::File | TransportName::Log => AT_ONCE,
    };
    let office = Arc::new(PostOffice {
        mails: mails.clone(),
        stationery: stationery.clone(),
        orders: boot.client::<dyn Orders>()?,
        tickets: boot.client::<dyn Tickets>()?,
        catalog: Arc::clone(&catalog),
        transport,
        sender,
        sender_name: settings.sender_name.clone(),
        patience: settings.give_up_after,
        pace: Pace::new(at_once, settings.per_second),
        clock: Arc::clone(&clock),
        random: boot.random(),
    });
    edge::dead_letters::serve(boot, &database);
    let app = App {
        database,
        mails: mails.clone(),
        stationery: stationery.clone(),
        catalog,
        sender_name: settings.sender_name.into(),
        clock: Arc::clone(&clock),
    };
    boot.public(http::routes().with_state(app).into());
    bus::publish_audit(boot, &committer)?;
    store::check_replay(boot, &VIEWS, &[&mails, &stationery]);
    let tell = TellBuyers { mails: mails.clone(), patience: settings.give_up_after, clock };
    bus::subscribe::<OrderEvent>(boot, &committer, "notifications", tell)?;
    store::on_wake(boot, &mails, move |cx, mail_id| {
        let office = Arc::clone(&office);
        async move { office.wake(&cx, mail_id).await }
    });
    Ok(())
}
