//! A node with inventory on it, a programme that a test writes, and the people who hold places.

use std::{
    sync::{Arc, LazyLock, Mutex, PoisonError},
    time::Duration,
};

use axum::routing::post;
use bus::{Entry, Envelope, Hub, Page, Query, Source, SourceError};
use cache::{Cache, CacheSettings};
use contracts::{
    catalog::{Capacity, CatalogEvent, Quota, TicketTypeCapacity},
    inventory::Inventory,
    seating::SeatSection,
};
use edge::{
    Path, Problem,
    token::{
        AccessClaims, TokenKeySet, TokenKeys, TokenKeysError, TokenKeysRequest, TokenSigner,
        new_private_key_pem,
    },
};
use runtime::{
    Boot, BoxFuture, Clock, Context, IntegrationEvents, Launch, Module, Needed, Provided, Role,
    Router, SectionSpec, StartError, SystemClock, SystemRandom, async_trait,
};
use serde_json::{Value, json};
use store::Position;
use testkit::{
    Client, Composition, Reply, Sandbox, Storage, TestClock, eventually, redis::RedisPlace,
};
use tokio::sync::Notify;
use uuid::Uuid;

pub(crate) const CARA: Uuid = Uuid::from_u128(0xC);
pub(crate) const DAN: Uuid = Uuid::from_u128(0xD);
pub(crate) const EVENT: Uuid = Uuid::from_u128(0xE1);
pub(crate) const SEAT: Uuid = Uuid::from_u128(0x5EA7);

pub(crate) struct House {
    pub(crate) sandbox: Sandbox,
}

impl House {
    pub(crate) async fn open(storage: Storage) -> Self {
        let builder = Sandbox::builder(COMPOSITION).database(storage);
        Self { sandbox: builder.clock(TestClock::running()).start().await }
    }

    /// As [`House::open`], with another value of a setting.
    pub(crate) async fn set(storage: Storage, key: &str, value: &str) -> Self {
        let builder = Sandbox::builder(COMPOSITION).database(storage).setting(key, value);
        Self { sandbox: builder.clock(TestClock::running()).start().await }
    }

    /// Two nodes on one PostgreSQL that share a Redis and trust what they remember for a minute. The
    /// clock stands still, so that nothing is forgotten for being old.
    pub(crate) async fn twins(redis: &RedisPlace) -> Self {
        let builder = Sandbox::builder(COMPOSITION)
            .database(Storage::Postgres)
            .replicas(2)
            .setting("cache.kind", "redis")
            .setting("cache.url", redis.url.as_str())
            .setting("cache.prefix", redis.prefix.as_str())
            .setting("cache.staleness", "1m");
        Self { sandbox: builder.clock(TestClock::at("2027-03-01T12:00:00Z")).start().await }
    }

    /// Nobody in particular.
    pub(crate) fn public(&self) -> Client {
        self.sandbox.client()
    }

    pub(crate) fn cara(&self) -> Client {
        self.person(CARA, Role::Customer)
    }

    pub(crate) fn dan(&self) -> Client {
        self.person(DAN, Role::Customer)
    }

    pub(crate) fn admin(&self) -> Client {
        self.person(Uuid::from_u128(0xAD), Role::Admin)
    }

    pub(crate) fn person(&self, id: Uuid, role: Role) -> Client {
        let (session, token) = (Uuid::from_u128(1), Uuid::from_u128(2));
        let (now, lifetime) = (self.sandbox.clock().now(), Duration::from_hours(1));
        let claims = AccessClaims::new(id, vec![role], session, token, now, lifetime);
        self.public().with_token(SIGNER.sign(&claims).expect("claims can be signed"))
    }

    /// Somebody who buys without an account.
    pub(crate) fn guest(&self, id: Uuid) -> Client {
        let (now, lifetime) = (self.sandbox.clock().now(), Duration::from_hours(1));
        let claims = AccessClaims::new(id, vec![Role::Customer], id, id, now, lifetime).of_guest();
        self.public().with_token(SIGNER.sign(&claims).expect("claims can be signed"))
    }

