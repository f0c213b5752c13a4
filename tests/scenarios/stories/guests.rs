//! Somebody without an account buys tickets.

use serde_json::json;
use testkit::{Client, Reply, eventually};

use crate::{
    house::House,
    people::{Sale, card, payment, text},
};

/// A guest orders so many tickets: the answer, and the guest.
async fn order(house: &House, sale: &Sale, quantity: u32) -> (Reply, Client) {
    let mut wish = sale.order(quantity);
    wish["guest"] = json!({ "email": "gwen@example.org", "name": "Gwen" });
    let placed = house.client().post("/v1/orders", &wish).await.expect(201);
    let guest = house.client().with_token(placed.field("access_token"));
    (placed, guest)
}

async fn pay(guest: &Client, order: &str) {
    let paid = guest.post("/v1/payments", &payment(order, card::GOOD)).await.expect(201);
    assert_eq!(paid.field("status"), "settled", "{paid}");
    let path = format!("/v1/orders/{order}");
    eventually("the order to be fulfilled", || async {
        let reply = guest.get(&path).header("prefer", "wait=5").await.expect(200);
        if reply.field("state") == "fulfilled" { Ok(()) } else { Err(reply) }
    })
    .await;
}

pub async fn a_guest_buys_and_gets_the_tickets(house: &House) {
    let sale = house.sale(3).await;
    let (placed, guest) = order(house, &sale, 2).await;
    assert_eq!(placed.field("state"), "held", "{placed}");
    let id = placed.field("id");
    pay(&guest, &id).await;

    let tickets = guest.get(&format!("/v1/tickets?order_id={id}")).await.expect(200).value();
    let tickets = tickets["items"].as_array().expect("a list").clone();
    assert_eq!(tickets.len(), 2);
    for ticket in &tickets {
        let code = guest.get(&format!("/v1/tickets/{}/code", text(ticket, "id"))).await;
        let scan = json!({ "code": code.expect(200).text(), "event_id": sale.event });
        let _let_in = sale.organizer.post("/v1/check-ins", &scan).await.expect(201);
    }
    let _no_account = guest.get("/v1/auth/me").await.expect_problem(403, "account-needed");
}

pub async fn a_guest_comes_back_with_code_and_secret(house: &House) {
    let sale = house.sale(2).await;
    let (placed, _gone) = order(house, &sale, 1).await;
    let id = placed.field("id");
    let wish = json!({ "code": placed.field("code"), "secret": placed.field("secret") });
    let opened = house.client().post("/v1/orders/access", &wish).await.expect(200);
    assert_eq!(opened.field("order_id"), id);
    let back = house.client().with_token(opened.field("access_token"));
    pay(&back, &id).await;

    let guessed = json!({ "code": placed.field("code"), "secret": "AAAAAAAA" });
    let refused = house.client().post("/v1/orders/access", &guessed).await;
    let _refused = refused.expect_problem(403, "order-access-refused");
}

pub async fn a_guest_sees_nothing_of_others(house: &House) {
    let sale = house.sale(5).await;
    let (placed, guest) = order(house, &sale, 1).await;
    let (_, other) = order(house, &sale, 1).await;
    let buyer = house.somebody().await;
    let theirs = buyer.buy(&sale, 1).await;
    let own = placed.field("id");
    for hidden in [format!("/v1/orders/{theirs}"), format!("/v1/orders/{theirs}/timeline")] {
        let _hidden = guest.get(&hidden).await.expect_problem(404, "not-found");
    }
    let _hidden = other.get(&format!("/v1/orders/{own}")).await.expect_problem(404, "not-found");
    let not_theirs = other.post("/v1/payments", &payment(&own, card::GOOD)).await;
    assert!([403, 404].contains(&not_theirs.status().as_u16()), "{not_theirs}");
    let tickets = guest.get(&format!("/v1/tickets?order_id={theirs}")).await;
    assert!(tickets.status() == 404 || tickets.value()["items"] == json!([]), "{tickets}");
}
