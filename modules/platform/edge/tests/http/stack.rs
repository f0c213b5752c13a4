//! What surrounds every request: its name, its headers, its limits, and that it is not left half
//! done.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use crate::support::{Api, problem};
use axum::{
    Router,
    body::{Body, Bytes, to_bytes},
    extract::{FromRequest, Request, State},
    http::StatusCode,
    routing::{get, post},
};
use edge::{EdgeSettings, Problem};
use metrics_exporter_prometheus::PrometheusBuilder;
use runtime::Context;
use testkit::{Journal, eventually};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    sync::{Notify, Semaphore},
    task::JoinSet,
};

fn echo() -> Router {
    Router::new().route(
        "/v1/context",
        get(|cx: Context| async move {
            format!(
                "{} {} {}",
                cx.correlation_id(),
                cx.trace().traceparent(),
                cx.principal().actor()
            )
        }),
    )
}

#[tokio::test]
async fn a_request_gets_an_id_that_the_answer_repeats() {
    let api = Api::start(echo()).await;
    let first = api.get("/v1/context").send().await.unwrap();
    let id = first.headers()["x-request-id"].to_str().unwrap().to_owned();
    assert_eq!(id.len(), 36);
    let words = first.text().await.unwrap();
    assert!(words.starts_with(&id) && words.ends_with(" anonymous"), "{words}");
    let second = api.get("/v1/context").send().await.unwrap();
    assert_ne!(second.headers()["x-request-id"], id.as_str());
}

#[tokio::test]
async fn a_fit_request_id_of_the_clients_is_kept_and_no_other() {
    let api = Api::start(echo()).await;
    let longest = "x".repeat(64);
    let too_long = "x".repeat(65);
    for (given, is_kept) in [
        ("abc-1", true),
        (longest.as_str(), true),
        (too_long.as_str(), false),
        ("a b", false),
        ("", false),
    ] {
        let answer = api.get("/v1/context").header("x-request-id", given).send().await.unwrap();
        assert_eq!(answer.headers()["x-request-id"] == given, is_kept, "{given:?}");
    }
}

#[tokio::test]
async fn a_valid_trace_goes_on_and_any_other_starts_anew() {
    let api = Api::start(echo()).await;
    let trace = "0af7651916cd43dd8448eb211c80319c";
    let given = format!("00-{trace}-b7ad6b7169203331-01");
    let words = api.get("/v1/context").header("traceparent", &given).send().await.unwrap();
    let words = words.text().await.unwrap();
    assert!(words.contains(trace) && !words.contains("b7ad6b7169203331"), "{words}");
    let invalid = given.replace("-01", "-1");
    let words = api.get("/v1/context").header("traceparent", invalid).send().await.unwrap();
    assert!(!words.text().await.unwrap().contains(trace));
}

#[tokio::test]
async fn every_answer_has_the_security_headers() {
    let api = Api::start(echo()).await;
    for path in ["/v1/context", "/nothing"] {
        let answer = api.get(path).send().await.unwrap();
        let header = |name: &str| answer.headers()[name].to_str().unwrap().to_owned();
        assert_eq!(header("x-content-type-options"), "nosniff");
        assert_eq!(header("x-frame-options"), "DENY");
        assert_eq!(header("referrer-policy"), "no-referrer");
        assert_eq!(header("content-security-policy"), "default-src 'none'; frame-ancestors 'none'");
        assert_eq!(header("cache-control"), "no-store");
        assert!(!answer.headers().contains_key("strict-transport-security"));
        assert!(!answer.headers().contains_key("server"));
    }
}

#[tokio::test]
async fn https_only_is_asked_for_where_it_is_configured() {
    let hsts_max_age = Some(Duration::from_hours(24));
    let api = Api::with(echo(), EdgeSettings { hsts_max_age, ..EdgeSettings::default() }).await;
    let answer = api.get("/v1/context").send().await.unwrap();
    assert_eq!(answer.headers()["strict-transport-security"], "max-age=86400");
}

