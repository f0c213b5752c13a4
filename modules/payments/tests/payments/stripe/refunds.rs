//! Giving money back at Stripe.

use std::sync::Arc;

use jiff::SignedDuration;
use serde_json::Value;
use testkit::{Storage, eventually};
use tokio::task::JoinSet;

use super::{Shop, at_stripe, server::Failing};
use crate::house::{Opened, eur};

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

    /// What was given back, in our books.
    async fn refunded(&self, opened: &Opened) -> Value {
        self.house.cara().get(&opened.path).await.expect(200).value()["refunded"].clone()
    }

    /// Somebody gives money back without asking us.
    fn give_back_in_the_dashboard(&self, intent: &str, amount: i64) {
        let fields = [("payment_intent", intent.to_owned()), ("amount", amount.to_string())];
        let owned = fields.map(|(name, value)| (name.to_owned(), value));
        let (status, _) = self.stripe.with(|ledger| ledger.create_refund(&owned.into()));
        assert_eq!(status, 200);
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

/// What others hear of each refund: what is given back after it, and which one was asked for.
fn told(heard: &[Value]) -> Vec<(Value, Value)> {
    let refunds = heard.iter().filter(|it| it["total_refunded"] != Value::Null);
    refunds.map(|it| (it["total_refunded"].clone(), it["requested_refund_id"].clone())).collect()
}

async fn money_that_the_bank_sends_back_is_given_back_again(shop: Shop) {
    let paid = shop.paid(1).await;
    let asked = shop.house.anna().post("/v1/refunds", &paid.refund_of(2000)).await.expect(201);
    shop.stripe.with(|ledger| ledger.bank_answers(0, "failed"));
    let _taken = shop.deliver(&shop.last_event()).await.expect(200);
    assert_eq!(shop.last_refund(&paid).await, (1, "failed".to_owned()));
    assert_eq!((shop.kept(), shop.refunded(&paid).await), (5000, eur(0)));
    shop.house.advance(SignedDuration::from_secs(61));
    shop.refund_becomes(&paid, (2, "done")).await;
    assert_eq!((shop.kept(), shop.refunded(&paid).await), (3000, eur(2000)));
    let kinds = ["payment_settled", "payment_refunded", "refund_failed", "payment_refunded"];
    let id = &asked.value()["id"];
    let expected = [eur(2000), eur(0), eur(2000)].map(|total| (total, id.clone()));
    assert_eq!(told(&shop.house.hears(&kinds).await), expected);
}

async fn a_refund_that_is_called_off_at_stripe_counts_no_more(shop: Shop) {
    let paid = shop.paid(1).await;
    let intent = shop.last_intent();
    shop.give_back_in_the_dashboard(&intent, 1500);
    let _taken = shop.deliver(&shop.last_event()).await.expect(200);
    let asked = shop.house.anna().post("/v1/refunds", &paid.refund()).await.expect(201);
    shop.house.becomes(&paid, "refunded").await;
    for place in [1, 0] {
        shop.stripe.with(|ledger| ledger.bank_answers(place, "canceled"));
        let _taken = shop.deliver(&shop.last_event()).await.expect(200);
    }
    assert_eq!((shop.kept(), shop.refunded(&paid).await), (5000, eur(0)));
    let gone = "refund_failed";
    let kinds = ["payment_settled", "payment_refunded", "payment_refunded", gone, gone];
    let heard = shop.house.hears(&kinds).await;
    assert!(heard[3..].iter().all(|it| it["will_retry"] == false), "{heard:?}");
    let (id, nobody) = (asked.value()["id"].clone(), Value::Null);
    let totals = [eur(1500), eur(5000), eur(1500), eur(0)];
    let names = [nobody.clone(), id.clone(), id, nobody];
    assert_eq!(told(&heard), totals.into_iter().zip(names).collect::<Vec<_>>());
    let _anew = shop.house.anna().post("/v1/refunds", &paid.refund()).await.expect(201);
    assert_eq!((shop.kept(), shop.refunded(&paid).await), (0, eur(5000)));
}

async fn money_that_is_given_back_in_the_dashboard_counts(shop: Shop) {
    let paid = shop.paid(1).await;
    let intent = shop.last_intent();
    shop.give_back_in_the_dashboard(&intent, 1500);
    let event = shop.last_event();
    assert_eq!(shop.deliver(&event).await.expect(200).field("outcome"), "taken");
    assert_eq!(shop.last_refund(&paid).await, (1, "external".to_owned()));
    assert_eq!(shop.refunded(&paid).await, eur(1500));
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
    money_that_the_bank_sends_back_is_given_back_again,
    a_refund_that_is_called_off_at_stripe_counts_no_more,
    money_that_is_given_back_in_the_dashboard_counts,
    a_refund_that_stripe_refuses_finds_out_why,
);

/// The webhook of the payment still waits for Stripe while the money goes back.
async fn a_refund_that_is_made_while_a_webhook_is_looked_into_is_ours(shop: Shop) {
    let paid = shop.paid(1).await;
    let intent = format!("/v1/payment_intents/{}", shop.last_intent());
    let held = shop.stripe.hold(&intent);
    let event = shop.last_event();
    let shop = Arc::new(shop);
    let mut delivering = JoinSet::new();
    let deliverer = Arc::clone(&shop);
    delivering.spawn(async move { deliverer.deliver(&event).await });
    eventually("the webhook to be looked into", || async {
        shop.stripe.seen().iter().any(|request| request.path == intent)
    })
    .await;
    let _refund = shop.house.anna().post("/v1/refunds", &paid.refund_of(2000)).await.expect(201);
    held.notify_one();
    let answers = delivering.join_all().await;
    assert_eq!(answers[0].field("outcome"), "taken");
    assert_eq!(shop.last_refund(&paid).await, (1, "done".to_owned()));
    assert_eq!((shop.kept(), shop.refunded(&paid).await), (3000, eur(2000)));
    shop.house.hears(&["payment_settled", "payment_refunded"]).await;
}

#[tokio::test]
async fn a_refund_that_is_made_while_a_webhook_is_looked_into_is_ours_on_sqlite() {
    let shop = Shop::patient(Storage::Sqlite).await;
    a_refund_that_is_made_while_a_webhook_is_looked_into_is_ours(shop).await;
}

#[tokio::test]
async fn a_refund_that_is_made_while_a_webhook_is_looked_into_is_ours_on_postgres() {
    let shop = Shop::patient(Storage::Postgres).await;
    a_refund_that_is_made_while_a_webhook_is_looked_into_is_ours(shop).await;
}
