//! What orders ask of inventory. Everything may be asked twice.

use jiff::SignedDuration;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::{
    house::{CARA, DAN, EVENT, House, SEAT},
    on_both_databases,
};

on_both_databases! {
    a_hold_is_confirmed_and_released_once,
    a_hold_serves_one_order_of_its_holder,
    a_hold_that_has_lapsed_serves_its_order_while_there_is_room,
}

const HOLD: Uuid = Uuid::from_u128(0x401D);

fn wanted(holder: Uuid, order: u128) -> Value {
    json!({
        "hold_id": HOLD,
        "event_id": EVENT,
        "holder_id": holder,
        "order_id": Uuid::from_u128(order),
        "items": [{"ticket_type_id": SEAT, "quantity": 2}],
    })
}

fn named() -> Value {
    json!({"event_id": EVENT, "hold_id": HOLD})
}

async fn a_hold_is_confirmed_and_released_once(house: House) {
    house.on_sale(10).await;
    for (method, state, free) in [("hold", "held", 8), ("confirm", "confirmed", 8)] {
        let request = if method == "hold" { wanted(CARA, 1) } else { named() };
        for _ in 0..2 {
            assert_eq!(house.ask(method, &request).await["Ok"]["state"], state);
            assert_eq!(house.free().await, free);
        }
    }
    for _ in 0..2 {
        assert_eq!(house.ask("release", &named()).await["Ok"]["hold_id"], HOLD.to_string());
        assert_eq!(house.free().await, 10);
    }
    assert_eq!(house.ask("confirm", &named()).await["Err"]["code"], "hold_released");
    assert_eq!(house.ask("hold", &wanted(CARA, 1)).await["Err"]["code"], "hold_released");
    let unknown = json!({"event_id": EVENT, "hold_id": Uuid::from_u128(404)});
    assert!(house.ask("release", &unknown).await["Ok"].is_object());
    assert_eq!(house.ask("find_hold", &unknown).await["Err"]["code"], "hold_unknown");
}

async fn a_hold_serves_one_order_of_its_holder(house: House) {
    house.on_sale(10).await;
    assert!(house.ask("hold", &wanted(CARA, 1)).await["Ok"].is_object());
    for other in [wanted(CARA, 2), wanted(DAN, 1)] {
        assert_eq!(house.ask("hold", &other).await["Err"]["code"], "hold_differs");
    }
    assert_eq!(house.free().await, 8);
}

async fn a_hold_that_has_lapsed_serves_its_order_while_there_is_room(house: House) {
    house.on_sale(3).await;
    let first = house.ask("hold", &wanted(CARA, 1)).await;
    house.sandbox.clock().advance(SignedDuration::from_mins(16));
    assert_eq!(house.ask("find_hold", &named()).await["Ok"]["state"], "expired");
    let renewed = house.ask("hold", &wanted(CARA, 1)).await;
    assert_eq!(renewed["Ok"]["state"], "held");
    assert_ne!(renewed["Ok"]["expires_at"], first["Ok"]["expires_at"]);

    house.sandbox.clock().advance(SignedDuration::from_mins(16));
    let _taken = house.hold(&house.dan(), 2).await.expect(201);
    assert_eq!(house.ask("confirm", &named()).await["Err"]["code"], "sold_out");
    assert_eq!(house.free().await, 1);
}
