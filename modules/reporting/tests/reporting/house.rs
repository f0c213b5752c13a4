//! A node with reporting on it, an orders and a tickets that tell what a test makes up, a catalog with
//! one organizer, and people.

use std::{
    sync::{Arc, LazyLock},
    time::Duration,
};

use bus::{Envelope, Hub};
use contracts::{
    catalog::{Catalog, CatalogError, FindMembership, FindSaleTerms, Membership, SaleTerms},
    money::TaxRounding,
    orders::OrderEvent,
    tickets::TicketEvent,
};
use edge::token::{
    AccessClaims, TokenKeySet, TokenKeys, TokenKeysError, TokenKeysRequest, TokenSigner,
    new_private_key_pem,
};
use runtime::{
    Clock, Context, IntegrationEvents, Launch, Module, Provided, Role, SectionSpec, SystemRandom,
    async_trait,
};
use serde_json::{Value, json};
use testkit::{Client, Composition, Sandbox, Storage, TestClock, eventually};
use uuid::Uuid;

use crate::told;

/// It is noon on this day in every house.
const TODAY: &str = "2027-03-01T12:00:00Z";

/// Runs events for the organizer.
pub(crate) const ANNA: Uuid = Uuid::from_u128(0xA);
/// Runs none.
pub(crate) const BEN: Uuid = Uuid::from_u128(0xB);
/// Whom Anna works for.
pub(crate) const STALLS: Uuid = Uuid::from_u128(0x5EA7);
pub(crate) const CARA: Uuid = Uuid::from_u128(0xC);
/// Of which nobody is a member.
pub(crate) const HILLTOP: Uuid = Uuid::from_u128(0xF2);
pub(crate) const RIVERSIDE: Uuid = Uuid::from_u128(0xF);
/// A published event of Riverside's.
pub(crate) const QUARTET: Uuid = Uuid::from_u128(0xE);

/// Where the others are told what to tell.
const TELL_TRAIL: &str = "/v1/told-by-payments";
const TELL_ORDERS: &str = "/v1/told-by-orders";
const TELL_TICKETS: &str = "/v1/told-by-tickets";

pub(crate) struct House {
    sandbox: Sandbox,
}

impl House {
    pub(crate) async fn open(storage: Storage) -> Self {
        let builder = Sandbox::builder(COMPOSITION).database(storage);
        Self { sandbox: builder.clock(TestClock::at(TODAY)).start().await }
    }

    pub(crate) fn public(&self) -> Client {
        self.sandbox.client()
    }

    pub(crate) fn person(&self, id: Uuid, role: Role) -> Client {
        let (session, token) = (Uuid::from_u128(1), Uuid::from_u128(2));
        let (now, lifetime) = (self.sandbox.clock().now(), Duration::from_hours(1));
        let claims = AccessClaims::new(id, vec![role], session, token, now, lifetime);
        self.public().with_token(SIGNER.sign(&claims).expect("claims can be signed"))
    }

    pub(crate) fn anna(&self) -> Client {
        self.person(ANNA, Role::Organizer)
    }

    pub(crate) fn ben(&self) -> Client {
        self.person(BEN, Role::Organizer)
    }

    pub(crate) fn admin(&self) -> Client {
        self.person(Uuid::from_u128(0xAD), Role::Admin)
    }

    /// Makes the standing check, which is to find nothing.
    pub(crate) async fn check(&self) {
        self.sandbox.check().await;
    }

    /// An event with the id `id` is told, which happened `ago` seconds ago.
    pub(crate) async fn tell<E: IntegrationEvents>(&self, id: u128, ago: u64, event: &E) {
        let payload = json!(event);
        let tag = payload["type"].as_str().expect("events have types");
        let name = format!("{}.{tag}", E::PUBLISHER);
        let envelope = Envelope {
            id: Uuid::from_u128(id),
            schema_version: E::version(&name),
            event_type: name,
            key: event.key(),
            time: self.sandbox.clock().now() - Duration::from_secs(ago),
            correlation_id: "a purchase".to_owned(),
            causation_id: None,
            traceparent: String::new(),
            payload,
            fault: None,
        };
        let path = if E::PUBLISHER == "orders" { TELL_ORDERS } else { TELL_TICKETS };
        let _told = self.public().post(path, &envelope).await.expect(204);
    }

