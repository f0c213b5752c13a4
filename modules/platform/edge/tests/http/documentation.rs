//! What the process says of itself: the OpenAPI document, Swagger UI, and a page for each problem.

use std::collections::BTreeSet;

use axum::Router;
use edge::{Json, Page, Path, Problem, ProblemType, Routes, openapi, problems, routes};
use garde::Validate;
use reqwest::StatusCode;
use runtime::Module;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::support::{Api, problem};

static SOLD_OUT: ProblemType = ProblemType {
    slug: "sold-out",
    status: 409,
    title: "Sold out",
    meaning: "Nothing is left. Nothing was changed.",
    what_to_do: "Come earlier.",
};

edge::problem_responses! {
    /// What ordering may be refused with.
    OrderProblems: SOLD_OUT
}

#[derive(Debug, Serialize, Deserialize, Validate, ToSchema)]
#[serde(deny_unknown_fields)]
struct Order {
    #[garde(range(min = 1, max = 10))]
    #[schema(minimum = 1, maximum = 10, example = 2)]
    quantity: u32,
}

/// Orders.
#[utoipa::path(
    post, path = "/v1/orders",
    security(("bearer" = [])),
    responses((status = 201, description = "The order.", body = Order), OrderProblems),
)]
async fn place(Json(order): Json<Order>) -> Json<Order> {
    Json(order)
}

/// Changes an order.
#[utoipa::path(
    put, path = "/v1/orders/{id}",
    params(openapi::IfMatchHeader),
    security(("bearer" = [])),
    responses(
        (status = 200, description = "The order.", body = Order),
        (status = 409, description = "It is paid.", body = Problem),
    ),
)]
async fn change(Path(_id): Path<Uuid>, Json(order): Json<Order>) -> Json<Order> {
    Json(order)
}

/// Calls an order off, even if it was not read before.
#[utoipa::path(
    post, path = "/v1/orders/{id}/cancel",
    params(("if-match" = Option<String>, Header)),
    responses((status = 204)),
)]
async fn cancel(Path(_id): Path<Uuid>) -> StatusCode {
    StatusCode::NO_CONTENT
}

/// All orders.
#[utoipa::path(get, path = "/v1/orders", params(Page), responses((status = 200, body = [Order])))]
async fn list(_page: Page) -> Json<Vec<Order>> {
    Json(Vec::new())
}

fn http() -> Routes {
    Routes::default()
        .routes(edge::idempotent(routes!(place, list)))
        .routes(routes!(change))
        .routes(edge::optionally_idempotent(routes!(cancel)))
}

static ORDERS: Module = Module {
    name: "orders",
    about: "the purchase",
    prefixes: &["/v1/orders"],
    provides: &[],
    requires: &[],
    publishes: &[],
    consumes: &[],
    settings: None,
    schema: None,
    views: None,
    openapi: || openapi::describe("orders", http(), &[&SOLD_OUT]),
    start: |_| Box::pin(async { Ok(()) }),
};

/// Claims what `orders` has, and describes it differently.
static COPY: Module = Module {
    name: "copy",
    openapi: || {
        /// Something else.
        #[derive(ToSchema)]
        #[expect(dead_code, reason = "read by the derive only")]
        struct Order {
            price: u32,
        }
        #[utoipa::path(get, path = "/v1/copies", responses((status = 200, body = Order)))]
        async fn list() {}
        let routes = Routes::<()>::default().routes(routes!(list));
        openapi::describe("copy", routes, &[&SOLD_OUT])
    },
    ..ORDERS_WITHOUT_API
};

const ORDERS_WITHOUT_API: Module = Module {
    name: "nothing",
    about: "",
    prefixes: &[],
    provides: &[],
    requires: &[],
    publishes: &[],
    consumes: &[],
    settings: None,
    schema: None,
    views: None,
    openapi: || openapi::describe("nothing", Routes::<()>::default(), &[]),
    start: |_| Box::pin(async { Ok(()) }),
};

fn document() -> Value {
    json!(openapi::merge(&[&ORDERS]))
}

async fn documented() -> Api {
    let (router, _) = http().split_for_parts();
    Api::start(Router::new().merge(router).merge(edge::docs(&openapi::merge(&[&ORDERS])))).await
}

