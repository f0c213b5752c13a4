//! A service that is away, slow, or dies while it answers.

use serde_json::Value;
use testkit::Port;

use crate::world::{Afterwards, World, problem};

/// The first half of an answer.
const HALF: &str = "HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: 8\r\n\r\nhalf";

/// Which service it was, where it is and what went wrong between the two is for the log alone.
fn tells_nothing_of_the_inside(told: &Value) {
    assert_eq!(told["type"], "/problems/timed-out");
    assert_eq!(told["detail"], Value::Null, "it tells of the inside");
}

fn promises_to_come_back(response: &reqwest::Response) -> bool {
    let seconds = response.headers().get("retry-after").and_then(|value| value.to_str().ok());
    seconds.and_then(|text| text.parse::<u64>().ok()).is_some_and(|seconds| seconds >= 1)
}

#[tokio::test]
async fn a_service_that_is_down_is_a_problem_to_come_back_from() {
    let port = Port::reserve();
    let world = World::before_nobody(port.address()).await;
    let answer = world.post("/v1/orders").body("one ticket").send().await.unwrap();
    assert!(promises_to_come_back(&answer), "{:?}", answer.headers());
    let told = problem(answer, 503).await;
    assert_eq!(told["type"], "/problems/service-unavailable");
    assert!(!told.to_string().contains(&port.address().to_string()), "{told}");
    assert_eq!(told["detail"], Value::Null, "it tells of the inside");
}

#[tokio::test]
async fn a_gateway_with_nobody_behind_it_is_not_ready_and_says_for_whom_it_waits() {
    let port = Port::reserve();
    let address = port.address();
    let world = World::before_nobody(address).await;
    let reasons = world.reasons().await;
    let expected = format!("waiting for orders at http://{address} (");
    assert!(reasons.iter().any(|reason| reason.contains(&expected)), "{reasons:?}");
    let _service = tokio::net::TcpListener::bind(address).await.unwrap();
    assert_eq!(world.reasons().await, Vec::<String>::new());
}

#[tokio::test]
async fn a_service_that_does_not_answer_in_time_is_a_problem_of_unknown_outcome() {
    let settings = "gateway.response_timeout = '50ms'";
    let world = World::before_words(settings, "", Afterwards::KeepsSilent).await;
    let answer = world.get("/v1/orders/1").await;
    assert!(promises_to_come_back(&answer), "{:?}", answer.headers());
    tells_nothing_of_the_inside(&problem(answer, 504).await);
}

#[tokio::test]
async fn a_service_that_hangs_up_without_an_answer_is_a_problem_of_unknown_outcome() {
    let world = World::before_words("", "", Afterwards::HangsUp).await;
    let answer = world.get("/v1/orders/1").await;
    tells_nothing_of_the_inside(&problem(answer, 504).await);
}

#[tokio::test]
async fn an_error_that_is_no_problem_becomes_one() {
    let words =
        "HTTP/1.1 502 Bad Gateway\r\ncontent-type: text/plain\r\ncontent-length: 4\r\n\r\noops";
    let world = World::before_words("", words, Afterwards::KeepsSilent).await;
    let answer = world.get("/v1/orders/1").await;
    let status = answer.status().as_u16();
    assert!(status >= 500, "{status}");
    let told = problem(answer, status).await;
    assert!(!told.to_string().contains("oops"), "{told}");
}

#[tokio::test]
async fn half_an_answer_is_not_taken_for_the_whole() {
    let world = World::before_words("", HALF, Afterwards::HangsUp).await;
    let mut answer = world.get("/v1/orders/1").await;
    assert_eq!(answer.status(), 200);
    assert_eq!(answer.chunk().await.unwrap().unwrap(), "half");
    assert!(answer.chunk().await.is_err());
}

#[tokio::test]
async fn half_an_answer_in_chunks_is_not_taken_for_the_whole() {
    let words = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n4\r\nhalf\r\n";
    let world = World::before_words("", words, Afterwards::HangsUp).await;
    let mut answer = world.get("/v1/orders/1").await;
    assert_eq!(answer.chunk().await.unwrap().unwrap(), "half");
    assert!(answer.chunk().await.is_err());
}

#[tokio::test]
async fn a_service_that_falls_silent_is_given_up() {
    let settings = "gateway.idle_timeout = '50ms'";
    let world = World::before_words(settings, HALF, Afterwards::KeepsSilent).await;
    let mut answer = world.get("/v1/orders/1").await;
    assert_eq!(answer.chunk().await.unwrap().unwrap(), "half");
    assert!(answer.chunk().await.is_err());
}

#[tokio::test]
async fn a_client_that_leaves_in_the_middle_of_its_body_does_no_harm() {
    let world = World::before_words("", HALF, Afterwards::KeepsSilent).await;
    let request = "POST /v1/orders HTTP/1.1\r\nhost: test\r\ncontent-length: 100\r\n\r\nonly this";
    world.say_and_leave(request).await;
    assert_eq!(world.get("/v1/orders/1").await.status(), 200);
}
