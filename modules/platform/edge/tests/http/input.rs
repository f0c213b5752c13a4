//! What handlers take: bodies, queries, pages, conditions, and what is said when they do not fit.

use crate::support::{Api, problem};
use axum::{
    Router,
    routing::{get, post, put},
};
use edge::{IfMatch, Json, Listing, Page, Problem, Query, Tagged};
use garde::Validate;
use reqwest::{RequestBuilder, StatusCode};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

#[derive(Debug, Serialize, Deserialize, Validate)]
#[serde(deny_unknown_fields)]
struct Order {
    #[garde(length(min = 1, max = 40))]
    name: String,
    #[garde(length(min = 1), dive)]
    items: Vec<Item>,
}

#[derive(Debug, Serialize, Deserialize, Validate)]
#[serde(deny_unknown_fields)]
struct Item {
    #[garde(range(min = 1, max = 10))]
    quantity: u32,
}

#[derive(Debug, Serialize, Deserialize, Validate)]
#[serde(deny_unknown_fields)]
struct Filter {
    #[garde(length(max = 5))]
    #[serde(default)]
    city: Option<String>,
    #[garde(skip)]
    #[serde(default)]
    year: Option<u16>,
}

fn routes() -> Router {
    Router::new()
        .route("/orders", post(|Json(order): Json<Order>| async { Json(order) }))
        .route("/orders/1", put(change).get(|| async { Tagged(3, Json(json!({ "id": 1 }))) }))
        .route(
            "/cities",
            get(|page: Page, Query(filter): Query<Filter>| async move {
                Json(json!({ "fetch": page.fetch(), "city": filter.city, "year": filter.year }))
            }),
        )
        .route("/numbers", get(numbers))
}

async fn change(IfMatch(version): IfMatch) -> Result<Tagged<&'static str>, Problem> {
    IfMatch(version).check(3)?;
    Ok(Tagged(4, "changed"))
}

async fn numbers(page: Page) -> Result<Json<Listing<u32>>, Problem> {
    let first = page.after::<u32>()?.map_or(1, |last| last + 1);
    let rows = (first..=5).take(usize::try_from(page.fetch()).unwrap()).collect();
    Ok(Json(Listing::of(rows, &page, |number| *number)))
}

fn faults(body: &Value) -> Vec<(&str, &str)> {
    let faults = body["errors"].as_array().unwrap().iter();
    faults.map(|it| (it["in"].as_str().unwrap(), it["pointer"].as_str().unwrap())).collect()
}

async fn refused(request: RequestBuilder, status: u16, slug: &str) -> Value {
    problem(request.send().await.unwrap(), status, slug).await
}

#[tokio::test]
async fn a_good_body_comes_through() {
    let api = Api::start(routes()).await;
    let order = json!({ "name": "Ada", "items": [{ "quantity": 2 }] });
    let response = api.post("/orders").json(&order).send().await.unwrap();
    assert_eq!(response.status(), StatusCode::OK);
    assert_eq!(response.json::<Value>().await.unwrap(), order);
}

#[tokio::test]
async fn all_rules_that_a_body_breaks_are_reported_together() {
    let api = Api::start(routes()).await;
    let order =
        json!({ "name": "", "items": [{ "quantity": 1 }, { "quantity": 0 }, { "quantity": 11 }] });
    let body = refused(api.post("/orders").json(&order), 422, "invalid-input").await;
    let expected =
        [("body", "/items/1/quantity"), ("body", "/items/2/quantity"), ("body", "/name")];
    assert_eq!(faults(&body), expected);
}

#[tokio::test]
async fn a_value_of_the_wrong_type_is_named_with_its_place() {
    let api = Api::start(routes()).await;
    let cases = [
        (json!({ "name": "Ada", "items": [{ "quantity": "two" }] }), "/items/0/quantity"),
        (json!({ "name": "Ada", "items": [{}] }), "/items/0/quantity"),
        (json!({ "name": "Ada", "items": [], "vip": true }), "/vip"),
        (json!({ "items": [] }), "/name"),
        (json!(["Ada", [{ "quantity": 1 }]]), ""),
    ];
    for (order, pointer) in cases {
        let body = refused(api.post("/orders").json(&order), 422, "invalid-input").await;
        assert_eq!(faults(&body), [("body", pointer)], "{order}");
        assert!(!body["errors"][0]["detail"].as_str().unwrap().contains(" at line "), "{body}");
    }
}

#[tokio::test]
async fn what_is_not_json_is_malformed() {
    let api = Api::start(routes()).await;
    let deep = "[".repeat(100_000);
    for text in ["", "{", "{\"name\": }", "[1, 2", "\u{0}", deep.as_str()] {
        let request = api.post("/orders").header("content-type", "application/json");
        refused(request.body(text.to_owned()), 400, "malformed-json").await;
    }
    let not_text = api
        .post("/orders")
        .header("content-type", "application/json")
        .body(b"{\"name\": \"\xff\"}".to_vec());
    refused(not_text, 400, "malformed-json").await;
}

