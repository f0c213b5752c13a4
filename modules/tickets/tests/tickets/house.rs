//! A node with tickets on it, and the people who hold, sell and check them.

use std::{
    sync::{Arc, LazyLock},
    time::Duration,
};

use axum::routing::post;
use bus::Hub;
use contracts::{
    catalog::{
        Catalog, CatalogError, FindMembership, FindSaleTerms, Membership, SaleTerms,
        TicketTypeTerms,
    },
    money::{Money, Tax, TaxRounding},
    seating::Seat,
    tickets::{FindTickets, IssueTickets, PrintTickets, TicketPosition, Tickets, VoidTickets},
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
pub(crate) const EMIL: Uuid = Uuid::from_u128(0xE);
pub(crate) const FRED: Uuid = Uuid::from_u128(0xF);
pub(crate) const EVENT: Uuid = Uuid::from_u128(0xE1);
/// Of the same organizer.
pub(crate) const OTHER_EVENT: Uuid = Uuid::from_u128(0xE2);
/// Of another organizer, whose members are Ben and Fred.
pub(crate) const FOREIGN_EVENT: Uuid = Uuid::from_u128(0xE3);
pub(crate) const STALLS: Uuid = Uuid::from_u128(0x5EA7);
pub(crate) const BALCONY: Uuid = Uuid::from_u128(0xBA1C);
pub(crate) const ORGANIZER: Uuid = Uuid::from_u128(0x06);
pub(crate) const OTHER_ORGANIZER: Uuid = Uuid::from_u128(0x07);
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

    /// Stands at the organizer's doors.
    pub(crate) fn emil(&self) -> Client {
        self.person(EMIL, Role::Staff)
    }

    /// Stands at the doors of others.
    pub(crate) fn fred(&self) -> Client {
        self.person(FRED, Role::Staff)
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
        let position = |number: usize| TicketPosition {
            ticket_type_id: STALLS,
            ticket_type_name: "Stalls".to_owned(),
            position: u32::try_from(number).expect("a few"),
            seat: Some(Seat {
                section: "Stalls".to_owned(),
                row: "A".to_owned(),
                number: number.to_string(),
            }),
            valid_from: None,
            valid_until: None,
        };
        self.issue_positions(order_id, EVENT, (1..=count).map(position).collect()).await
    }

    /// Cara's order is served: tickets for these positions.
    pub(crate) async fn issue_positions(
        &self,
        order_id: Uuid,
        event_id: Uuid,
        positions: Vec<TicketPosition>,
    ) -> Vec<String> {
        let request = IssueTickets {
            order_id,
            holder_id: CARA,
            event_id,
            event_name: "Quartet by the river".to_owned(),
            organizer_id: ORGANIZER,
            starts_at: self.sandbox.clock().now(),
            venue_name: "Boathouse".to_owned(),
            time_zone: "Europe/Berlin".to_owned(),
            positions,
        };
        let issued = self.public().post("/v1/probe/issue", &request).await.expect(200).value();
        serde_json::from_value(issued["Ok"]["ticket_ids"].clone()).expect("ids")
    }

    pub(crate) async fn void(&self, order_id: Uuid) -> Value {
        self.void_some(order_id, &[]).await
    }

    /// Some tickets of the order become worthless.
    pub(crate) async fn void_some(&self, order_id: Uuid, tickets: &[&str]) -> Value {
        let ids = tickets.iter().map(|id| id.parse().expect("an id"));
        let (reason, ticket_ids) = ("refunded".to_owned(), ids.collect());
        let request = VoidTickets { order_id, reason, ticket_ids };
        self.public().post("/v1/probe/void", &request).await.expect(200).value()
    }

    /// What the contract answers to a method that asks about an order.
    pub(crate) async fn ask(&self, method: &str, order_id: Uuid) -> Value {
        let request = json!({"order_id": order_id});
        let reply = self.public().post(&format!("/v1/probe/{method}"), &request).await;
        reply.expect(200).value()["Ok"].clone()
    }

    /// The code of a ticket that `holder` has.
    pub(crate) async fn code(&self, holder: &Client, ticket: &str) -> String {
        holder.get(&format!("/v1/tickets/{ticket}/code")).await.expect(200).text()
    }

    /// A ticket of Cara's, and its code.
    pub(crate) async fn ticket(&self) -> (String, String) {
        let ticket = self.issue(ORDER, 1).await.remove(0);
        let code = self.code(&self.cara(), &ticket).await;
        (ticket, code)
    }

    /// Anna adds a check-in list for the event.
    pub(crate) async fn list(&self, terms: Value) -> String {
        let mut list = terms;
        list["event_id"] = json!(EVENT);
        self.anna().post("/v1/check-in-lists", &list).await.expect(201).field("id")
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
    views: None,
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

/// A catalog that knows one organizer with two events, whose members are Anna and Emil, and another
/// with one event.
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
    views: None,
    openapi: utoipa::openapi::OpenApi::default,
    start: start_catalog,
};

fn start_catalog(boot: &mut Boot) -> BoxFuture<'_, Result<(), StartError>> {
    Box::pin(async {
        boot.provide::<dyn Catalog>(Arc::new(TwoOrganizers));
        Ok(())
    })
}

