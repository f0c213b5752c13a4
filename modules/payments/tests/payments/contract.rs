//! What payments does for orders.

use serde_json::json;
use uuid::Uuid;

use crate::{
    house::{EXPIRY, House, SILENT},
    on_both_databases,
};

async fn opening_twice_is_opening_once(house: House) {
    let first = house.opened(1).await;
    assert_eq!(house.opened(1).await.payment_id, first.payment_id);
    let other = json!({
        "order_id": first.order_id,
        "payer_id": Uuid::from_u128(0xD),
        "organizer_id": Uuid::from_u128(0x10),
        "amount": {"amount": 5000, "currency": "EUR"},
        "expires_at": EXPIRY,
    });
    let refused = house.tell("open", &other).await;
    assert_eq!(refused["Err"], json!({"code": "differs", "order_id": first.order_id}));
}

async fn nothing_to_pay_is_settled_and_given_back_at_once(house: House) {
    let free = house.opened_for(1, 0).await;
    house.becomes(&free, "settled").await;
    let refunded = house.tell("refund", &free.refund()).await;
    let expected = json!({"payment_id": free.payment_id, "status": "refunded"});
    assert_eq!(refunded["Ok"], expected);
    house.hears(&["payment_settled", "payment_refunded"]).await;
}

async fn closing_and_refunding_answer_with_the_payment(house: House) {
    let paid = house.paid(1).await;
    let settled = json!({"payment_id": paid.payment_id, "status": "settled"});
    assert_eq!(house.tell("close", &paid.order()).await["Ok"], settled);
    let refunded = json!({"payment_id": paid.payment_id, "status": "refunded"});
    for _ in 0..2 {
        assert_eq!(house.tell("refund", &paid.refund()).await["Ok"], refunded);
    }
    house.hears(&["payment_settled", "payment_refunded"]).await;
}

async fn an_order_that_was_never_opened_stays_shut(house: House) {
    let order_id = Uuid::from_u128(0x2000);
    let closed = house.tell("close", &json!({ "order_id": order_id })).await;
    assert_eq!(closed["Ok"]["status"], "closed");
    assert_eq!(house.tell("close", &json!({ "order_id": order_id })).await, closed);
    let open = json!({
        "order_id": order_id,
        "payer_id": order_id,
        "organizer_id": order_id,
        "amount": {"amount": 5000, "currency": "EUR"},
        "expires_at": EXPIRY,
    });
    let refused = house.tell("open", &open).await;
    assert_eq!(refused["Err"], json!({"code": "closed", "order_id": order_id}));
}

async fn closing_asks_for_money_whose_fate_is_unknown(house: House) {
    let opened = house.opened(1).await;
    let pending = house.cara().post("/v1/payments", &opened.by_card(SILENT)).await.expect(201);
    assert_eq!(pending.field("status"), "pending");
    let closed = house.tell("close", &opened.order()).await;
    assert_eq!(closed["Ok"]["status"], "settled");
    house.hears(&["payment_settled"]).await;
}

on_both_databases!(
    opening_twice_is_opening_once,
    nothing_to_pay_is_settled_and_given_back_at_once,
    closing_and_refunding_answer_with_the_payment,
    an_order_that_was_never_opened_stays_shut,
    closing_asks_for_money_whose_fate_is_unknown,
);
