//! `/v1/payment-webhooks/{provider}`: who is believed, and what it does with the sandbox.

use axum::http::HeaderMap;
use jiff::SignedDuration;
use runtime::Clock;
use serde_json::{Value, json};
use testkit::{Reply, Storage};
use uuid::Uuid;

use crate::{
    house::{GOOD, House, Opened, SILENT, WEBHOOK_SECRET, signed},
    on_both_databases,
};

/// What the sandbox says of an attempt.
fn notice(id: &str, opened: &Opened) -> Value {
    json!({
        "id": id,
        "type": "charge.updated",
        "order_id": opened.order_id,
        "attempt_id": Uuid::from_u128(1),
    })
}

async fn deliver(house: &House, body: &str, signature: &str) -> Reply {
    house.webhook("sandbox", body, "sandbox-signature", signature).await
}

async fn a_webhook_that_is_forged_is_not_believed(house: House) {
    let opened = house.opened(1).await;
    let body = notice("evt_1", &opened).to_string();
    let now = house.sandbox.clock().now();
    let genuine = signed(&body, WEBHOOK_SECRET, now);
    let other = signed(&body, "somebody else's", now);
    for (body, signature) in [
        (body.as_str(), other.as_str()),
        (&body.replace("evt_1", "evt_2"), &genuine),
        (&body, ""),
        (&body, "t=1,v1=00"),
    ] {
        let refused = deliver(&house, body, signature).await;
        let _forged = refused.expect_problem(400, "webhook-signature-invalid");
    }
    let unsigned = house.sandbox.client().post("/v1/payment-webhooks/sandbox", &json!({})).await;
    let _forged = unsigned.expect_problem(400, "webhook-signature-invalid");
    assert_eq!(deliver(&house, &body, &genuine).await.expect(200).field("outcome"), "taken");
}

async fn a_webhook_that_was_overheard_is_worthless_later(house: House) {
    let opened = house.opened(1).await;
    let body = notice("evt_1", &opened).to_string();
    let now = house.sandbox.clock().now();
    for shift in [-301, 301] {
        let then = now.checked_add(SignedDuration::from_secs(shift)).unwrap();
        let untimely = deliver(&house, &body, &signed(&body, WEBHOOK_SECRET, then)).await;
        let _untimely = untimely.expect_problem(400, "webhook-untimely");
    }
    let edge = now.checked_sub(SignedDuration::from_secs(300)).unwrap();
    let _taken = deliver(&house, &body, &signed(&body, WEBHOOK_SECRET, edge)).await.expect(200);
}

async fn a_webhook_of_another_provider_is_for_nobody(house: House) {
    for name in ["stripe", "sandboxx", "%2e%2e"] {
        let reply = house.webhook(name, "{}", "sandbox-signature", "t=1,v1=00").await;
        let _unknown = reply.expect_problem(404, "not-found");
    }
}

async fn a_genuine_webhook_that_cannot_be_read_is_refused(house: House) {
    for body in ["", "[]", "{}", "{\"id\": 1}", "\u{0}"] {
        let now = house.sandbox.clock().now();
        let reply = deliver(&house, body, &signed(body, WEBHOOK_SECRET, now)).await;
        let _refused = reply.expect_problem(400, "webhook-unreadable");
    }
}

on_both_databases!(
    a_webhook_that_is_forged_is_not_believed,
    a_webhook_that_was_overheard_is_worthless_later,
    a_webhook_of_another_provider_is_for_nobody,
    a_genuine_webhook_that_cannot_be_read_is_refused,
);

/// What the sandbox sends is taken in as it is, and the lost answer is known without anybody asking
/// for it.
#[tokio::test]
#[expect(clippy::disallowed_methods, reason = "it stands in for the address that webhooks go to")]
async fn the_sandbox_sends_its_webhooks_where_it_is_told() {
    let (sender, mut sent) = tokio::sync::mpsc::unbounded_channel();
    let receive = axum::routing::post(async move |headers: HeaderMap, body: String| {
        let signature = headers["sandbox-signature"].to_str().unwrap().to_owned();
        sender.send((signature, body)).unwrap();
    });
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/hook", listener.local_addr().unwrap());
    let mut serving = tokio::task::JoinSet::new();
    let routes = axum::Router::new().route("/hook", receive);
    serving.spawn(async move { axum::serve(listener, routes).await.unwrap() });

    let settings = [
        ("payments.provider_timeout", "8s"),
        ("payments.sandbox.webhook_secrets", WEBHOOK_SECRET),
        ("payments.sandbox.webhook_url", url.as_str()),
    ];
    let house = House::with(Storage::Sqlite, &settings).await;
    let opened = house.opened(1).await;
    let pay = house.cara().post("/v1/payments", &opened.by_card(SILENT));
    serving.spawn(async move { drop(pay.send().await) });
    let (signature, body) = sent.recv().await.unwrap();
    assert_eq!(deliver(&house, &body, &signature).await.expect(200).field("outcome"), "taken");
    house.becomes(&opened, "settled").await;
    assert_eq!(deliver(&house, &body, &signature).await.expect(200).field("outcome"), "known");
    serving.shutdown().await;
}

/// Card numbers reach the provider alone.
#[tokio::test]
async fn nothing_that_is_kept_holds_a_card_number() {
    let house = House::open(Storage::Sqlite).await;
    let opened = house.opened(1).await;
    let _paid = house.cara().post("/v1/payments", &opened.by_card(GOOD)).await.expect(201);
    let _mistyped =
        house.cara().post("/v1/payments", &opened.by_card("4242424242424241")).await.expect(422);
    let mut read = 0;
    let mut left = vec![house.sandbox.data_dir()];
    while let Some(directory) = left.pop() {
        for entry in std::fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                left.push(path);
                continue;
            }
            let bytes = std::fs::read(&path).unwrap();
            let holds = |needle: &[u8]| bytes.windows(needle.len()).any(|it| it == needle);
            assert!(!holds(b"42424242424242"), "{} holds the number", path.display());
            read += bytes.len();
        }
    }
    assert!(read > 10_000, "the databases were read");
}
