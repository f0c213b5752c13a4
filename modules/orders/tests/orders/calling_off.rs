//! `POST /v1/orders/{order_id}/cancel`.

use serde_json::json;

use crate::{
    house::{CARA, House, id_in, of_hold},
    on_both_databases,
};

on_both_databases! {
    a_buyer_calls_off_what_is_not_paid,
    only_the_organizer_calls_off_what_is_paid,
    calling_off_goes_on_when_answers_are_lost,
    an_order_releases_no_hold_that_is_another_orders,
    strangers_call_off_nothing,
}

async fn a_buyer_calls_off_what_is_not_paid(house: House) {
    let path = house.held().await;
    let cancel = format!("{path}/cancel");
    for _ in 0..2 {
        let cancelled = house.cara().post(&cancel, &json!({})).await.expect(200);
        assert_eq!(cancelled.field("state"), "cancelled");
        assert_eq!(cancelled.field("cause"), "buyer_cancelled");
    }
    assert_eq!(house.money(&path).await, "closed");
    assert_eq!(house.hold(id_in(&path)).await["state"], "released");
    let late = house.anna().post(&cancel, &json!({})).await;
    let refused = late.expect_problem(409, "order-has-ended");
    assert_eq!(refused.field("detail"), "cancelled by the buyer");
    assert_eq!(refused.field("cause"), "buyer_cancelled");
}

async fn only_the_organizer_calls_off_what_is_paid(house: House) {
    let path = house.fulfilled().await;
    let cancel = format!("{path}/cancel");
    let by_buyer = house.cara().post(&cancel, &json!({})).await;
    let _refused = by_buyer.expect_problem(409, "order-is-paid");
    let cancelled = house.anna().post(&cancel, &json!({})).await.expect(200);
    assert_eq!(cancelled.field("state"), "cancelled");
    assert_eq!(
        (house.money(&path).await, house.tickets(&path).await),
        (json!("refunded"), json!(0))
    );
    assert_eq!(house.hold(id_in(&path)).await["state"], "released");
}

async fn calling_off_goes_on_when_answers_are_lost(house: House) {
    let path = house.fulfilled().await;
    let steps = [("tickets", "void"), ("payments", "refund"), ("inventory", "release")];
    for (service, method) in steps {
        house.mood(service, method, &["break before", "break after"]).await;
    }
    let begun = house.anna().post(&format!("{path}/cancel"), &json!({})).await.expect(200);
    assert_eq!(begun.field("state"), "calling_off");
    house.settles(&path, "cancelled").await;
    assert_eq!(
        (house.money(&path).await, house.tickets(&path).await),
        (json!("refunded"), json!(0))
    );
    for (service, method) in steps {
        assert!(house.calls(service, method).await >= 3, "{method}");
    }
}

async fn an_order_releases_no_hold_that_is_another_orders(house: House) {
    let hold = house.make_hold(CARA, "held").await;
    let cara = house.cara();
    let first = cara.post("/v1/orders", &of_hold(hold)).await.expect(201);
    house.mood("inventory", "hold", &["break before"; 9]).await;
    let second = cara.post("/v1/orders", &of_hold(hold)).await.expect(201);
    assert_eq!(second.field("state"), "placed");
    let cancel = format!("/v1/orders/{}/cancel", second.field("id"));
    let cancelled = cara.post(&cancel, &json!({})).await.expect(200);
    assert_eq!(cancelled.field("state"), "cancelled");

    let kept = house.hold(&hold.to_string()).await;
    assert_eq!((&kept["state"], &kept["order_id"]), (&json!("held"), &first.value()["id"]));
}

async fn strangers_call_off_nothing(house: House) {
    let path = house.held().await;
    let cancel = format!("{path}/cancel");
    let _hidden = house.dan().post(&cancel, &json!({})).await.expect_problem(404, "not-found");
    let anonymous = house.public().post(&cancel, &json!({})).await;
    let _refused = anonymous.expect_problem(401, "unauthenticated");
    assert_eq!(house.cara().get(&path).await.expect(200).field("state"), "held");
}
