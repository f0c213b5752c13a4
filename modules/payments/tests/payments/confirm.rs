//! `/v1/payments/{payment_id}/confirm`.

use serde_json::json;

use crate::{
    house::{ASKS, EXPIRY, GOOD, House, Opened},
    on_both_databases,
};

async fn asked(house: &House) -> Opened {
    let opened = house.opened(1).await;
    let reply = house.cara().post("/v1/payments", &opened.by_card(ASKS)).await.expect(201);
    let payment = reply.value();
    assert_eq!(payment["status"], "action_required");
    let url = format!("{}/confirm", opened.path);
    assert_eq!(payment["next_action"], json!({"kind": "confirm", "url": url}));
    opened
}

async fn a_payment_that_is_approved_is_settled(house: House) {
    let opened = asked(&house).await;
    let url = format!("{}/confirm", opened.path);
    let confirm = || house.cara().post(&url, &json!({"approve": true}));
    let once = confirm().key("yes").await.expect(200);
    assert_eq!(once.field("status"), "settled");
    assert_eq!(confirm().key("yes").await.expect(200).bytes(), once.bytes());
    house.hears(&["payment_settled"]).await;
}

async fn a_payment_that_is_settled_is_approved_without_a_word(house: House) {
    let opened = asked(&house).await;
    let url = format!("{}/confirm", opened.path);
    let confirm = |approve| house.cara().post(&url, &json!({ "approve": approve }));
    let first = confirm(true).await.expect(200);
    let again = confirm(true).await.expect(200);
    assert_eq!((again.value(), again.etag()), (first.value(), first.etag()));
    let _too_late = confirm(false).await.expect_problem(409, "nothing-to-confirm");
    house.hears(&["payment_settled"]).await;
    let _refund = house.anna().post("/v1/refunds", &opened.refund()).await.expect(201);
    house.becomes(&opened, "refunded").await;
    let _given_back = confirm(true).await.expect_problem(409, "payment-closed");
}

async fn a_payment_that_is_not_approved_is_declined(house: House) {
    let opened = asked(&house).await;
    let url = format!("{}/confirm", opened.path);
    let refused = house.cara().post(&url, &json!({"approve": false})).await;
    let refused = refused.expect_problem(402, "payment-declined");
    assert_eq!(refused.value()["reason"], "not_approved");
    let paid = house.cara().post("/v1/payments", &opened.by_card(GOOD)).await.expect(201);
    assert_eq!(paid.field("status"), "settled");
}

async fn another_card_calls_the_second_step_off(house: House) {
    let opened = asked(&house).await;
    let paid = house.cara().post("/v1/payments", &opened.by_card(GOOD)).await.expect(201);
    assert_eq!(paid.field("status"), "settled");
    assert_eq!(paid.value()["attempts"][0]["state"], "cancelled");
    let url = format!("{}/confirm", opened.path);
    let late = house.cara().post(&url, &json!({"approve": true})).await.expect(200);
    assert_eq!((late.value(), late.etag()), (paid.value(), paid.etag()));
    house.hears(&["payment_settled"]).await;
}

async fn closing_calls_the_second_step_off(house: House) {
    let opened = asked(&house).await;
    let reply = house.tell("close", &opened.order()).await;
    assert_eq!(reply["Ok"]["status"], "closed");
    let url = format!("{}/confirm", opened.path);
    let late = house.cara().post(&url, &json!({"approve": true})).await;
    let _refused = late.expect_problem(409, "nothing-to-confirm");
    house.hears(&[]).await;
}

async fn the_second_step_ends_with_the_time_to_pay(house: House) {
    let opened = asked(&house).await;
    house.sandbox.clock().set(EXPIRY.parse().unwrap());
    house.becomes(&opened, "open").await;
    house.hears(&[]).await;
}

async fn nobody_else_confirms(house: House) {
    let opened = asked(&house).await;
    let url = format!("{}/confirm", opened.path);
    for other in [house.dora(), house.anna(), house.admin()] {
        let tried = other.post(&url, &json!({"approve": true})).await;
        let _hidden = tried.expect_problem(404, "not-found");
    }
    let keyless = house.cara().post(&url, &json!({"approve": true})).without_key().await;
    let _refused = keyless.expect_problem(400, "idempotency-key-missing");
    let odd = house.cara().post(&url, &json!({"approve": "yes"})).await;
    let _refused = odd.expect_problem(422, "invalid-input");
    house.becomes(&opened, "action_required").await;
}

on_both_databases!(
    a_payment_that_is_approved_is_settled,
    a_payment_that_is_settled_is_approved_without_a_word,
    a_payment_that_is_not_approved_is_declined,
    another_card_calls_the_second_step_off,
    closing_calls_the_second_step_off,
    the_second_step_ends_with_the_time_to_pay,
    nobody_else_confirms,
);
