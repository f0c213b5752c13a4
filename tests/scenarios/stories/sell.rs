//! From the programme to the door: what Boxoffice is for.

use serde_json::{Value, json};
use testkit::eventually;

use crate::{
    house::House,
    people::{card, text},
};

/// What a PNG file begins with.
const PNG: &[u8] = b"\x89PNG\r\n\x1a\n";

pub async fn a_ticket_is_bought_and_lets_its_bearer_in_once(house: &House) {
    let sale = house.sale(10).await;
    let buyer = house.somebody().await;

    let hold = json!({ "event_id": sale.event, "items": sale.items(2) });
    let hold = buyer.post("/v1/holds", &hold).await.expect(201).field("id");
    assert_eq!(house.free(&sale).await, 8);
    let order = json!({ "event_id": sale.event, "hold_id": hold });
    let order = buyer.post("/v1/orders", &order).await.expect(201);
    assert_eq!(order.field("state"), "held");
    assert_eq!(order.value()["total"], json!({ "amount": 5000, "currency": "EUR" }));
    let order = order.field("id");
    assert_eq!(house.free(&sale).await, 8, "the order takes the places of its hold");

    let payment = buyer.pay(&order, card::GOOD).await.expect(201);
    assert_eq!(payment.field("status"), "settled");
    let fulfilled = buyer.order_in(&order, "fulfilled").await;
    let tickets = buyer.tickets(&order).await;
    assert_eq!(tickets.len(), 2);
    assert_eq!(fulfilled["ticket_ids"].as_array().expect("a list").len(), 2);
    assert_eq!(house.free(&sale).await, 8);

    let ticket = text(&tickets[0], "id");
    let path = format!("/v1/tickets/{ticket}/code");
    let code = buyer.get(&path).await.expect(200).text();
    let svg = buyer.get(&format!("{path}?format=svg")).await.expect(200);
    assert_eq!(svg.header("content-type"), Some("image/svg+xml"));
    assert!(svg.text().contains("<svg"), "{svg}");
    let png = buyer.get(&path).header("accept", "image/png").await.expect(200);
    assert_eq!(png.header("content-type"), Some("image/png"));
    assert!(png.bytes().starts_with(PNG));

    let scan =
        |entrance: &str| json!({ "code": code, "event_id": sale.event, "entrance": entrance });
    let admitted = sale.organizer.post("/v1/check-ins", &scan("north")).await.expect(201);
    assert_eq!(admitted.field("ticket_id"), ticket);
    let again = sale.organizer.post("/v1/check-ins", &scan("south")).await;
    let again = again.expect_problem(409, "already-admitted");
    assert_eq!(again.field("entrance"), "north", "{again}");
    assert_eq!(again.field("admitted_at"), admitted.field("admitted_at"));

    let scans = format!("/v1/check-ins?event_id={}", sale.event);
    assert_eq!(sale.organizer.list(&scans).await.len(), 2, "the refused scan is there, too");
    let other = text(&tickets[1], "id");
    let other = buyer.get(&format!("/v1/tickets/{other}")).await.expect(200);
    assert_eq!(other.field("state"), "valid", "one ticket does not use up the other");
}

pub async fn the_buyer_is_told_and_the_organizer_sees_it_in_the_report(house: &House) {
    let sale = house.sale(10).await;
    let buyer = house.somebody().await;
    let order = buyer.buy(&sale, 3).await;

    let notification = eventually("the buyer to be told", || async {
        buyer.list("/v1/notifications").await.into_iter().next()
    })
    .await;
    assert_eq!(text(&notification["message"], "order_id"), order);
    let path = format!("/v1/reports/events/{}/sales", sale.event);
    let report = eventually("the report to have the sale", || async {
        let report = sale.organizer.get(&path).await.expect(200).value();
        if report["tickets"]["sold"] == 3 { Ok(report) } else { Err(report) }
    })
    .await;
    assert_eq!(report["revenue"][0]["gross"], json!({ "amount": 7500, "currency": "EUR" }));
    assert_eq!(report["orders"]["confirmed"], Value::from(1));
    let _hidden = buyer.get(&path).await.expect_problem(404, "not-found");
}