struct TwoOrganizers;

#[async_trait]
impl Catalog for TwoOrganizers {
    async fn sale_terms(
        &self,
        _cx: &Context,
        request: FindSaleTerms,
    ) -> Result<SaleTerms, CatalogError> {
        let event_id = request.event_id;
        let organizer_id = match event_id {
            EVENT | OTHER_EVENT => ORGANIZER,
            FOREIGN_EVENT => OTHER_ORGANIZER,
            _ => return Err(CatalogError::EventUnknown { event_id }),
        };
        let ticket_type = |id, name: &str| TicketTypeTerms {
            ticket_type_id: id,
            name: name.to_owned(),
            price: Money { amount: 2500, currency: iso_currency::Currency::EUR },
            tax: Tax::default(),
            sales_from: None,
            sales_until: None,
            min_per_order: 0,
            max_per_order: 0,
            seated: false,
            on_sale: true,
        };
        Ok(SaleTerms {
            event_id,
            organizer_id,
            event_name: "Quartet by the river".to_owned(),
            starts_at: "2027-06-18T18:00:00Z".parse().expect("an instant"),
            time_zone: "Europe/Berlin".to_owned(),
            venue_name: "Boathouse".to_owned(),
            on_sale: true,
            tax_rounding: TaxRounding::default(),
            ticket_types: vec![ticket_type(STALLS, "Stalls"), ticket_type(BALCONY, "Balcony")],
        })
    }

    async fn membership(
        &self,
        _cx: &Context,
        request: FindMembership,
    ) -> Result<Membership, CatalogError> {
        let members: &[Uuid] = match request.organizer_id {
            ORGANIZER => &[ANNA, EMIL],
            OTHER_ORGANIZER => &[BEN, FRED],
            _ => &[],
        };
        Ok(Membership { is_member: members.contains(&request.user_id) })
    }
}

/// Another service, which asks tickets what a test asks it.
static PROBE: Module = Module {
    name: "probe",
    about: "asks tickets",
    prefixes: &["/v1/probe"],
    provides: &[],
    requires: &[Needed::of::<dyn Tickets>(&["issue", "void", "find", "print"])],
    publishes: &[],
    consumes: &[],
    settings: None,
    schema: None,
    views: None,
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
        let (finding, printing) = (boot.client::<dyn Tickets>()?, boot.client::<dyn Tickets>()?);
        let find = async move |cx: Context, axum::Json(request): axum::Json<FindTickets>| {
            axum::Json(json!(finding.find(&cx, request).await))
        };
        let print = async move |cx: Context, axum::Json(request): axum::Json<PrintTickets>| {
            axum::Json(json!(printing.print(&cx, request).await))
        };
        let routes = Router::new()
            .route("/v1/probe/issue", post(issue))
            .route("/v1/probe/void", post(void))
            .route("/v1/probe/find", post(find))
            .route("/v1/probe/print", post(print));
        boot.public(routes);
        Ok(())
    })
}
