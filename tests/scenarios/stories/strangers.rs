//! What is not theirs does not exist for strangers, and nothing is open without a token.

use boxoffice::registry::MODULES;
use reqwest::Method;
use serde_json::{Value, json};

use crate::{
    house::House,
    people::{card, payment, text},
};

/// In the place of parameters.
const ANY_ID: &str = "01980e4c-8f5c-7b1e-a7c4-51d2f2a5c003";

pub async fn what_belongs_to_others_does_not_exist(house: &House) {
    let sale = house.sale(10).await;
    let buyer = house.somebody().await;
    let order = buyer.buy(&sale, 1).await;
    let unpaid = buyer.order(&sale, 1).await;
    let hold = json!({ "event_id": sale.event, "items": sale.items(1) });
    let hold = buyer.post("/v1/holds", &hold).await.expect(201).field("id");
    let payment_id = text(&buyer.payment_of(&order).await, "id").to_owned();
    let ticket = text(&buyer.tickets(&order).await[0], "id").to_owned();
    let code = buyer.get(&format!("/v1/tickets/{ticket}/code")).await.expect(200).text();
    let free = house.free(&sale).await;

    for stranger in [house.somebody().await, house.organizer().await] {
        for path in [
            format!("/v1/orders/{order}"),
            format!("/v1/orders/{order}/timeline"),
            format!("/v1/payments/{payment_id}"),
            format!("/v1/tickets/{ticket}"),
            format!("/v1/tickets/{ticket}/code"),
            format!("/v1/tickets?event_id={}", sale.event),
            format!("/v1/check-ins?event_id={}", sale.event),
            format!("/v1/holds/{hold}"),
            format!("/v1/reports/events/{}/sales", sale.event),
        ] {
            let _hidden = stranger.get(&path).await.expect_problem(404, "not-found");
        }
        for list in ["/v1/orders", "/v1/payments", "/v1/refunds", "/v1/tickets"] {
            assert!(stranger.list(list).await.is_empty(), "{list} has one's own only");
        }
        let by_order = format!("/v1/tickets?order_id={order}");
        assert!(stranger.list(&by_order).await.is_empty());
        let by_organizer = format!("/v1/orders?organizer_id={}", sale.organizer_id);
        let _refused = stranger.get(&by_organizer).await.expect_problem(403, "forbidden");

        let cancel = stranger.post(&format!("/v1/orders/{unpaid}/cancel"), &json!({})).await;
        let _hidden = cancel.expect_problem(404, "not-found");
        let pay = stranger.post("/v1/payments", &payment(&unpaid, card::GOOD)).await;
        let _hidden = pay.expect_problem(404, "not-found");
        let refund = json!({ "order_id": order, "reason": "mine now" });
        let refund = stranger.post("/v1/refunds", &refund).await;
        let _hidden = refund.expect_problem(404, "not-found");
        let release = stranger.delete(&format!("/v1/holds/{hold}")).await;
        let _hidden = release.expect_problem(404, "not-found");
        let taken = json!({ "event_id": sale.event, "hold_id": hold });
        let taken = stranger.post("/v1/orders", &taken).await;
        let _refused = taken.expect_problem(422, "invalid-input");
        let scan = stranger.post("/v1/check-ins", &json!({ "code": code })).await;
        let _refused = scan.expect_problem(403, "forbidden");
    }

    buyer.order_in(&unpaid, "held").await;
    buyer.order_in(&order, "fulfilled").await;
    assert_eq!(buyer.tickets(&order).await[0]["state"], "valid");
    assert_eq!(house.free(&sale).await, free);
    let organizers = sale.organizer.get(&format!("/v1/orders/{order}")).await.expect(200);
    assert_eq!(organizers.field("buyer_id"), buyer.id, "its organizer is no stranger");
    let scan = sale.organizer.post("/v1/check-ins", &json!({ "code": code })).await;
    let _admitted = scan.expect(201);
}

pub async fn every_operation_that_wants_a_token_refuses_whoever_has_none(house: &House) {
    let document = serde_json::to_value(edge::openapi::merge(MODULES)).unwrap();
    let (mut asked, mut open) = (0, Vec::new());
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            let wants_token = operation["security"] == json!([{ "bearer": [] }]);
            if !wants_token {
                continue;
            }
            let method = Method::from_bytes(method.to_uppercase().as_bytes()).unwrap();
            for client in [house.client(), house.client().with_token("no.such.token")] {
                let request = client.request(method.clone(), &filled(path)).json(&json!({}));
                let reply = request.await;
                if reply.status() != 401 {
                    open.push(format!("{method} {path}: {}", reply.status()));
                }
                asked += 1;
            }
        }
    }
    assert!(open.is_empty(), "without a token: {open:#?}");
    assert!(asked > 60, "the document names all operations, yet only {asked} requests were made");
}

/// The path with an id for each parameter.
fn filled(path: &str) -> String {
    let segments = path.split('/').map(|it| if it.starts_with('{') { ANY_ID } else { it });
    segments.collect::<Vec<_>>().join("/")
}

pub async fn what_everybody_may_read_needs_no_token(house: &House) {
    let sale = house.sale(10).await;
    let anybody = house.client();
    for path in [
        "/v1/events".to_owned(),
        format!("/v1/events/{}", sale.event),
        format!("/v1/availability/{}", sale.event),
        "/v1/tickets/keys".to_owned(),
        "/.well-known/jwks.json".to_owned(),
        "/openapi.json".to_owned(),
    ] {
        let reply = anybody.get(&path).await.expect(200);
        assert_ne!(reply.value(), Value::Null);
    }
}
