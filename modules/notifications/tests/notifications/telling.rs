//! What people are told when something happens to their orders.

use bus::Envelope;
use serde_json::{Value, json};

use crate::{
    house::{
        CARA, DAN, House, RIVERSIDE, cancelled, fulfilled, paid_too_late, positions_cancelled,
        refunded,
    },
    on_both_databases,
};

async fn a_buyer_is_told_of_a_fulfilled_order(house: House) {
    house.tell(1, 0, &fulfilled(7, CARA)).await;
    let told = house.in_state(1, "sent").await;
    let expected = json!({
        "id": "00000000-0000-0000-0000-000000000001",
        "user_id": CARA,
        "organizer_id": RIVERSIDE,
        "state": "sent",
        "queued_at": "2027-03-01T12:00:00Z",
        "attempts": 1,
        "sent_at": "2027-03-01T12:00:00Z",
        "message": {
            "kind": "order_confirmation",
            "order_id": "00000000-0000-0000-0000-000000000007",
            "event_id": "00000000-0000-0000-0000-00000000000e",
        },
    });
    assert_eq!(told, expected);
}

async fn whatever_happens_to_an_order_is_told_in_a_mail_of_its_kind(house: House) {
    house.tell(1, 0, &fulfilled(7, CARA)).await;
    house.tell(2, 1, &refunded(7, CARA)).await;
    house.tell(3, 2, &positions_cancelled(7, CARA)).await;
    house.tell(4, 3, &cancelled(7, CARA, "buyer_cancelled")).await;
    house.tell(5, 4, &cancelled(8, CARA, "event_cancelled")).await;
    house.tell(6, 5, &paid_too_late(9, CARA)).await;
    let told = house.notifications(&house.customer(CARA), 6).await;
    let kinds: Vec<_> = told.iter().map(|it| it["message"]["kind"].clone()).collect();
    let expected = [
        "late_payment",
        "event_cancellation",
        "order_cancellation",
        "positions_cancellation",
        "refund",
        "order_confirmation",
    ];
    assert_eq!(kinds, expected);
}

async fn an_event_that_is_told_twice_is_one_notification(house: House) {
    house.tell(1, 0, &fulfilled(7, CARA)).await;
    house.tell(1, 0, &fulfilled(7, CARA)).await;
    house.tell(2, 1, &fulfilled(8, DAN)).await;
    house.notifications(&house.customer(DAN), 1).await;
    house.notifications(&house.customer(CARA), 1).await;
    let sent = house.in_state(1, "sent").await;
    assert_eq!(sent["attempts"], 1);
}

async fn what_happened_days_ago_is_told_to_nobody_any_more(house: House) {
    house.tell(1, -3 * 24 * 3600, &fulfilled(7, CARA)).await;
    let told = house.in_state(1, "given_up").await;
    assert_eq!(told["attempts"], 0);
}

/// As an orders of before there were codes for causes wrote them.
const CANCELLATIONS_OF_THE_FIRST_VERSION: [&str; 3] = [
    include_str!("../../../../docs/events/samples/orders.order_cancelled.v1.first.json"),
    include_str!("../../../../docs/events/samples/orders.order_cancelled.v1.buyer.json"),
    include_str!("../../../../docs/events/samples/orders.order_cancelled.v1.event.json"),
];

async fn a_cancellation_that_an_older_orders_wrote_is_told_as_todays_are(house: House) {
    let mut expected = [
        ("order_cancellation", Value::Null),
        ("order_cancellation", json!("cancelled by the buyer")),
        ("event_cancellation", json!("the event was cancelled")),
    ]
    .into_iter();
    for written in CANCELLATIONS_OF_THE_FIRST_VERSION {
        let envelope: Envelope = serde_json::from_str(written).expect("it is an envelope");
        assert_eq!(envelope.schema_version, 1);
        house.tell_as_written(&envelope).await;
        let told = house.notification(envelope.id.as_u128(), |it| it["state"] == "sent").await;
        let message = &told["message"];
        let (kind, reason) = expected.next().expect("as many as there are");
        assert_eq!((&message["kind"], &message["reason"]), (&json!(kind), &reason), "{written}");
    }
}

on_both_databases! {
    a_cancellation_that_an_older_orders_wrote_is_told_as_todays_are,
    a_buyer_is_told_of_a_fulfilled_order,
    whatever_happens_to_an_order_is_told_in_a_mail_of_its_kind,
    an_event_that_is_told_twice_is_one_notification,
    what_happened_days_ago_is_told_to_nobody_any_more,
}
