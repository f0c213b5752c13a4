//! `POST /v1/orders`.

use runtime::Role;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::{
    fakes::seat,
    house::{CARA, DAN, EVENT, FREE_SEAT, House, SEAT, of_hold, two_seats},
    on_both_databases,
};

on_both_databases! {
    an_order_holds_its_places_and_asks_for_money,
    an_order_that_costs_nothing_is_fulfilled_at_once,
    a_repeated_request_is_one_order_in_every_state,
    a_refusal_is_repeated_as_it_was,
    what_is_refused_later_is_told_of_the_order,
    each_refusal_has_its_own_problem,
    seats_are_held_as_they_were_named,
    taxes_are_copied_and_add_up,
    what_is_not_sold_is_not_ordered,
    a_hold_of_ones_own_is_bought_once,
    a_hold_that_is_over_is_bought_while_there_are_places,
    nobody_buys_a_hold_of_somebody_else,
    what_cannot_be_ordered_is_said,
}

async fn an_order_holds_its_places_and_asks_for_money(house: House) {
    let placed = house.order().await.expect(201);
    let order = placed.value();
    let id = placed.field("id");
    assert_eq!(placed.header("location"), Some(format!("/v1/orders/{id}").as_str()));
    assert_eq!(
        (order["state"].as_str(), order["code"].as_str().map(str::len)),
        (Some("held"), Some(8))
    );
    assert_eq!(order["total"], json!({"amount": 5000, "currency": "EUR"}));
    assert_eq!(house.hold(&id).await["order_id"], id);
    assert_eq!(house.money(&id).await, "open");
    let read = house.cara().get(&format!("/v1/orders/{id}")).await.expect(200);
    assert_eq!((read.value(), read.etag()), (order, placed.etag()));
}

async fn an_order_that_costs_nothing_is_fulfilled_at_once(house: House) {
    let free = json!({"event_id": EVENT, "items": [{"ticket_type_id": FREE_SEAT, "quantity": 3}]});
    let order = house.cara().post("/v1/orders", &free).await.expect(201);
    assert_eq!(order.field("state"), "fulfilled");
    assert_eq!(order.value()["ticket_ids"].as_array().map(Vec::len), Some(3));
}

async fn a_repeated_request_is_one_order_in_every_state(house: House) {
    let cara = house.cara();
    let post = || cara.post("/v1/orders", &two_seats()).key("once");
    let first = post().await.expect(201);
    let path = format!("/v1/orders/{}", first.field("id"));
    let mut anything_else = two_seats();
    anything_else["items"][0]["quantity"] = json!(1);
    for state in ["held", "fulfilled", "cancelled"] {
        match state {
            "fulfilled" => house.pay(&path).await,
            "cancelled" => {
                let cancel = format!("{path}/cancel");
                let _cancelled = house.anna().post(&cancel, &json!({})).await.expect(200);
            }
            _ => {}
        }
        house.settles(&path, state).await;
        let again = post().await.expect(201);
        assert_eq!(again.header("idempotent-replayed"), Some("true"));
        assert_eq!((again.value(), again.etag()), (first.value(), first.etag()));
        let other = cara.post("/v1/orders", &anything_else).key("once").await;
        let _refused = other.expect_problem(422, "idempotency-key-reused");
    }
    assert_eq!(house.calls("inventory", "hold").await, 1);
    let without = cara.post("/v1/orders", &two_seats()).without_key().await;
    let _refused = without.expect_problem(400, "idempotency-key-missing");
}

async fn a_refusal_is_repeated_as_it_was(house: House) {
    house.mood("inventory", "hold", &["sold out"]).await;
    let cara = house.cara();
    let post = || cara.post("/v1/orders", &two_seats()).key("once");
    let refused = post().await.expect_problem(409, "sold-out").value();
    assert_eq!(refused["ticket_type_id"], SEAT.to_string());
    assert_eq!((&refused["requested"], &refused["left"]), (&json!(2), &json!(1)));
    let again = post().await.expect_problem(409, "sold-out");
    assert_eq!(again.header("idempotent-replayed"), Some("true"));
    assert_eq!(again.value()["left"], refused["left"]);
    let orders = cara.get("/v1/orders").await.expect(200).value();
    assert_eq!(orders["items"], json!([]), "nothing is left behind");
    assert_eq!(house.calls("payments", "open").await, 0);
}

async fn what_is_refused_later_is_told_of_the_order(house: House) {
    house.mood("inventory", "hold", &["break before", "sold out"]).await;
    let cara = house.cara();
    let placed = cara.post("/v1/orders", &two_seats()).await.expect(201);
    assert_eq!(placed.field("state"), "placed");
    let path = format!("/v1/orders/{}", placed.field("id"));
    let order = house.settles(&path, "cancelled").await;
    assert_eq!(order["cause"], json!("sold_out"));
}

async fn each_refusal_has_its_own_problem(house: House) {
    for (mood, slug) in
        [("not yet", "sales-not-started"), ("no more", "sales-ended"), ("closed", "not-on-sale")]
    {
        house.mood("catalog", "sale_terms", &[mood]).await;
        let _refused = house.order().await.expect_problem(409, slug);
    }
    let places = |quantity: u32| json!({"event_id": EVENT, "items": [{"ticket_type_id": SEAT, "quantity": quantity}]});
    for (quantity, slug, member) in
        [(1, "below-minimum", "minimum"), (3, "above-maximum", "maximum")]
    {
        house.mood("catalog", "sale_terms", &["pairs only"]).await;
        let refused = house.cara().post("/v1/orders", &places(quantity)).await;
        assert_eq!(refused.expect_problem(409, slug).value()[member], 2);
    }
    assert_eq!(house.calls("inventory", "hold").await, 0);
    for (mood, status, slug) in [
        ("seat taken", 409, "seat-taken"),
        ("too many holds", 409, "too-many-holds"),
        ("no seats", 409, "not-seated"),
    ] {
        house.mood("inventory", "hold", &[mood]).await;
        let _refused = house.order().await.expect_problem(status, slug);
    }
}