#[tokio::test]
async fn no_other_origin_may_read_unless_it_is_configured() {
    let api = Api::start(echo()).await;
    let asked = api.get("/v1/context").header("origin", "https://tickets.example.org");
    let answer = asked.send().await.unwrap();
    assert!(!answer.headers().contains_key("access-control-allow-origin"));
    let preflight =
        api.request("OPTIONS", "/v1/context").header("origin", "https://tickets.example.org");
    problem(preflight.send().await.unwrap(), 405, "method-not-allowed").await;
}

#[tokio::test]
async fn a_configured_origin_may_read_and_send_what_the_api_needs() {
    let settings = EdgeSettings {
        cors_origins: vec!["https://tickets.example.org".to_owned()],
        ..EdgeSettings::default()
    };
    let api = Api::with(echo(), settings).await;
    let preflight = api
        .request("OPTIONS", "/v1/context")
        .header("origin", "https://tickets.example.org")
        .header("access-control-request-method", "POST")
        .header("access-control-request-headers", "authorization, idempotency-key, if-match")
        .send()
        .await
        .unwrap();
    assert_eq!(preflight.headers()["access-control-allow-origin"], "https://tickets.example.org");
    let may_send = preflight.headers()["access-control-allow-headers"].to_str().unwrap();
    for name in ["authorization", "idempotency-key", "if-match", "content-type"] {
        assert!(may_send.contains(name), "{may_send}");
    }

    let answer =
        api.get("/nothing").header("origin", "https://tickets.example.org").send().await.unwrap();
    assert_eq!(answer.headers()["access-control-allow-origin"], "https://tickets.example.org");
    let may_read = answer.headers()["access-control-expose-headers"].to_str().unwrap();
    assert!(may_read.contains("etag") && may_read.contains("x-request-id"), "{may_read}");

    let other =
        api.get("/v1/context").header("origin", "https://evil.example.org").send().await.unwrap();
    assert!(!other.headers().contains_key("access-control-allow-origin"));
}

#[tokio::test]
async fn a_handler_that_takes_too_long_is_answered_for_and_still_finishes() {
    let (gate, done) = (Arc::new(Semaphore::new(0)), Arc::new(AtomicUsize::new(0)));
    let api = Api::with(two_steps(&gate, &done), short()).await;
    let started = Instant::now();
    problem(api.post("/v1/slow").send().await.unwrap(), 504, "timed-out").await;
    assert!(started.elapsed() < Duration::from_secs(5));
    gate.add_permits(1);
    eventually("the handler to finish", || async { done.load(Ordering::SeqCst) == 1 }).await;
}

#[tokio::test]
async fn a_handler_goes_on_when_its_client_hangs_up() {
    let (gate, done) = (Arc::new(Semaphore::new(0)), Arc::new(AtomicUsize::new(0)));
    let entered = Arc::new(Notify::new());
    let (signal, inner) = (Arc::clone(&entered), two_steps(&gate, &done));
    let routes =
        inner.layer(axum::middleware::map_request(move |request: axum::extract::Request| {
            signal.notify_one();
            async { request }
        }));
    let api = Api::start(routes).await;
    let mut socket = TcpStream::connect(api.address).await.unwrap();
    socket
        .write_all(b"POST /v1/slow HTTP/1.1\r\nhost: x\r\ncontent-length: 0\r\n\r\n")
        .await
        .unwrap();
    entered.notified().await;
    drop(socket);
    gate.add_permits(1);
    eventually("the handler to finish", || async { done.load(Ordering::SeqCst) == 1 }).await;
}

fn short() -> EdgeSettings {
    EdgeSettings { request_timeout: Duration::from_millis(200), ..EdgeSettings::default() }
}

/// A handler that waits at a gate between its two steps.
fn two_steps(gate: &Arc<Semaphore>, done: &Arc<AtomicUsize>) -> Router {
    Router::new()
        .route("/v1/slow", post(wait_at_gate))
        .with_state((Arc::clone(gate), Arc::clone(done)))
}

