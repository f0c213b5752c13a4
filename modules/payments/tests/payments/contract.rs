//! What payments does for orders.

use serde_json::{Value, json};
use uuid::Uuid;

use crate::{
    house::{DECLINED, EXPIRY, GOOD, House, SILENT, eur},
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
    let reply = &refunded["Ok"];
    assert_eq!(
        (&reply["payment_id"], &reply["status"]),
        (&json!(free.payment_id), &json!("refunded"))
    );
    assert_eq!(reply["refunded"], json!({"amount": 0, "currency": "EUR"}));
    house.hears(&["payment_settled", "payment_refunded"]).await;
}

async fn closing_and_refunding_answer_with_the_payment(house: House) {
    let paid = house.paid(1).await;
    let (all, nothing) = (eur(5000), eur(0));
    let closed = house.tell("close", &paid.order()).await;
    let settled = json!({
        "payment_id": paid.payment_id, "status": "settled", "received": all, "refunded": nothing,
    });
    assert_eq!(closed["Ok"], settled);
    let first = house.tell("refund", &paid.refund()).await;
    assert_eq!(first["Ok"]["status"], "refunded");
    assert_eq!((&first["Ok"]["received"], &first["Ok"]["refunded"]), (&all, &all));
    assert_eq!(first["Ok"]["refund"]["state"], "done");
    assert_eq!(house.tell("refund", &paid.refund()).await["Ok"]["status"], "refunded");
    house.hears(&["payment_settled", "payment_refunded"]).await;
}

/// A refund that orders names, of a part.
fn part(order_id: Uuid, refund_id: u128, amount: i64) -> Value {
    let refund_id = Uuid::from_u128(refund_id);
    json!({"order_id": order_id, "reason": "rain", "refund_id": refund_id, "amount": eur(amount)})
}

async fn parts_are_given_back_each_once(house: House) {
    let paid = house.paid(1).await;
    let ask = |id, amount| house.tell_owned("refund", part(paid.order_id, id, amount));
    for _ in 0..2 {
        let reply = ask(1, 2000).await;
        assert_eq!(reply["Ok"]["status"], "settled");
        assert_eq!(reply["Ok"]["refunded"], eur(2000));
        let line = json!({
            "refund_id": Uuid::from_u128(1), "number": 1, "amount": eur(2000), "state": "done",
        });
        assert_eq!(reply["Ok"]["refund"], line);
    }
    let order_id = paid.order_id;
    let differs = json!({"code": "refund_differs", "refund_id": Uuid::from_u128(1)});
    assert_eq!(ask(1, 2001).await["Err"], differs);
    let exceeds = json!({"code": "refund_exceeds", "order_id": order_id, "left": eur(3000)});
    assert_eq!(ask(2, 3001).await["Err"], exceeds);
    let amount = json!({"code": "refund_amount", "order_id": order_id, "currency": "EUR"});
    assert_eq!(ask(2, 0).await["Err"], amount);
    let rest = house.tell("refund", &paid.refund()).await;
    assert_eq!(
        (&rest["Ok"]["status"], &rest["Ok"]["refund"]["amount"]),
        (&json!("refunded"), &eur(3000))
    );
    let heard = house.hears(&["payment_settled", "payment_refunded", "payment_refunded"]).await;
    assert_eq!((&heard[1]["total_refunded"], &heard[1]["whole"]), (&eur(2000), &json!(false)));
    assert_eq!((&heard[2]["total_refunded"], &heard[2]["whole"]), (&eur(5000), &json!(true)));
    assert_eq!(heard[1]["refund_id"], json!(Uuid::from_u128(1)));
}

async fn the_books_tell_every_attempt_and_refund(house: House) {
    let opened = house.opened(1).await;
    let _declined = house.cara().post("/v1/payments", &opened.by_card(DECLINED)).await;
    let _paid = house.cara().post("/v1/payments", &opened.by_card(GOOD)).await.expect(201);
    house.tell("refund", &part(opened.order_id, 1, 1500)).await;
    let books = house.tell("find", &opened.order()).await;
    let books = &books["Ok"];
    assert_eq!((&books["due"], &books["charged"]), (&eur(5000), &eur(5000)));
    assert_eq!(books["refunded"], eur(1500));
    let states = |lines: &Value| -> Vec<Value> {
        lines.as_array().unwrap().iter().map(|line| line["state"].clone()).collect()
    };
    assert_eq!(states(&books["attempts"]), [json!("failed"), json!("confirmed")]);
    assert_eq!(states(&books["refunds"]), [json!("done")]);
    let unknown = Uuid::from_u128(0x3000);
    let none = house.tell("find", &json!({ "order_id": unknown })).await;
    assert_eq!(none["Err"], json!({"code": "unknown", "order_id": unknown}));
}

async fn a_part_of_nothing_is_not_given_back(house: House) {
    let opened = house.opened(1).await;
    let order_id = opened.order_id;
    let refused = house.tell("refund", &part(order_id, 1, 100)).await;
    assert_eq!(refused["Err"], json!({"code": "nothing_received", "order_id": order_id}));
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
    parts_are_given_back_each_once,
    the_books_tell_every_attempt_and_refund,
    a_part_of_nothing_is_not_given_back,
    an_order_that_was_never_opened_stays_shut,
    closing_asks_for_money_whose_fate_is_unknown,
);
