//! Tickets go back one by one, and all of them when their event is cancelled.

use serde_json::{Value, json};
use testkit::eventually;

use crate::{
    house::House,
    people::{Person, Sale, text},
};

/// Cancels positions of an order.
async fn cancel(sale: &Sale, order: &str, positions: &[u32]) -> Value {
    let wish = json!({ "positions": positions, "reason": "one of them is ill" });
    sale.organizer.post(&format!("/v1/orders/{order}/cancel"), &wish).await.expect(200).value()
}

/// Waits until nothing of the order's money has to go back.
async fn is_even(buyer: &Person, order: &str) -> Value {
    eventually("the money to be back", || async {
        let order = buyer.get(&format!("/v1/orders/{order}")).await.expect(200);
        if order.value()["overpaid"].is_null() { Ok(order.value()) } else { Err(order) }
    })
    .await
}

async fn states(buyer: &Person, order: &str) -> Vec<String> {
    let tickets = buyer.tickets(order).await;
    tickets.iter().map(|ticket| text(ticket, "state").to_owned()).collect()
}

pub async fn one_ticket_of_three_goes_back(house: &House) {
    let sale = house.sale(3).await;
    let buyer = house.somebody().await;
    let order = buyer.buy(&sale, 3).await;
    for _ in 0..2 {
        let cancelled = cancel(&sale, &order, &[2]).await;
        assert_eq!(cancelled["state"], "fulfilled", "{cancelled}");
    }
    let even = is_even(&buyer, &order).await;
    assert_eq!(even["refunded"], json!({ "amount": 2500, "currency": "EUR" }));
    let mut found = states(&buyer, &order).await;
    found.sort_unstable();
    assert_eq!(found, ["valid", "valid", "voided"]);
    eventually("one place to be free", || async { house.free(&sale).await == 1 }).await;
    let [refund] = buyer.list(&format!("/v1/refunds?order_id={order}")).await.try_into().unwrap();
    assert_eq!((&refund["state"], &refund["amount"]["amount"]), (&json!("done"), &json!(2500)));

    let somebody_else = house.somebody().await;
    let _sold_again = somebody_else.buy(&sale, 1).await;

    let ended = cancel(&sale, &order, &[1, 3]).await;
    assert!(["calling_off", "cancelled"].contains(&text(&ended, "state")), "{ended}");
    buyer.order_in(&order, "cancelled").await;
    assert_eq!(buyer.payment_of(&order).await["status"], "refunded");
    assert_eq!(states(&buyer, &order).await, ["voided"; 3]);
    eventually("two places to be free", || async { house.free(&sale).await == 2 }).await;
}

pub async fn a_cancelled_event_pays_everybody_back(house: &House) {
    let sale = house.sale(10).await;
    let mut buyers = Vec::new();
    for quantity in 1..4 {
        let buyer = house.somebody().await;
        let order = buyer.buy(&sale, quantity).await;
        buyers.push((buyer, order));
    }
    let late = house.somebody().await;
    let unpaid = late.order(&sale, 2).await;

    let cancel = format!("/v1/events/{}/cancel", sale.event);
    let why = json!({ "reason": "The soloist is ill." });
    let _cancelled = sale.organizer.post(&cancel, &why).await.expect(200);
    for (buyer, order) in &buyers {
        let ended = buyer.order_in(order, "cancelled").await;
        assert_eq!(
            (&ended["cause"], &ended["overpaid"]),
            (&json!("event_cancelled"), &Value::Null)
        );
        assert_eq!(buyer.payment_of(order).await["status"], "refunded");
        assert!(states(buyer, order).await.iter().all(|state| state == "voided"));
    }
    late.order_in(&unpaid, "cancelled").await;

    let path = format!("/v1/orders/event-cancellations/{}", sale.event);
    let told = eventually("the organizer to be told", || async {
        let reply = sale.organizer.get(&path).await.expect(200);
        if reply.value()["orders"]["done"] == 4 { Ok(reply.value()) } else { Err(reply) }
    })
    .await;
    assert_eq!((&told["reason"], &told["orders"]["total"]), (&why["reason"], &json!(4)));
    let stranger = house.organizer().await;
    let _hidden = stranger.get(&path).await.expect_problem(404, "not-found");
}
