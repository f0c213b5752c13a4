//! Requests that make no sense. Each is refused under a name of its own, and changes nothing.

use serde_json::{Value, json};

use crate::{
    house::House,
    people::{Sale, card, payment},
};

/// More than a body may have.
const TOO_MUCH: usize = 2 << 20;

/// Bodies of orders that are JSON and yet no order, and where their fault is.
fn no_orders(sale: &Sale) -> Vec<(&'static str, Value)> {
    let with = |field: &str, value: Value| {
        let mut order = sale.order(1);
        order[field] = value;
        order
    };
    let item =
        |quantity: Value| json!([{ "ticket_type_id": sale.ticket_type, "quantity": quantity }]);
    let twice = json!([sale.items(1)[0], sale.items(1)[0]]);
    let unknown = json!([{
        "ticket_type_id": "01980e4c-8f5c-7b1e-a7c4-51d2f2a5c004",
        "quantity": 1,
    }]);
    vec![
        ("/discount", with("discount", json!(100))),
        ("/event_id", with("event_id", json!(17))),
        ("/event_id", with("event_id", json!("not an id"))),
        ("/event_id", with("event_id", json!("01980e4c-8f5c-7b1e-a7c4-51d2f2a5c003"))),
        ("/event_id", json!({ "items": sale.items(1) })),
        ("/items", with("items", json!([]))),
        ("/items", with("items", json!("all"))),
        ("/items/0/quantity", with("items", item(json!(0)))),
        ("/items/0/quantity", with("items", item(json!(21)))),
        ("/items/0/quantity", with("items", item(json!(-1)))),
        ("/items/0/quantity", with("items", item(json!(1.5)))),
        ("/items/0/quantity", with("items", item(json!("1")))),
        ("/items/1/ticket_type_id", with("items", twice)),
        ("/items/0/ticket_type_id", with("items", unknown)),
    ]
}

pub async fn an_order_that_makes_no_sense_is_refused_and_holds_nothing(house: &House) {
    let sale = house.sale(10).await;
    let buyer = house.somebody().await;
    let post = || buyer.post("/v1/orders", &sale.order(1));

    for (pointer, order) in no_orders(&sale) {
        let refused = buyer.post("/v1/orders", &order).await;
        let refused = refused.expect_problem(422, "invalid-input");
        assert!(refused.text().contains(&format!("\"{pointer}\"")), "{pointer} in {refused}");
    }
    for broken in ["", "{", "{\"event_id\":}", "[]", "null", "\u{0}"] {
        let reply = post().body(broken).await;
        let status = reply.status();
        assert!(status == 400 || status == 422, "{broken:?}: {reply}");
        let _named = reply.expect_problem(
            status.as_u16(),
            if status == 400 { "malformed-json" } else { "invalid-input" },
        );
    }
    let not_json = post().header("content-type", "text/plain").await;
    let _refused = not_json.expect_problem(415, "unsupported-media-type");
    let huge = post().body(vec![b' '; TOO_MUCH]).await;
    let _refused = huge.expect_problem(413, "payload-too-large");
    let key = "k".repeat(256);
    let long_key = post().key(&key).await;
    assert!(long_key.status().is_client_error(), "{long_key}");

    assert!(buyer.list("/v1/orders").await.is_empty());
    assert_eq!(house.free(&sale).await, 10);
}

pub async fn a_payment_that_makes_no_sense_takes_nothing(house: &House) {
    let sale = house.sale(10).await;
    let buyer = house.somebody().await;
    let order = buyer.order(&sale, 1).await;

    let mistyped = buyer.pay(&order, "4242424242424241").await;
    let mistyped = mistyped.expect_problem(422, "invalid-input");
    assert!(!mistyped.text().contains("4242424242424241"), "{mistyped}");
    for wrong in [
        json!({ "order_id": order }),
        json!({ "order_id": order, "method": { "kind": "gold", "number": card::GOOD } }),
        json!({ "order_id": order, "method": { "kind": "card", "number": 42 } }),
        json!({ "order_id": order, "method": { "kind": "card" } }),
        json!({ "order_id": 1, "method": { "kind": "card", "number": card::GOOD } }),
    ] {
        let refused = buyer.post("/v1/payments", &wrong).await;
        let _refused = refused.expect_problem(422, "invalid-input");
    }
    let mut generous = payment(&order, card::GOOD);
    generous["amount"] = json!({ "amount": 1, "currency": "EUR" });
    let refused = buyer.post("/v1/payments", &generous).await;
    let _refused = refused.expect_problem(422, "invalid-input");

    let waiting = buyer.payment_of(&order).await;
    assert_eq!(waiting["status"], "open");
    assert_eq!(waiting["attempts"], json!([]));
    buyer.order_in(&order, "held").await;
}

pub async fn a_code_that_is_not_ours_opens_no_door(house: &House) {
    let sale = house.sale(10).await;
    let buyer = house.somebody().await;
    let order = buyer.buy(&sale, 1).await;
    let tickets = buyer.tickets(&order).await;
    let path = format!("/v1/tickets/{}/code", tickets[0]["id"].as_str().expect("an id"));
    let code = buyer.get(&path).await.expect(200).text();
    let scan = |code: &str| sale.organizer.post("/v1/check-ins", &json!({ "code": code }));

    let damaged = code.get(..code.len() - 2).expect("a code is longer");
    for other in ["", "BX1.ZmFrZQ", "4242", damaged, &format!("{code}A")] {
        let _refused = scan(other).await.expect_problem(422, "unknown-ticket-code");
    }
    let long = scan(&"B".repeat(1_001)).await;
    let _refused = long.expect_problem(422, "invalid-input");
    let other = house.sale(1).await;
    let elsewhere = json!({ "code": code, "event_id": other.event });
    let at_another_organizers_door = other.organizer.post("/v1/check-ins", &elsewhere).await;
    let _refused = at_another_organizers_door.expect_problem(422, "unknown-ticket-code");
    let at_a_door_of_others = sale.organizer.post("/v1/check-ins", &elsewhere).await;
    let _refused = at_a_door_of_others.expect_problem(403, "forbidden");
    assert_eq!(buyer.tickets(&order).await[0]["state"], "valid");
    let _admitted = scan(&code).await.expect(201);
}

pub async fn paths_and_methods_that_do_not_exist_are_problems(house: &House) {
    let client = house.client();
    for path in ["/nothing", "/v1/nothing", "/v1/orders/1/2/3/4"] {
        let _missing = client.get(path).await.expect_problem(404, "not-found");
    }
    let deleted = client.delete("/v1/orders").await;
    let _refused = deleted.expect_problem(405, "method-not-allowed");
    let buyer = house.somebody().await;
    let no_id = buyer.get("/v1/orders/seventeen").await;
    assert!(no_id.status() == 404 || no_id.status() == 422, "{no_id}");
}