async fn seats_are_held_as_they_were_named(house: House) {
    let mut order = two_seats();
    order["items"][0]["seats"] = json!([seat("4"), seat("5")]);
    let placed = house.cara().post("/v1/orders", &order).await.expect(201);
    assert_eq!(placed.value()["positions"][1]["seat"], json!(seat("5")));
    let held = house.hold(&placed.field("id")).await;
    assert_eq!(held["items"][0]["seats"], json!([seat("4"), seat("5")]));
    for wrong in [json!([seat("4")]), json!([seat("4"), seat("4")])] {
        order["items"][0]["seats"] = wrong;
        let refused = house.cara().post("/v1/orders", &order).await;
        let _refused = refused.expect_problem(422, "invalid-input");
    }
}

async fn taxes_are_copied_and_add_up(house: House) {
    house.mood("catalog", "sale_terms", &["taxed"]).await;
    let order = house.order().await.expect(201).value();
    assert_eq!(order["tax"], json!({"amount": 327, "currency": "EUR"}));
    assert_eq!(order["items"][0]["tax_rate"]["rate_basis_points"], 700);
    let taxes: Vec<&Value> =
        [0, 1].iter().map(|at| &order["positions"][*at]["tax"]["amount"]).collect();
    assert_eq!(taxes, [164, 163]);
    assert_eq!(order["tax_rounding"], "per_line");
}

async fn what_is_not_sold_is_not_ordered(house: House) {
    house.mood("catalog", "sale_terms", &["closed"]).await;
    let _closed = house.order().await.expect_problem(409, "not-on-sale");
    assert_eq!(house.calls("inventory", "hold").await, 0);
    house.mood("inventory", "hold", &["not on sale"]).await;
    let _closed_meanwhile = house.order().await.expect_problem(409, "not-on-sale");
    house.mood("catalog", "sale_terms", &["break before"]).await;
    let away = house.order().await;
    assert!(away.status().is_server_error(), "{away}");
}

async fn a_hold_of_ones_own_is_bought_once(house: House) {
    let hold = house.make_hold(CARA, "held").await;
    let cara = house.cara();
    let order = cara.post("/v1/orders", &of_hold(hold)).await.expect(201);
    assert_eq!(order.value()["items"][0]["quantity"], 2);
    assert_eq!(house.hold(&hold.to_string()).await["order_id"], order.field("id"));

    let second = cara.post("/v1/orders", &of_hold(hold)).await;
    let _refused = second.expect_problem(409, "hold-gone");
    assert_eq!(house.hold(&hold.to_string()).await["state"], "held");
    // An order's own hold has the order's id, and is no more to be had.
    let direct = house.held().await;
    let id: Uuid = crate::house::id_in(&direct).parse().expect("an id");
    let third = cara.post("/v1/orders", &of_hold(id)).await;
    let _refused = third.expect_problem(409, "hold-gone");
}

async fn a_hold_that_is_over_is_bought_while_there_are_places(house: House) {
    let hold = house.make_hold(CARA, "expired").await;
    let order = house.cara().post("/v1/orders", &of_hold(hold)).await.expect(201);
    assert_eq!(order.field("state"), "held");
    let _given_back = house.make_hold(CARA, "released").await;
    let refused = house.cara().post("/v1/orders", &of_hold(hold)).await;
    let _refused = refused.expect_problem(409, "hold-gone");
}

async fn nobody_buys_a_hold_of_somebody_else(house: House) {
    let hold = house.make_hold(DAN, "held").await;
    for other in [hold, Uuid::from_u128(404)] {
        let refused = house.cara().post("/v1/orders", &of_hold(other)).await;
        let _refused = refused.expect_problem(422, "invalid-input");
    }
    assert_eq!(house.hold(&hold.to_string()).await["order_id"], Value::Null);
}

async fn what_cannot_be_ordered_is_said(house: House) {
    let cara = house.cara();
    let seats = |id: Uuid, quantity: u32| json!({"ticket_type_id": id, "quantity": quantity});
    let unknown = Uuid::from_u128(404);
    let wrong = [
        json!({"event_id": EVENT, "items": []}),
        json!({"event_id": EVENT, "items": [seats(SEAT, 1), seats(SEAT, 2)]}),
        json!({"event_id": EVENT, "items": [seats(SEAT, 0)]}),
        json!({"event_id": EVENT, "items": [seats(SEAT, 21)]}),
        json!({"event_id": EVENT, "items": [seats(unknown, 1)]}),
        json!({"event_id": unknown, "items": [seats(SEAT, 1)]}),
        json!({"event_id": EVENT, "items": [seats(SEAT, 1)], "hold_id": unknown}),
        json!({"event_id": EVENT, "items": [seats(SEAT, 1)], "price": 1}),
    ];
    for order in wrong {
        let refused = cara.post("/v1/orders", &order).await;
        let _refused = refused.expect_problem(422, "invalid-input");
    }
    let anonymous = house.public().post("/v1/orders", &two_seats()).await;
    let _refused = anonymous.expect_problem(401, "unauthenticated");
    let admin = house.person(Uuid::from_u128(0xAD), Role::Admin);
    assert!(admin.get("/v1/orders").await.expect(200).value()["items"] == json!([]));
}
