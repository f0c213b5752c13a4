//! What people are told when orders come and go.

use serde_json::json;

use crate::{
    house::{CARA, DAN, House, cancelled, confirmed},
    on_both_databases,
};

async fn a_buyer_is_told_of_a_confirmed_order(house: House) {
    house.tell(1, 0, &confirmed(7, CARA)).await;
    let told = house.notifications(&house.customer(CARA), 1).await;
    let expected = json!({
        "id": "00000000-0000-0000-0000-000000000001",
        "user_id": CARA,
        "state": "queued",
        "queued_at": "2027-03-01T12:00:00Z",
        "message": {
            "kind": "order_confirmation",
            "order_id": "00000000-0000-0000-0000-000000000007",
            "order_code": "K7MPX2QA",
            "event_id": "00000000-0000-0000-0000-00000000000e",
            "event_name": "Quartet by the river",
            "items": [{
                "ticket_type_id": "00000000-0000-0000-0000-000000005ea7",
                "name": "Stalls",
                "quantity": 2,
                "unit_price": {"amount": 2500, "currency": "EUR"},
            }],
            "total": {"amount": 5000, "currency": "EUR"},
            "confirmed_at": "2027-03-01T12:00:00Z",
        },
    });
    assert_eq!(told, [expected]);
}

async fn a_buyer_is_told_of_a_cancelled_order(house: House) {
    house.tell(1, 0, &confirmed(7, CARA)).await;
    house.tell(2, 5, &cancelled(7, CARA)).await;
    let told = house.notifications(&house.customer(CARA), 2).await;
    let kinds: Vec<_> = told.iter().map(|it| it["message"]["kind"].clone()).collect();
    assert_eq!(kinds, ["order_cancellation", "order_confirmation"]);
}

async fn an_event_that_is_told_twice_is_one_notification(house: House) {
    house.tell(1, 0, &confirmed(7, CARA)).await;
    house.tell(1, 0, &confirmed(7, CARA)).await;
    house.tell(2, 1, &confirmed(8, DAN)).await;
    house.notifications(&house.customer(DAN), 1).await;
    house.notifications(&house.customer(CARA), 1).await;
}

on_both_databases! {
    a_buyer_is_told_of_a_confirmed_order,
    a_buyer_is_told_of_a_cancelled_order,
    an_event_that_is_told_twice_is_one_notification,
}