    /// The report at `path`, once it has taken in so much of what orders and tickets told.
    pub(crate) async fn report(&self, path: &str, orders: i64, tickets: i64) -> Value {
        let anna = self.anna();
        eventually(format!("a report of {orders} and {tickets} events"), || async {
            let report = anna.get(path).await.expect(200).value();
            let positions = ["/sources/0/position", "/sources/1/position"];
            let [read, scanned] = positions.map(|it| report.pointer(it).and_then(Value::as_i64));
            if (read, scanned) == (Some(orders), Some(tickets)) { Ok(report) } else { Err(report) }
        })
        .await
    }
}

/// What a trail tells: the `id`-th change, so many seconds after noon.
pub(crate) struct Change<'a> {
    pub(crate) id: u128,
    pub(crate) second: i64,
    pub(crate) thing: u128,
    pub(crate) what: &'a str,
    pub(crate) actor: &'a str,
    pub(crate) request: &'a str,
}

impl House {
    /// The trail of payments tells of a change.
    pub(crate) async fn trail(&self, change: Change<'_>) {
        let noon: runtime::Timestamp = TODAY.parse().expect("it is an instant");
        let envelope = Envelope {
            id: Uuid::from_u128(change.id),
            event_type: "payments.audit".to_owned(),
            schema_version: 1,
            key: Uuid::from_u128(change.thing),
            time: noon + jiff::SignedDuration::from_secs(change.second),
            correlation_id: change.request.to_owned(),
            causation_id: None,
            traceparent: String::new(),
            payload: json!({
                "aggregate": "payment",
                "version": change.id,
                "event": change.what,
                "actor": change.actor,
                "reason": "because",
            }),
            fault: None,
        };
        let _told = self.public().post(TELL_TRAIL, &envelope).await.expect(204);
    }

    /// The ids of the records at `path`, once there are so many of them, page by page.
    pub(crate) async fn audit(&self, filter: &str, count: usize) -> Vec<u128> {
        let admin = self.admin();
        eventually(format!("{count} records for {filter}"), || async {
            let mut ids = Vec::new();
            let mut path = format!("/v1/audit?limit=2{filter}");
            loop {
                let page = admin.get(&path).await.expect(200).value();
                let items = page["items"].as_array().cloned().unwrap_or_default();
                ids.extend(items.iter().filter_map(|it| it["id"].as_str()?.parse::<Uuid>().ok()));
                let Value::String(cursor) = &page["next_cursor"] else { break };
                path = format!("/v1/audit?limit=2{filter}&cursor={cursor}");
            }
            if ids.len() == count { Ok(ids) } else { Err(format!("{ids:?}")) }
        })
        .await
        .into_iter()
        .map(|id| id.as_u128())
        .collect()
    }
}

/// Where the sales of an event are.
pub(crate) fn sales_of(event_id: Uuid) -> String {
    format!("/v1/reports/events/{event_id}/sales")
}

/// An order of so many tickets for 25 euros each.
pub(crate) fn confirmed(order: u128, event_id: Uuid, tickets: u32) -> OrderEvent {
    event(json!({
        "type": "order_confirmed",
        "order_id": Uuid::from_u128(order),
        "order_code": "K7MPX2QA",
        "event_id": event_id,
        "event_name": "Quartet by the river",
        "organizer_id": RIVERSIDE,
        "buyer_id": CARA,
        "items": items(tickets),
        "total": {"amount": 2500 * tickets, "currency": "EUR"},
        "confirmed_at": TODAY,
    }))
}

