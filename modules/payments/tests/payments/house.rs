//! A node with payments on it, the services it needs and the one that needs it, and people.

use std::{
    sync::{Arc, LazyLock},
    time::Duration,
};

use aws_lc_rs::hmac;
use axum::http::Method;
use bus::{Hub, Query};
use contracts::{
    catalog::{Catalog, CatalogError, FindMembership, FindSaleTerms, Membership, SaleTerms},
    payments::{ClosePayment, FindPayment, OpenPayment, PaymentEvent, Payments, RefundOrder},
};
use edge::{
    Problem,
    token::{
        AccessClaims, TokenKeySet, TokenKeys, TokenKeysError, TokenKeysRequest, TokenSigner,
        new_private_key_pem,
    },
};
use jiff::SignedDuration;
use runtime::{
    Boot, BoxFuture, Clock, Context, IntegrationEvents, Launch, Module, Needed, Provided, Role,
    Router, SectionSpec, StartError, SystemRandom, Timestamp, async_trait,
};
use serde_json::{Value, json};
use store::Position;
use testkit::{Client, Composition, Reply, Sandbox, Storage, TestClock, eventually};
use uuid::Uuid;

/// It is noon on this day in every house, until a test says otherwise.
pub(crate) const TODAY: &str = "2027-03-01T12:00:00Z";
/// When payments in every house expire.
pub(crate) const EXPIRY: &str = "2027-03-01T12:14:00Z";

pub(crate) const ANNA: Uuid = Uuid::from_u128(0xA);
pub(crate) const BEN: Uuid = Uuid::from_u128(0xB);
pub(crate) const CARA: Uuid = Uuid::from_u128(0xC);
const RIVERSIDE: Uuid = Uuid::from_u128(0x10);

/// What webhooks are signed with.
pub(crate) const WEBHOOK_SECRET: &str = "whsec_house";

pub(crate) const GOOD: &str = "4242424242424242";
pub(crate) const DECLINED: &str = "4000000000000002";
pub(crate) const BROKE: &str = "4000000000009995";
pub(crate) const SILENT: &str = "4000000000000341";
pub(crate) const ASKS: &str = "4000000000003220";

/// An amount of euros on the wire.
pub(crate) fn eur(amount: i64) -> Value {
    json!({"amount": amount, "currency": "EUR"})
}

/// A signature as providers make them.
pub(crate) fn signed(body: &str, secret: &str, at: Timestamp) -> String {
    let seconds = at.as_second();
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
    let tag = hmac::sign(&key, format!("{seconds}.{body}").as_bytes());
    let nibbles = tag.as_ref().iter().flat_map(|byte| [byte >> 4, byte & 0xf]);
    let hex: String = nibbles.map(|it| char::from_digit(u32::from(it), 16).unwrap()).collect();
    format!("t={seconds},v1={hex}")
}

pub(crate) struct House {
    pub(crate) sandbox: Sandbox,
}

impl House {
    pub(crate) async fn open(storage: Storage) -> Self {
        let secrets = ("payments.sandbox.webhook_secrets", WEBHOOK_SECRET);
        Self::with(storage, &[("payments.provider_timeout", "1s"), secrets]).await
    }

    /// With a provider that may take so long.
    pub(crate) async fn waiting(storage: Storage, provider_timeout: &str) -> Self {
        Self::with(storage, &[("payments.provider_timeout", provider_timeout)]).await
    }

    /// With these settings.
    pub(crate) async fn with(storage: Storage, settings: &[(&str, &str)]) -> Self {
        let builder = Sandbox::builder(COMPOSITION).database(storage).clock(TestClock::at(TODAY));
        let told = settings.iter().fold(builder, |it, (key, value)| it.setting(key, *value));
        Self { sandbox: told.start().await }
    }

    /// Runs events of the organizer.
    pub(crate) fn anna(&self) -> Client {
        self.person(ANNA, Role::Organizer)
    }

    /// Runs other events.
    pub(crate) fn ben(&self) -> Client {
        self.person(BEN, Role::Organizer)
    }

    /// Buys tickets.
    pub(crate) fn cara(&self) -> Client {
        self.person(CARA, Role::Customer)
    }

    /// Buys other tickets.
    pub(crate) fn dora(&self) -> Client {
        self.person(Uuid::from_u128(0xD), Role::Customer)
    }

    pub(crate) fn admin(&self) -> Client {
        self.person(Uuid::from_u128(0xAD), Role::Admin)
    }

