//! Stripe's webhooks: before the reply, late, doubled, reordered, about nothing of ours.

use serde_json::json;
use tokio::task::JoinSet;

use super::{ASKING_TOKEN, GOOD_TOKEN, Shop, at_stripe, server::Failing};

async fn a_webhook_before_the_reply_settles_the_payment(shop: Shop) {
    let opened = shop.house.opened(1).await;
    shop.stripe.fail("/confirm", Failing::SilentAfter);
    let (client, body) = (shop.house.cara(), opened.by_token(GOOD_TOKEN));
    let mut paying = JoinSet::new();
    paying.spawn(async move { client.post("/v1/payments", &body).await });
    testkit::eventually("stripe to have the money", || async { shop.kept() == 5000 }).await;
    let reply = shop.deliver(&shop.last_event()).await.expect(200);
    assert_eq!(reply.field("outcome"), "taken");
    shop.house.becomes(&opened, "settled").await;
    let answers = paying.join_all().await;
    assert_eq!(answers[0].field("status"), "settled");
    assert_eq!(shop.kept(), 5000);
    shop.house.hears(&["payment_settled"]).await;
}

/// The payer's browser comes back from the bank after the webhook.
async fn a_payment_that_a_webhook_settled_is_confirmed_without_a_word(shop: Shop) {
    let opened = shop.house.opened(1).await;
    let _asks = shop.pay(&opened, ASKING_TOKEN).await.expect(201);
    let intent = shop.last_intent();
    shop.stripe.with(|ledger| ledger.payer_answers(&intent, true));
    let _taken = shop.deliver(&shop.last_event()).await.expect(200);
    let url = format!("{}/confirm", opened.path);
    let back = shop.house.cara().post(&url, &json!({"approve": true})).await.expect(200);
    assert_eq!(back.field("status"), "settled");
    shop.house.hears(&["payment_settled"]).await;
}

async fn webhooks_that_come_twice_and_in_the_wrong_order_do_no_harm(shop: Shop) {
    let opened = shop.house.opened(1).await;
    let _declined = shop.pay(&opened, "pm_card_visa_chargeDeclined").await;
    let _asks = shop.pay(&opened, ASKING_TOKEN).await.expect(201);
    let intent = shop.last_intent();
    shop.stripe.with(|ledger| ledger.payer_answers(&intent, true));
    let events = shop.stripe.with(|ledger| ledger.events.clone());
    for event in events.iter().rev() {
        assert_eq!(shop.deliver(event).await.expect(200).field("outcome"), "taken");
    }
    for event in &events {
        assert_eq!(shop.deliver(event).await.expect(200).field("outcome"), "known");
    }
    let payment = shop.house.becomes(&opened, "settled").await.value();
    let states: Vec<_> =
        payment["attempts"].as_array().unwrap().iter().map(|it| it["state"].clone()).collect();
    assert_eq!(states, [json!("failed"), json!("confirmed")]);
    shop.house.hears(&["payment_declined", "payment_settled"]).await;
}

async fn a_webhook_that_could_not_be_looked_into_is_taken_when_it_comes_again(mut shop: Shop) {
    let opened = shop.house.opened(1).await;
    let _asks = shop.pay(&opened, ASKING_TOKEN).await.expect(201);
    let intent = shop.last_intent();
    shop.stripe.with(|ledger| ledger.payer_answers(&intent, true));
    let event = shop.last_event();
    shop.stripe.go_down().await;
    let refused = shop.deliver(&event).await.expect_problem(503, "webhook-not-taken");
    assert!(refused.header("retry-after").is_some());
    shop.stripe.come_back().await;
    assert_eq!(shop.deliver(&event).await.expect(200).field("outcome"), "taken");
    shop.house.becomes(&opened, "settled").await;
}

async fn nothing_that_a_webhook_says_is_believed(shop: Shop) {
    let opened = shop.house.opened(1).await;
    let _asks = shop.pay(&opened, ASKING_TOKEN).await.expect(201);
    let mut event = shop.last_event();
    event["type"] = json!("payment_intent.succeeded");
    event["data"]["object"]["status"] = json!("succeeded");
    assert_eq!(shop.deliver(&event).await.expect(200).field("outcome"), "taken");
    shop.house.becomes(&opened, "action_required").await;
    assert_eq!(shop.kept(), 0);
}

async fn what_is_about_nothing_of_ours_is_ignored(shop: Shop) {
    let opened = shop.paid(1).await;
    let mut foreign = shop.last_event();
    foreign["id"] = json!("evt_foreign");
    foreign["data"]["object"]["metadata"]["order_id"] = json!(uuid::Uuid::from_u128(0x9999));
    assert_eq!(shop.deliver(&foreign).await.expect(200).field("outcome"), "ignored");
    let other = json!({"id": "evt_1", "type": "balance.available", "data": {"object": {}}});
    assert_eq!(shop.deliver(&other).await.expect(200).field("outcome"), "ignored");
    let unreadable = json!({"id": "evt_2"});
    let _refused = shop.deliver(&unreadable).await.expect_problem(400, "webhook-unreadable");
    shop.house.becomes(&opened, "settled").await;
}

at_stripe!(
    a_webhook_before_the_reply_settles_the_payment,
    a_payment_that_a_webhook_settled_is_confirmed_without_a_word,
    webhooks_that_come_twice_and_in_the_wrong_order_do_no_harm,
    a_webhook_that_could_not_be_looked_into_is_taken_when_it_comes_again,
    nothing_that_a_webhook_says_is_believed,
    what_is_about_nothing_of_ours_is_ignored,
);