pub(crate) fn cancelled(order: u128, event_id: Uuid, tickets: u32) -> OrderEvent {
    event(json!({
        "type": "order_cancelled",
        "order_id": Uuid::from_u128(order),
        "event_id": event_id,
        "organizer_id": RIVERSIDE,
        "buyer_id": CARA,
        "items": items(tickets),
        "total": {"amount": 2500 * tickets, "currency": "EUR"},
        "cause": "buyer_cancelled",
    }))
}

pub(crate) fn positions_cancelled(order: u128, event_id: Uuid, tickets: u32) -> OrderEvent {
    event(json!({
        "type": "positions_cancelled",
        "order_id": Uuid::from_u128(order),
        "event_id": event_id,
        "organizer_id": RIVERSIDE,
        "buyer_id": CARA,
        "positions": [1],
        "items": items(tickets),
        "amount": {"amount": 2500 * tickets, "currency": "EUR"},
        "reason": "the seat is broken",
    }))
}

pub(crate) fn refunded(order: u128, event_id: Uuid, amount: u32) -> OrderEvent {
    event(json!({
        "type": "order_refunded",
        "order_id": Uuid::from_u128(order),
        "event_id": event_id,
        "organizer_id": RIVERSIDE,
        "buyer_id": CARA,
        "amount": {"amount": amount, "currency": "EUR"},
        "partial": true,
        "cause": "the bar was closed",
    }))
}

/// An order for somebody else's event.
pub(crate) fn confirmed_elsewhere(order: u128, event_id: Uuid) -> OrderEvent {
    let mut elsewhere = json!(confirmed(order, event_id, 1));
    elsewhere["organizer_id"] = json!(HILLTOP);
    elsewhere["total"] = json!({"amount": 4000, "currency": "JPY"});
    event(elsewhere)
}

/// An order that was confirmed at another time than noon.
pub(crate) fn confirmed_at(order: u128, event_id: Uuid, at: &str) -> OrderEvent {
    let mut confirmed = json!(confirmed(order, event_id, 1));
    confirmed["confirmed_at"] = json!(at);
    event(confirmed)
}

pub(crate) fn admitted(ticket: u128, event_id: Uuid) -> TicketEvent {
    event(json!({
        "type": "ticket_admitted",
        "order_id": Uuid::from_u128(7),
        "ticket_id": Uuid::from_u128(ticket),
        "event_id": event_id,
        "admitted_at": TODAY,
    }))
}

fn items(tickets: u32) -> Value {
    let seat = STALLS;
    let price = json!({"amount": 2500, "currency": "EUR"});
    json!([{"ticket_type_id": seat, "name": "Stalls", "quantity": tickets, "unit_price": price}])
}

fn event<E: IntegrationEvents>(json: Value) -> E {
    serde_json::from_value(json).expect("an event as the contract has it")
}

static SIGNER: LazyLock<TokenSigner> = LazyLock::new(|| {
    let pem = new_private_key_pem(&SystemRandom::default());
    TokenSigner::from_pem(&pem).expect("a new key is a key")
});

static MODULES: &[&Module] = &[
    &KEYS,
    &CATALOG,
    &ORDERS,
    &TICKETS,
    &INVENTORY,
    &PAYMENTS,
    &NOTIFICATIONS,
    &reporting::MODULE,
];

const COMPOSITION: Composition = Composition {
    modules: MODULES,
    sections: &[
        SectionSpec::of::<bus::BusSettings>(),
        SectionSpec::of::<edge::EdgeSettings>(),
        SectionSpec::of::<store::DatabaseSettings>(),
    ],
    launch: |config| {
        Launch::new(config, MODULES)
            .extension(Arc::new(Hub::new()))
            .public_stack(edge::public_stack)
    },
};

/// Gives out the key of the tokens that these tests sign.
static KEYS: Module = Module {
    name: "identity",
    about: "keys for tokens",
    prefixes: &[],
    provides: &[Provided::of::<dyn TokenKeys>()],
    requires: &[],
    publishes: &["identity.audit"],
    consumes: &[],
    settings: None,
    schema: None,
    views: None,
    openapi: utoipa::openapi::OpenApi::default,
    start: |boot| {
        boot.provide::<dyn TokenKeys>(Arc::new(OneKey));
        Box::pin(async { Ok(()) })
    },
};

