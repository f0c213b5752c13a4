//! Giving money back at Stripe.

use jiff::SignedDuration;
use serde_json::json;
use testkit::eventually;

use super::{Shop, at_stripe, server::Failing};
use crate::house::Opened;

impl Shop {
    /// Where the refund stands that was begun last.
    async fn last_refund(&self, opened: &Opened) -> (u64, String) {
        let path = format!("/v1/refunds?order_id={}", opened.order_id);
        let list = self.house.anna().get(&path).await.expect(200).value();
        let refund = list["items"]
            .as_array()
            .unwrap()
            .iter()
            .max_by_key(|it| it["number"].as_u64())
            .cloned()
            .unwrap_or_default();
        let state = refund["state"].as_str().unwrap_or_default().to_owned();
        (refund["number"].as_u64().unwrap_or_default(), state)
    }

    async fn refund_becomes(&self, opened: &Opened, expected: (u64, &str)) {
        eventually(format!("the last refund to be {expected:?}"), || async {
            let (number, state) = self.last_refund(opened).await;
            if (number, state.as_str()) == expected {
                Ok(())
            } else {
                Err(format!("{number} {state}"))
            }
        })
        .await;
    }
}

async fn parts_and_the_rest_are_given_back(shop: Shop) {
    let paid = shop.paid(1).await;
    let part = shop.house.anna().post("/v1/refunds", &paid.refund_of(1200)).await.expect(201);
    assert_eq!(part.value()["amount"]["amount"], 1200);
    assert_eq!(shop.kept(), 3800);
    let _rest = shop.house.anna().post("/v1/refunds", &paid.refund()).await.expect(201);
    assert_eq!(shop.kept(), 0);
    shop.house.becomes(&paid, "refunded").await;
    let keys: Vec<_> = shop.stripe.with(|ledger| {
        ledger.refunds.iter().map(|it| it["metadata"]["refund_id"].clone()).collect()
    });
    assert_eq!(keys[0], part.value()["id"]);
}

/// The money went back, and the answer is lost.
async fn a_refund_whose_answer_is_lost_is_not_made_twice(shop: Shop) {
    for (order, failing) in (1..).zip([Failing::After, Failing::SilentAfter]) {
        let paid = shop.paid(order).await;
        let kept = shop.kept();
        shop.stripe.fail("/refunds", failing);
        let _begun = shop.house.anna().post("/v1/refunds", &paid.refund_of(2000)).await.expect(201);
        shop.stripe.forget_keys();
        shop.house.advance(SignedDuration::from_secs(10));
        shop.refund_becomes(&paid, (1, "done")).await;
        assert_eq!(shop.kept(), kept - 2000, "{failing:?}");
    }
}

async fn a_refund_that_did_not_reach_stripe_is_asked_for_again(mut shop: Shop) {
    let paid = shop.paid(1).await;
    shop.stripe.go_down().await;
    let _begun = shop.house.anna().post("/v1/refunds", &paid.refund_of(2000)).await.expect(201);
    assert_eq!(shop.last_refund(&paid).await, (1, "created".to_owned()));
    shop.stripe.come_back().await;
    shop.house.advance(SignedDuration::from_secs(10));
    shop.refund_becomes(&paid, (1, "done")).await;
    assert_eq!(shop.kept(), 3000);
}

/// A key under which Stripe remembers its own failure is no good any more.
async fn a_refund_that_stripe_fails_at_is_begun_anew(shop: Shop) {
    let paid = shop.paid(1).await;
    shop.stripe.fail("/refunds", Failing::Before);
    let _begun = shop.house.anna().post("/v1/refunds", &paid.refund_of(2000)).await.expect(201);
    shop.house.advance(SignedDuration::from_secs(10));
    shop.refund_becomes(&paid, (1, "failed")).await;
    shop.house.advance(SignedDuration::from_secs(61));
    shop.refund_becomes(&paid, (2, "done")).await;
    assert_eq!(shop.kept(), 3000);
}

async fn a_refund_on_its_way_arrives_or_comes_back_by_webhook(shop: Shop) {
    let paid = shop.paid(1).await;
    shop.stripe.with(|ledger| ledger.refund_status = Some("pending"));
    let _begun = shop.house.anna().post("/v1/refunds", &paid.refund_of(2000)).await.expect(201);
    assert_eq!(shop.last_refund(&paid).await, (1, "in_transit".to_owned()));
    shop.stripe.with(|ledger| ledger.bank_answers(0, "succeeded"));
    let arrived = shop.last_event();
    let _taken = shop.deliver(&arrived).await.expect(200);
    assert_eq!(shop.last_refund(&paid).await, (1, "done".to_owned()));
    shop.stripe.with(|ledger| ledger.bank_answers(0, "failed"));
    let _taken = shop.deliver(&shop.last_event()).await.expect(200);
    assert_eq!(shop.last_refund(&paid).await, (1, "failed".to_owned()));
    let heard = shop.house.hears(&["payment_settled", "payment_refunded", "refund_failed"]).await;
    assert_eq!(heard[2]["will_retry"], true);
}

async fn money_that_is_given_back_in_the_dashboard_counts(shop: Shop) {
    let paid = shop.paid(1).await;
    let intent = shop.last_intent();
    shop.stripe.with(|ledger| {
        let fields = [("payment_intent", intent.as_str()), ("amount", "1500")];
        let owned = fields.map(|(name, value)| (name.to_owned(), value.to_owned()));
        assert_eq!(ledger.create_refund(&owned.into()).0, 200);
    });
    let event = shop.last_event();
    assert_eq!(shop.deliver(&event).await.expect(200).field("outcome"), "taken");
    assert_eq!(shop.last_refund(&paid).await, (1, "external".to_owned()));
    let payment = shop.house.cara().get(&paid.path).await.expect(200).value();
    assert_eq!(payment["refunded"], json!({"amount": 1500, "currency": "EUR"}));
    let too_much = shop.house.anna().post("/v1/refunds", &paid.refund_of(3501)).await;
    let _refused = too_much.expect_problem(409, "refund-exceeds-payment");
    let heard = shop.house.hears(&["payment_settled", "payment_refunded"]).await;
    assert_eq!(heard[1]["whole"], false);
}

/// Somebody was faster in the dashboard, and no webhook came.
async fn a_refund_that_stripe_refuses_finds_out_why(shop: Shop) {
    let paid = shop.paid(1).await;
    let intent = shop.last_intent();
    shop.stripe.with(|ledger| {
        let field = ("payment_intent".to_owned(), intent.clone());
        assert_eq!(ledger.create_refund(&[field].into()).0, 200);
    });
    let _begun = shop.house.anna().post("/v1/refunds", &paid.refund()).await.expect(201);
    shop.house.becomes(&paid, "refunded").await;
    assert_eq!(shop.kept(), 0);
    let path = format!("/v1/refunds?order_id={}", paid.order_id);
    let list = shop.house.anna().get(&path).await.expect(200).value();
    let mut states: Vec<String> = list["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|it| it["state"].as_str().unwrap().to_owned())
        .collect();
    states.sort();
    assert_eq!(states, ["cancelled", "external"]);
}

at_stripe!(
    parts_and_the_rest_are_given_back,
    a_refund_whose_answer_is_lost_is_not_made_twice,
    a_refund_that_did_not_reach_stripe_is_asked_for_again,
    a_refund_that_stripe_fails_at_is_begun_anew,
    a_refund_on_its_way_arrives_or_comes_back_by_webhook,
    money_that_is_given_back_in_the_dashboard_counts,
    a_refund_that_stripe_refuses_finds_out_why,
);
