//! The stack as a process lays it around its modules.

use std::sync::Arc;

use edge::{
    EdgeSettings, Json, Page, Problem, Query, Routes, openapi, routes,
    token::{AccessClaims, TokenKeySet, TokenKeys, TokenKeysError, TokenKeysRequest},
};
use garde::Validate;
use reqwest::StatusCode;
use runtime::{
    Clock, Config, Context, Launch, Module, Needed, Provided, RunningNode, SectionSpec, Sources,
    SystemClock, async_trait, web_client,
};
use serde::Deserialize;
use serde_json::{Value, json};
use utoipa::IntoParams;
use uuid::Uuid;

use crate::support::signer;

struct Keys;

#[async_trait]
impl TokenKeys for Keys {
    async fn token_keys(
        &self,
        _cx: &Context,
        _request: TokenKeysRequest,
    ) -> Result<TokenKeySet, TokenKeysError> {
        Ok(TokenKeySet { keys: vec![signer(1).public_key().clone()] })
    }
}

pub static IDENTITY: Module = Module {
    name: "identity",
    about: "accounts",
    prefixes: &["/v1/auth"],
    provides: &[Provided::of::<dyn TokenKeys>()],
    requires: &[],
    publishes: &[],
    consumes: &[],
    settings: None,
    schema: None,
    views: None,
    openapi: || openapi::describe("identity", Routes::<()>::default(), &[]),
    start: |boot| {
        boot.provide::<dyn TokenKeys>(Arc::new(Keys));
        Box::pin(async { Ok(()) })
    },
};

/// The caller's account.
#[utoipa::path(get, path = "/v1/me", security(("bearer" = [])), responses((status = 200)))]
async fn me(cx: Context) -> Result<Json<Uuid>, Problem> {
    Ok(Json(edge::user(&cx)?))
}

/// Who the caller is here, whatever it says.
#[utoipa::path(get, path = "/v1/me/open", responses((status = 200)))]
async fn anyone(cx: Context) -> Json<String> {
    Json(cx.principal().actor())
}

#[derive(Debug, Deserialize, Validate, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct Visits {
    #[garde(skip)]
    year: Option<u16>,
}

/// The caller's visits.
#[utoipa::path(get, path = "/v1/me/visits", params(Visits, Page), responses((status = 200)))]
async fn visits(Query(Visits { year }): Query<Visits>, _page: Page) -> Json<Option<u16>> {
    Json(year)
}

/// The caller's latest visit.
#[utoipa::path(get, path = "/v1/me/visit", params(Visits), responses((status = 200)))]
async fn visit(Query(Visits { year }): Query<Visits>) -> Json<Option<u16>> {
    Json(year)
}

fn http() -> Routes {
    let own = Routes::default().routes(routes!(me)).routes(routes!(anyone));
    own.routes(routes!(visits)).routes(routes!(visit))
}

static PROFILE: Module = Module {
    name: "profile",
    about: "who you are",
    prefixes: &["/v1/me"],
    provides: &[],
    requires: &[Needed::of::<dyn TokenKeys>(&["token_keys"])],
    publishes: &[],
    consumes: &[],
    settings: None,
    schema: None,
    views: None,
    openapi: || openapi::describe("profile", http(), &[]),
    start: |boot| {
        boot.public(http().into());
        Box::pin(async { Ok(()) })
    },
};

static MODULES: &[&Module] = &[&IDENTITY, &PROFILE];

const PORTS: &str = "public.address = '127.0.0.1:0'\ninternal.address = '127.0.0.1:0'\n\
                     admin.address = '127.0.0.1:0'\n";

fn load(keys: &str) -> Result<Config, runtime::Faults> {
    let sources = Sources::new().toml("ports", PORTS).toml("test", keys);
    Config::load([SectionSpec::of::<EdgeSettings>()], sources)
}

async fn start(keys: &str) -> RunningNode {
    let launch = Launch::new(load(keys).unwrap(), MODULES).public_stack(edge::public_stack);
    let node = launch.start().await.unwrap();
    node.ready().await;
    node
}

