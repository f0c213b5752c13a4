//! A node with catalog on it, the people who use it, and what they usually begin with.

use std::{
    collections::BTreeSet,
    sync::{Arc, LazyLock},
    time::Duration,
};

use bus::{Hub, Query};
use cache::{Cache, CacheSettings};
use contracts::catalog::{Catalog, CatalogEvent, FindMembership, FindSaleTerms};
use edge::{
    Path, Problem,
    token::{
        AccessClaims, TokenKeySet, TokenKeys, TokenKeysError, TokenKeysRequest, TokenSigner,
        new_private_key_pem,
    },
};
use runtime::{
    Boot, BoxFuture, Clock, Context, IntegrationEvents, Launch, Module, Needed, Provided, Role,
    Router, SectionSpec, StartError, SystemRandom, async_trait,
};
use serde_json::{Value, json};
use store::Position;
use testkit::{Client, Composition, Reply, Sandbox, Shape, Storage, TestClock, redis::RedisPlace};
use uuid::Uuid;

/// It is noon on this day in every house, until a test says otherwise.
const TODAY: &str = "2027-03-01T12:00:00Z";

pub(crate) const ANNA: Uuid = Uuid::from_u128(0xA);
pub(crate) const BEN: Uuid = Uuid::from_u128(0xB);
pub(crate) const CARA: Uuid = Uuid::from_u128(0xC);

pub(crate) struct House {
    pub(crate) sandbox: Sandbox,
}

impl House {
    pub(crate) async fn open(storage: Storage) -> Self {
        Self::shaped(storage, Shape::Monolith).await
    }

    pub(crate) async fn shaped(storage: Storage, shape: Shape) -> Self {
        let builder = Sandbox::builder(COMPOSITION).database(storage).shape(shape);
        Self { sandbox: builder.clock(TestClock::at(TODAY)).start().await }
    }

    /// Two nodes on one PostgreSQL that share a Redis and trust what they remember for a minute.
    pub(crate) async fn twins(redis: &RedisPlace) -> Self {
        let builder = Sandbox::builder(COMPOSITION)
            .database(Storage::Postgres)
            .replicas(2)
            .setting("cache.kind", "redis")
            .setting("cache.url", redis.url.as_str())
            .setting("cache.prefix", redis.prefix.as_str())
            .setting("cache.staleness", "1m");
        Self { sandbox: builder.clock(TestClock::at(TODAY)).start().await }
    }

    /// Nobody in particular.
    pub(crate) fn public(&self) -> Client {
        self.sandbox.client().at(self.sandbox.node("catalog").public_url())
    }

    /// Runs events.
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

    pub(crate) fn admin(&self) -> Client {
        self.person(Uuid::from_u128(0xAD), Role::Admin)
    }

    pub(crate) fn person(&self, id: Uuid, role: Role) -> Client {
        let (session, token) = (Uuid::from_u128(1), Uuid::from_u128(2));
        let (now, lifetime) = (self.sandbox.clock().now(), Duration::from_hours(1));
        let claims = AccessClaims::new(id, vec![role], session, token, now, lifetime);
        self.public().with_token(SIGNER.sign(&claims).expect("claims can be signed"))
    }

    /// An organizer of `client`'s: its id.
    pub(crate) async fn organizer(&self, client: &Client) -> String {
        let reply = client.post("/v1/organizers", &json!({"name": "Riverside"})).await;
        reply.expect(201).field("id")
    }

    /// A venue of the organizer's: its id.
    pub(crate) async fn venue(&self, client: &Client, organizer: &str) -> String {
        let venue = json!({
            "organizer_id": organizer,
            "name": "Boathouse",
            "address": "3 Quay Street",
            "time_zone": "Europe/Berlin",
        });
        client.post("/v1/venues", &venue).await.expect(201).field("id")
    }

    /// A draft of Anna's with one ticket type.
    pub(crate) async fn draft(&self) -> Draft {
        let anna = self.anna();
        let organizer = self.organizer(&anna).await;
        let venue = self.venue(&anna, &organizer).await;
        let event = event(&organizer, &venue);
        let id = anna.post("/v1/events", &event).await.expect(201).field("id");
        let path = format!("/v1/events/{id}");
        let seat = anna.post(&format!("{path}/ticket-types"), &seat()).await.expect(201);
        Draft { organizer, venue, id, path, seat: seat.field("id") }
    }

    /// An event of Anna's that is published.
    pub(crate) async fn published(&self) -> Draft {
        let event = self.draft().await;
        let _published = self.act(&event, "publish").await.expect(200);
        event
    }

    /// An event of Anna's that is on sale.
    pub(crate) async fn on_sale(&self) -> Draft {
        let event = self.published().await;
        let _opened = self.act(&event, "open-sales").await.expect(200);
        event
    }

