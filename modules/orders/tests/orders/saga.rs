//! A purchase goes on by itself, whatever breaks on the way, and does nothing twice.

use jiff::SignedDuration;
use serde_json::json;
use testkit::eventually;

use crate::{
    house::{House, id_in},
    on_both_databases,
};

on_both_databases! {
    a_paid_order_gets_its_tickets,
    whoever_has_paid_and_waits_does_not_wait_for_events_that_are_held_up,
    whoever_has_paid_gets_the_places_before_they_become_free_even_if_nobody_told,
    nobody_asks_for_money_while_its_news_may_still_come,
    an_order_goes_on_when_a_service_comes_back,
    an_order_goes_on_when_an_answer_was_lost,
    an_order_that_is_not_paid_in_time_expires,
    money_that_comes_late_buys_while_there_are_places,
    money_that_comes_too_late_is_returned,
    money_for_an_order_that_was_never_recorded_is_returned,
    an_order_reads_held_once_it_can_be_paid,
    an_answer_that_nobody_knows_is_a_refusal,
    an_order_that_cannot_be_held_in_time_is_called_off,
    a_sale_that_is_refused_for_no_known_reason_gives_the_money_back,
}

async fn a_paid_order_gets_its_tickets(house: House) {
    let path = house.held().await;
    house.pay(&path).await;
    let order = house.cara().get(&path).header("prefer", "wait=10").await.expect(200);
    let applied = order.header("preference-applied").unwrap_or_default();
    assert!(applied.starts_with("wait="), "{applied}");
    assert_eq!(order.field("state"), "fulfilled");
    assert_eq!(house.tickets(&path).await, 2);
}

async fn whoever_has_paid_and_waits_does_not_wait_for_events_that_are_held_up(house: House) {
    let path = house.held().await;
    house.pay_untold(&path).await;
    let order = house.cara().get(&path).header("prefer", "wait=9").await.expect(200);
    assert_eq!(order.field("state"), "fulfilled");
    assert_eq!(house.tickets(&path).await, 2);
    assert_eq!(house.calls("payments", "find").await, 1);

    // What comes at last tells nothing new.
    house.pay(&path).await;
    let next = house.fulfilled().await;
    assert_ne!(next, path);
    let order = house.cara().get(&path).await.expect(200).value();
    assert_eq!(order["state"], "fulfilled");
    assert_eq!(house.tickets(&path).await, 2);
}

async fn whoever_has_paid_gets_the_places_before_they_become_free_even_if_nobody_told(
    house: House,
) {
    let path = house.held().await;
    house.pay_untold(&path).await;
    house.sandbox.clock().advance(SignedDuration::from_secs(14 * 60 + 31));
    eventually("the tickets", || async {
        let order = house.cara().get(&path).await.expect(200).value();
        if order["state"] == "fulfilled" { Ok(()) } else { Err(order) }
    })
    .await;
    assert_eq!(house.tickets(&path).await, 2);
}

async fn nobody_asks_for_money_while_its_news_may_still_come(house: House) {
    let path = house.held().await;
    let order = house.cara().get(&path).header("prefer", "wait=1").await.expect(200);
    assert_eq!(order.field("state"), "held");
    assert_eq!(house.calls("payments", "find").await, 0);
}

async fn an_order_goes_on_when_a_service_comes_back(house: House) {
    house.mood("inventory", "hold", &["break before"; 2]).await;
    let cara = house.cara();
    let placed = cara.post("/v1/orders", &crate::house::two_seats()).key("once").await.expect(201);
    assert_eq!(placed.field("state"), "placed");
    let path = format!("/v1/orders/{}", placed.field("id"));
    house.settles(&path, "held").await;
    let again = cara.post("/v1/orders", &crate::house::two_seats()).key("once").await.expect(201);
    assert_eq!(again.value(), placed.value());

    for (service, method) in [("inventory", "confirm"), ("tickets", "issue")] {
        house.mood(service, method, &["break before"; 2]).await;
    }
    house.pay(&path).await;
    house.settles(&path, "fulfilled").await;
    assert_eq!(house.tickets(&path).await, 2);
}