async fn get(node: &RunningNode, path: &str, token: Option<&str>) -> (StatusCode, Value) {
    let url = format!("http://{}{path}", node.public_addr());
    let anonymous = web_client().unwrap().get(url);
    let request = match token {
        Some(token) => anonymous.bearer_auth(token),
        None => anonymous,
    };
    let answer = request.send().await.unwrap();
    (answer.status(), answer.json().await.unwrap())
}

#[tokio::test]
async fn a_process_verifies_callers_with_the_keys_of_the_identity_it_hosts() {
    let node = start("").await;
    let ada = Uuid::from_u128(0xada);
    let lifetime = std::time::Duration::from_mins(15);
    let claims = AccessClaims::new(ada, vec![], ada, ada, SystemClock.now(), lifetime);
    let token = signer(1).sign(&claims).unwrap();
    assert_eq!(get(&node, "/v1/me", Some(&token)).await, (StatusCode::OK, json!(ada)));
    let (status, body) = get(&node, "/v1/me", None).await;
    assert_eq!(
        (status, &body["type"]),
        (StatusCode::UNAUTHORIZED, &json!("/problems/unauthenticated"))
    );
    node.stop().await;
}

#[tokio::test]
async fn a_token_counts_where_the_document_says_that_one_is_taken() {
    let node = start("").await;
    let refused = (StatusCode::UNAUTHORIZED, json!("/problems/unauthenticated"));
    let (status, body) = get(&node, "/v1/me", Some("nonsense")).await;
    assert_eq!((status, body["type"].clone()), refused);
    let open = get(&node, "/v1/me/open", Some("nonsense")).await;
    assert_eq!(open, (StatusCode::OK, json!("anonymous")));
    let url = format!("http://{}/v1/me", node.public_addr());
    let head = web_client().unwrap().head(url).bearer_auth("nonsense").send().await.unwrap();
    assert_eq!(head.status(), StatusCode::UNAUTHORIZED);
    assert_eq!(head.headers()["www-authenticate"], "Bearer error=\"invalid_token\"");
    node.stop().await;
}

#[tokio::test]
async fn who_misspells_a_parameter_learns_what_the_document_says_is_taken() {
    let node = start("").await;
    let cases = [
        ("/v1/me/visits?limt=1", "is unknown: what is taken is `year`, `limit` and `cursor`"),
        ("/v1/me/visit?limt=1", "is unknown: what is taken is `year`"),
    ];
    for (path, detail) in cases {
        let (status, body) = get(&node, path, None).await;
        assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY);
        assert_eq!(body["errors"][0]["detail"], detail);
    }
    node.stop().await;
}

#[tokio::test]
async fn a_process_documents_what_it_serves() {
    let node = start("").await;
    let (_, document) = get(&node, "/openapi.json", None).await;
    assert!(document["paths"]["/v1/me"]["get"].is_object(), "{document}");
    node.stop().await;
}

#[tokio::test]
async fn the_limits_come_from_the_configuration() {
    let node = start("[edge]\nhsts_max_age = '1h'\ncors_origins = ['https://a.example']").await;
    let url = format!("http://{}/nothing", node.public_addr());
    let answer = web_client().unwrap().get(url).header("origin", "https://a.example").send();
    let answer = answer.await.unwrap();
    assert_eq!(answer.headers()["strict-transport-security"], "max-age=3600");
    assert_eq!(answer.headers()["access-control-allow-origin"], "https://a.example");
    node.stop().await;
}

#[test]
fn settings_that_cannot_work_are_refused_each_with_its_key() {
    let keys = "[edge]\ncors_origins = ['https://a.example/', '*']\nbody_limit_bytes = 0\n\
                max_in_flight = 0\nrequest_timeout = '0s'";
    let faults = load(keys).unwrap_err().to_string();
    for words in [
        "\"https://a.example/\" is no origin",
        "\"*\" is no origin",
        "body_limit_bytes",
        "max_in_flight",
        "request_timeout",
    ] {
        assert!(faults.contains(words), "{words} is not in\n{faults}");
    }
    let faults = load("[edge]\nrequest_timeout = '1m'").unwrap_err().to_string();
    assert!(faults.contains("choose 25s or less"), "{faults}");
}
