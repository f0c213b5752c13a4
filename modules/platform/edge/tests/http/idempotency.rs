//! Idempotency keys: one effect and one answer for each, whatever the client repeats.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use axum::{Router, extract::State};
use edge::{Answered, Idempotency, IdempotencyKey, Json, Problem, ProblemType, Routes, routes};
use garde::Validate;
use jiff::SignedDuration;
use reqwest::{RequestBuilder, Response, StatusCode};
use runtime::{Context, Ids, Principal, Role, TraceContext};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use store::{
    Aggregate, Committer, Database, DatabaseSettings, Events, Loaded, Schema,
    sqlx::migrate::Migrator,
};
use tempfile::TempDir;
use testkit::{SeededRandom, TestClock, eventually};
use tokio::{io::AsyncWriteExt, net::TcpStream, sync::Semaphore, task::JoinSet, time::Instant};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::support::{Api, problem};

const ADA: Uuid = Uuid::from_u128(0xada);
const BOB: Uuid = Uuid::from_u128(0xb0b);

static SCHEMA: Schema = Schema::new("edge", Migrator::DEFAULT, Migrator::DEFAULT);

static SOLD_OUT: ProblemType = ProblemType {
    slug: "sold-out",
    status: 409,
    title: "Sold out",
    meaning: "Nothing is left.",
    what_to_do: "Come earlier.",
};

/// A thing that somebody wanted.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
struct Thing {
    name: String,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum ThingEvent {
    Made { name: String },
}

impl Aggregate for Thing {
    const NAME: &'static str = "thing";
    type Command = String;
    type Event = ThingEvent;
    type Rejection = Problem;

    fn decide(&self, name: String) -> Result<Vec<ThingEvent>, Problem> {
        Ok(vec![ThingEvent::Made { name }])
    }

