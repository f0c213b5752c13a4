//! Stripe is down, slow, or breaks: money is taken once, or not at all.

use jiff::SignedDuration;
use tokio::task::JoinSet;

use super::{GOOD_TOKEN, Shop, at_stripe, server::Failing};

async fn a_provider_that_is_down_is_said_so_and_the_key_stays_good(mut shop: Shop) {
    let opened = shop.house.opened(1).await;
    shop.stripe.go_down().await;
    let body = opened.by_token(GOOD_TOKEN);
    let pay = || shop.house.cara().post("/v1/payments", &body).key("once");
    let down = pay().await.expect_problem(503, "payment-provider-unavailable");
    assert!(down.header("retry-after").is_some());
    shop.house.becomes(&opened, "open").await;
    shop.stripe.come_back().await;
    let cara = shop.house.cara();
    let paid = cara.post("/v1/payments", &body).key("once").await.expect(201);
    assert_eq!(paid.field("status"), "settled");
    assert_eq!(paid.value()["attempts"][0]["state"], "cancelled");
    assert_eq!(shop.kept(), 5000);
}

/// Whatever happens to the request that makes the `PaymentIntent`, nobody confirms it.
async fn a_charge_that_is_not_even_made_takes_no_money(shop: Shop) {
    let opened = shop.house.opened(1).await;
    for failing in [
        Failing::Before,
        Failing::After,
        Failing::SilentBefore,
        Failing::SilentAfter,
        Failing::TooMany,
        Failing::Garbage,
    ] {
        shop.stripe.fail("/payment_intents", failing);
        let reply = shop.pay(&opened, GOOD_TOKEN).await;
        let _down = reply.expect_problem(503, "payment-provider-unavailable");
        assert_eq!(shop.kept(), 0, "{failing:?}");
    }
    let _paid = shop.pay(&opened, GOOD_TOKEN).await.expect(201);
    assert_eq!(shop.kept(), 5000);
}

/// The confirmation took the money, and its answer is lost.
async fn money_whose_answer_is_lost_is_found(shop: Shop) {
    for (order, failing) in (1..).zip([Failing::After, Failing::SilentAfter]) {
        let opened = shop.house.opened(order).await;
        shop.stripe.fail("/confirm", failing);
        let reply = shop.pay(&opened, GOOD_TOKEN).await.expect(201);
        assert!(["settled", "pending"].contains(&reply.field("status").as_str()), "{failing:?}");
        shop.house.advance(SignedDuration::from_secs(2));
        shop.house.becomes(&opened, "settled").await;
    }
    assert_eq!(shop.kept(), 10_000);
}

/// The confirmation did not take the money: the charge is called off, so that it cannot any more.
async fn a_confirmation_that_got_lost_is_called_off(shop: Shop) {
    for (order, failing) in
        (1..).zip([Failing::Before, Failing::SilentBefore, Failing::TooMany, Failing::Garbage])
    {
        let opened = shop.house.opened(order).await;
        shop.stripe.fail("/confirm", failing);
        let reply = shop.pay(&opened, GOOD_TOKEN).await.expect(201);
        assert_eq!(reply.field("status"), "pending", "{failing:?}");
        shop.house.advance(SignedDuration::from_secs(2));
        shop.house.becomes(&opened, "open").await;
        let intent = shop.last_intent();
        let late = shop.stripe.with(|ledger| {
            let token = ("payment_method".to_owned(), GOOD_TOKEN.to_owned());
            ledger.confirm_intent(&intent, &[token].into()).0
        });
        assert_eq!(late, 400, "{failing:?}: the confirmation comes too late");
        let _paid = shop.pay(&opened, GOOD_TOKEN).await.expect(201);
    }
    assert_eq!(shop.kept(), 20_000);
}

async fn a_provider_that_falls_silent_is_asked_until_it_answers(mut shop: Shop) {
    let opened = shop.house.opened(1).await;
    shop.stripe.fail("/confirm", Failing::SilentAfter);
    let reply = shop.pay(&opened, GOOD_TOKEN).await.expect(201);
    assert_eq!(reply.field("status"), "pending");
    shop.stripe.go_down().await;
    shop.house.advance(SignedDuration::from_secs(2));
    let _refused = shop.pay(&opened, GOOD_TOKEN).await.expect_problem(409, "payment-under-way");
    shop.stripe.come_back().await;
    // It is asked again after a while, each time after a longer one.
    testkit::eventually("the money to be found", || async {
        shop.house.advance(SignedDuration::from_secs(61));
        let status = shop.house.cara().get(&opened.path).await.expect(200).field("status");
        if status == "settled" { Ok(()) } else { Err(status) }
    })
    .await;
    assert_eq!(shop.kept(), 5000);
    shop.house.hears(&["payment_settled"]).await;
}

/// The process dies while Stripe works; and when it is back, Stripe has forgotten the keys.
async fn a_charge_that_outlives_the_process_by_days_is_found(shop: Shop) {
    let opened = shop.house.opened(1).await;
    shop.stripe.fail("/confirm", Failing::SilentAfter);
    let (client, body) = (shop.house.cara(), opened.by_token(GOOD_TOKEN));
    let mut paying = JoinSet::new();
    paying.spawn(async move { client.post("/v1/payments", &body).send().await.is_ok() });
    testkit::eventually("stripe to have the money", || async { shop.kept() == 5000 }).await;
    let node = shop.house.sandbox.node("payments");
    node.crash().await;
    shop.house.advance(SignedDuration::from_hours(48));
    shop.stripe.forget_keys();
    node.restart().await;
    let cara = shop.house.cara();
    testkit::eventually("the money to be found", || async {
        let status = cara.get(&opened.path).await.expect(200).field("status");
        if status == "settled" { Ok(()) } else { Err(status) }
    })
    .await;
    assert_eq!(shop.stripe.with(|ledger| ledger.intents.len()), 1);
    paying.shutdown().await;
}

async fn many_requests_at_once_take_the_money_once(shop: Shop) {
    let opened = shop.house.opened(1).await;
    let mut paying = JoinSet::new();
    for _ in 0..10 {
        let (client, body) = (shop.house.cara(), opened.by_token(GOOD_TOKEN));
        paying.spawn(async move { client.post("/v1/payments", &body).await.status().as_u16() });
    }
    let statuses = paying.join_all().await;
    assert!(statuses.iter().all(|status| [200, 201, 409].contains(status)), "{statuses:?}");
    assert_eq!(shop.kept(), 5000);
}

at_stripe!(
    a_provider_that_is_down_is_said_so_and_the_key_stays_good,
    a_charge_that_is_not_even_made_takes_no_money,
    money_whose_answer_is_lost_is_found,
    a_confirmation_that_got_lost_is_called_off,
    a_provider_that_falls_silent_is_asked_until_it_answers,
    a_charge_that_outlives_the_process_by_days_is_found,
    many_requests_at_once_take_the_money_once,
);
