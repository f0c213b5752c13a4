//! An event is cancelled: all its orders are undone.

use jiff::SignedDuration;
use runtime::Role;
use serde_json::{Value, json};
use testkit::eventually;
use uuid::Uuid;

use crate::{
    house::{EVENT, House, two_seats},
    on_both_databases,
};

on_both_databases! {
    every_order_of_a_cancelled_event_is_undone,
    undoing_goes_on_when_others_are_away,
    an_order_that_turns_up_late_is_undone_too,
    only_the_organizer_sees_how_far_it_is,
    an_order_whose_money_is_not_taken_back_counts_as_failed,
    money_that_comes_after_the_event_was_cancelled_buys_nothing,
}

async fn progress(house: &House) -> Value {
    let path = format!("/v1/orders/event-cancellations/{EVENT}");
    house.anna().get(&path).await.expect(200).value()
}

async fn is_done(house: &House) -> Value {
    eventually("all orders to be undone", || async {
        house.sandbox.clock().advance(SignedDuration::from_secs(5));
        let reply = house.anna().get(&format!("/v1/orders/event-cancellations/{EVENT}")).await;
        if reply.status() == 200 && reply.value()["state"] == "done" {
            return Ok(reply.value());
        }
        Err(reply)
    })
    .await
}

async fn every_order_of_a_cancelled_event_is_undone(house: House) {
    let mut paths = vec![house.held().await];
    for _ in 0..3 {
        paths.push(house.fulfilled().await);
    }
    let gwens = house.guest_order().await.expect(201);
    house.pay(&format!("/v1/orders/{}", gwens.field("id"))).await;
    let gwen = house.public().with_token(gwens.field("access_token"));
    let gwens = format!("/v1/orders/{}", gwens.field("id"));
    let _fulfilled = gwen.get(&gwens).header("prefer", "wait=10").await.expect(200);

    house.cancel_event().await;
    let done = is_done(&house).await;
    assert_eq!(done["reason"], "The singer is ill.");
    assert_eq!(done["orders"], json!({"total": 5, "done": 5, "under_way": 0, "failed": 0}));
    for path in &paths {
        let order = house.cara().get(path).await.expect(200).value();
        assert_eq!(
            (&order["state"], &order["cause"]),
            (&json!("cancelled"), &json!("event_cancelled"))
        );
        assert_eq!(order["reason"], "The singer is ill.");
    }
    assert_eq!(gwen.get(&gwens).await.expect(200).field("cause"), "event_cancelled");
    for path in paths.iter().skip(1).chain([&gwens]) {
        assert_eq!(house.tickets(path).await, 0);
        assert_eq!(
            (house.money(path).await, house.left(path).await),
            (json!("refunded"), json!(0))
        );
    }
    assert_eq!(house.money(&paths[0]).await, "closed");
}

async fn undoing_goes_on_when_others_are_away(house: House) {
    let paths = [house.fulfilled().await, house.fulfilled().await];
    for (service, method) in [("tickets", "void"), ("inventory", "release"), ("payments", "refund")]
    {
        house.mood(service, method, &["break before", "break after", "break before"]).await;
    }
    house.cancel_event().await;
    let done = is_done(&house).await;
    assert_eq!(done["orders"]["done"], 2);
    for path in paths {
        assert_eq!((house.tickets(&path).await, house.left(&path).await), (json!(0), json!(0)));
    }
}

async fn an_order_that_turns_up_late_is_undone_too(house: House) {
    house.cancel_event().await;
    eventually("orders to hear of it", || async {
        let reply = house.anna().get(&format!("/v1/orders/event-cancellations/{EVENT}")).await;
        reply.status() == 200
    })
    .await;
    assert_eq!(progress(&house).await["state"], "running", "somebody may be late");
    let late = house.dan().post("/v1/orders", &two_seats()).await.expect(201);
    let done = is_done(&house).await;
    assert_eq!(done["orders"]["total"], 1);
    let order = house.dan().get(&format!("/v1/orders/{}", late.field("id"))).await.expect(200);
    assert_eq!(order.field("cause"), "event_cancelled");
}

async fn only_the_organizer_sees_how_far_it_is(house: House) {
    let path = format!("/v1/orders/event-cancellations/{EVENT}");
    let _not_cancelled = house.anna().get(&path).await.expect_problem(404, "not-found");
    house.cancel_event().await;
    eventually("orders to hear of it", || async { house.anna().get(&path).await.status() == 200 })
        .await;
    let ben = house.person(Uuid::from_u128(0xB), Role::Organizer);
    for stranger in [house.cara(), ben] {
        let _hidden = stranger.get(&path).await.expect_problem(404, "not-found");
    }
    let _refused = house.public().get(&path).await.expect_problem(401, "unauthenticated");
    let admin = house.person(Uuid::from_u128(0xAD), Role::Admin);
    let _seen = admin.get(&path).await.expect(200);
}

async fn an_order_whose_money_is_not_taken_back_counts_as_failed(house: House) {
    let path = house.fulfilled().await;
    house.mood("payments", "refund", &["refused"; 3]).await;
    house.cancel_event().await;
    let done = is_done(&house).await;
    assert_eq!(done["orders"], json!({"total": 1, "done": 0, "under_way": 0, "failed": 1}));
    let order = house.cara().get(&path).await.expect(200).value();
    assert_eq!(
        (&order["state"], &order["overpaid"]["amount"]),
        (&json!("calling_off"), &json!(5000))
    );
    assert_eq!(house.tickets(&path).await, 0);

    house.give_back(&path, 5000).await;
    house.settles(&path, "cancelled").await;
    let orders = progress(&house).await["orders"].clone();
    assert_eq!(orders, json!({"total": 1, "done": 1, "under_way": 0, "failed": 0}));
}

async fn money_that_comes_after_the_event_was_cancelled_buys_nothing(house: House) {
    let path = house.held().await;
    house.sandbox.clock().advance(SignedDuration::from_mins(15));
    house.settles(&path, "expired").await;
    house.cancel_event().await;
    is_done(&house).await;
    house.pay(&path).await;
    let order = house.settles(&path, "cancelled").await;
    assert_eq!(
        (&order["cause"], &order["reason"]),
        (&json!("event_cancelled"), &json!("The singer is ill."))
    );
    assert_eq!((house.tickets(&path).await, house.left(&path).await), (json!(0), json!(0)));
}
