//! What arrives at the service is what the client sent, and the other way round.

use axum::{
    Router,
    extract::Request,
    http::StatusCode,
    routing::{any, get},
};
use reqwest::Method;
use serde_json::{Value, json};

use crate::world::{World, problem};

/// Tells what it was asked.
fn mirror() -> Router {
    Router::new().fallback(async |request: Request| {
        let (parts, body) = request.into_parts();
        let headers: serde_json::Map<String, Value> = parts
            .headers
            .iter()
            .map(|(name, value)| (name.to_string(), json!(value.to_str().unwrap())))
            .collect();
        let body = axum::body::to_bytes(body, 1 << 20).await.unwrap();
        let told = json!({
            "method": parts.method.as_str(),
            "uri": parts.uri.to_string(),
            "headers": headers,
            "body": String::from_utf8_lossy(&body),
        });
        told.to_string()
    })
}

async fn json(response: reqwest::Response) -> Value {
    serde_json::from_slice(&response.bytes().await.unwrap()).unwrap()
}

#[tokio::test]
async fn method_path_query_headers_and_body_arrive() {
    let world = World::before(mirror()).await;
    for method in [Method::POST, Method::PUT, Method::PATCH, Method::DELETE] {
        let request = world
            .request(method.clone(), "/v1/orders/a%2Fb?limit=5&cursor=%20x+y")
            .header("authorization", "Bearer whatever")
            .header("idempotency-key", "k1")
            .header("x-request-id", "r1")
            .header("connection", "keep-alive, x-secret-hop")
            .header("x-secret-hop", "1")
            .body("Zwei Karten");
        let told = json(request.send().await.unwrap()).await;
        assert_eq!(told["method"], method.as_str());
        assert_eq!(told["uri"], "/v1/orders/a%2Fb?limit=5&cursor=%20x+y");
        assert_eq!(told["body"], "Zwei Karten");
        let headers = &told["headers"];
        assert_eq!(headers["authorization"], "Bearer whatever");
        assert_eq!(headers["idempotency-key"], "k1");
        assert_eq!(headers["x-request-id"], "r1");
        assert_eq!(headers["content-length"], "11");
        assert!(headers["traceparent"].is_string());
        assert!(headers["x-secret-hop"].is_null(), "{headers}");
    }
}

#[tokio::test]
async fn the_service_learns_who_asked_whom() {
    let world = World::before(mirror()).await;
    let asked = world.request(Method::GET, "/.well-known/orders.json");
    let asked = asked.header("x-forwarded-for", "203.0.113.1").header("host", "tickets.example");
    let headers = json(asked.send().await.unwrap()).await["headers"].clone();
    assert_eq!(headers["x-forwarded-for"], "127.0.0.1");
    assert_eq!(headers["x-forwarded-host"], "tickets.example");
    assert_eq!(headers["x-forwarded-proto"], "http");
    assert_ne!(headers["host"], "tickets.example");
}

#[tokio::test]
async fn an_answer_passes_untouched() {
    const BODY: &str = "{\"type\":\"/problems/sold-out\",\"status\":409,  \"left\":3}";
    let sold_out = any(async || {
        let headers = [
            ("content-type", "application/problem+json"),
            ("retry-after", "7"),
            ("x-request-id", "of the service"),
            ("cache-control", "max-age=1"),
        ];
        (StatusCode::CONFLICT, headers, BODY)
    });
    let world = World::before(Router::new().route("/v1/orders", sold_out)).await;
    let answer = world.post("/v1/orders").header("x-request-id", "mine").send().await.unwrap();
    assert_eq!(answer.status(), StatusCode::CONFLICT);
    assert_eq!(answer.headers()["content-type"], "application/problem+json");
    assert_eq!(answer.headers()["retry-after"], "7");
    assert_eq!(answer.headers()["cache-control"], "max-age=1");
    assert_eq!(answer.headers()["x-request-id"], "mine");
    assert_eq!(answer.headers().get_all("date").iter().count(), 1);
    assert_eq!(answer.text().await.unwrap(), BODY);
}

#[tokio::test]
async fn redirects_are_for_the_client_to_follow() {
    let elsewhere = get(async || (StatusCode::FOUND, [("location", "/v1/orders/2")]));
    let world = World::before(Router::new().route("/v1/orders/1", elsewhere)).await;
    let answer = world.get("/v1/orders/1").await;
    assert_eq!(answer.status(), StatusCode::FOUND);
    assert_eq!(answer.headers()["location"], "/v1/orders/2");
}

#[tokio::test]
async fn answers_without_a_body_have_none() {
    let routes = Router::new()
        .route("/v1/orders/known", get(async || StatusCode::NOT_MODIFIED))
        .route("/v1/orders/gone", get(async || StatusCode::NO_CONTENT))
        .route("/v1/orders/some", get(async || "five!"));
    let world = World::before(routes).await;
    for (path, status) in [("known", 304), ("gone", 204)] {
        let answer = world.get(&format!("/v1/orders/{path}")).await;
        assert_eq!(answer.status().as_u16(), status);
        assert_eq!(answer.bytes().await.unwrap(), "");
    }
    let head = world.request(Method::HEAD, "/v1/orders/some").send().await.unwrap();
    assert_eq!(head.headers()["content-length"], "5");
    assert_eq!(world.get("/v1/orders/some").await.text().await.unwrap(), "five!");
}

#[tokio::test]
async fn a_path_of_no_service_is_a_problem_of_the_gateways() {
    let world = World::before(mirror()).await;
    for path in ["/", "/v1", "/v1/ordersx", "/v2/orders", "/internal/orders/feed"] {
        let told = problem(world.get(path).await, 404).await;
        assert_eq!(told["type"], "/problems/not-found", "{path}");
        assert_eq!(told["instance"], path);
    }
}

#[tokio::test]
async fn a_path_that_climbs_out_of_its_prefix_is_not_forwarded() {
    let world = World::before(mirror()).await;
    for path in ["/v1/orders/../admin", "/v1/orders/%2e%2e/admin"] {
        let request = format!("GET {path} HTTP/1.1\r\nhost: test\r\nconnection: close\r\n\r\n");
        let answer = world.say(&request).await;
        assert!(answer.starts_with("HTTP/1.1 404"), "{answer}");
        assert!(answer.contains("/problems/not-found"), "{answer}");
    }
}