async fn an_order_goes_on_when_an_answer_was_lost(house: House) {
    let steps = [
        ("inventory", "hold"),
        ("payments", "open"),
        ("inventory", "confirm"),
        ("tickets", "issue"),
    ];
    for (service, method) in steps {
        house.mood(service, method, &["break after"]).await;
    }
    let placed = house.order().await.expect(201);
    let path = format!("/v1/orders/{}", placed.field("id"));
    eventually("the order to wait for money", || async {
        house.sandbox.clock().advance(SignedDuration::from_secs(1));
        house.cara().get(&path).await.expect(200).value()["payment_id"].is_string()
    })
    .await;
    house.pay(&path).await;
    let order = house.settles(&path, "fulfilled").await;
    assert_eq!(order["ticket_ids"].as_array().map(Vec::len), Some(2));
    for (service, method) in steps {
        assert!(house.calls(service, method).await >= 2, "{method}");
    }
}

async fn an_order_that_is_not_paid_in_time_expires(house: House) {
    let path = house.held().await;
    house.mood("payments", "close", &["break before", "break after"]).await;
    house.sandbox.clock().advance(SignedDuration::from_mins(15));
    let order = house.settles(&path, "expired").await;
    assert_eq!(order["cause"], "expired");
    assert_eq!(house.money(&path).await, "closed");
}

async fn money_that_comes_late_buys_while_there_are_places(house: House) {
    let path = house.held().await;
    house.sandbox.clock().advance(SignedDuration::from_mins(15));
    house.settles(&path, "expired").await;
    house.pay(&path).await;
    let order = house.settles(&path, "fulfilled").await;
    assert_eq!(order.get("cause"), None);
    assert_eq!(house.money(&path).await, "settled");
}

async fn money_that_comes_too_late_is_returned(house: House) {
    let path = house.held().await;
    house.sandbox.clock().advance(SignedDuration::from_mins(15));
    house.settles(&path, "expired").await;
    house.mood("inventory", "confirm", &["sold out"]).await;
    house.mood("payments", "refund", &["break after"]).await;
    house.pay(&path).await;
    let order = house.settles(&path, "cancelled").await;
    assert_eq!(order["cause"], json!("paid_too_late"));
    assert_eq!(
        (house.money(&path).await, house.tickets(&path).await),
        (json!("refunded"), json!(0))
    );
}

async fn money_for_an_order_that_was_never_recorded_is_returned(house: House) {
    let path = "/v1/orders/01980e4c-8f5c-7b1e-a7c4-51d2f2a5e404";
    house.mood("payments", "refund", &["break before"]).await;
    house.pay(path).await;
    eventually("the money to go back", || async {
        house.sandbox.clock().advance(SignedDuration::from_secs(5));
        house.money(path).await == "refunded"
    })
    .await;
    let _nothing = house.cara().get(path).await.expect_problem(404, "not-found");
}

async fn an_order_reads_held_once_it_can_be_paid(house: House) {
    house.mood("payments", "open", &["break before"]).await;
    let placed = house.order().await.expect(201);
    assert_eq!(placed.field("state"), "placed");
    assert_eq!(placed.value()["payment_id"], json!(null));
    let path = format!("/v1/orders/{}", placed.field("id"));
    assert!(house.settles(&path, "held").await["payment_id"].is_string());
}

async fn an_answer_that_nobody_knows_is_a_refusal(house: House) {
    house.mood("inventory", "hold", &["unrecognised"]).await;
    let refused = house.order().await.expect_problem(409, "order-has-ended");
    assert_eq!(refused.field("cause"), "not_held");
    let listed = house.cara().get("/v1/orders").await.expect(200).value();
    assert_eq!(listed["items"], json!([]), "nothing was ordered");
}

async fn an_order_that_cannot_be_held_in_time_is_called_off(house: House) {
    let mut moods = vec!["break after"];
    moods.resize(500, "break before");
    house.mood("inventory", "hold", &moods).await;
    let placed = house.order().await.expect(201);
    assert_eq!(placed.field("state"), "placed");
    let path = format!("/v1/orders/{}", placed.field("id"));
    let order = house.settles(&path, "cancelled").await;
    assert_eq!(order["cause"], "not_held");
    assert_eq!(house.hold(id_in(&path)).await["state"], "released");
    assert_eq!(house.money(&path).await, "closed");
}

async fn a_sale_that_is_refused_for_no_known_reason_gives_the_money_back(house: House) {
    let path = house.held().await;
    house.mood("inventory", "confirm", &["unrecognised"]).await;
    house.pay(&path).await;
    let order = house.settles(&path, "cancelled").await;
    assert_eq!(order["cause"], "paid_too_late");
    assert_eq!((house.tickets(&path).await, house.left(&path).await), (json!(0), json!(0)));
}