fn statuses(operation: &Value) -> BTreeSet<&str> {
    operation["responses"].as_object().unwrap().keys().map(String::as_str).collect()
}

fn examples(operation: &Value, status: &str) -> BTreeSet<String> {
    let content = &operation["responses"][status]["content"]["application/problem+json"];
    assert_eq!(content["schema"]["$ref"], "#/components/schemas/Problem", "{status}");
    content["examples"].as_object().unwrap().keys().cloned().collect()
}

#[test]
fn an_operation_documents_the_problems_that_follow_from_what_it_is() {
    let document = document();
    let place = &document["paths"]["/v1/orders"]["post"];
    let expected =
        ["201", "400", "401", "403", "408", "409", "413", "415", "422", "500", "503", "504"];
    assert_eq!(statuses(place), BTreeSet::from(expected));
    let list = &document["paths"]["/v1/orders"]["get"];
    assert_eq!(statuses(list), BTreeSet::from(["200", "422", "500", "503", "504"]));
    let change = &document["paths"]["/v1/orders/{id}"]["put"];
    assert!(statuses(change).is_superset(&BTreeSet::from(["404", "412", "428"])));
    let cancel = &document["paths"]["/v1/orders/{id}/cancel"]["post"];
    let expected = ["204", "404", "409", "412", "422", "500", "503", "504"];
    assert_eq!(statuses(cancel), BTreeSet::from(expected), "what may be left out is not missed");
}

#[test]
fn problems_of_one_status_are_documented_side_by_side() {
    let document = document();
    let place = &document["paths"]["/v1/orders"]["post"];
    let both = ["sold-out", "idempotency-key-in-flight"].map(str::to_owned);
    assert_eq!(examples(place, "409"), BTreeSet::from(both));
    let words = place["responses"]["409"]["description"].as_str().unwrap();
    assert!(words.starts_with("`sold-out`: Sold out."), "{words}");
    let example = &place["responses"]["422"]["content"]["application/problem+json"]["examples"]["invalid-input"]
        ["value"];
    assert_eq!(example["type"], "/problems/invalid-input");
    assert_eq!(example["errors"][0]["pointer"], "/items/0/quantity");
}

#[test]
fn a_problem_described_as_plain_json_gets_its_media_type() {
    let document = document();
    let change = &document["paths"]["/v1/orders/{id}"]["put"]["responses"]["409"];
    assert_eq!(change["description"], "It is paid.");
    let media_types: Vec<&String> = change["content"].as_object().unwrap().keys().collect();
    assert_eq!(media_types, ["application/problem+json"]);
}

#[test]
fn operations_are_tagged_and_authorize_works() {
    let document = document();
    assert_eq!(document["paths"]["/v1/orders"]["post"]["tags"], json!(["orders"]));
    assert_eq!(document["tags"][0], json!({ "name": "orders", "description": "the purchase" }));
    assert_eq!(document["paths"]["/v1/orders"]["post"]["security"], json!([{ "bearer": [] }]));
    let scheme = &document["components"]["securitySchemes"]["bearer"];
    assert_eq!((&scheme["type"], &scheme["scheme"]), (&json!("http"), &json!("bearer")));
}

#[test]
fn every_reference_leads_somewhere() {
    let document = document();
    let mut references = Vec::new();
    collect_references(&document, &mut references);
    assert!(references.contains(&"#/components/schemas/Problem"));
    for reference in references {
        let pointer = reference.strip_prefix('#').unwrap();
        assert!(document.pointer(pointer).is_some(), "{reference}");
    }
}

fn collect_references<'a>(value: &'a Value, found: &mut Vec<&'a str>) {
    match value {
        Value::Object(members) => {
            found.extend(members.get("$ref").and_then(Value::as_str));
            members.values().for_each(|member| collect_references(member, found));
        }
        Value::Array(items) => items.iter().for_each(|item| collect_references(item, found)),
        _ => {}
    }
}

#[test]
fn what_two_modules_describe_differently_is_found() {
    assert_eq!(openapi::clashes(&[&ORDERS]), [""; 0]);
    let clashes = openapi::clashes(&[&ORDERS, &COPY]);
    let expected = [
        "orders and copy both have the schema Order",
        "orders and copy both have the operation list",
        "orders and copy both have the problem sold-out",
    ];
    assert_eq!(clashes, expected);
}

