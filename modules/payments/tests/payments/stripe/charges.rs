//! Paying with tokens.

use contracts::payments::PaymentStatus;
use jiff::SignedDuration;
use serde_json::json;

use super::{ASKING_TOKEN, GOOD_TOKEN, Shop, at_stripe};
use crate::house::{EXPIRY, GOOD};

async fn a_token_settles_the_payment_with_two_requests(shop: Shop) {
    let opened = shop.house.opened(1).await;
    let reply = shop.pay(&opened, GOOD_TOKEN).await.expect(201);
    assert_eq!(reply.field("status"), "settled");
    assert_eq!(reply.value()["attempts"][0]["card"], json!(null));
    assert!(!reply.text().contains(GOOD_TOKEN), "{reply}");
    assert_eq!(shop.kept(), 5000);

    let seen = shop.stripe.seen();
    let paths: Vec<&str> = seen.iter().map(|it| it.path.as_str()).collect();
    let intent = shop.last_intent();
    let confirm = format!("/v1/payment_intents/{intent}/confirm");
    assert_eq!(paths, ["/v1/payment_intents", confirm.as_str()]);
    let (made, confirmed) = (seen[0].key.clone().unwrap(), seen[1].key.clone().unwrap());
    assert_eq!(confirmed, format!("{made}-confirm"));
    let intent = shop.stripe.with(|ledger| ledger.intents[0].clone());
    assert_eq!((&intent["amount"], &intent["currency"]), (&json!(5000), &json!("eur")));
    assert_eq!(intent["metadata"]["order_id"], json!(opened.order_id));
    shop.house.hears(&["payment_settled"]).await;
}

async fn a_card_is_declined_with_its_reason(shop: Shop) {
    let opened = shop.house.opened(1).await;
    for (token, reason) in [
        ("pm_card_visa_chargeDeclined", "declined"),
        ("pm_card_visa_chargeDeclinedInsufficientFunds", "insufficient_funds"),
        ("pm_card_chargeDeclinedExpiredCard", "card_expired"),
        ("pm_of_somebody_else", "token_refused"),
    ] {
        let refused = shop.pay(&opened, token).await.expect_problem(402, "payment-declined");
        assert_eq!(refused.value()["reason"], reason, "{token}");
    }
    assert_eq!(shop.kept(), 0);
    let paid = shop.pay(&opened, GOOD_TOKEN).await.expect(201);
    assert_eq!(paid.value()["attempts"].as_array().map(Vec::len), Some(5));
    assert_eq!(shop.kept(), 5000);
}

async fn a_card_number_is_refused_before_anything_is_recorded(shop: Shop) {
    let opened = shop.house.opened(1).await;
    let refused = shop.house.cara().post("/v1/payments", &opened.by_card(GOOD)).await;
    let refused = refused.expect_problem(422, "payment-method-unsupported");
    assert_eq!(refused.value()["takes"], "token");
    let payment = shop.house.cara().get(&opened.path).await.expect(200);
    assert_eq!(payment.value()["attempts"], json!([]));
    assert!(shop.stripe.seen().is_empty());
}

async fn the_payer_takes_the_second_step_at_the_bank(shop: Shop) {
    let opened = shop.house.opened(1).await;
    let reply = shop.pay(&opened, ASKING_TOKEN).await.expect(201);
    assert_eq!(reply.field("status"), "action_required");
    let url = "https://hooks.stripe.test/redirect/authenticate/src_1";
    assert_eq!(reply.value()["next_action"], json!({"kind": "redirect", "url": url}));
    let back = format!("{}/confirm", opened.path);
    let early = shop.house.cara().post(&back, &json!({"approve": true})).await.expect(200);
    assert_eq!(early.field("status"), "action_required");
    shop.stripe.with(|ledger| {
        let id = ledger.intents[0]["id"].as_str().unwrap().to_owned();
        ledger.payer_answers(&id, true);
    });
    let settled = shop.house.cara().post(&back, &json!({"approve": true})).await.expect(200);
    assert_eq!(settled.field("status"), "settled");
    assert_eq!(shop.kept(), 5000);
}

async fn a_second_step_that_fails_or_is_refused_takes_no_money(shop: Shop) {
    let opened = shop.house.opened(1).await;
    let back = format!("{}/confirm", opened.path);
    let _asks = shop.pay(&opened, ASKING_TOKEN).await.expect(201);
    let failed = shop.last_intent();
    shop.stripe.with(|ledger| ledger.payer_answers(&failed, false));
    let refused = shop.house.cara().post(&back, &json!({"approve": true})).await;
    let refused = refused.expect_problem(402, "payment-declined");
    assert_eq!(refused.value()["reason"], "not_approved");

    let _asks = shop.pay(&opened, ASKING_TOKEN).await.expect(201);
    let refused = shop.house.cara().post(&back, &json!({"approve": false})).await;
    let _refused = refused.expect_problem(402, "payment-declined");
    let (_, intent) = shop
        .stripe
        .with(|ledger| ledger.intent(&ledger.intents[1]["id"].to_string().replace('"', "")));
    assert_eq!(intent["status"], "canceled");
    assert_eq!(shop.kept(), 0);
}

async fn another_token_and_the_end_of_the_time_call_the_second_step_off(shop: Shop) {
    let opened = shop.house.opened(1).await;
    let _asks = shop.pay(&opened, ASKING_TOKEN).await.expect(201);
    let paid = shop.pay(&opened, GOOD_TOKEN).await.expect(201);
    assert_eq!(paid.value()["attempts"][0]["state"], "cancelled");
    let other = shop.house.opened(2).await;
    let _asks = shop.pay(&other, ASKING_TOKEN).await.expect(201);
    shop.house.sandbox.clock().set(EXPIRY.parse().unwrap());
    shop.house.becomes(&other, "open").await;
    let statuses: Vec<_> =
        shop.stripe.with(|ledger| ledger.intents.iter().map(|it| it["status"].clone()).collect());
    assert_eq!(statuses, [json!("canceled"), json!("succeeded"), json!("canceled")]);
}

async fn a_payment_that_takes_its_time_is_asked_for(shop: Shop) {
    let opened = shop.house.opened(1).await;
    let pending = shop.pay(&opened, "pm_card_slow").await.expect(201);
    assert_eq!(pending.field("status"), "pending");
    let intent = shop.last_intent();
    shop.stripe.with(|ledger| ledger.payer_answers(&intent, true));
    shop.house.advance(SignedDuration::from_secs(2));
    shop.house.becomes(&opened, "settled").await;
    let closed = shop.house.tell("close", &opened.order()).await;
    assert_eq!(closed["Ok"]["status"], json!(PaymentStatus::Settled));
}

at_stripe!(
    a_token_settles_the_payment_with_two_requests,
    a_card_is_declined_with_its_reason,
    a_card_number_is_refused_before_anything_is_recorded,
    the_payer_takes_the_second_step_at_the_bank,
    a_second_step_that_fails_or_is_refused_takes_no_money,
    another_token_and_the_end_of_the_time_call_the_second_step_off,
    a_payment_that_takes_its_time_is_asked_for,
);
