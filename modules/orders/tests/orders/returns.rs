//! Cancelling some positions of an order, and money that goes back beside.

use jiff::SignedDuration;
use serde_json::{Value, json};
use testkit::eventually;

use crate::{
    house::{House, ORGANIZER, id_in, two_seats},
    on_both_databases,
};

on_both_databases! {
    some_positions_are_cancelled_and_the_others_stay,
    a_return_goes_on_when_answers_are_lost,
    money_that_is_on_its_way_back_shows,
    money_given_beside_leaves_the_order_as_it_is,
    all_the_money_given_back_ends_the_order,
    cancelling_the_last_position_ends_the_order,
    what_cannot_be_cancelled_is_said,
    a_return_whose_money_waits_holds_up_no_other,
    money_that_the_bank_sends_back_is_given_back_again,
    a_whole_refund_that_the_bank_sends_back_is_made_again,
    a_return_that_got_less_than_its_price_ends,
}

fn some(positions: &[u32]) -> Value {
    json!({"positions": positions, "reason": "one of them is ill"})
}

async fn some_positions_are_cancelled_and_the_others_stay(house: House) {
    let path = house.fulfilled().await;
    let cancel = format!("{path}/cancel");
    for _ in 0..2 {
        let order = house.anna().post(&cancel, &some(&[2])).await.expect(200).value();
        assert_eq!((&order["state"], &order["overpaid"]), (&json!("fulfilled"), &Value::Null));
        assert_eq!(order["refunded"], json!({"amount": 2500, "currency": "EUR"}));
        assert_eq!(order["positions"][0]["cancelled"], false);
        assert_eq!(order["positions"][1]["cancelled"], true);
        assert_eq!(order["total"]["amount"], 5000);
    }
    assert_eq!((house.tickets(&path).await, house.left(&path).await), (json!(1), json!(2500)));
    assert_eq!(house.hold(id_in(&path)).await["items"][0]["quantity"], 1);
    assert_eq!(house.calls("payments", "refund").await, 1);

    let timeline = house.cara().get(&format!("{path}/timeline")).await.expect(200).value();
    let entries = timeline["entries"].as_array().expect("a list");
    let told: Vec<&str> =
        entries.iter().skip(6).filter_map(|entry| entry["what"].as_str()).collect();
    assert_eq!(
        told,
        ["positions cancelled", "tickets voided", "places released", "money returned"]
    );
    assert_eq!(entries[6]["reason"], "one of them is ill");
    assert_eq!((&entries[6]["by"], &entries[6]["positions"]), (&json!("organizer"), &json!([2])));
}

async fn a_return_goes_on_when_answers_are_lost(house: House) {
    let path = house.fulfilled().await;
    let steps = [("tickets", "void"), ("inventory", "release_places"), ("payments", "refund")];
    for (service, method) in steps {
        house.mood(service, method, &["break before", "break after"]).await;
    }
    let begun = house.anna().post(&format!("{path}/cancel"), &some(&[1])).await.expect(200);
    assert_eq!(begun.value()["overpaid"]["amount"], 2500);
    eventually("the money to be back", || async {
        house.sandbox.clock().advance(SignedDuration::from_secs(5));
        house.cara().get(&path).await.expect(200).value()["overpaid"] == Value::Null
    })
    .await;
    assert_eq!((house.tickets(&path).await, house.left(&path).await), (json!(1), json!(2500)));
    assert_eq!(house.hold(id_in(&path)).await["items"][0]["quantity"], 1, "released once");
}

async fn money_that_is_on_its_way_back_shows(house: House) {
    let path = house.fulfilled().await;
    house.mood("payments", "refund", &["in transit"; 3]).await;
    let begun = house.anna().post(&format!("{path}/cancel"), &some(&[1])).await.expect(200);
    assert_eq!(begun.value()["overpaid"]["amount"], 2500);
    let overpaid = format!("/v1/orders?organizer_id={ORGANIZER}&overpaid=true");
    let listed = async || house.anna().get(&overpaid).await.expect(200).value();
    assert_eq!(listed().await["items"][0]["id"], id_in(&path));
    eventually("nothing to be overpaid", || async {
        house.sandbox.clock().advance(SignedDuration::from_secs(5));
        listed().await["items"] == json!([])
    })
    .await;
}

async fn money_given_beside_leaves_the_order_as_it_is(house: House) {
    let path = house.fulfilled().await;
    house.give_back(&path, 3000).await;
    eventually("orders to hear of it", || async {
        house.cara().get(&path).await.expect(200).value()["refunded"]["amount"] == 3000
    })
    .await;
    let order = house.anna().post(&format!("{path}/cancel"), &some(&[1])).await.expect(200);
    assert_eq!(order.value()["refunded"]["amount"], 5000, "no more than was left");
    assert_eq!((house.tickets(&path).await, house.left(&path).await), (json!(1), json!(0)));
    assert_eq!(order.field("state"), "fulfilled");
}

async fn all_the_money_given_back_ends_the_order(house: House) {
    let path = house.fulfilled().await;
    house.give_back(&path, 5000).await;
    let order = house.settles(&path, "cancelled").await;
    assert_eq!((&order["cause"], &order["overpaid"]), (&json!("refunded"), &Value::Null));
    assert_eq!(house.tickets(&path).await, 0);
}