async fn wait_at_gate(State((gate, done)): State<(Arc<Semaphore>, Arc<AtomicUsize>)>) {
    gate.acquire().await.unwrap().forget();
    done.fetch_add(1, Ordering::SeqCst);
}

#[tokio::test]
async fn the_deadline_travels_with_the_context() {
    let routes = Router::new().route(
        "/v1/left",
        get(|cx: Context| async move { cx.remaining().as_millis().to_string() }),
    );
    let api = Api::with(routes, short()).await;
    let left: u32 =
        api.get("/v1/left").send().await.unwrap().text().await.unwrap().parse().unwrap();
    assert!(left <= 200, "{left}");
}

#[tokio::test]
async fn a_body_that_drips_is_cut_off() {
    let routes = Router::new().route("/v1/upload", post(|body: Bytes| async { body }));
    let api = Api::with(routes, short()).await;
    let mut socket = TcpStream::connect(api.address).await.unwrap();
    socket
        .write_all(b"POST /v1/upload HTTP/1.1\r\nhost: x\r\ncontent-length: 100\r\n\r\nabc")
        .await
        .unwrap();
    let mut answer = String::new();
    socket.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 408 "), "{answer}");
    assert!(answer.contains("/problems/request-timeout"), "{answer}");
}

#[tokio::test]
async fn a_body_that_is_passed_on_while_it_drips_is_its_senders_fault() {
    let forward = |body: Body| async {
        let read = to_bytes(body, usize::MAX);
        match tokio::time::timeout(Duration::from_millis(20), read).await {
            Ok(_) => Ok("all of it"),
            Err(_) => Err(Problem::unknown_fate("the service did not answer in time")),
        }
    };
    let api = Api::with(Router::new().route("/v1/upload", post(forward)), short()).await;
    let mut socket = TcpStream::connect(api.address).await.unwrap();
    socket
        .write_all(b"POST /v1/upload HTTP/1.1\r\nhost: x\r\ncontent-length: 100\r\n\r\nabc")
        .await
        .unwrap();
    let mut answer = String::new();
    socket.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 408 "), "{answer}");
}

#[tokio::test]
async fn who_sends_slowly_keeps_out_only_who_does_so_too() {
    let begun = Arc::new(Notify::new());
    let told = Arc::clone(&begun);
    let upload = post(move |request: Request| {
        told.notify_one();
        async move { Bytes::from_request(request, &()).await }
    });
    let routes = Router::new().route("/v1/upload", upload).merge(echo());
    let settings = EdgeSettings { max_in_flight: 1, ..EdgeSettings::default() };
    let api = Api::with(routes, settings).await;
    let begin = || async {
        let mut socket = TcpStream::connect(api.address).await.unwrap();
        let head = b"POST /v1/upload HTTP/1.1\r\nhost: x\r\nconnection: close\r\n";
        socket.write_all(head).await.unwrap();
        socket.write_all(b"content-length: 6\r\n\r\nabc").await.unwrap();
        begun.notified().await;
        socket
    };
    let mut slow = begin().await;
    let mut second = begin().await;
    let mut refusal = String::new();
    second.read_to_string(&mut refusal).await.unwrap();
    assert!(refusal.starts_with("HTTP/1.1 503 "), "{refusal}");
    assert!(refusal.contains("/problems/too-busy"), "{refusal}");
    assert_eq!(api.get("/v1/context").send().await.unwrap().status(), StatusCode::OK);

    slow.write_all(b"def").await.unwrap();
    let mut answer = String::new();
    slow.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 ") && answer.ends_with("abcdef"), "{answer}");
}

