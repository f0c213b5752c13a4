//! Nodes with orders on them, and the people who buy and sell.

use std::{
    sync::{Arc, LazyLock},
    time::Duration,
};

use bus::Hub;
use contracts::identity::{AdmitGuest, FindUser, GuestAccess, Identity, IdentityError, User};
use edge::token::{
    AccessClaims, TokenKeySet, TokenKeys, TokenKeysError, TokenKeysRequest, TokenSigner,
    new_private_key_pem,
};
use jiff::SignedDuration;
use runtime::{
    Boot, BoxFuture, Clock, Context, Launch, Module, Provided, Role, SectionSpec, StartError,
    SystemRandom, async_trait,
};
use serde_json::{Value, json};
use testkit::{Client, Composition, Reply, Sandbox, Shape, Storage, TestClock, eventually};
use uuid::Uuid;

use crate::fakes::{CATALOG, INVENTORY, PAYMENTS, TICKETS};

pub(crate) const ANNA: Uuid = Uuid::from_u128(0xA);
pub(crate) const CARA: Uuid = Uuid::from_u128(0xC);
pub(crate) const DAN: Uuid = Uuid::from_u128(0xD);
pub(crate) const EVENT: Uuid = Uuid::from_u128(0xE1);
pub(crate) const ORGANIZER: Uuid = Uuid::from_u128(0x06);
pub(crate) const SEAT: Uuid = Uuid::from_u128(0x5EA7);
pub(crate) const FREE_SEAT: Uuid = Uuid::from_u128(0xF5EA7);

pub(crate) struct House {
    pub(crate) sandbox: Sandbox,
}

impl House {
    pub(crate) async fn open(storage: Storage) -> Self {
        Self::shaped(storage, Shape::Monolith).await
    }

    pub(crate) async fn shaped(storage: Storage, shape: Shape) -> Self {
        let builder = Sandbox::builder(COMPOSITION).database(storage).shape(shape);
        // A test says where its clients are.
        let builder = builder.setting("edge.proxies", "1");
        Self { sandbox: builder.clock(TestClock::running()).start().await }
    }

    /// Nobody in particular, speaking to orders.
    pub(crate) fn public(&self) -> Client {
        self.at("orders")
    }

    fn at(&self, service: &str) -> Client {
        self.sandbox.client().at(self.sandbox.node(service).public_url())
    }

    /// Runs the event.
    pub(crate) fn anna(&self) -> Client {
        self.person(ANNA, Role::Organizer)
    }

    /// Buys.
    pub(crate) fn cara(&self) -> Client {
        self.person(CARA, Role::Customer)
    }

    /// Buys too.
    pub(crate) fn dan(&self) -> Client {
        self.person(DAN, Role::Customer)
    }

    pub(crate) fn person(&self, id: Uuid, role: Role) -> Client {
        let (session, token) = (Uuid::from_u128(1), Uuid::from_u128(2));
        let (now, lifetime) = (self.sandbox.clock().now(), Duration::from_hours(1));
        let claims = AccessClaims::new(id, vec![role], session, token, now, lifetime);
        self.public().with_token(SIGNER.sign(&claims).expect("claims can be signed"))
    }

    /// Has a service do something else with its next calls of a method than well.
    pub(crate) async fn mood(&self, service: &str, method: &str, moods: &[&str]) {
        let path = format!("/v1/fakes/{service}/{method}");
        let _told = self.at(service).post(&path, &moods).await.expect(200);
    }

    /// How often a method of a service was called.
    pub(crate) async fn calls(&self, service: &str, method: &str) -> usize {
        let asked = self.at(service).get(&format!("/v1/fakes/{service}")).await.expect(200);
        asked.json::<Vec<String>>().iter().filter(|asked| *asked == method).count()
    }

    /// Cara orders two seats.
    pub(crate) async fn order(&self) -> Reply {
        self.cara().post("/v1/orders", &two_seats()).await
    }

    /// An order of Cara's that waits for her money: its path.
    pub(crate) async fn held(&self) -> String {
        let placed = self.order().await.expect(201);
        assert_eq!(placed.field("state"), "held");
        format!("/v1/orders/{}", placed.field("id"))
    }

    /// An order of Cara's with tickets: its path.
    pub(crate) async fn fulfilled(&self) -> String {
        let path = self.held().await;
        self.pay(&path).await;
        self.settles(&path, "fulfilled").await;
        path
    }

    /// The money for the order arrives.
    pub(crate) async fn pay(&self, path: &str) {
        let path = format!("/v1/fakes/pay/{}", id_in(path));
        let _paid = self.at("payments").post(&path, &json!(null)).await.expect(200);
    }

    /// The money for the order arrives, but the news of it do not.
    pub(crate) async fn pay_untold(&self, path: &str) {
        let path = format!("/v1/fakes/pay-untold/{}", id_in(path));
        let _paid = self.at("payments").post(&path, &json!(null)).await.expect(200);
    }

    /// Waits until the order is in `state`. Whatever is tried again later is tried at once.
    pub(crate) async fn settles(&self, path: &str, state: &str) -> Value {
        eventually(format!("the order to be {state}"), || async {
            let order = self.cara().get(path).await.expect(200).value();
            if order["state"] == state {
                return Ok(order);
            }
            // The time to hold places is short.
            let seconds = if state == "held" { 1 } else { 5 };
            self.sandbox.clock().advance(SignedDuration::from_secs(seconds));
            Err(order)
        })
        .await
    }

