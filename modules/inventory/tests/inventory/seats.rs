//! Numbered seats: chosen, named, shown, given back.

use contracts::{
    catalog::{Capacity, TicketTypeCapacity},
    seating::{SeatRow, SeatSection},
};
use futures_util::future::join_all;
use runtime::Role;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::{
    house::{CARA, EVENT, House, SEAT, availability},
    on_both_databases,
};

on_both_databases! {
    the_best_seats_are_chosen_for_whoever_names_none,
    seats_are_named_and_had_once,
    fifty_who_want_twelve_seats_get_a_seat_each_or_none,
    seats_of_a_sale_are_given_back_one_by_one,
    what_is_no_seat_is_said,
}

const LAWN: Uuid = Uuid::from_u128(0x1A3);

/// Two rows of six.
async fn on_sale(house: &House) {
    let row = |name: &str| SeatRow {
        name: name.to_owned(),
        seats: (1..=6).map(|number| number.to_string()).collect(),
    };
    let seating = vec![SeatSection { name: "Stalls".to_owned(), rows: vec![row("A"), row("B")] }];
    let seated = TicketTypeCapacity {
        sections: vec!["Stalls".to_owned()],
        ..TicketTypeCapacity::of_its_own(SEAT, "Stalls", Capacity::UNLIMITED)
    };
    let lawn = TicketTypeCapacity::of_its_own(LAWN, "Lawn", Capacity::limited(5));
    house.published_with(vec![seated, lawn], Vec::new(), seating).await;
    house.opened().await;
}

fn seat(row: &str, number: &str) -> Value {
    json!({"section": "Stalls", "row": row, "number": number})
}

fn best(quantity: u32) -> Value {
    json!({"event_id": EVENT, "items": [{"ticket_type_id": SEAT, "quantity": quantity}]})
}

fn named(seats: &[Value]) -> Value {
    let item = json!({"ticket_type_id": SEAT, "quantity": seats.len(), "seats": seats});
    json!({"event_id": EVENT, "items": [item]})
}

async fn free_seats(house: &House) -> Value {
    let plan = house.public().get(&format!("{}/seats", availability())).await.expect(200).value();
    json!([plan["sections"][0]["rows"][0]["free"], plan["sections"][0]["rows"][1]["free"]])
}

async fn the_best_seats_are_chosen_for_whoever_names_none(house: House) {
    on_sale(&house).await;
    let held = house.cara().post("/v1/holds", &best(2)).await.expect(201);
    assert_eq!(held.value()["items"][0]["seats"], json!([seat("A", "3"), seat("A", "4")]));
    assert_eq!(
        free_seats(&house).await,
        json!([["1", "2", "5", "6"], ["1", "2", "3", "4", "5", "6"]])
    );
    let shown = house.availability().await;
    let stalls = shown["ticket_types"]
        .as_array()
        .and_then(|types| types.iter().find(|it| it["ticket_type_id"] == json!(SEAT)));
    assert_eq!(stalls.map(|it| (&it["free"], &it["seated"])), Some((&json!(10), &json!(true))));
    let read = house.cara().get(&format!("/v1/holds/{}", held.field("id"))).await.expect(200);
    assert_eq!(read.value(), held.value());
    let none = house.public().get(&format!("{}/seats?section=Circle", availability())).await;
    assert_eq!(none.expect(200).value()["sections"], json!([]));
}

async fn seats_are_named_and_had_once(house: House) {
    on_sale(&house).await;
    let wanted = [seat("B", "1"), seat("B", "2")];
    let held = house.cara().post("/v1/holds", &named(&wanted)).await.expect(201);
    assert_eq!(held.value()["items"][0]["seats"], json!(wanted));
    let refused = house.dan().post("/v1/holds", &named(&[seat("B", "2"), seat("B", "3")])).await;
    let refused = refused.expect_problem(409, "seat-taken");
    assert_eq!(refused.value()["seats"], json!([seat("B", "2")]));
    let _given_back =
        house.cara().delete(&format!("/v1/holds/{}", held.field("id"))).await.expect(204);
    let _held = house.dan().post("/v1/holds", &named(&wanted)).await.expect(201);
    house.sandbox.node("inventory").stop().await;
    house.sandbox.node("inventory").restart().await;
    assert_eq!(free_seats(&house).await[1], json!(["3", "4", "5", "6"]), "after a restart, too");
}