#[tokio::test]
async fn a_full_process_refuses_at_once_and_says_when_to_come_back() {
    let (gate, done) = (Arc::new(Semaphore::new(0)), Arc::new(AtomicUsize::new(0)));
    let settings = EdgeSettings { max_in_flight: 2, ..EdgeSettings::default() };
    let api = Arc::new(Api::with(two_steps(&gate, &done).merge(echo()), settings).await);
    let mut waiting = JoinSet::new();
    for _ in 0..2 {
        let slow = api.post("/v1/slow");
        waiting.spawn(async move { slow.send().await.unwrap().status() });
    }
    let refusal = eventually("a refusal", || async {
        let answer = api.get("/v1/context").send().await.unwrap();
        (answer.status() == StatusCode::SERVICE_UNAVAILABLE).then_some(answer)
    })
    .await;
    let seconds: u32 = refusal.headers()["retry-after"].to_str().unwrap().parse().unwrap();
    assert!((1..=2).contains(&seconds), "{seconds}");
    problem(refusal, 503, "too-busy").await;

    gate.add_permits(2);
    while let Some(status) = waiting.join_next().await {
        assert_eq!(status.unwrap(), StatusCode::OK);
    }
    assert_eq!(api.get("/v1/context").send().await.unwrap().status(), StatusCode::OK);
}

#[tokio::test]
async fn whoever_a_request_is_forwarded_to_gets_its_names() {
    let routes = Router::new().route(
        "/v1/forwarded",
        get(|cx: Context, headers: axum::http::HeaderMap| async move {
            assert_eq!(headers["x-request-id"], cx.correlation_id());
            assert_eq!(headers["traceparent"], cx.trace().traceparent());
        }),
    );
    let api = Api::start(routes).await;
    let answer = api.get("/v1/forwarded").header("x-request-id", "not fit").send().await.unwrap();
    assert_eq!(answer.status(), StatusCode::OK);
}

#[test]
fn every_request_leaves_one_line_without_what_is_nobodys_business() {
    let (journal, subscriber) = Journal::open();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    tracing::dispatcher::with_default(&subscriber, || {
        runtime.block_on(async {
            let routes = Router::new().route("/v1/things/{id}", get(|| async {}));
            let api = Api::start(routes).await;
            let request = api.get("/v1/things/ada@example.org?token=swordfish");
            request.header("x-request-id", "abc-1").send().await.unwrap();
        });
    });
    let text = journal.text();
    let lines = journal.lines_with(r#""target":"access""#);
    let [line] = &lines[..] else { panic!("one line and no other in\n{text}") };
    let fields = &line["fields"];
    assert_eq!(fields["method"], "GET");
    assert_eq!(fields["route"], "/v1/things/{id}");
    assert_eq!(fields["status"], 200);
    assert_eq!(fields["request_id"], "abc-1");
    assert!(fields["duration_ms"].is_number());
    assert!(!text.contains("swordfish") && !text.contains("ada@example.org"), "{text}");
}

#[test]
fn requests_are_counted_by_route_and_not_by_path() {
    let recorder = PrometheusBuilder::new().build_recorder();
    let handle = recorder.handle();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    metrics::with_local_recorder(&recorder, || {
        runtime.block_on(async {
            let routes = Router::new().route("/v1/things/{id}", get(|| async {}));
            let api = Api::start(routes).await;
            for path in ["/v1/things/1", "/v1/things/2?q=secret", "/nothing/3"] {
                api.get(path).send().await.unwrap();
            }
            api.request("BREW", "/v1/things/1").send().await.unwrap();
        });
    });
    let text = handle.render();
    for line in [
        r#"http_requests_total{method="GET",route="/v1/things/{id}",status="200"} 2"#,
        r#"http_requests_total{method="GET",route="unmatched",status="404"} 1"#,
        r#"http_requests_total{method="other",route="/v1/things/{id}",status="405"} 1"#,
        "http_requests_in_flight 0",
    ] {
        assert!(text.contains(line), "{line} is not in\n{text}");
    }
    assert!(text.contains("http_request_duration_seconds"), "{text}");
    assert!(!text.contains("secret"), "{text}");
}