    fn person(&self, id: Uuid, role: Role) -> Client {
        let (session, token) = (Uuid::from_u128(1), Uuid::from_u128(2));
        let (now, lifetime) = (self.sandbox.clock().now(), Duration::from_hours(1));
        let claims = AccessClaims::new(id, vec![role], session, token, now, lifetime);
        self.sandbox.client().with_token(SIGNER.sign(&claims).expect("claims can be signed"))
    }

    pub(crate) fn advance(&self, by: SignedDuration) {
        self.sandbox.clock().advance(by);
    }

    /// Tells payments something as orders does: `open`, `close`, `refund` or `find`.
    pub(crate) async fn tell(&self, what: &str, request: &Value) -> Value {
        let path = format!("/v1/orders/{what}");
        self.sandbox.client().post(&path, request).await.expect(200).value()
    }

    /// As [`House::tell`], for closures.
    pub(crate) async fn tell_owned(&self, what: &str, request: Value) -> Value {
        self.tell(what, &request).await
    }

    /// Sends a webhook of the provider `name`.
    pub(crate) async fn webhook(
        &self,
        name: &str,
        body: &str,
        header: &'static str,
        signature: &str,
    ) -> Reply {
        let path = format!("/v1/payment-webhooks/{name}");
        let request = self.sandbox.client().request(Method::POST, &path).body(body);
        let typed = request.header("content-type", "application/json");
        typed.header(header, signature).await
    }

    /// A payment of Cara's for an order, and the order.
    pub(crate) async fn opened(&self, order: u128) -> Opened {
        self.opened_for(order, 5000).await
    }

    pub(crate) async fn opened_for(&self, order: u128, amount: i64) -> Opened {
        self.opened_in(order, amount, "EUR").await
    }

    pub(crate) async fn opened_in(&self, order: u128, amount: i64, currency: &str) -> Opened {
        let order_id = Uuid::from_u128(0x1000 + order);
        let request = json!({
            "order_id": order_id,
            "payer_id": CARA,
            "organizer_id": RIVERSIDE,
            "amount": {"amount": amount, "currency": currency},
            "expires_at": EXPIRY,
        });
        let reply = self.tell("open", &request).await;
        let payment_id = reply["Ok"]["payment_id"].as_str().expect("it is open").to_owned();
        let path = format!("/v1/payments/{payment_id}");
        Opened { order_id, payment_id, path }
    }

    /// A payment of Cara's that is settled.
    pub(crate) async fn paid(&self, order: u128) -> Opened {
        let opened = self.opened(order).await;
        let _paid = self.cara().post("/v1/payments", &opened.by_card(GOOD)).await.expect(201);
        opened
    }

    /// Waits until the payment says so.
    pub(crate) async fn becomes(&self, opened: &Opened, status: &str) -> Reply {
        eventually(format!("the payment to be {status}"), || async {
            let reply = self.cara().get(&opened.path).await.expect(200);
            let seen = reply.field("status");
            if seen == status { Ok(reply) } else { Err(seen) }
        })
        .await
    }

    /// Waits until payments has told others exactly this, in this order. On PostgreSQL a feed waits
    /// for every older transaction of the server, whoever's it is.
    pub(crate) async fn hears(&self, expected: &[&str]) -> Vec<Value> {
        eventually(format!("others to hear {expected:?}"), || async {
            let reply = self.sandbox.client().get("/v1/orders/heard").await.expect(200);
            let heard: Vec<Value> = reply.json();
            let types: Vec<&str> = heard.iter().filter_map(|it| it["type"].as_str()).collect();
            if types == expected { Ok(heard.clone()) } else { Err(format!("{types:?}")) }
        })
        .await
    }
}

/// A payment and its order.
pub(crate) struct Opened {
    pub(crate) order_id: Uuid,
    pub(crate) payment_id: String,
    pub(crate) path: String,
}

impl Opened {
    /// What paying it needs.
    pub(crate) fn by_card(&self, number: &str) -> Value {
        json!({"order_id": self.order_id, "method": {"kind": "card", "number": number}})
    }

    /// What orders names it by.
    pub(crate) fn order(&self) -> Value {
        json!({ "order_id": self.order_id })
    }

    /// What paying it with a provider's token needs.
    pub(crate) fn by_token(&self, token: &str) -> Value {
        json!({"order_id": self.order_id, "method": {"kind": "token", "token": token}})
    }

    /// What giving a part of it back needs.
    pub(crate) fn refund_of(&self, amount: i64) -> Value {
        json!({"order_id": self.order_id, "reason": "rain", "amount": eur(amount)})
    }

    /// What refunding it needs.
    pub(crate) fn refund(&self) -> Value {
        json!({"order_id": self.order_id, "reason": "rain"})
    }
}