async fn fifty_who_want_twelve_seats_get_a_seat_each_or_none(house: House) {
    on_sale(&house).await;
    let people: Vec<_> = (0..50)
        .map(|number| house.person(Uuid::from_u128(1000 + number), Role::Customer))
        .collect();
    let wish = best(1);
    let asks = people.iter().map(|person| person.post("/v1/holds", &wish).into_future());
    let replies = join_all(asks).await;
    let (held, refused): (Vec<_>, Vec<_>) =
        replies.into_iter().partition(|reply| reply.status() == 201);
    let mut seats: Vec<String> =
        held.iter().map(|reply| reply.value()["items"][0]["seats"].to_string()).collect();
    seats.sort();
    seats.dedup();
    assert_eq!((held.len(), seats.len()), (12, 12));
    for reply in refused {
        let _problem = reply.expect_problem(409, "sold-out");
    }
    house.sandbox.check().await;
}

async fn seats_of_a_sale_are_given_back_one_by_one(house: House) {
    on_sale(&house).await;
    let hold = Uuid::from_u128(0x401D);
    let wanted = json!({
        "hold_id": hold,
        "event_id": EVENT,
        "holder_id": CARA,
        "order_id": Uuid::from_u128(1),
        "items": [
            {"ticket_type_id": SEAT, "quantity": 2, "seats": [seat("A", "1"), seat("A", "2")]},
            {"ticket_type_id": LAWN, "quantity": 3},
        ],
    });
    assert!(house.ask("hold", &wanted).await["Ok"].is_object());
    let release = |id: u128, items: Value| {
        let release_id = Uuid::from_u128(id);
        json!({"event_id": EVENT, "hold_id": hold, "release_id": release_id, "items": items})
    };
    let one_seat = json!([{"ticket_type_id": SEAT, "quantity": 1, "seats": [seat("A", "1")]}]);
    let too_early = house.ask("release_places", &release(1, one_seat.clone())).await;
    assert_eq!(too_early["Err"]["code"], "invalid");
    let named = json!({"event_id": EVENT, "hold_id": hold});
    assert_eq!(house.ask("confirm", &named).await["Ok"]["state"], "confirmed");
    for _ in 0..2 {
        assert!(house.ask("release_places", &release(1, one_seat.clone())).await["Ok"].is_object());
        assert_eq!(free_seats(&house).await[0], json!(["1", "3", "4", "5", "6"]));
    }
    let rest = json!([
        {"ticket_type_id": SEAT, "quantity": 1, "seats": [seat("A", "2")]},
        {"ticket_type_id": LAWN, "quantity": 3},
    ]);
    assert!(house.ask("release_places", &release(2, rest)).await["Ok"].is_object());
    assert_eq!(house.ask("find_hold", &named).await["Ok"]["state"], "released");
}

async fn what_is_no_seat_is_said(house: House) {
    on_sale(&house).await;
    let cara = house.cara();
    let refused = cara.post("/v1/holds", &named(&[seat("A", "7")])).await;
    let refused = refused.expect_problem(409, "seat-unknown");
    assert_eq!(refused.value()["seat"], seat("A", "7"));
    let mut lawn = named(&[seat("A", "1")]);
    lawn["items"][0]["ticket_type_id"] = json!(LAWN);
    let _problem = cara.post("/v1/holds", &lawn).await.expect_problem(409, "not-seated");
    let mut three = named(&[seat("A", "1")]);
    three["items"][0]["quantity"] = json!(3);
    let twice = named(&[seat("A", "1"), seat("A", "1")]);
    let mut odd = named(&[seat("A", "1")]);
    odd["items"][0]["seats"][0]["block"] = json!("1");
    for wrong in [three, twice, odd] {
        let _problem = cara.post("/v1/holds", &wrong).await.expect_problem(422, "invalid-input");
    }
}