#[tokio::test]
async fn only_json_is_read() {
    let api = Api::start(routes()).await;
    let order = r#"{ "name": "Ada", "items": [{ "quantity": 2 }] }"#;
    refused(api.post("/orders").body(order), 415, "unsupported-media-type").await;
    let form = api.post("/orders").header("content-type", "application/x-www-form-urlencoded");
    refused(form.body("name=Ada"), 415, "unsupported-media-type").await;
    let spelled = api.post("/orders").header("content-type", "Application/JSON; charset=utf-8");
    assert_eq!(spelled.body(order).send().await.unwrap().status(), StatusCode::OK);
}

#[tokio::test]
async fn query_parameters_are_read_strictly_and_validated() {
    let api = Api::start(routes()).await;
    let answer = api.get("/cities?city=Bern&year=2026&limit=7").send().await.unwrap();
    let expected = json!({ "fetch": 8, "city": "Bern", "year": 2026 });
    assert_eq!(answer.json::<Value>().await.unwrap(), expected);
    let cases = [
        ("city=Winterthur", "/city"),
        ("year=soon", "/year"),
        ("year=1&year=2", "/year"),
        ("town=Bern", "/town"),
        ("limit=0", "/limit"),
        ("limit=201", "/limit"),
        ("limit=many", "/limit"),
    ];
    for (query, pointer) in cases {
        let body = refused(api.get(&format!("/cities?{query}")), 422, "invalid-input").await;
        assert_eq!(faults(&body), [("query", pointer)], "{query}");
    }
}

#[tokio::test]
async fn a_list_is_read_page_by_page_to_its_end() {
    let api = Api::start(routes()).await;
    let mut seen = Vec::new();
    let mut next = String::new();
    loop {
        let page: Value =
            api.get(&format!("/numbers?limit=2{next}")).send().await.unwrap().json().await.unwrap();
        seen.push(page["items"].clone());
        let Some(cursor) = page["next_cursor"].as_str() else { break };
        next = format!("&cursor={cursor}");
    }
    assert_eq!(seen, [json!([1, 2]), json!([3, 4]), json!([5])]);
}

#[tokio::test]
async fn a_page_holds_fifty_unless_asked_otherwise() {
    let api = Api::start(routes()).await;
    let answer: Value = api.get("/cities").send().await.unwrap().json().await.unwrap();
    assert_eq!(answer["fetch"], 51);
}

#[tokio::test]
async fn a_cursor_that_was_made_up_is_refused() {
    let api = Api::start(routes()).await;
    for cursor in ["x", "!!", "bm90IGpzb24", "ImEi"] {
        let body =
            refused(api.get(&format!("/numbers?cursor={cursor}")), 422, "invalid-input").await;
        assert_eq!(faults(&body), [("query", "/cursor")]);
    }
}

#[tokio::test]
async fn an_edit_needs_the_version_it_is_based_on() {
    let api = Api::start(routes()).await;
    let edit = |tag: &str| api.request("PUT", "/orders/1").header("if-match", tag);
    refused(api.request("PUT", "/orders/1"), 428, "precondition-required").await;
    for stale in ["\"2\"", "W/\"3\"", "3", "\"three\"", "\"\""] {
        refused(edit(stale), 412, "precondition-failed").await;
    }
    for many in ["*", "\"3\", \"4\""] {
        refused(edit(many), 422, "invalid-input").await;
    }
    let changed = edit("\"3\"").send().await.unwrap();
    assert_eq!(changed.status(), StatusCode::OK);
    assert_eq!(changed.headers()["etag"], "\"4\"");
}

#[tokio::test]
async fn a_stale_edit_learns_the_present_version() {
    let api = Api::start(routes()).await;
    let answer = api.request("PUT", "/orders/1").header("if-match", "\"2\"").send().await.unwrap();
    assert_eq!(answer.headers()["etag"], "\"3\"");
}

#[tokio::test]
async fn a_reader_who_has_the_present_version_gets_no_body() {
    let api = Api::start(routes()).await;
    for known in ["\"3\"", "\"1\", W/\"3\"", "*"] {
        let answer = api.get("/orders/1").header("if-none-match", known).send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::NOT_MODIFIED);
        assert_eq!(answer.headers()["etag"], "\"3\"");
        assert!(answer.bytes().await.unwrap().is_empty());
    }
    let answer = api.get("/orders/1").header("if-none-match", "\"2\"").send().await.unwrap();
    assert_eq!(answer.status(), StatusCode::OK);
    assert_eq!(answer.json::<Value>().await.unwrap(), json!({ "id": 1 }));
}