    /// Catalog tells something, each of its replicas the same.
    pub(crate) async fn announce(&self, event: &CatalogEvent) {
        for node in self.sandbox.nodes() {
            let catalog = self.public().at(node.public_url());
            let _told = catalog.post("/v1/programme", event).await.expect(200);
        }
    }

    /// [`EVENT`] is published with so many places of [`SEAT`].
    pub(crate) async fn published(&self, places: u32) {
        let stalls = TicketTypeCapacity::of_its_own(SEAT, "Stalls", Capacity::limited(places));
        self.published_with(vec![stalls], Vec::new(), Vec::new()).await;
    }

    /// [`EVENT`] is published.
    pub(crate) async fn published_with(
        &self,
        ticket_types: Vec<TicketTypeCapacity>,
        quotas: Vec<Quota>,
        seating: Vec<SeatSection>,
    ) {
        self.announce(&CatalogEvent::EventPublished {
            event_id: EVENT,
            organizer_id: Uuid::from_u128(0x0),
            name: "Quartet by the river".to_owned(),
            starts_at: self.sandbox.clock().now(),
            ticket_types,
            quotas,
            seating,
            ends_at: None,
            venue_name: "Boathouse".to_owned(),
            time_zone: "Europe/Berlin".to_owned(),
        })
        .await;
        eventually("the event to be known", || async {
            let reply = self.public().get(&availability()).await;
            reply.status() == 200
        })
        .await;
    }

    /// [`EVENT`] is on sale with so many places of [`SEAT`].
    pub(crate) async fn on_sale(&self, places: u32) {
        self.published(places).await;
        self.opened().await;
    }

    /// Sales of [`EVENT`] are opened.
    pub(crate) async fn opened(&self) {
        self.announce(&CatalogEvent::SalesOpened { event_id: EVENT }).await;
        eventually("the sale to be open", || async {
            self.availability().await["on_sale"] == true
        })
        .await;
    }

    pub(crate) async fn availability(&self) -> Value {
        self.public().get(&availability()).await.expect(200).value()
    }

    /// How many places of [`SEAT`] are free.
    pub(crate) async fn free(&self) -> Value {
        self.availability().await["ticket_types"][0]["free"].clone()
    }

    /// Holds places of [`SEAT`].
    pub(crate) async fn hold(&self, client: &Client, quantity: u32) -> Reply {
        client.post("/v1/holds", &places(quantity)).await
    }

    /// Asks over inventory's contract as another service does.
    pub(crate) async fn ask(&self, method: &str, request: &Value) -> Value {
        let path = format!("/v1/probe/{method}");
        self.public().post(&path, request).await.expect(200).value()
    }
}

pub(crate) fn availability() -> String {
    format!("/v1/availability/{EVENT}")
}

/// What holding places of [`SEAT`] needs.
pub(crate) fn places(quantity: u32) -> Value {
    json!({"event_id": EVENT, "items": [{"ticket_type_id": SEAT, "quantity": quantity}]})
}

static SIGNER: LazyLock<TokenSigner> = LazyLock::new(|| {
    let pem = new_private_key_pem(&SystemRandom::default());
    TokenSigner::from_pem(&pem).expect("a new key is a key")
});

static MODULES: &[&Module] = &[&KEYS, &CATALOG, &inventory::MODULE, &PROBE];