#[tokio::test]
async fn the_document_is_served_and_revalidated() {
    let api = documented().await;
    let answer = api.get("/openapi.json").send().await.unwrap();
    assert_eq!(answer.headers()["content-type"], "application/json");
    let etag = answer.headers()["etag"].clone();
    assert_eq!(answer.json::<Value>().await.unwrap(), document());
    let again = api.get("/openapi.json").header("if-none-match", etag).send().await.unwrap();
    assert_eq!(again.status(), StatusCode::NOT_MODIFIED);
}

#[tokio::test]
async fn swagger_ui_is_served_whole_and_its_policy_lets_it_work() {
    let api = documented().await;
    let redirect = api.get("/docs").send().await.unwrap();
    assert_eq!(redirect.headers()["location"], "/docs/");
    let page = api.get("/docs/").send().await.unwrap();
    assert_eq!(page.status(), StatusCode::OK);
    assert!(page.headers()["content-type"].to_str().unwrap().starts_with("text/html"));
    let policy = page.headers()["content-security-policy"].to_str().unwrap().to_owned();
    for part in ["script-src 'self'", "connect-src 'self'", "img-src 'self' data:"] {
        assert!(policy.contains(part), "{policy}");
    }
    let html = page.text().await.unwrap();
    let files: Vec<&str> = html
        .split(['"', '\''])
        .filter(|text| matches!(text.rsplit_once('.'), Some((_, "css" | "js" | "png"))))
        .collect();
    assert!(files.len() >= 5, "{html}");
    for file in files {
        let path = format!("/docs/{}", file.trim_start_matches("./"));
        let answer = api.get(&path).send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::OK, "{path}");
        assert_eq!(answer.headers()["x-content-type-options"], "nosniff");
    }
    assert!(!html.contains("<script>"), "inline scripts would be blocked");
}

#[tokio::test]
async fn swagger_ui_is_set_up_to_try_things_out() {
    let api = documented().await;
    let script =
        api.get("/docs/swagger-initializer.js").send().await.unwrap().text().await.unwrap();
    for setting in ["/openapi.json", "\"persistAuthorization\": true", "\"tryItOutEnabled\": true"]
    {
        assert!(script.contains(setting), "{script}");
    }
    problem(api.get("/docs/no-such-file.js").send().await.unwrap(), 404, "not-found").await;
}

#[tokio::test]
async fn every_problem_has_a_page() {
    let api = documented().await;
    let own: &[&ProblemType] = &[&SOLD_OUT];
    for kind in problems::ALL.iter().chain(own) {
        let page = api.get(&kind.uri()).send().await.unwrap();
        assert_eq!(page.status(), StatusCode::OK, "{}", kind.slug);
        let words = page.text().await.unwrap();
        assert!(words.contains(kind.meaning) && words.contains(kind.what_to_do), "{words}");
    }
    let index = api.get("/problems").send().await.unwrap().text().await.unwrap();
    assert!(index.contains("409 /problems/sold-out"), "{index}");
    problem(api.get("/problems/unheard-of").send().await.unwrap(), 404, "not-found").await;
}

#[test]
fn the_list_of_errors_has_a_heading_for_each_service() {
    let page = problems::markdown(&openapi::explanations(&openapi::merge(&[&ORDERS])));
    assert!(page.starts_with("# Errors\n"), "{page}");
    assert!(page.contains("\n## Problems of any endpoint\n"), "{page}");
    assert!(
        page.contains("\n## Problems of orders\n\n### sold-out\n\n**409** Sold out.\n"),
        "{page}"
    );
}

/// The whole page, services included, is checked where all services are known.
#[test]
fn the_list_of_errors_begins_with_the_edges_own() {
    let written = include_str!("../../../../../docs/errors.md");
    let own = problems::markdown(&problems::explanations());
    let fresh = concat!(env!("CARGO_TARGET_TMPDIR"), "/errors.md");
    std::fs::write(fresh, &own).unwrap();
    assert!(written.starts_with(&own), "docs/errors.md does not begin with {fresh}; correct it");
}
