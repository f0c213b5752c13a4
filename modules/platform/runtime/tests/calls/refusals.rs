//! What the internal listener does not execute, and says so.

use std::time::Duration;

use reqwest::{Method, RequestBuilder};
use serde_json::Value;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use crate::{
    desk::{Office, context_for, say},
    peer::{Conduct, Peer},
};

/// A request to the desk as the lobby sends it: what a peer saw, to be changed.
async fn request(office: &Office, method: Method) -> RequestBuilder {
    let url = office.url.join("/internal/desk/once").unwrap();
    let mut request = runtime::web_client().unwrap().request(method, url);
    for (name, value) in lobby_headers(office).await {
        request = request.header(name, value);
    }
    request
}

async fn lobby_headers(office: &Office) -> Vec<(String, String)> {
    let peer = Peer::with_tokens([Conduct::report()], office.tokens.twin()).await;
    peer.desk().once(&context_for(Duration::from_secs(5)), say("hello")).await.unwrap();
    let mut headers = peer.headers(0);
    for own in ["target", "host", "content-length", "accept"] {
        headers.remove(own);
    }
    headers.into_iter().collect()
}

/// The status and the reason of an answer that is marked as not executed.
async fn refusal(request: RequestBuilder) -> (u16, String) {
    let response = request.send().await.unwrap();
    let status = response.status().as_u16();
    assert!(response.headers().contains_key("x-boxoffice-not-executed"), "{status}");
    let body: Value = response.json().await.unwrap();
    (status, body["reason"].as_str().unwrap().to_owned())
}

const SAY_HI: &str = r#"{"say":"hi"}"#;

#[tokio::test]
async fn the_request_that_all_others_here_are_made_of_is_executed() {
    let office = Office::open().await;
    let request = request(&office, Method::POST).await.body(SAY_HI);
    assert_eq!(request.send().await.unwrap().status(), 200);
    assert_eq!(office.clerk.done(), 1);
}

#[tokio::test]
async fn a_request_that_the_contract_does_not_know_is_refused() {
    let office = Office::open().await;
    for body in ["", "{", "[]", r#"{"sing":"hi"}"#, r#"{"say":1}"#] {
        let (status, reason) = refusal(request(&office, Method::POST).await.body(body)).await;
        assert_eq!(status, 400, "{body}");
        assert!(reason.starts_with("the request is not what the contract says: "), "{reason}");
    }
    assert_eq!(office.clerk.begun(), 0);
}

#[tokio::test]
async fn a_request_that_is_too_large_is_refused() {
    let office = Office::open().await;
    let body = format!(r#"{{"say":"{}"}}"#, "x".repeat(2 * 1024 * 1024));
    let request = request(&office, Method::POST).await.body(body);
    let expected = (413, "the request is larger than 2097152 bytes".to_owned());
    assert_eq!(refusal(request).await, expected);
    assert_eq!(office.clerk.begun(), 0);
}

#[tokio::test]
async fn headers_that_make_no_context_are_refused() {
    let office = Office::open().await;
    for (name, value, complaint) in [
        ("x-boxoffice-principal", "nobody", "is missing or holds no principal"),
        ("x-boxoffice-principal", "e30", "is missing or holds no principal"),
        ("x-boxoffice-deadline-ms", "soon", "is not a number of milliseconds"),
        ("x-boxoffice-deadline-ms", "-1", "is not a number of milliseconds"),
        ("x-boxoffice-causation", "because", "is not a UUID"),
    ] {
        let mut changed = request(&office, Method::POST).await.body(SAY_HI).build().unwrap();
        changed.headers_mut().insert(name, value.parse().unwrap());
        let client = runtime::web_client().unwrap();
        let answer = refusal(RequestBuilder::from_parts(client, changed)).await;
        assert_eq!(answer, (400, format!("the header {name} {complaint}")), "{value}");
    }
    assert_eq!(office.clerk.begun(), 0);
}

#[tokio::test]
async fn a_request_whose_deadline_has_passed_is_refused() {
    let office = Office::open().await;
    let mut late = request(&office, Method::POST).await.body(SAY_HI).build().unwrap();
    late.headers_mut().insert("x-boxoffice-deadline-ms", "0".parse().unwrap());
    let client = runtime::web_client().unwrap();
    let (status, _) = refusal(RequestBuilder::from_parts(client, late)).await;
    assert_eq!(status, 503);
    assert_eq!(office.clerk.begun(), 0);
}

#[tokio::test]
async fn only_post_calls_a_method() {
    let office = Office::open().await;
    for method in [Method::GET, Method::PUT, Method::DELETE] {
        let (status, reason) = refusal(request(&office, method).await.body(SAY_HI)).await;
        assert_eq!((status, reason.as_str()), (405, "a contract is called with POST"));
    }
    assert_eq!(office.clerk.begun(), 0);
}

/// Or a silent caller would hold its place for ever.
#[tokio::test]
async fn a_request_that_does_not_arrive_in_time_is_refused() {
    let office = Office::open().await;
    let mut head = String::from("POST /internal/desk/once HTTP/1.1\r\nhost: desk\r\n");
    for (name, value) in lobby_headers(&office).await {
        let value = if name == "x-boxoffice-deadline-ms" { "50".to_owned() } else { value };
        head = head + &name + ": " + &value + "\r\n";
    }
    head.push_str("content-length: 12\r\n\r\n{\"say\"");
    let address = format!("127.0.0.1:{}", office.url.port().unwrap());
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    while !String::from_utf8_lossy(&answer).contains("within its deadline") {
        assert_ne!(stream.read_buf(&mut answer).await.unwrap(), 0);
    }
    let answer = String::from_utf8_lossy(&answer);
    assert!(answer.starts_with("HTTP/1.1 503 "), "{answer}");
    assert!(answer.contains("x-boxoffice-not-executed: 1"), "{answer}");
    assert_eq!(office.clerk.begun(), 0);
}