    fn evolve(&mut self, ThingEvent::Made { name }: &ThingEvent) {
        self.name.clone_from(name);
    }
}

#[derive(Debug, Deserialize, Validate, ToSchema)]
#[serde(deny_unknown_fields)]
struct Wish {
    #[garde(length(min = 1))]
    name: String,
}

#[derive(Clone)]
struct App {
    events: Events<Thing>,
    calls: Arc<AtomicUsize>,
    gate: Arc<Semaphore>,
}

#[utoipa::path(post, path = "/v1/things", request_body = Wish, responses((status = 201)))]
async fn make(
    State(app): State<App>,
    cx: Context,
    key: IdempotencyKey,
    Json(wish): Json<Wish>,
) -> Result<Answered, Problem> {
    app.calls.fetch_add(1, Ordering::SeqCst);
    app.gate.acquire().await.map_err(Problem::internal)?.forget();
    let made = app.events.execute(&cx, key.id(), wish.name).answer(&key, answer);
    Ok(Answered(made.await?))
}

#[utoipa::path(post, path = "/v1/open-things", request_body = Wish, responses((status = 201)))]
async fn make_for_anybody(
    state: State<App>,
    cx: Context,
    key: IdempotencyKey,
    wish: Json<Wish>,
) -> Result<Answered, Problem> {
    make(state, cx, key, wish).await
}

fn answer(id: Uuid, after: &Loaded<Thing>) -> store::Answer {
    let body = json!({ "id": id, "name": after.state.name });
    edge::created(format!("/v1/things/{id}"), after.version, &body)
}

#[utoipa::path(post, path = "/v1/sold-out", responses((status = 409)))]
async fn refuse(State(app): State<App>) -> Problem {
    let calls = app.calls.fetch_add(1, Ordering::SeqCst);
    Problem::new(&SOLD_OUT).with("call", calls)
}

#[utoipa::path(post, path = "/v1/crowded", responses((status = 409)))]
async fn pass(State(app): State<App>) -> Problem {
    app.calls.fetch_add(1, Ordering::SeqCst);
    Problem::new(&SOLD_OUT).retry_after(Duration::from_secs(1))
}

#[utoipa::path(post, path = "/v1/panics", responses((status = 500)))]
async fn panics(State(app): State<App>) {
    app.calls.fetch_add(1, Ordering::SeqCst);
    panic!("on purpose");
}

#[utoipa::path(post, path = "/v1/away", responses((status = 503)))]
async fn away(State(app): State<App>) -> Problem {
    app.calls.fetch_add(1, Ordering::SeqCst);
    Problem::unavailable("on purpose")
}

/// Nobody answers whether it was made; what is to be called `made` was.
#[utoipa::path(post, path = "/v1/lost-things", request_body = Wish, responses((status = 504)))]
async fn lose(state: State<App>, cx: Context, key: IdempotencyKey, wish: Json<Wish>) -> Problem {
    if wish.0.name == "made" {
        let _unheard = make(state, cx, key, wish).await;
    } else {
        state.calls.fetch_add(1, Ordering::SeqCst);
    }
    Problem::unknown_fate("on purpose")
}

#[utoipa::path(post, path = "/v1/maybe", responses((status = 200)))]
async fn maybe(State(app): State<App>, key: Option<IdempotencyKey>) -> String {
    let calls = app.calls.fetch_add(1, Ordering::SeqCst);
    format!("{calls} {}", key.is_some())
}

fn http() -> Routes<App> {
    Routes::default()
        .routes(edge::idempotent(routes!(make)))
        .routes(edge::idempotent(routes!(refuse)))
        .routes(edge::idempotent(routes!(pass)))
        .routes(edge::idempotent(routes!(panics)))
        .routes(edge::idempotent(routes!(away)))
        .routes(edge::idempotent(routes!(lose)))
        .routes(edge::optionally_idempotent(routes!(maybe)))
        .routes(edge::idempotent_for_everybody(routes!(make_for_anybody)))
}

/// A service with a database of its own behind the stack.
struct Service {
    api: Api,
    app: App,
    keys: Idempotency,
    _committing: JoinSet<()>,
    _folder: TempDir,
}

impl Service {
    async fn start() -> Self {
        let service = Self::closed().await;
        service.app.gate.add_permits(1_000);
        service
    }

    /// A service whose handlers wait for the test to let them go on.
    async fn closed() -> Self {
        let folder = TempDir::new().unwrap();
        let settings = DatabaseSettings::default();
        let database = Database::connect(&settings, "edge", folder.path()).await.unwrap();
        SCHEMA.up_on(&database).await.unwrap();
        let clock = TestClock::at("2026-11-20T19:00:00Z");
        let ids = Ids::new(Arc::new(clock.clone()), Arc::new(SeededRandom::new(3)));
        let (committer, work) = Committer::new(&database, Arc::new(clock.clone()), ids, None);
        let mut committing = JoinSet::new();
        committing.spawn(work.run());

        let app = App {
            events: Events::new(&committer, ()),
            calls: Arc::default(),
            gate: Arc::new(Semaphore::new(0)),
        };
        let keys = Idempotency::new(&committer);
        let (router, _) = http().split_for_parts();
        let router: Router = keys.around(router).with_state(app.clone());
        let api = Api::at(clock, router, edge::EdgeSettings::default()).await;
        Self { api, app, keys, _committing: committing, _folder: folder }
    }

    fn ask_as(&self, user: Uuid, path: &str, key: &str, wish: &Value) -> RequestBuilder {
        let token = self.api.token(user, &[Role::Customer]);
        self.api.post(path).bearer_auth(token).header("idempotency-key", key).json(wish)
    }

    async fn ask(&self, path: &str, key: &str, wish: &Value) -> Response {
        self.ask_as(ADA, path, key, wish).send().await.unwrap()
    }

    async fn make(&self, key: &str, name: &str) -> Response {
        self.ask("/v1/things", key, &json!({ "name": name })).await
    }

