//! A node with tickets on it, and the people who hold, sell and check them.

use std::{
    sync::{Arc, LazyLock},
    time::Duration,
};

use axum::routing::post;
use bus::Hub;
use contracts::{
    catalog::{Catalog, CatalogError, FindMembership, FindSaleTerms, Membership, SaleTerms},
    tickets::{IssueTickets, TicketPosition, Tickets, VoidTickets},
};
use edge::token::{
    AccessClaims, TokenKeySet, TokenKeys, TokenKeysError, TokenKeysRequest, TokenSigner,
    new_private_key_pem,
};
use runtime::{
    Boot, BoxFuture, Clock, Context, Launch, Module, Needed, Provided, Role, Router, SectionSpec,
    StartError, SystemRandom, async_trait,
};
use serde_json::{Value, json};
use testkit::{Client, Composition, Reply, Sandbox, Storage, TestClock};
use uuid::Uuid;

pub(crate) const ANNA: Uuid = Uuid::from_u128(0xA);
pub(crate) const BEN: Uuid = Uuid::from_u128(0xB);
pub(crate) const CARA: Uuid = Uuid::from_u128(0xC);
pub(crate) const DAN: Uuid = Uuid::from_u128(0xD);
pub(crate) const EVENT: Uuid = Uuid::from_u128(0xE1);
pub(crate) const ORGANIZER: Uuid = Uuid::from_u128(0x06);
pub(crate) const ORDER: Uuid = Uuid::from_u128(0x0DE);

pub(crate) struct House {
    pub(crate) sandbox: Sandbox,
}

impl House {
    pub(crate) async fn open(storage: Storage) -> Self {
        let builder = Sandbox::builder(COMPOSITION).database(storage);
        let builder = builder.signing_key("tickets.signing_keys_dir");
        Self { sandbox: builder.clock(TestClock::running()).start().await }
    }

    /// Nobody in particular.
    pub(crate) fn public(&self) -> Client {
        self.sandbox.client()
    }

    /// Runs the event.
    pub(crate) fn anna(&self) -> Client {
        self.person(ANNA, Role::Organizer)
    }

    /// Runs other events.
    pub(crate) fn ben(&self) -> Client {
        self.person(BEN, Role::Organizer)
    }

    /// Has bought tickets.
    pub(crate) fn cara(&self) -> Client {
        self.person(CARA, Role::Customer)
    }

    /// Has bought none.
    pub(crate) fn dan(&self) -> Client {
        self.person(DAN, Role::Customer)
    }

    /// Stands at a door.
    pub(crate) fn emil(&self) -> Client {
        self.person(Uuid::from_u128(0xE), Role::Staff)
    }

    pub(crate) fn admin(&self) -> Client {
        self.person(Uuid::from_u128(0xAD), Role::Admin)
    }

    fn person(&self, id: Uuid, role: Role) -> Client {
        let (session, token) = (Uuid::from_u128(1), Uuid::from_u128(2));
        let (now, lifetime) = (self.sandbox.clock().now(), Duration::from_hours(1));
        let claims = AccessClaims::new(id, vec![role], session, token, now, lifetime);
        self.public().with_token(SIGNER.sign(&claims).expect("claims can be signed"))
    }

    /// Cara's order is served: its tickets.
    pub(crate) async fn issue(&self, order_id: Uuid, count: usize) -> Vec<String> {
        let position = TicketPosition {
            ticket_type_id: Uuid::from_u128(0x5EA7),
            ticket_type_name: "Stalls".to_owned(),
        };
        let request = IssueTickets {
            order_id,
            holder_id: CARA,
            event_id: EVENT,
            event_name: "Quartet by the river".to_owned(),
            organizer_id: ORGANIZER,
            starts_at: self.sandbox.clock().now(),
            venue_name: "Boathouse".to_owned(),
            time_zone: "Europe/Berlin".to_owned(),
            positions: vec![position; count],
        };
        let issued = self.public().post("/v1/probe/issue", &request).await.expect(200).value();
        serde_json::from_value(issued["Ok"]["ticket_ids"].clone()).expect("ids")
    }

    pub(crate) async fn void(&self, order_id: Uuid) -> Value {
        let request = VoidTickets { order_id, reason: "refunded".to_owned() };
        self.public().post("/v1/probe/void", &request).await.expect(200).value()
    }

    /// A ticket of Cara's, and its code.
    pub(crate) async fn ticket(&self) -> (String, String) {
        let ticket = self.issue(ORDER, 1).await.remove(0);
        let code = self.cara().get(&format!("/v1/tickets/{ticket}/code")).await.expect(200);
        (ticket, code.text())
    }

    /// Emil scans at the north door.
    pub(crate) async fn scan(&self, code: &str) -> Reply {
        self.emil().post("/v1/check-ins", &scan(code)).await
    }
}

/// What a scan at the north door says.
pub(crate) fn scan(code: &str) -> Value {
    json!({"code": code, "event_id": EVENT, "entrance": "north"})
}

static SIGNER: LazyLock<TokenSigner> = LazyLock::new(|| {
    let pem = new_private_key_pem(&SystemRandom::default());
    TokenSigner::from_pem(&pem).expect("a new key is a key")
});

static MODULES: &[&Module] = &[&KEYS, &CATALOG, &tickets::MODULE, &PROBE];

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
    start: start_keys,
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

/// A catalog that knows one organizer, whose only member is Anna.
static CATALOG: Module = Module {
    name: "catalog",
    about: "knows who runs what",
    prefixes: &[],
    provides: &[Provided::of::<dyn Catalog>()],
    requires: &[],
    publishes: &[],
    consumes: &[],
    settings: None,
    schema: None,
    openapi: utoipa::openapi::OpenApi::default,
    start: start_catalog,
};

fn start_catalog(boot: &mut Boot) -> BoxFuture<'_, Result<(), StartError>> {
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
        let is_member = request.organizer_id == ORGANIZER && request.user_id == ANNA;
        Ok(Membership { is_member })
    }
}

/// Another service, which asks tickets what a test asks it.
static PROBE: Module = Module {
    name: "probe",
    about: "asks tickets",
    prefixes: &["/v1/probe"],
    provides: &[],
    requires: &[Needed::of::<dyn Tickets>(&["issue", "void"])],
    publishes: &[],
    consumes: &[],
    settings: None,
    schema: None,
    openapi: utoipa::openapi::OpenApi::default,
    start: start_probe,
};

fn start_probe(boot: &mut Boot) -> BoxFuture<'_, Result<(), StartError>> {
    Box::pin(async {
        let (issuing, voiding) = (boot.client::<dyn Tickets>()?, boot.client::<dyn Tickets>()?);
        let issue = async move |cx: Context, axum::Json(request): axum::Json<IssueTickets>| {
            axum::Json(json!(issuing.issue(&cx, request).await))
        };
        let void = async move |cx: Context, axum::Json(request): axum::Json<VoidTickets>| {
            axum::Json(json!(voiding.void(&cx, request).await))
        };
        let routes =
            Router::new().route("/v1/probe/issue", post(issue)).route("/v1/probe/void", post(void));
        boot.public(routes);
        Ok(())
    })
}
