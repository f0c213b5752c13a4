//! `/v1/holds`.

use contracts::inventory::HoldPlaces;
use futures_util::future::join_all;
use jiff::SignedDuration;
use runtime::{Clock, Role};
use serde_json::json;
use testkit::eventually;
use uuid::Uuid;

use crate::{
    house::{CARA, EVENT, House, SEAT, places},
    on_both_databases,
};

on_both_databases! {
    places_are_held_and_given_back,
    a_repeated_request_holds_once,
    a_key_that_was_forgotten_makes_no_second_hold,
    fifty_who_want_ten_places_at_once_get_ten,
    a_hold_that_nobody_buys_expires,
    a_hold_is_its_holders_alone,
    a_hold_that_an_order_has_taken_is_not_given_back,
    what_cannot_be_held_is_said,
    a_hold_without_an_order_is_forgotten_a_day_after_its_end,
    guests_hold_nothing,
}

async fn places_are_held_and_given_back(house: House) {
    house.on_sale(10).await;
    let cara = house.cara();
    let held = house.hold(&cara, 3).await.expect(201);
    let path = format!("/v1/holds/{}", held.field("id"));
    assert_eq!(held.header("location"), Some(path.as_str()));
    assert_eq!(cara.get(&path).await.expect(200).value(), held.value());
    assert_eq!(house.free().await, 7);

    for _ in 0..2 {
        let _given_back = cara.delete(&path).await.expect(204);
    }
    assert_eq!(house.free().await, 10);
    assert_eq!(cara.get(&path).await.expect(200).field("state"), "released");
}

async fn a_repeated_request_holds_once(house: House) {
    house.on_sale(10).await;
    let cara = house.cara();
    let first = cara.post("/v1/holds", &places(3)).key("once").await.expect(201);
    let second = cara.post("/v1/holds", &places(3)).key("once").await.expect(201);
    assert_eq!(second.header("idempotent-replayed"), Some("true"));
    assert_eq!(second.value(), first.value());
    let other = cara.post("/v1/holds", &places(4)).key("once").await;
    let _refused = other.expect_problem(422, "idempotency-key-reused");
    let of_dan = house.dan().post("/v1/holds", &places(3)).key("once").await.expect(201);
    assert_ne!(of_dan.field("id"), first.field("id"));
    assert_eq!(house.free().await, 4);
}

async fn a_key_that_was_forgotten_makes_no_second_hold(house: House) {
    house.on_sale(10).await;
    let _first = house.cara().post("/v1/holds", &places(3)).key("old").await.expect(201);
    house.sandbox.clock().advance(SignedDuration::from_hours(26));
    let another_event = Uuid::from_u128(7);
    let mut elsewhere = places(3);
    elsewhere["event_id"] = json!(another_event);
    let cara = house.cara();
    eventually("the key to be forgotten", || async {
        let reply = cara.post("/v1/holds", &elsewhere).key("old").await;
        let problem = reply.value();
        problem["type"].as_str().is_some_and(|it| it.ends_with("/hold-differs"))
    })
    .await;
    assert_eq!(house.free().await, 10);
}

async fn fifty_who_want_ten_places_at_once_get_ten(house: House) {
    house.on_sale(10).await;
    let people: Vec<_> = (0..50)
        .map(|number| house.person(Uuid::from_u128(1000 + number), Role::Customer))
        .collect();
    let replies = join_all(people.iter().map(|person| house.hold(person, 1))).await;
    let held = replies.iter().filter(|reply| reply.status() == 201).count();
    assert_eq!(held, 10);
    for refused in replies.into_iter().filter(|reply| reply.status() != 201) {
        let problem = refused.expect_problem(409, "sold-out").value();
        assert_eq!(problem["ticket_type_id"], SEAT.to_string());
        assert_eq!((&problem["requested"], &problem["left"]), (&json!(1), &json!(0)));
    }
    assert_eq!(house.free().await, 0);
}