async fn cancelling_the_last_position_ends_the_order(house: House) {
    let path = house.fulfilled().await;
    let cancel = format!("{path}/cancel");
    let _first = house.anna().post(&cancel, &some(&[1])).await.expect(200);
    let ended = house.anna().post(&cancel, &some(&[1, 2])).await.expect(200);
    assert_eq!(ended.field("state"), "cancelled");
    assert_eq!(ended.field("reason"), "one of them is ill");
    assert_eq!((house.tickets(&path).await, house.left(&path).await), (json!(0), json!(0)));
}

async fn what_cannot_be_cancelled_is_said(house: House) {
    let held = house.held().await;
    let early = house.anna().post(&format!("{held}/cancel"), &some(&[1])).await;
    let _refused = early.expect_problem(409, "order-has-no-tickets");
    let path = house.fulfilled().await;
    let cancel = format!("{path}/cancel");
    let by_buyer = house.cara().post(&cancel, &some(&[1])).await;
    let _refused = by_buyer.expect_problem(409, "order-is-paid");
    for wrong in [
        json!({"positions": [3]}),
        json!({"positions": [0]}),
        json!({"places": [1]}),
        json!({"positions": []}),
    ] {
        let _refused =
            house.anna().post(&cancel, &wrong).await.expect_problem(422, "invalid-input");
    }
    assert_eq!(house.tickets(&path).await, 2);
}

async fn a_return_whose_money_waits_holds_up_no_other(house: House) {
    let mut three = two_seats();
    three["items"][0]["quantity"] = json!(3);
    let placed = house.cara().post("/v1/orders", &three).await.expect(201);
    let path = format!("/v1/orders/{}", placed.field("id"));
    house.pay(&path).await;
    house.settles(&path, "fulfilled").await;
    house.mood("payments", "refund", &["in transit"; 2]).await;
    for position in [1, 2] {
        let _begun = house.anna().post(&format!("{path}/cancel"), &some(&[position])).await;
    }
    assert_eq!(house.tickets(&path).await, 1);
    assert_eq!(house.hold(id_in(&path)).await["items"][0]["quantity"], 1);
    let overpaid =
        || async { house.cara().get(&path).await.expect(200).value()["overpaid"].clone() };
    eventually("the money to be back", || async {
        house.sandbox.clock().advance(SignedDuration::from_secs(5));
        overpaid().await == Value::Null
    })
    .await;
}

async fn money_that_the_bank_sends_back_is_given_back_again(house: House) {
    let path = house.fulfilled().await;
    let order = house.anna().post(&format!("{path}/cancel"), &some(&[2])).await.expect(200);
    assert_eq!(order.value()["refunded"]["amount"], 2500);
    house.bounce(&path, true).await;
    let shows = async |refunded: Value, overpaid: Value| {
        eventually("the money to be where it is", || async {
            house.sandbox.clock().advance(SignedDuration::from_secs(5));
            let order = house.cara().get(&path).await.expect(200).value();
            let is_so =
                order["refunded"]["amount"] == refunded && order["overpaid"]["amount"] == overpaid;
            if is_so { Ok(()) } else { Err(order) }
        })
        .await;
    };
    shows(json!(null), json!(2500)).await;
    assert_eq!(house.left(&path).await, 5000);
    house.repeat_refunds(&path).await;
    shows(json!(2500), json!(null)).await;
    assert_eq!((house.tickets(&path).await, house.left(&path).await), (json!(1), json!(2500)));

    let timeline = house.cara().get(&format!("{path}/timeline")).await.expect(200).value();
    let entries = timeline["entries"].as_array().expect("a list");
    let refused = entries.iter().find(|entry| entry["what"] == "refund refused");
    assert_eq!(refused.map(|entry| &entry["positions"]), Some(&json!([2])));
    assert!(!entries.iter().any(|entry| entry["what"] == "something else"), "{timeline}");
}

async fn a_whole_refund_that_the_bank_sends_back_is_made_again(house: House) {
    let path = house.fulfilled().await;
    let _cancelled = house.anna().post(&format!("{path}/cancel"), &json!({})).await.expect(200);
    house.settles(&path, "cancelled").await;
    house.mood("payments", "refund", &["break before"; 3]).await;
    house.bounce(&path, true).await;
    let order = house.settles(&path, "calling_off").await;
    assert_eq!(order["overpaid"]["amount"], 5000);
    let order = house.settles(&path, "cancelled").await;
    assert_eq!((&order["refunded"]["amount"], &order["overpaid"]), (&json!(5000), &Value::Null));
    assert_eq!(house.left(&path).await, 0);
}

async fn a_return_that_got_less_than_its_price_ends(house: House) {
    let path = house.fulfilled().await;
    let moods = ["break before", "", "in transit", "", "in transit"];
    house.mood("payments", "refund", &moods).await;
    let begun = house.anna().post(&format!("{path}/cancel"), &some(&[1])).await.expect(200);
    assert_eq!(begun.value()["overpaid"]["amount"], 2500);
    house.give_back(&path, 3000).await;
    eventually("what was left to be back", || async {
        house.sandbox.clock().advance(SignedDuration::from_secs(5));
        house.cara().get(&path).await.expect(200).value()["refunded"]["amount"] == 5000
    })
    .await;
    assert_eq!((house.tickets(&path).await, house.left(&path).await), (json!(1), json!(0)));
}
