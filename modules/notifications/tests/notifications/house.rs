//! A node with notifications on it, neighbours that say what a test makes up, and people.

use std::{
    collections::HashMap,
    path::PathBuf,
    sync::{Arc, LazyLock},
    time::Duration,
};

use bus::{Envelope, Hub};
use contracts::orders::{OrderEvent, Orders};
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

use crate::{neighbours, smtp::MailServer, told};

/// It is noon on this day in every house.
const TODAY: &str = "2027-03-01T12:00:00Z";

pub(crate) const ANNA: Uuid = Uuid::from_u128(0xA);
pub(crate) const BEN: Uuid = Uuid::from_u128(0xB);
pub(crate) const CARA: Uuid = Uuid::from_u128(0xC);
pub(crate) const DAN: Uuid = Uuid::from_u128(0xD);
/// Of which Anna is a member and Ben is not.
pub(crate) const RIVERSIDE: Uuid = Uuid::from_u128(0xF);

/// Where orders is told what to tell.
const TELL: &str = "/v1/told-by-orders";

pub(crate) struct House {
    sandbox: Sandbox,
}

impl House {
    /// A house that keeps its mail in a directory.
    pub(crate) async fn open(storage: Storage) -> Self {
        Self::with(storage, HashMap::new()).await
    }

    /// A house that sends its mail to this server.
    pub(crate) async fn mailing(storage: Storage, server: &MailServer) -> Self {
        let settings = [
            ("notifications.transport", "smtp".to_owned()),
            ("notifications.smtp.host", "127.0.0.1".to_owned()),
            ("notifications.smtp.port", server.port().to_string()),
            ("notifications.smtp.tls", "none".to_owned()),
            ("notifications.smtp.timeout", "500ms".to_owned()),
        ];
        Self::with(storage, HashMap::from(settings)).await
    }

    pub(crate) async fn with(storage: Storage, settings: HashMap<&str, String>) -> Self {
        let mut builder = Sandbox::builder(COMPOSITION).database(storage);
        for (key, value) in settings {
            builder = builder.setting(key, value);
        }
        Self { sandbox: builder.clock(TestClock::at(TODAY)).start().await }
    }

    pub(crate) fn clock(&self) -> &TestClock {
        self.sandbox.clock()
    }

    pub(crate) fn mail_directory(&self) -> PathBuf {
        self.sandbox.data_dir().join("mail")
    }

    pub(crate) fn public(&self) -> Client {
        self.sandbox.client()
    }

    pub(crate) fn person(&self, id: Uuid, role: Role) -> Client {
        let (session, token) = (Uuid::from_u128(1), Uuid::from_u128(2));
        let (now, lifetime) = (self.sandbox.clock().now(), Duration::from_hours(48));
        let claims = AccessClaims::new(id, vec![role], session, token, now, lifetime);
        self.public().with_token(SIGNER.sign(&claims).expect("claims can be signed"))
    }