    /// What became of the money: `open`, `settled`, ….
    pub(crate) async fn money(&self, path: &str) -> Value {
        self.books(path).await[0].clone()
    }

    /// How much is left of the money that came for the order.
    pub(crate) async fn left(&self, path: &str) -> Value {
        self.books(path).await[1].clone()
    }

    async fn books(&self, path: &str) -> Value {
        let path = format!("/v1/fakes/money/{}", id_in(path));
        self.at("payments").get(&path).await.expect(200).value()
    }

    /// The organizer gives money back beside, at payments.
    pub(crate) async fn give_back(&self, path: &str, cents: i64) {
        let path = format!("/v1/fakes/give-back/{}/{cents}", id_in(path));
        let _given = self.at("payments").post(&path, &json!(null)).await.expect(200);
    }

    /// The bank sends back what was given back.
    pub(crate) async fn bounce(&self, path: &str, will_retry: bool) {
        let path = format!("/v1/fakes/bounce/{}/{will_retry}", id_in(path));
        let _bounced = self.at("payments").post(&path, &json!(null)).await.expect(200);
    }

    /// Payments gives back once more what the bank has sent back.
    pub(crate) async fn repeat_refunds(&self, path: &str) {
        let path = format!("/v1/fakes/repeat/{}", id_in(path));
        let _repeated = self.at("payments").post(&path, &json!(null)).await.expect(200);
    }

    /// The event is cancelled, at catalog.
    pub(crate) async fn cancel_event(&self) {
        let cancelled = self.at("catalog").post("/v1/fakes/cancel-event", &json!(null)).await;
        let _cancelled = cancelled.expect(200);
    }

    /// Somebody without an account orders two seats.
    pub(crate) async fn guest_order(&self) -> Reply {
        self.public().post("/v1/orders", &guest_order()).await
    }

    /// A hold as inventory has it.
    pub(crate) async fn hold(&self, id: &str) -> Value {
        self.at("inventory").get(&format!("/v1/fakes/holds/{id}")).await.expect(200).value()
    }

    /// Somebody holds two seats, without an order.
    pub(crate) async fn make_hold(&self, holder: Uuid, state: &str) -> Uuid {
        let id = Uuid::from_u128(0x401D);
        let hold = json!({
            "hold_id": id,
            "event_id": EVENT,
            "holder_id": holder,
            "order_id": null,
            "items": [{"ticket_type_id": SEAT, "quantity": 2}],
            "state": state,
            "expires_at": self.sandbox.clock().now(),
        });
        let _made = self.at("inventory").post("/v1/fakes/holds", &hold).await.expect(200);
        id
    }

    /// How many valid tickets the order has.
    pub(crate) async fn tickets(&self, path: &str) -> Value {
        let path = format!("/v1/fakes/issued/{}", id_in(path));
        self.at("tickets").get(&path).await.expect(200).value()
    }
}

pub(crate) fn id_in(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or_default()
}

pub(crate) fn two_seats() -> Value {
    json!({"event_id": EVENT, "items": [{"ticket_type_id": SEAT, "quantity": 2}]})
}

pub(crate) fn guest_order() -> Value {
    let mut order = two_seats();
    order["guest"] = json!({"email": "Gwen@example.org", "name": "Gwen"});
    order
}

pub(crate) fn of_hold(hold_id: Uuid) -> Value {
    json!({"event_id": EVENT, "hold_id": hold_id})
}

static SIGNER: LazyLock<TokenSigner> = LazyLock::new(|| {
    let pem = new_private_key_pem(&SystemRandom::default());
    TokenSigner::from_pem(&pem).expect("a new key is a key")
});

static MODULES: &[&Module] = &[&KEYS, &CATALOG, &INVENTORY, &PAYMENTS, &TICKETS, &orders::MODULE];

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
    provides: &[Provided::of::<dyn TokenKeys>(), Provided::of::<dyn Identity>()],
    requires: &[],
    publishes: &[],
    consumes: &[],
    settings: None,
    schema: None,
    views: None,
    openapi: utoipa::openapi::OpenApi::default,
    start: start_keys,
};

fn start_keys(boot: &mut Boot) -> BoxFuture<'_, Result<(), StartError>> {
    Box::pin(async {
        boot.provide::<dyn TokenKeys>(Arc::new(OneKey));
        boot.provide::<dyn Identity>(Arc::new(Desk(boot.clock())));
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

/// Knows everybody as Cara, and lets guests in.
struct Desk(Arc<dyn Clock>);

#[async_trait]
impl Identity for Desk {
    async fn user(&self, _cx: &Context, request: FindUser) -> Result<User, IdentityError> {
        Ok(User {
            user_id: request.user_id,
            email: "cara@example.org".to_owned(),
            name: "Cara".to_owned(),
            roles: vec![Role::Customer],
        })
    }

    async fn admit_guest(
        &self,
        _cx: &Context,
        request: AdmitGuest,
    ) -> Result<GuestAccess, IdentityError> {
        let (id, now, lifetime) = (request.guest_id, self.0.now(), Duration::from_mins(15));
        let claims = AccessClaims::new(id, vec![Role::Customer], id, id, now, lifetime);
        let token = SIGNER.sign(&claims.of_guest()).expect("claims can be signed");
        Ok(GuestAccess { access_token: token.into(), expires_at: now + lifetime })
    }
}