static SIGNER: LazyLock<TokenSigner> = LazyLock::new(|| {
    let pem = new_private_key_pem(&SystemRandom::default());
    TokenSigner::from_pem(&pem).expect("a new key is a key")
});

static MODULES: &[&Module] = &[&KEYS, &PROGRAMME, &payments::MODULE, &ORDERS];

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

/// A module that does nothing.
const fn module(name: &'static str) -> Module {
    Module {
        name,
        about: "for tests",
        prefixes: &[],
        provides: &[],
        requires: &[],
        publishes: &[],
        consumes: &[],
        settings: None,
        schema: None,
        views: None,
        openapi: utoipa::openapi::OpenApi::default,
        start: |_| Box::pin(async { Ok(()) }),
    }
}

/// Gives out the key of the tokens that these tests sign.
static KEYS: Module = Module {
    provides: &[Provided::of::<dyn TokenKeys>()],
    start: start_keys,
    ..module("identity")
};

fn start_keys(boot: &mut Boot) -> BoxFuture<'_, Result<(), StartError>> {
    Box::pin(async {
        boot.provide::<dyn TokenKeys>(Arc::new(OneKey));
        Ok(())
    })
}

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

/// Knows one organizer, with one member.
static PROGRAMME: Module = Module {
    provides: &[Provided::of::<dyn Catalog>()],
    start: start_programme,
    ..module("catalog")
};

fn start_programme(boot: &mut Boot) -> BoxFuture<'_, Result<(), StartError>> {
    Box::pin(async {
        boot.provide::<dyn Catalog>(Arc::new(OneOrganizer));
        Ok(())
    })
}

struct OneOrganizer;

#[async_trait]
impl Catalog for OneOrganizer {
    async fn sale_terms(
        &self,
        _cx: &Context,
        request: FindSaleTerms,
    ) -> Result<SaleTerms, CatalogError> {
        Err(CatalogError::EventUnknown { event_id: request.event_id })
    }

    async fn membership(
        &self,
        _cx: &Context,
        request: FindMembership,
    ) -> Result<Membership, CatalogError> {
        let is_member = request.organizer_id == RIVERSIDE && request.user_id == ANNA;
        Ok(Membership { is_member })
    }
}

/// Tells payments what a test tells it, and hears what payments tells.
static ORDERS: Module = Module {
    prefixes: &["/v1/orders"],
    requires: &[Needed::of::<dyn Payments>(&["open", "close", "refund", "find"])],
    start: start_orders,
    ..module("orders")
};

fn start_orders(boot: &mut Boot) -> BoxFuture<'_, Result<(), StartError>> {
    Box::pin(async {
        let payments = boot.client::<dyn Payments>()?;
        let (opening, closing) = (Arc::clone(&payments), Arc::clone(&payments));
        let (refunding, finding) = (Arc::clone(&payments), payments);
        let hub = boot.extension::<Hub>().ok_or_else(|| StartError::new("there is no hub"))?;
        let routes = Router::new()
            .route(
                "/v1/orders/heard",
                axum::routing::get(async move || axum::Json(heard(&hub).await)),
            )
            .route(
                "/v1/orders/open",
                axum::routing::post(
                    async move |cx: Context, axum::Json(request): axum::Json<OpenPayment>| {
                        Ok::<_, Problem>(axum::Json(json!(opening.open(&cx, request).await)))
                    },
                ),
            )
            .route(
                "/v1/orders/close",
                axum::routing::post(
                    async move |cx: Context, axum::Json(request): axum::Json<ClosePayment>| {
                        Ok::<_, Problem>(axum::Json(json!(closing.close(&cx, request).await)))
                    },
                ),
            )
            .route(
                "/v1/orders/find",
                axum::routing::post(
                    async move |cx: Context, axum::Json(request): axum::Json<FindPayment>| {
                        Ok::<_, Problem>(axum::Json(json!(finding.find(&cx, request).await)))
                    },
                ),
            )
            .route(
                "/v1/orders/refund",
                axum::routing::post(
                    async move |cx: Context, axum::Json(request): axum::Json<RefundOrder>| {
                        Ok::<_, Problem>(axum::Json(json!(refunding.refund(&cx, request).await)))
                    },
                ),
            );
        boot.public(routes);
        Ok(())
    })
}

async fn heard(hub: &Hub) -> Vec<Value> {
    let query = Query {
        types: PaymentEvent::NAMES.iter().map(|name| (*name).to_owned()).collect(),
        after: Position::START,
        limit: 100,
        wait: Duration::ZERO,
    };
    let page = hub.feed("payments").await.read(&query).await.expect("the feed answers");
    page.entries.into_iter().map(|entry| entry.envelope.payload).collect()
}