    /// Anna does something with her event.
    pub(crate) async fn act(&self, event: &Draft, action: &str) -> Reply {
        let path = format!("{}/{action}", event.path);
        self.anna().post(&path, &json!({"reason": "The soloist is ill."})).await
    }

    /// Asks over catalog's contract as another service does.
    pub(crate) async fn ask(&self, question: &str) -> Value {
        let probe = self.public().at(self.sandbox.node("probe").public_url());
        probe.get(&format!("/v1/probe/{question}")).await.expect(200).value()
    }
}

/// An event and what belongs to it.
pub(crate) struct Draft {
    pub(crate) organizer: String,
    pub(crate) venue: String,
    pub(crate) id: String,
    pub(crate) path: String,
    pub(crate) seat: String,
}

/// What drafting an event needs.
pub(crate) fn event(organizer: &str, venue: &str) -> Value {
    let mut event = change(venue);
    event["organizer_id"] = organizer.into();
    event
}

/// What replacing an event needs.
pub(crate) fn change(venue: &str) -> Value {
    json!({
        "venue_id": venue,
        "name": "Quartet by the river",
        "description": "Haydn and Shostakovich.",
        "starts_at": "2027-06-18T18:00:00Z",
        "ends_at": "2027-06-18T20:30:00Z",
        "currency": "EUR",
    })
}

pub(crate) fn seat() -> Value {
    json!({
        "name": "Stalls",
        "price": {"amount": 2500, "currency": "EUR"},
        "capacity": {"kind": "limited", "places": 100},
    })
}

pub(crate) fn with(mut body: Value, field: &str, value: impl Into<Value>) -> Value {
    body[field] = value.into();
    body
}

/// The JSON pointers of the faults in a refused body, each once, in alphabetical order.
pub(crate) fn pointers(refusal: &Reply) -> Vec<String> {
    let problem = refusal.value();
    let faults = problem["errors"].as_array().cloned().unwrap_or_default();
    let pointers = faults.iter().filter_map(|fault| fault["pointer"].as_str().map(str::to_owned));
    pointers.collect::<BTreeSet<String>>().into_iter().collect()
}

/// The names in a page, in their order.
pub(crate) fn names(page: &Reply) -> Vec<String> {
    let page = page.value();
    let items = page["items"].as_array().cloned().unwrap_or_default();
    items.iter().filter_map(|item| item["name"].as_str().map(str::to_owned)).collect()
}

static SIGNER: LazyLock<TokenSigner> = LazyLock::new(|| {
    let pem = new_private_key_pem(&SystemRandom::default());
    TokenSigner::from_pem(&pem).expect("a new key is a key")
});

static MODULES: &[&Module] = &[&KEYS, &catalog::MODULE, &PROBE];

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

/// Another service, which asks catalog what a test asks it.
static PROBE: Module = Module {
    name: "probe",
    about: "asks catalog",
    prefixes: &["/v1/probe"],
    provides: &[],
    requires: &[Needed::of::<dyn Catalog>(&["sale_terms", "membership"])],
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
        let (terms, membership) = (boot.client::<dyn Catalog>()?, boot.client::<dyn Catalog>()?);
        let hub = boot.extension::<Hub>().ok_or_else(|| StartError::new("there is no hub"))?;
        let routes = Router::new()
            .route(
                "/v1/probe/heard",
                axum::routing::get(async move || axum::Json(heard(&hub).await)),
            )
            .route(
                "/v1/probe/terms/{event_id}",
                axum::routing::get(async move |cx: Context, Path(event_id): Path<Uuid>| {
                    let answer = terms.sale_terms(&cx, FindSaleTerms { event_id }).await;
                    Ok::<_, Problem>(axum::Json(json!(answer)))
                }),
            )
            .route(
                "/v1/probe/membership/{organizer_id}/{user_id}",
                axum::routing::get(async move |cx: Context, Path(ids): Path<(Uuid, Uuid)>| {
                    let request = FindMembership { organizer_id: ids.0, user_id: ids.1 };
                    let answer = membership.membership(&cx, request).await;
                    Ok::<_, Problem>(axum::Json(json!(answer)))
                }),
            );
        boot.public(routes);
        Ok(())
    })
}

/// Everything that catalog has announced to those in its process.
async fn heard(hub: &Hub) -> Vec<Value> {
    let query = Query {
        types: CatalogEvent::NAMES.iter().map(|name| (*name).to_owned()).collect(),
        after: Position::START,
        limit: 100,
        wait: Duration::ZERO,
    };
    let page = hub.feed("catalog").await.read(&query).await.expect("the feed answers");
    page.entries.into_iter().map(|entry| entry.envelope.payload).collect()
}