    fn calls(&self) -> usize {
        self.app.calls.load(Ordering::SeqCst)
    }
}

fn is_replayed(response: &Response) -> bool {
    response.headers().get("idempotent-replayed").is_some_and(|value| value == "true")
}

#[tokio::test]
async fn a_repeated_request_gets_the_first_answer_and_has_no_second_effect() {
    let service = Service::start().await;
    let first = service.make("key-1", "chair").await;
    assert_eq!(first.status(), StatusCode::CREATED);
    assert!(!is_replayed(&first));
    let (location, etag) = (first.headers()["location"].clone(), first.headers()["etag"].clone());
    let body = first.text().await.unwrap();

    for _ in 0..3 {
        let again = service.make("key-1", "chair").await;
        assert_eq!(again.status(), StatusCode::CREATED);
        assert!(is_replayed(&again));
        assert_eq!((&again.headers()["location"], &again.headers()["etag"]), (&location, &etag));
        assert_eq!(again.headers()["content-type"], "application/json");
        assert_eq!(again.text().await.unwrap(), body);
    }
    assert_eq!(service.calls(), 1);
}

#[tokio::test]
async fn another_key_is_another_request() {
    let service = Service::start().await;
    let first: Value = service.make("key-1", "chair").await.json().await.unwrap();
    let second: Value = service.make("key-2", "chair").await.json().await.unwrap();
    assert_ne!(first["id"], second["id"]);
}

#[tokio::test]
async fn a_request_without_a_fit_key_is_refused() {
    let service = Service::start().await;
    let token = service.api.token(ADA, &[]);
    let without =
        service.api.post("/v1/things").bearer_auth(&token).json(&json!({ "name": "chair" }));
    problem(without.send().await.unwrap(), 400, "idempotency-key-missing").await;
    let too_long = "k".repeat(256);
    for key in ["", "two words", too_long.as_str()] {
        problem(service.make(key, "chair").await, 400, "idempotency-key-missing").await;
    }
    let longest = "k".repeat(255);
    assert_eq!(service.make(&longest, "chair").await.status(), StatusCode::CREATED);
    assert_eq!(service.calls(), 1);
}

#[tokio::test]
async fn the_same_key_with_another_body_or_query_is_refused() {
    let service = Service::start().await;
    service.make("key-1", "chair").await;
    problem(service.make("key-1", "table").await, 422, "idempotency-key-reused").await;
    let query = service.ask("/v1/things?dry=1", "key-1", &json!({ "name": "chair" })).await;
    problem(query, 422, "idempotency-key-reused").await;
    assert_eq!(service.calls(), 1);
}

#[tokio::test]
async fn keys_belong_to_an_account_and_a_path() {
    let service = Service::start().await;
    let wish = json!({ "name": "chair" });
    let adas = service.make("key-1", "chair").await.text().await.unwrap();
    let bobs = service.ask_as(BOB, "/v1/things", "key-1", &wish).send().await.unwrap();
    assert!(!is_replayed(&bobs));
    assert_ne!(bobs.text().await.unwrap(), adas);
    problem(service.ask("/v1/sold-out", "key-1", &wish).await, 409, "sold-out").await;
}

#[tokio::test]
async fn a_conflict_that_passes_leaves_the_key_free() {
    let service = Service::start().await;
    for _ in 0..2 {
        let answer = service.ask("/v1/crowded", "key-1", &json!({})).await;
        assert!(!is_replayed(&answer));
        problem(answer, 409, "sold-out").await;
    }
    assert_eq!(service.calls(), 2);
}

#[tokio::test]
async fn who_has_no_account_uses_keys_that_nobody_guesses() {
    let service = Service::start().await;
    let ask = async |key: &str, name: &str| {
        let request = service.api.post("/v1/open-things").header("idempotency-key", key);
        request.json(&json!({ "name": name })).send().await.unwrap()
    };
    problem(ask("fifteen-letters", "chair").await, 400, "idempotency-key-missing").await;
    let key = "2f6d1f0e-3d6f-4c68-9f0b-1f2e3d4c5b6a";
    assert_eq!(ask(key, "chair").await.status(), StatusCode::CREATED);
    assert!(is_replayed(&ask(key, "chair").await));
    problem(ask(key, "table").await, 422, "idempotency-key-reused").await;
    assert_eq!(service.calls(), 1);
}

#[tokio::test]
async fn nobody_can_use_a_key_without_logging_in() {
    let service = Service::start().await;
    let request = service.api.post("/v1/things").header("idempotency-key", "key-1");
    let answer = request.json(&json!({ "name": "chair" })).send().await.unwrap();
    problem(answer, 401, "unauthenticated").await;
    assert_eq!(service.calls(), 0);
}

#[tokio::test]
async fn fifty_at_once_have_one_effect_and_identical_answers() {
    let service = Service::start().await;
    let mut crowd = JoinSet::new();
    for _ in 0..50 {
        let request = service.ask_as(ADA, "/v1/things", "key-1", &json!({ "name": "chair" }));
        crowd.spawn(async move {
            let answer = request.send().await.unwrap();
            if answer.status() == StatusCode::CONFLICT {
                assert!(answer.headers().contains_key("retry-after"));
                problem(answer, 409, "idempotency-key-in-flight").await;
                return None;
            }
            assert_eq!(answer.status(), StatusCode::CREATED);
            Some(answer.text().await.unwrap())
        });
    }
    let mut answers: Vec<String> = crowd.join_all().await.into_iter().flatten().collect();
    answers.dedup();
    assert_eq!(answers.len(), 1, "{answers:?}");
    assert_eq!(service.calls(), 1);
}

#[tokio::test]
async fn a_request_that_is_still_being_worked_on_is_not_begun_again() {
    let service = Service::closed().await;
    let mut first = JoinSet::new();
    let request = service.ask_as(ADA, "/v1/things", "key-1", &json!({ "name": "chair" }));
    first.spawn(async move { request.send().await.unwrap().text().await.unwrap() });
    eventually("the handler to be entered", || async { service.calls() == 1 }).await;
    problem(service.make("key-1", "chair").await, 409, "idempotency-key-in-flight").await;
    problem(service.make("key-1", "table").await, 422, "idempotency-key-reused").await;

    service.app.gate.add_permits(1);
    let body = first.join_next().await.unwrap().unwrap();
    assert_eq!(service.make("key-1", "chair").await.text().await.unwrap(), body);
}

#[tokio::test]
async fn a_client_that_hung_up_finds_its_answer_when_it_asks_again() {
    let service = Service::closed().await;
    let token = service.api.token(ADA, &[]);
    let body = r#"{"name":"chair"}"#;
    let request = format!(
        "POST /v1/things HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {token}\r\n\
         idempotency-key: key-1\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    let mut socket = TcpStream::connect(service.api.address).await.unwrap();
    socket.write_all(request.as_bytes()).await.unwrap();
    eventually("the handler to be entered", || async { service.calls() == 1 }).await;
    drop(socket);
    service.app.gate.add_permits(1);

    let answer = eventually("the answer", || async {
        let answer = service.make("key-1", "chair").await;
        (answer.status() == StatusCode::CREATED).then_some(answer)
    })
    .await;
    assert!(is_replayed(&answer));
    assert_eq!(service.calls(), 1);
}

#[tokio::test]
async fn a_refusal_is_an_answer_too() {
    let service = Service::start().await;
    let first = service.ask("/v1/sold-out", "key-1", &json!({})).await;
    let body = first.text().await.unwrap();
    assert!(body.contains(r#""call":0"#) && body.contains("/v1/sold-out"), "{body}");
    let again = service.ask("/v1/sold-out", "key-1", &json!({})).await;
    assert!(is_replayed(&again));
    assert_eq!(again.status(), StatusCode::CONFLICT);
    assert_eq!(again.headers()["content-type"], "application/problem+json");
    assert_eq!(again.text().await.unwrap(), body);
}

#[tokio::test]
async fn a_defect_is_not_tried_again_under_its_key() {
    let service = Service::start().await;
    for _ in 0..2 {
        let answer = service.ask("/v1/panics", "key-1", &json!({})).await;
        assert_eq!(answer.status(), StatusCode::INTERNAL_SERVER_ERROR);
        assert_eq!(answer.headers()["content-type"], "application/problem+json");
    }
    assert_eq!(service.calls(), 1);
}

#[tokio::test]
async fn a_request_that_was_not_executed_may_be_sent_again() {
    let service = Service::start().await;
    for calls in 1..=2 {
        let answer = service.ask("/v1/away", "key-1", &json!({})).await;
        problem(answer, 503, "service-unavailable").await;
        assert_eq!(service.calls(), calls);
    }
}

#[tokio::test]
async fn a_request_of_unknown_fate_is_done_when_it_is_repeated_or_answered_when_it_was() {
    let service = Service::start().await;
    for calls in 1..=2 {
        let answer = service.ask("/v1/lost-things", "key-1", &json!({ "name": "lost" })).await;
        problem(answer, 504, "timed-out").await;
        assert_eq!(service.calls(), calls);
    }
    let wish = json!({ "name": "made" });
    let unheard = service.ask("/v1/lost-things", "key-2", &wish).await;
    problem(unheard, 504, "timed-out").await;
    let again = service.ask("/v1/lost-things", "key-2", &wish).await;
    assert_eq!(again.status(), StatusCode::CREATED);
    assert!(is_replayed(&again));
    assert_eq!(service.calls(), 3);
}

#[tokio::test]
async fn a_request_that_was_not_valid_may_be_mended_under_its_key() {
    let service = Service::start().await;
    problem(service.make("key-1", "").await, 422, "invalid-input").await;
    let mended = service.make("key-1", "chair").await;
    assert_eq!(mended.status(), StatusCode::CREATED);
    assert!(!is_replayed(&mended));
}

#[tokio::test]
async fn an_optional_key_is_honoured_and_not_asked_for() {
    let service = Service::start().await;
    let keyless = || service.api.post("/v1/maybe").send();
    assert_eq!(keyless().await.unwrap().text().await.unwrap(), "0 false");
    assert_eq!(keyless().await.unwrap().text().await.unwrap(), "1 false");
    for _ in 0..2 {
        let keyed = service.ask("/v1/maybe", "key-1", &json!({})).await;
        assert_eq!(keyed.text().await.unwrap(), "2 true");
    }
}

#[tokio::test]
async fn keys_are_remembered_for_a_day_and_then_forgotten() {
    let service = Service::start().await;
    let purge = || {
        let trace = TraceContext::start(&SeededRandom::new(4));
        let deadline = Instant::now() + Duration::from_secs(10);
        let cx = Context::new(Principal::Anonymous, deadline, "purge", trace);
        let (keys, now) = (service.keys.clone(), runtime::Clock::now(&service.api.clock));
        async move { keys.purge(&cx, now).await.unwrap() }
    };
    service.make("key-1", "chair").await;
    service.api.clock.advance(SignedDuration::from_hours(24));
    assert_eq!(purge().await, 0);
    assert!(is_replayed(&service.make("key-1", "chair").await));
    service.api.clock.advance(SignedDuration::from_mins(2));
    assert_eq!(purge().await, 1);
    assert!(!is_replayed(&service.make("key-1", "chair").await));
}

#[test]
fn the_description_names_the_header() {
    let document = json!(http().into_openapi());
    for (path, is_required) in [("/v1/things", true), ("/v1/maybe", false)] {
        let parameter = &document["paths"][path]["post"]["parameters"][0];
        assert_eq!(parameter["name"], "Idempotency-Key");
        assert_eq!(parameter["in"], "header");
        assert_eq!(parameter["required"], is_required);
    }
}