const COMPOSITION: Composition = Composition {
    modules: MODULES,
    sections: &[
        SectionSpec::of::<bus::BusSettings>(),
        SectionSpec::of::<CacheSettings>(),
        SectionSpec::of::<edge::EdgeSettings>(),
        SectionSpec::of::<store::DatabaseSettings>(),
    ],
    launch: |config| {
        let cache = Cache::new(config.section());
        Launch::new(config, MODULES)
            .extension(Arc::new(Hub::new()))
            .extension(Arc::new(cache))
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

/// A catalog that tells what a test has it tell.
static CATALOG: Module = Module {
    name: "catalog",
    about: "tells of events",
    prefixes: &["/v1/programme"],
    provides: &[],
    requires: &[],
    publishes: CatalogEvent::NAMES,
    consumes: &[],
    settings: None,
    schema: None,
    views: None,
    openapi: utoipa::openapi::OpenApi::default,
    start: start_catalog,
};

fn start_catalog(boot: &mut Boot) -> BoxFuture<'_, Result<(), StartError>> {
    Box::pin(async {
        let hub = boot.extension::<Hub>().ok_or_else(|| StartError::new("there is no hub"))?;
        let told = Arc::new(Told::default());
        hub.offer(CatalogEvent::PUBLISHER, Arc::clone(&told) as Arc<dyn Source>);
        let tell = async move |axum::Json(event): axum::Json<CatalogEvent>| told.tell(&event);
        boot.public(Router::new().route("/v1/programme", post(tell)));
        Ok(())
    })
}

/// Everything that catalog has told.
#[derive(Default)]
struct Told {
    entries: Mutex<Vec<Entry>>,
    news: Notify,
}

impl Told {
    fn tell(&self, event: &CatalogEvent) {
        let mut entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        let number = entries.len() + 1;
        let payload = json!(event);
        let tag = payload["type"].as_str().unwrap_or_default();
        let envelope = Envelope {
            id: Uuid::from_u128(number as u128),
            event_type: format!("{}.{tag}", CatalogEvent::PUBLISHER),
            schema_version: 1,
            key: event.key(),
            time: SystemClock.now(),
            correlation_id: "a test".to_owned(),
            causation_id: None,
            traceparent: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01".to_owned(),
            payload,
            fault: None,
        };
        let seq = i64::try_from(number).unwrap_or(i64::MAX);
        let position = Position { seq, ..Position::START };
        entries.push(Entry { position, envelope });
        self.news.notify_waiters();
    }

    fn after(&self, position: Position) -> Vec<Entry> {
        let entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        entries.iter().filter(|entry| entry.position > position).cloned().collect()
    }
}

#[async_trait]
impl Source for Told {
    async fn read(&self, query: &Query) -> Result<Page, SourceError> {
        let mut news = std::pin::pin!(self.news.notified());
        news.as_mut().enable();
        let mut entries = self.after(query.after);
        if entries.is_empty() {
            let _told = tokio::time::timeout(query.wait, news).await;
            entries = self.after(query.after);
        }
        let reached = entries.last().map_or(query.after, |entry| entry.position);
        Ok(Page { entries, reached, behind: 0 })
    }
}

/// Another service, which asks inventory what a test asks it.
static PROBE: Module = Module {
    name: "probe",
    about: "asks inventory",
    prefixes: &["/v1/probe"],
    provides: &[],
    requires: &[Needed::of::<dyn Inventory>(&[
        "hold",
        "find_hold",
        "confirm",
        "release",
        "release_places",
    ])],
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
        let inventory = boot.client::<dyn Inventory>()?;
        let ask = async move |cx: Context,
                              Path(method): Path<String>,
                              axum::Json(request): axum::Json<Value>| {
            let inventory = Arc::clone(&inventory);
            ask(inventory.as_ref(), &cx, &method, request).await.map(axum::Json)
        };
        boot.public(Router::new().route("/v1/probe/{method}", post(ask)));
        Ok(())
    })
}

async fn ask(
    inventory: &dyn Inventory,
    cx: &Context,
    method: &str,
    request: Value,
) -> Result<Value, Problem> {
    let unreadable = |error: serde_json::Error| Problem::internal(error);
    Ok(match method {
        "hold" => {
            let request = serde_json::from_value(request).map_err(unreadable)?;
            json!(inventory.hold(cx, request).await)
        }
        "find_hold" => {
            let request = serde_json::from_value(request).map_err(unreadable)?;
            json!(inventory.find_hold(cx, request).await)
        }
        "confirm" => {
            let request = serde_json::from_value(request).map_err(unreadable)?;
            json!(inventory.confirm(cx, request).await)
        }
        "release" => {
            let request = serde_json::from_value(request).map_err(unreadable)?;
            json!(inventory.release(cx, request).await)
        }
        "release_places" => {
            let request = serde_json::from_value(request).map_err(unreadable)?;
            json!(inventory.release_places(cx, request).await)
        }
        _ => return Err(Problem::not_found()),
    })
}