struct OneKey;

#[async_trait]
impl TokenKeys for OneKey {
    async fn token_keys(
        &self,
        _cx: &Context,
        _request: TokenKeysRequest,
    ) -> Result<TokenKeySet, TokenKeysError> {
        Ok(TokenKeySet { keys: vec![SIGNER.public_key().clone()] })
    }
}

/// A catalog with one organizer, one member of it and one event.
static CATALOG: Module = Module {
    name: "catalog",
    about: "the programme",
    prefixes: &[],
    provides: &[Provided::of::<dyn Catalog>()],
    requires: &[],
    publishes: &["catalog.audit"],
    consumes: &[],
    settings: None,
    schema: None,
    views: None,
    openapi: utoipa::openapi::OpenApi::default,
    start: |boot| {
        boot.provide::<dyn Catalog>(Arc::new(OneOrganizer));
        Box::pin(async { Ok(()) })
    },
};

struct OneOrganizer;

#[async_trait]
impl Catalog for OneOrganizer {
    async fn sale_terms(
        &self,
        _cx: &Context,
        request: FindSaleTerms,
    ) -> Result<SaleTerms, CatalogError> {
        let event_id = request.event_id;
        if event_id != QUARTET {
            return Err(CatalogError::EventUnknown { event_id });
        }
        Ok(SaleTerms {
            event_id,
            organizer_id: RIVERSIDE,
            event_name: "Quartet by the river".to_owned(),
            starts_at: TODAY.parse().expect("it is an instant"),
            time_zone: "Europe/Berlin".to_owned(),
            venue_name: "Boathouse".to_owned(),
            on_sale: true,
            tax_rounding: TaxRounding::PerLine,
            ticket_types: Vec::new(),
        })
    }

    async fn membership(
        &self,
        _cx: &Context,
        request: FindMembership,
    ) -> Result<Membership, CatalogError> {
        let is_member = (request.organizer_id, request.user_id) == (RIVERSIDE, ANNA);
        Ok(Membership { is_member })
    }
}

/// Tells what a test makes up.
static ORDERS: Module = Module {
    name: "orders",
    about: "tells of orders",
    prefixes: &[TELL_ORDERS],
    provides: &[],
    requires: &[],
    publishes: bus::with_audit!(OrderEvent::NAMES, "orders"),
    consumes: &[],
    settings: None,
    schema: None,
    views: None,
    openapi: utoipa::openapi::OpenApi::default,
    start: |boot| told::start::<OrderEvent>(boot, TELL_ORDERS),
};

/// Tells what a test makes up.
static TICKETS: Module = Module {
    name: "tickets",
    about: "tells of tickets",
    prefixes: &[TELL_TICKETS],
    provides: &[],
    requires: &[],
    publishes: bus::with_audit!(TicketEvent::NAMES, "tickets"),
    consumes: &[],
    settings: None,
    schema: None,
    views: None,
    openapi: utoipa::openapi::OpenApi::default,
    start: |boot| told::start::<TicketEvent>(boot, TELL_TICKETS),
};

/// A module that has nothing but a trail, which stays empty.
const fn silent(name: &'static str, publishes: &'static [&'static str]) -> Module {
    Module {
        name,
        about: "says nothing",
        prefixes: &[],
        provides: &[],
        requires: &[],
        publishes,
        consumes: &[],
        settings: None,
        schema: None,
        views: None,
        openapi: utoipa::openapi::OpenApi::default,
        start: |_boot| Box::pin(async { Ok(()) }),
    }
}

static INVENTORY: Module = silent("inventory", &["inventory.audit"]);
static NOTIFICATIONS: Module = silent("notifications", &["notifications.audit"]);

/// Tells whose trail a test makes up.
static PAYMENTS: Module = Module {
    prefixes: &[TELL_TRAIL],
    start: |boot| told::start_as(boot, "payments.audit", TELL_TRAIL),
    ..silent("payments", &["payments.audit"])
};
