//! Purchases that are undone: by the buyer before paying, by the organizer afterwards.

use serde_json::json;
use testkit::eventually;

use crate::{
    house::House,
    people::{Person, Sale, card, text},
};

/// Waits until the order's money is back, and holds its tickets to be worthless and its places to
/// be free.
async fn is_undone(house: &House, sale: &Sale, buyer: &Person, order: &str, places: u64) {
    let ended = buyer.order_in(order, "cancelled").await;
    assert_eq!(buyer.payment_of(order).await["status"], "refunded", "{ended}");
    let [refund] = buyer.list(&format!("/v1/refunds?order_id={order}")).await.try_into().unwrap();
    assert_eq!(refund["state"], "done");
    assert_eq!(refund["amount"], ended["total"]);
    eventually("the places to be free", || async { house.free(sale).await == places }).await;

    for ticket in buyer.tickets(order).await {
        assert_eq!(ticket["state"], "voided");
        let code = format!("/v1/tickets/{}/code", text(&ticket, "id"));
        let _gone = buyer.get(&code).await.expect_problem(409, "ticket-voided");
    }
}

pub async fn a_buyer_calls_an_order_off_before_paying(house: &House) {
    let sale = house.sale(3).await;
    let buyer = house.somebody().await;
    let order = buyer.order(&sale, 2).await;
    assert_eq!(house.free(&sale).await, 1);

    let cancel = format!("/v1/orders/{order}/cancel");
    let _cancelled = buyer.post(&cancel, &json!({})).await.expect(200);
    let ended = buyer.order_in(&order, "cancelled").await;
    assert_eq!(ended["cause"], "buyer_cancelled");
    assert_eq!(house.free(&sale).await, 3);

    let _refused = buyer.pay(&order, card::GOOD).await.expect_problem(409, "payment-closed");
    let again = buyer.post(&cancel, &json!({})).await;
    assert!(again.status().is_success() || again.status() == 409, "harmless: {again}");
    assert!(buyer.tickets(&order).await.is_empty());
}

pub async fn a_buyer_cannot_call_off_what_is_paid(house: &House) {
    let sale = house.sale(3).await;
    let buyer = house.somebody().await;
    let order = buyer.buy(&sale, 1).await;
    let cancel = buyer.post(&format!("/v1/orders/{order}/cancel"), &json!({})).await;
    let _refused = cancel.expect_problem(409, "order-is-paid");
    buyer.order_in(&order, "fulfilled").await;
    assert_eq!(buyer.tickets(&order).await[0]["state"], "valid");
}

pub async fn an_organizer_calls_off_an_order_that_has_its_tickets(house: &House) {
    let sale = house.sale(3).await;
    let buyer = house.somebody().await;
    let order = buyer.buy(&sale, 2).await;
    let ticket = &buyer.tickets(&order).await[0];
    let code = buyer.get(&format!("/v1/tickets/{}/code", text(ticket, "id"))).await.expect(200);

    let cancel = format!("/v1/orders/{order}/cancel");
    let _cancelled = sale.organizer.post(&cancel, &json!({})).await.expect(200);
    is_undone(house, &sale, &buyer, &order, 3).await;
    let ended = buyer.order_in(&order, "cancelled").await;
    assert_eq!(ended["cause"], "organizer_cancelled");

    let scan = json!({ "code": code.text(), "event_id": sale.event });
    let refused = sale.organizer.post("/v1/check-ins", &scan).await;
    let _refused = refused.expect_problem(409, "ticket-voided");
}

pub async fn an_organizer_gives_the_money_back(house: &House) {
    let sale = house.sale(3).await;
    let buyer = house.somebody().await;
    let order = buyer.buy(&sale, 2).await;

    let refund = json!({ "order_id": order, "reason": "the soloist is ill" });
    let not_theirs = buyer.post("/v1/refunds", &refund).await;
    let _refused = not_theirs.expect_problem(403, "forbidden");
    let begun = sale.organizer.post("/v1/refunds", &refund).await.expect(201);
    let again = sale.organizer.post("/v1/refunds", &refund).await.expect(200);
    assert_eq!(again.field("id"), begun.field("id"), "it goes back once");
    is_undone(house, &sale, &buyer, &order, 3).await;

    let path = format!("/v1/refunds/{}", begun.field("id"));
    let read = buyer.get(&path).await.expect(200);
    assert_eq!(read.field("state"), "done");
    assert_eq!(read.field("reason"), "the soloist is ill");
}

pub async fn places_that_came_back_are_sold_again(house: &House) {
    let sale = house.sale(1).await;
    let (first, second) = (house.somebody().await, house.somebody().await);
    let order = first.buy(&sale, 1).await;
    let sold_out = second.post("/v1/orders", &sale.order(1)).await;
    let _refused = sold_out.expect_problem(409, "sold-out");

    let cancel = format!("/v1/orders/{order}/cancel");
    let _cancelled = sale.organizer.post(&cancel, &json!({})).await.expect(200);
    first.order_in(&order, "cancelled").await;
    eventually("the place to be free", || async { house.free(&sale).await == 1 }).await;
    second.buy(&sale, 1).await;
}