    pub(crate) fn customer(&self, id: Uuid) -> Client {
        self.person(id, Role::Customer)
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

    /// Orders tells of an event with the id `id`, which happened `second` seconds after noon.
    pub(crate) async fn tell(&self, id: u128, second: i64, event: &OrderEvent) {
        let payload = json!(event);
        let noon: runtime::Timestamp = TODAY.parse().expect("it is an instant");
        let name = format!("orders.{}", payload["type"].as_str().expect("events have types"));
        let envelope = Envelope {
            id: Uuid::from_u128(id),
            schema_version: OrderEvent::version(&name),
            event_type: name,
            key: event.key(),
            time: noon + jiff::SignedDuration::from_secs(second),
            correlation_id: "a purchase".to_owned(),
            causation_id: None,
            traceparent: String::new(),
            payload,
            fault: None,
        };
        self.tell_as_written(&envelope).await;
    }

    /// Orders tells of an event, in whatever version.
    pub(crate) async fn tell_as_written(&self, envelope: &Envelope) {
        let _told = self.public().post(TELL, envelope).await.expect(204);
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

    /// The notification, once it is as it should be.
    pub(crate) async fn notification(&self, id: u128, is_so: impl Fn(&Value) -> bool) -> Value {
        let path = format!("/v1/notifications/{}", Uuid::from_u128(id));
        let admin = self.admin();
        eventually("the notification to be as it should be", || async {
            let reply = admin.get(&path).await;
            let value = reply.value();
            if is_so(&value) { Ok(value) } else { Err(value) }
        })
        .await
    }

    /// The notification, once it is in `state`.
    pub(crate) async fn in_state(&self, id: u128, state: &str) -> Value {
        self.notification(id, |value| value["state"] == state).await
    }
}

pub(crate) fn fulfilled(order: u128, buyer: Uuid) -> OrderEvent {
    event(json!({
        "type": "order_fulfilled",
        "order_id": Uuid::from_u128(order),
        "event_id": Uuid::from_u128(0xE),
        "organizer_id": RIVERSIDE,
        "buyer_id": buyer,
        "ticket_ids": [],
        "at": TODAY,
    }))
}

pub(crate) fn cancelled(order: u128, buyer: Uuid, cause: &str) -> OrderEvent {
    event(json!({
        "type": "order_cancelled",
        "order_id": Uuid::from_u128(order),
        "event_id": Uuid::from_u128(0xE),
        "organizer_id": RIVERSIDE,
        "buyer_id": buyer,
        "items": [],
        "total": {"amount": 5000, "currency": "EUR"},
        "cause": cause,
    }))
}

pub(crate) fn positions_cancelled(order: u128, buyer: Uuid) -> OrderEvent {
    event(json!({
        "type": "positions_cancelled",
        "order_id": Uuid::from_u128(order),
        "event_id": Uuid::from_u128(0xE),
        "organizer_id": RIVERSIDE,
        "buyer_id": buyer,
        "positions": [2],
        "items": [],
        "amount": {"amount": 2500, "currency": "EUR"},
        "reason": "the seat is broken",
    }))
}

pub(crate) fn paid_too_late(order: u128, buyer: Uuid) -> OrderEvent {
    event(json!({
        "type": "paid_too_late",
        "order_id": Uuid::from_u128(order),
        "event_id": Uuid::from_u128(0xE),
        "organizer_id": RIVERSIDE,
        "buyer_id": buyer,
        "amount": {"amount": 5000, "currency": "EUR"},
    }))
}

pub(crate) fn refunded(order: u128, buyer: Uuid) -> OrderEvent {
    event(json!({
        "type": "order_refunded",
        "order_id": Uuid::from_u128(order),
        "event_id": Uuid::from_u128(0xE),
        "organizer_id": RIVERSIDE,
        "buyer_id": buyer,
        "amount": {"amount": 500, "currency": "EUR"},
        "partial": true,
        "cause": "the bar was closed",
    }))
}

fn event(json: Value) -> OrderEvent {
    serde_json::from_value(json).expect("an event as the contract has it")
}

static SIGNER: LazyLock<TokenSigner> = LazyLock::new(|| {
    let pem = new_private_key_pem(&SystemRandom::default());
    TokenSigner::from_pem(&pem).expect("a new key is a key")
});

static MODULES: &[&Module] =
    &[&KEYS, &neighbours::CATALOG, &neighbours::TICKETS, &ORDERS, &notifications::MODULE];

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

/// Tells what a test makes up.
static ORDERS: Module = Module {
    name: "orders",
    about: "tells of orders",
    prefixes: &[TELL],
    provides: &[Provided::of::<dyn Orders>()],
    requires: &[],
    publishes: OrderEvent::NAMES,
    consumes: &[],
    settings: None,
    schema: None,
    views: None,
    openapi: utoipa::openapi::OpenApi::default,
    start: |boot| {
        boot.provide::<dyn Orders>(Arc::new(neighbours::EveryOrder));
        told::start::<OrderEvent>(boot, TELL)
    },
};