async fn a_hold_that_nobody_buys_expires(house: House) {
    house.on_sale(10).await;
    let held = house.hold(&house.cara(), 10).await.expect(201);
    let _early = house.hold(&house.dan(), 1).await.expect_problem(409, "sold-out");
    house.sandbox.clock().advance(SignedDuration::from_mins(15));

    let _in_time = house.hold(&house.dan(), 4).await.expect(201);
    assert_eq!(house.free().await, 6);
    let path = format!("/v1/holds/{}", held.field("id"));
    assert_eq!(house.cara().get(&path).await.expect(200).field("state"), "expired");
    house.sandbox.node("inventory").stop().await;
    house.sandbox.node("inventory").restart().await;
    assert_eq!(house.free().await, 6);
}

async fn a_hold_is_its_holders_alone(house: House) {
    house.on_sale(10).await;
    let held = house.hold(&house.cara(), 1).await.expect(201);
    let path = format!("/v1/holds/{}", held.field("id"));
    let dan = house.dan();
    let _hidden = dan.get(&path).await.expect_problem(404, "not-found");
    let _kept = dan.delete(&path).await.expect_problem(404, "not-found");
    let _anonymous = house.public().get(&path).await.expect_problem(401, "unauthenticated");
    let _shown = house.admin().get(&path).await.expect(200);
    assert_eq!(house.free().await, 9);
}

async fn a_hold_that_an_order_has_taken_is_not_given_back(house: House) {
    house.on_sale(10).await;
    let cara = house.cara();
    let held = house.hold(&cara, 2).await.expect(201);
    let order = Uuid::from_u128(0x0DE);
    let taking = json!(HoldPlaces {
        hold_id: held.json::<Identified>().id,
        event_id: EVENT,
        holder_id: CARA,
        order_id: Some(order),
        items: serde_json::from_value(held.value()["items"].clone()).expect("items"),
    });
    assert_eq!(house.ask("hold", &taking).await["Ok"]["order_id"], order.to_string());

    let path = format!("/v1/holds/{}", held.field("id"));
    let refused = cara.delete(&path).await.expect_problem(409, "hold-belongs-to-order");
    assert_eq!(refused.field("order_id"), order.to_string());
    assert!(house.sandbox.clock().now() < held.json::<Identified>().expires_at);
}

#[derive(serde::Deserialize)]
struct Identified {
    id: Uuid,
    expires_at: runtime::Timestamp,
}

async fn what_cannot_be_held_is_said(house: House) {
    house.on_sale(10).await;
    let cara = house.cara();
    let mut unknown_event = places(1);
    unknown_event["event_id"] = json!(Uuid::from_u128(404));
    let mut unknown_type = places(1);
    unknown_type["items"][0]["ticket_type_id"] = json!(Uuid::from_u128(404));
    let mut twice = places(1);
    twice["items"] = json!([twice["items"][0], twice["items"][0]]);
    for wrong in [unknown_event, unknown_type, twice, places(0), places(21)] {
        let _refused = cara.post("/v1/holds", &wrong).await.expect_problem(422, "invalid-input");
    }
    let _anonymous = house.hold(&house.public(), 1).await.expect_problem(401, "unauthenticated");
    assert_eq!(house.free().await, 10);
}

async fn a_hold_without_an_order_is_forgotten_a_day_after_its_end(house: House) {
    house.on_sale(10).await;
    let cara = house.cara();
    let (left, given_back) = (house.hold(&cara, 3).await, house.hold(&cara, 2).await);
    let paths = [left, given_back].map(|it| format!("/v1/holds/{}", it.expect(201).field("id")));
    let _given_back = cara.delete(&paths[1]).await.expect(204);
    house.sandbox.clock().advance(SignedDuration::from_hours(23));
    for path in &paths {
        let _remembered = house.cara().get(path).await.expect(200);
    }
    house.sandbox.clock().advance(SignedDuration::from_hours(2));
    for path in &paths {
        eventually("the hold to be forgotten", || async {
            house.cara().get(path).await.status() == 404
        })
        .await;
    }
    assert_eq!(house.free().await, 10);
}

async fn guests_hold_nothing(house: House) {
    house.on_sale(10).await;
    let guest = house.guest(Uuid::from_u128(0x6E));
    let _refused = house.hold(&guest, 1).await.expect_problem(403, "account-needed");
    assert_eq!(house.free().await, 10);
}
