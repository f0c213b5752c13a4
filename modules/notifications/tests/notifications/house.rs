//! A node with notifications on it, an orders that tells what a test makes up, and people.

use std::{
    sync::{Arc, LazyLock},
    time::Duration,
};

use bus::{Envelope, Hub};
use contracts::orders::OrderEvent;
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

pub(crate) const CARA: Uuid = Uuid::from_u128(0xC);
pub(crate) const DAN: Uuid = Uuid::from_u128(0xD);

/// Where orders is told what to tell.
const TELL: &str = "/v1/told-by-orders";

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

    pub(crate) fn customer(&self, id: Uuid) -> Client {
        self.person(id, Role::Customer)
    }

    pub(crate) fn admin(&self) -> Client {
        self.person(Uuid::from_u128(0xAD), Role::Admin)
    }

    /// Orders tells of an event with the id `id`, which happened `second` seconds after noon.
    pub(crate) async fn tell(&self, id: u128, second: i64, event: &OrderEvent) {
        let payload = json!(event);
        let envelope = Envelope {
            id: Uuid::from_u128(id),
            event_type: format!("orders.{}", payload["type"].as_str().expect("events have types")),
            schema_version: 1,
            key: event.key(),
            time: self.sandbox.clock().now() + Duration::from_secs(second.unsigned_abs()),
            correlation_id: "a purchase".to_owned(),
            causation_id: None,
            traceparent: String::new(),
            payload,
            fault: None,
        };
        let _told = self.public().post(TELL, &envelope).await.expect(204);
    }

    /// The client's notifications, once there are so many.
    pub(crate) async fn notifications(&self, client: &Client, count: usize) -> Vec<Value> {
        eventually(format!("{count} notifications"), || async {
            let page = client.get("/v1/notifications").await.expect(200).value();
            let items = page["items"].as_array().cloned().unwrap_or_default();
            if items.len() == count { Ok(items) } else { Err(page) }
        })
        .await
    }
}

pub(crate) fn confirmed(order: u128, buyer: Uuid) -> OrderEvent {
    event(json!({
        "type": "order_confirmed",
        "order_id": Uuid::from_u128(order),
        "order_code": "K7MPX2QA",
        "event_id": Uuid::from_u128(0xE),
        "event_name": "Quartet by the river",
        "organizer_id": Uuid::from_u128(0xF),
        "buyer_id": buyer,
        "items": items(),
        "total": {"amount": 5000, "currency": "EUR"},
        "confirmed_at": TODAY,
    }))
}

pub(crate) fn cancelled(order: u128, buyer: Uuid) -> OrderEvent {
    event(json!({
        "type": "order_cancelled",
        "order_id": Uuid::from_u128(order),
        "event_id": Uuid::from_u128(0xE),
        "organizer_id": Uuid::from_u128(0xF),
        "buyer_id": buyer,
        "items": items(),
        "total": {"amount": 5000, "currency": "EUR"},
    }))
}

fn items() -> Value {
    let seat = Uuid::from_u128(0x5EA7);
    let price = json!({"amount": 2500, "currency": "EUR"});
    json!([{"ticket_type_id": seat, "name": "Stalls", "quantity": 2, "unit_price": price}])
}

fn event(json: Value) -> OrderEvent {
    serde_json::from_value(json).expect("an event as the contract has it")
}

static SIGNER: LazyLock<TokenSigner> = LazyLock::new(|| {
    let pem = new_private_key_pem(&SystemRandom::default());
    TokenSigner::from_pem(&pem).expect("a new key is a key")
});

static MODULES: &[&Module] = &[&KEYS, &ORDERS, &notifications::MODULE];

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
    publishes: &[],
    consumes: &[],
    settings: None,
    schema: None,
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

/// Tells what a test makes up.
static ORDERS: Module = Module {
    name: "orders",
    about: "tells of orders",
    prefixes: &[TELL],
    provides: &[],
    requires: &[],
    publishes: OrderEvent::NAMES,
    consumes: &[],
    settings: None,
    schema: None,
    openapi: utoipa::openapi::OpenApi::default,
    start: |boot| told::start::<OrderEvent>(boot, TELL),
};
