//! Currencies without decimals, with three, and those that Stripe counts in its own way.

use serde_json::json;
use uuid::Uuid;

use super::{GOOD_TOKEN, Shop, at_stripe};

async fn each_currency_is_charged_and_given_back_in_its_own_units(shop: Shop) {
    for (order, (amount, currency, charged)) in (1..).zip([
        (1200, "JPY", 1200),
        (12_500, "KWD", 12_500),
        (900, "ISK", 90_000),
        (2500, "USD", 2500),
    ]) {
        let opened = shop.house.opened_in(order, amount, currency).await;
        let paid = shop.pay(&opened, GOOD_TOKEN).await.expect(201);
        assert_eq!(paid.value()["amount"], json!({"amount": amount, "currency": currency}));
        let intent = shop.stripe.with(|ledger| ledger.intents.last().cloned()).unwrap();
        assert_eq!(intent["amount"], json!(charged), "{currency}");
        let part = json!({
            "order_id": opened.order_id,
            "reason": "rain",
            "amount": {"amount": 100, "currency": currency},
        });
        let _part = shop.house.anna().post("/v1/refunds", &part).await.expect(201);
        let _rest = shop.house.anna().post("/v1/refunds", &opened.refund()).await.expect(201);
        shop.house.becomes(&opened, "refunded").await;
        assert_eq!(shop.kept(), 0, "{currency}");
    }
}

async fn an_amount_that_stripe_does_not_take_is_refused_beforehand(shop: Shop) {
    let opened = shop.house.opened_in(1, 12_505, "KWD").await;
    let refused = shop.pay(&opened, GOOD_TOKEN).await;
    let _refused = refused.expect_problem(422, "payment-amount-unsupported");
    assert!(shop.stripe.seen().is_empty());
    let cents = shop.house.opened_in(2, 10, "EUR").await;
    let refused = shop.pay(&cents, GOOD_TOKEN).await.expect_problem(402, "payment-declined");
    assert_eq!(refused.value()["reason"], "amount_refused");
}

async fn an_amount_that_stripe_cannot_give_back_leaves_the_rest_to_be_given_back(shop: Shop) {
    let opened = shop.house.opened_in(1, 25_000, "KWD").await;
    let _paid = shop.pay(&opened, GOOD_TOKEN).await.expect(201);
    let amount = json!({"amount": 1005, "currency": "KWD"});
    let odd = json!({"order_id": opened.order_id, "reason": "rain", "amount": amount});
    let refused = shop.house.anna().post("/v1/refunds", &odd).await;
    let _refused = refused.expect_problem(422, "payment-amount-unsupported");
    // Orders is answered that it will not be.
    let mut asked = odd.clone();
    asked["refund_id"] = json!(Uuid::from_u128(7));
    let reply = shop.house.tell("refund", &asked).await;
    assert_eq!(reply["Ok"]["refund"]["state"], "cancelled");
    let heard = shop.house.hears(&["payment_settled", "refund_failed"]).await;
    assert_eq!(heard[1]["will_retry"], false);
    let rest = shop.house.anna().post("/v1/refunds", &opened.refund()).await.expect(201);
    assert_eq!(rest.value()["amount"]["amount"], 25_000);
    shop.house.becomes(&opened, "refunded").await;
    assert_eq!(shop.kept(), 0);
}

at_stripe!(
    each_currency_is_charged_and_given_back_in_its_own_units,
    an_amount_that_stripe_does_not_take_is_refused_beforehand,
    an_amount_that_stripe_cannot_give_back_leaves_the_rest_to_be_given_back,
);
