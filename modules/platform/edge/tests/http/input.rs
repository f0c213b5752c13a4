//! What handlers take: bodies, queries, pages, conditions, and what is said when they do not fit.

use crate::support::{Api, problem};
use axum::{
    Router,
    routing::{get, post, put},
};
use edge::{IfMatch, Json, Listing, Page, Path, Problem, Query, Tagged};
use garde::Validate;
use reqwest::{RequestBuilder, StatusCode};
use runtime::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use uuid::Uuid;

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

/// One of every kind of value.
#[derive(Debug, Serialize, Deserialize, Validate)]
#[serde(deny_unknown_fields)]
struct Show {
    #[garde(skip)]
    house: Uuid,
    #[garde(length(chars, min = 1, max = 20), custom(some_text))]
    name: String,
    #[garde(skip)]
    starts_at: Timestamp,
    #[garde(custom(later_than(self.starts_at)))]
    ends_at: Timestamp,
    #[garde(skip)]
    day: Option<jiff::civil::Date>,
    #[garde(skip)]
    currency: Currency,
    #[garde(skip)]
    seats: u32,
    #[garde(skip)]
    price: i64,
    #[garde(skip)]
    is_open: bool,
    #[garde(skip)]
    place: Place,
    #[garde(length(max = 2))]
    #[serde(default)]
    tags: Vec<Tag>,
    #[garde(skip)]
    plan: Option<Plan>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
enum Currency {
    Chf,
    Eur,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Tag {
    Jazz,
    OpenAir,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Place {
    city: String,
    street: String,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
enum Plan {
    Rows { rows: u32, seats: u32 },
    Standing { places: u32 },
}

fn some_text<C>(value: &str, _: &C) -> garde::Result {
    if value.trim().is_empty() { Err(garde::Error::new("is blank")) } else { Ok(()) }
}

fn later_than<C>(start: Timestamp) -> impl FnOnce(&Timestamp, &C) -> garde::Result {
    move |end, _| if *end > start { Ok(()) } else { Err(garde::Error::new("is not later")) }
}

fn a_show() -> Value {
    json!({
        "house": "01980e4c-8f5c-7b1e-a7c4-51d2f2a5c001",
        "name": "Jazz",
        "starts_at": "2027-06-18T18:00:00Z",
        "ends_at": "2027-06-18T21:00:00+02:00",
        "currency": "EUR",
        "seats": 3,
        "price": 2500,
        "is_open": true,
        "place": { "city": "Bern", "street": "Gasse 1" },
    })
}

/// The faults of a show with these members, each as its pointer and its detail.
async fn faults_of_show(api: &Api, members: Value) -> Vec<(String, String)> {
    let mut show = a_show();
    for (name, value) in members.as_object().unwrap() {
        if *value == json!("absent") {
            show.as_object_mut().unwrap().remove(name);
        } else {
            show[name] = value.clone();
        }
    }
    let body = refused(api.post("/shows").json(&show), 422, "invalid-input").await;
    let faults = body["errors"].as_array().unwrap().iter();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    faults.map(|it| (text(&it["pointer"]), text(&it["detail"]))).collect()
}

fn told(expected: &[(&str, &str)]) -> Vec<(String, String)> {
    expected.iter().map(|&(pointer, detail)| (pointer.to_owned(), detail.to_owned())).collect()
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
        .route("/shows", post(|Json(show): Json<Show>| async { Json(show) }))
        .route("/plan", get(|Query(filter): Query<Filter>| async { Json(filter) }))
        .route("/shows/{id}", get(|Path(id): Path<Uuid>| async move { Json(id) }))
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
        (json!({ "name": "Ada", "items": [{ "quantity": 1 }], "vip": true }), "/vip"),
        (json!({ "items": [{ "quantity": 1 }] }), "/name"),
        (json!(["Ada", [{ "quantity": 1 }]]), ""),
    ];
    for (order, pointer) in cases {
        let body = refused(api.post("/orders").json(&order), 422, "invalid-input").await;
        assert_eq!(faults(&body), [("body", pointer)], "{order}");
        assert!(!body["errors"][0]["detail"].as_str().unwrap().contains(" at line "), "{body}");
    }
}

#[tokio::test]
async fn what_cannot_be_read_and_what_breaks_a_rule_is_reported_together() {
    let api = Api::start(routes()).await;
    let faults = faults_of_show(
        &api,
        json!({
            "house": "absent",
            "name": " ",
            "starts_at": "2027-06-18 18:00",
            "currency": "EURO",
            "seats": -1,
            "place": { "town": "Bern", "city": 5 },
            "tags": ["jazz", "rock", 7],
            "vip": true,
        }),
    );
    let expected = [
        ("/currency", "must be an ISO 4217 code such as EUR"),
        ("/house", "is missing"),
        ("/name", "must not be blank"),
        ("/place/city", "must be a string"),
        ("/place/street", "is missing"),
        ("/place/town", "is unknown: what is taken is `city` and `street`"),
        ("/seats", "must be 0 or more"),
        ("/starts_at", "must be an instant with an offset such as 2027-06-18T18:00:00Z"),
        ("/tags", "must have a length of 2 or less"),
        ("/tags/1", "must be `jazz` or `open_air`"),
        ("/tags/2", "must be `jazz` or `open_air`"),
        (
            "/vip",
            "is unknown: what is taken is `house`, `name`, `starts_at`, `ends_at`, `day`, `currency`, \
             `seats`, `price`, `is_open`, `place`, `tags` and `plan`",
        ),
    ];
    assert_eq!(faults.await, told(&expected));
}

#[tokio::test]
async fn a_fault_says_what_to_send() {
    let api = Api::start(routes()).await;
    let instant = "must be an instant with an offset such as 2027-06-18T18:00:00Z";
    let cases = [
        ("house", json!("abc"), "must be a UUID, such as 01980e4c-8f5c-7b1e-a7c4-51d2f2a5c001"),
        ("house", json!(5), "must be a UUID, such as 01980e4c-8f5c-7b1e-a7c4-51d2f2a5c001"),
        ("name", json!(""), "must not be blank"),
        ("name", json!(5), "must be a string"),
        ("name", json!(null), "must be a string"),
        ("name", json!({ "en": "Jazz" }), "must be a string"),
        ("name", json!("x".repeat(21)), "must have a length of 20 or less"),
        ("starts_at", json!("18 June"), instant),
        ("starts_at", json!(1_813_341_600), instant),
        ("ends_at", json!("2027-06-18T17:00:00Z"), "is not later"),
        ("day", json!("18.6.2027"), "must be a date such as 2027-06-18"),
        ("currency", json!(978), "must be an ISO 4217 code such as EUR"),
        ("seats", json!(2.5), "must be a whole number"),
        ("seats", json!("2"), "must be a whole number"),
        ("seats", json!(-1), "must be 0 or more"),
        ("seats", json!(4_294_967_296_u64), "must be 4294967295 or less"),
        ("price", json!(25.5), "must be a whole number"),
        ("is_open", json!("yes"), "must be true or false"),
        ("place", json!("Bern"), "must be an object"),
        ("tags", json!("jazz"), "must be an array"),
        ("plan/kind", json!({ "kind": "seats" }), "must be `rows` or `standing`"),
        ("plan/rows", json!({ "kind": "rows", "rows": "x", "seats": 3 }), "must be a whole number"),
        ("plan/places", json!({ "kind": "standing" }), "is missing"),
    ];
    for (place, value, detail) in cases {
        let name = place.split('/').next().unwrap();
        let faults = faults_of_show(&api, json!({ name: value.clone() })).await;
        assert_eq!(faults, told(&[(&format!("/{place}"), detail)]), "{value}");
    }
}

#[tokio::test]
async fn a_rule_about_a_value_that_nobody_knows_is_not_said_to_be_broken() {
    let api = Api::start(routes()).await;
    for starts_at in [json!("soon"), json!("absent")] {
        let faults = faults_of_show(&api, json!({ "starts_at": starts_at })).await;
        assert_eq!(faults.len(), 1, "{faults:?}");
    }
}

#[tokio::test]
async fn a_field_that_is_there_twice_is_one_fault_among_others() {
    let api = Api::start(routes()).await;
    let twice = r#"{ "name": "Ada", "name": "", "items": [{ "quantity": "2" }] }"#;
    let request = api.post("/orders").header("content-type", "application/json").body(twice);
    let body = refused(request, 422, "invalid-input").await;
    let expected = [("body", "/items/0/quantity"), ("body", "/name"), ("body", "/name")];
    assert_eq!(faults(&body), expected);
    assert!(body.to_string().contains("is given more than once"), "{body}");
}

#[tokio::test]
async fn names_that_look_like_a_librarys_words_are_names() {
    let api = Api::start(routes()).await;
    for name in ["a`, expected `b", "`", "~/", "missing field `name`", ""] {
        let faults = faults_of_show(&api, json!({ name: 1 })).await;
        let token = name.replace('~', "~0").replace('/', "~1");
        assert_eq!(faults.len(), 1, "{faults:?}");
        assert_eq!(faults[0].0, format!("/{token}"));
    }
}

#[tokio::test]
async fn a_great_many_faults_cost_little_and_some_are_told() {
    let api = Api::start(routes()).await;
    let items: Vec<Value> = (0..50_000).map(|_| json!({ "quantity": "x" })).collect();
    let order = json!({ "name": "Ada", "items": items });
    let body = refused(api.post("/orders").json(&order), 422, "invalid-input").await;
    assert_eq!(body["errors"][0]["pointer"], "/items/0/quantity");
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
async fn all_faults_of_a_query_are_told_with_what_the_operation_takes() {
    let api = Api::start(routes()).await;
    let query = "/cities?limt=10&year=soon&city=Winterthur";
    let body = refused(api.get(query), 422, "invalid-input").await;
    let expected = json!([
        { "in": "query", "pointer": "/city", "detail": "must have a length of 5 or less" },
        { "in": "query", "pointer": "/limt",
          "detail": "is unknown: what is taken is `city`, `year`, `limit` and `cursor`" },
        { "in": "query", "pointer": "/year", "detail": "must be a whole number, 0 or more" },
    ]);
    assert_eq!(body["errors"], expected);
    let body = refused(api.get("/plan?limt=10"), 422, "invalid-input").await;
    assert_eq!(body["errors"][0]["detail"], "is unknown: what is taken is `city` and `year`");
    let body = refused(api.get("/cities?limit=201"), 422, "invalid-input").await;
    assert_eq!(body["errors"][0]["detail"], "must be 200 or less");
}

#[tokio::test]
async fn a_path_that_is_no_identifier_says_what_one_is() {
    let api = Api::start(routes()).await;
    let body = refused(api.get("/shows/abc"), 422, "invalid-input").await;
    let detail = body["errors"][0]["detail"].as_str().unwrap();
    assert!(detail.starts_with("must be a UUID"), "{detail}");
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
