//! Every error is a problem: the handlers', the framework's, and those nobody foresaw.

use crate::support::{Api, problem};
use axum::{Router, http::StatusCode, routing::get};
use edge::{EdgeSettings, Path, Problem, problems};
use runtime::Fault;
use store::{ExecuteError, StoreError};
use uuid::Uuid;

fn routes() -> Router {
    Router::new()
        .route("/v1/things", get(|| async { "all" }).post(|body: axum::body::Bytes| async { body }))
        .route("/v1/things/{id}", get(|Path(_): Path<Uuid>| async { "one" }))
        .route("/v1/refused", get(refused))
        .route("/v1/broken", get(|| async { Problem::internal("the secret is swordfish") }))
        .route("/v1/panic", get(panics))
        .route("/v1/bare", get(|| async { (StatusCode::CONFLICT, "some framework's words") }))
        .route("/v1/bare-500", get(|| async { (StatusCode::BAD_GATEWAY, "10.0.0.7 refused") }))
}

async fn refused() -> Problem {
    Problem::new(&problems::FORBIDDEN)
        .detail("not on Sundays")
        .with("open_again", "2026-11-23")
        .with("status", "a member that is taken")
}

async fn panics() {
    panic!("the secret is swordfish");
}

#[tokio::test]
async fn a_problem_has_its_type_its_place_and_members_of_its_own() {
    let api = Api::start(routes()).await;
    let body =
        problem(api.get("/v1/refused?secret=1").send().await.unwrap(), 403, "forbidden").await;
    assert_eq!(body["title"], "You may not do this");
    assert_eq!(body["detail"], "not on Sundays");
    assert_eq!(body["open_again"], "2026-11-23");
}

#[tokio::test]
async fn an_unknown_path_is_a_problem() {
    let api = Api::start(routes()).await;
    for path in ["/", "/v1/nothing"] {
        let body = problem(api.get(path).send().await.unwrap(), 404, "not-found").await;
        let detail = body["detail"].as_str().unwrap();
        assert!(detail.contains("/docs") && detail.contains("/openapi.json"), "{detail}");
    }
}

#[tokio::test]
async fn a_wrong_method_is_a_problem_that_says_which_are_right() {
    let api = Api::start(routes()).await;
    let response = api.request("DELETE", "/v1/things").send().await.unwrap();
    let allowed = response.headers()["allow"].to_str().unwrap().to_owned();
    assert!(allowed.contains("GET") && allowed.contains("POST"), "{allowed}");
    problem(response, 405, "method-not-allowed").await;
}

#[tokio::test]
async fn a_path_parameter_of_the_wrong_type_is_named() {
    let api = Api::start(routes()).await;
    let response = api.get("/v1/things/seven").send().await.unwrap();
    let body = problem(response, 422, "invalid-input").await;
    assert_eq!(body["errors"][0]["in"], "path");
    assert_eq!(body["errors"][0]["pointer"], "/id");
}

#[tokio::test]
async fn a_body_that_announces_to_be_too_long_is_refused() {
    let api = small_bodies().await;
    let response = api.post("/v1/things").body("x".repeat(65)).send().await.unwrap();
    problem(response, 413, "payload-too-large").await;
}

#[tokio::test]
async fn a_body_that_turns_out_to_be_too_long_is_refused() {
    let api = small_bodies().await;
    let parts = (0..3).map(|_| Ok::<_, std::io::Error>("x".repeat(30)));
    let body = reqwest::Body::wrap_stream(futures_util::stream::iter(parts));
    let response = api.post("/v1/things").body(body).send().await.unwrap();
    problem(response, 413, "payload-too-large").await;
}

#[tokio::test]
async fn a_body_as_long_as_allowed_passes() {
    let api = small_bodies().await;
    let response = api.post("/v1/things").body("x".repeat(64)).send().await.unwrap();
    assert_eq!(response.status(), StatusCode::OK);
}

async fn small_bodies() -> Api {
    let settings = EdgeSettings { body_limit_bytes: 64, ..EdgeSettings::default() };
    Api::with(routes(), settings).await
}

#[tokio::test]
async fn a_defect_tells_the_client_nothing_but_the_requests_id() {
    let api = Api::start(routes()).await;
    for path in ["/v1/broken", "/v1/panic"] {
        let body = problem(api.get(path).send().await.unwrap(), 500, "internal").await;
        assert!(!body.to_string().contains("swordfish"), "{body}");
    }
}

#[tokio::test]
async fn an_error_of_the_frameworks_becomes_a_problem_without_its_words() {
    let api = Api::start(routes()).await;
    let body = problem(api.get("/v1/bare").send().await.unwrap(), 400, "bad-request").await;
    assert!(!body.to_string().contains("words"), "{body}");
    let body = problem(api.get("/v1/bare-500").send().await.unwrap(), 500, "internal").await;
    assert!(!body.to_string().contains("10.0.0.7"), "{body}");
}

#[test]
fn faults_of_calls_tell_whether_trying_again_is_safe() {
    let (service, method) = ("payments", "charge");
    let reason = || "10.0.0.7 refused".to_owned();
    for (fault, kind) in [
        (Fault::NotSent { service, method, reason: reason() }, &problems::SERVICE_UNAVAILABLE),
        (Fault::Unknown { service, method, reason: reason() }, &problems::TIMED_OUT),
        (Fault::Failed { service, method, reason: reason() }, &problems::INTERNAL),
    ] {
        assert_eq!(Problem::from(fault).kind(), kind);
    }
}

#[test]
fn failures_of_the_store_tell_whether_trying_again_is_safe() {
    let reason = || "disk full".to_owned();
    for (error, kind) in [
        (StoreError::Overloaded(reason()), &problems::SERVICE_UNAVAILABLE),
        (StoreError::Unavailable(reason()), &problems::SERVICE_UNAVAILABLE),
        (StoreError::Contended(reason()), &problems::SERVICE_UNAVAILABLE),
        (StoreError::Unstorable(reason()), &problems::INVALID_INPUT),
        (StoreError::NotClaimed(reason()), &problems::IDEMPOTENCY_KEY_IN_FLIGHT),
        (StoreError::Unknown(reason()), &problems::TIMED_OUT),
        (StoreError::Corrupt(reason()), &problems::INTERNAL),
        (StoreError::Failed(reason()), &problems::INTERNAL),
    ] {
        assert_eq!(Problem::from(ExecuteError::<Problem>::Store(error)).kind(), kind);
    }
    let stale = Problem::from(ExecuteError::<Problem>::Stale { current: 4 });
    assert_eq!(stale.kind(), &problems::PRECONDITION_FAILED);
    let rejected = Problem::from(ExecuteError::Rejected(Problem::not_found()));
    assert_eq!(rejected.kind(), &problems::NOT_FOUND);
}

#[test]
fn every_problem_type_is_well_formed_and_there_once() {
    let mut slugs: Vec<&str> = problems::ALL.iter().map(|kind| kind.slug).collect();
    slugs.sort_unstable();
    let count = slugs.len();
    slugs.dedup();
    assert_eq!(slugs.len(), count);
    for kind in problems::ALL {
        assert!((400..600).contains(&kind.status), "{}", kind.slug);
        assert!(kind.slug.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'-'));
        assert!(!kind.title.ends_with('.'), "{}", kind.slug);
        assert!(kind.meaning.ends_with('.') && kind.what_to_do.ends_with('.'), "{}", kind.slug);
    }
}
