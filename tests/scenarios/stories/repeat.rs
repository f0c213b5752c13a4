//! Requests that are sent again, and requests that share a key by mistake.

use std::time::Duration;

use futures_util::future::join_all;
use serde_json::Value;
use testkit::{Reply, Request, within};

use crate::{
    house::House,
    people::{card, payment},
};

/// How long one may be told that the first request is still under way.
const PATIENCE: Duration = Duration::from_secs(20);

/// The answer to a request, however often it must be repeated to get it.
async fn insist(request: impl Fn() -> Request) -> Reply {
    within(PATIENCE, "an answer that is not about another request", || async {
        let reply = request().await;
        if reply.status() != 409 {
            return Ok(reply);
        }
        Err(reply.expect_problem(409, "idempotency-key-in-flight"))
    })
    .await
}

/// Sends the request twenty times at once and holds all answers to be the same one.
async fn twenty_times(request: impl Fn() -> Request) -> Reply {
    let mut replies = join_all((0..20).map(|_| insist(&request))).await;
    let first = replies.remove(0).expect(201);
    for reply in replies {
        let reply = reply.expect(201);
        assert_eq!(reply.value(), first.value());
        assert_eq!(reply.header("location"), first.header("location"));
        assert_eq!(reply.header("etag"), first.header("etag"));
    }
    first
}

pub async fn twenty_requests_with_one_key_are_one_purchase(house: &House) {
    let sale = house.sale(10).await;
    let buyer = house.somebody().await;

    let placed = twenty_times(|| buyer.post("/v1/orders", &sale.order(2)).key("the-order")).await;
    let order = placed.field("id");
    assert_eq!(buyer.list("/v1/orders").await.len(), 1);
    assert_eq!(house.free(&sale).await, 8);

    let paid = payment(&order, card::GOOD);
    let settled = twenty_times(|| buyer.post("/v1/payments", &paid).key("the-payment")).await;
    assert_eq!(settled.field("status"), "settled");
    buyer.order_in(&order, "fulfilled").await;
    let attempts = &buyer.payment_of(&order).await["attempts"];
    assert_eq!(attempts.as_array().map(Vec::len), Some(1), "{attempts}");
    assert_eq!(buyer.tickets(&order).await.len(), 2);

    let later = buyer.post("/v1/orders", &sale.order(2)).key("the-order").await.expect(201);
    assert_eq!(later.value(), placed.value(), "the answer is that of then");
    assert_eq!(later.header("idempotent-replayed"), Some("true"));
}

pub async fn a_key_is_needed_and_stands_for_one_request_of_one_person(house: &House) {
    let sale = house.sale(10).await;
    let (ann, ben) = (house.somebody().await, house.somebody().await);

    let keyless = ann.post("/v1/orders", &sale.order(1)).without_key().await;
    let _refused = keyless.expect_problem(400, "idempotency-key-missing");
    let keyless = ann.post("/v1/payments", &Value::Null).without_key().await;
    let _refused = keyless.expect_problem(400, "idempotency-key-missing");
    let keyless = sale.organizer.post("/v1/refunds", &Value::Null).without_key().await;
    let _refused = keyless.expect_problem(400, "idempotency-key-missing");

    let anns = ann.post("/v1/orders", &sale.order(1)).key("k").await.expect(201);
    let other = ann.post("/v1/orders", &sale.order(2)).key("k").await;
    let _refused = other.expect_problem(422, "idempotency-key-reused");
    let bens = ben.post("/v1/orders", &sale.order(1)).key("k").await.expect(201);
    assert_ne!(bens.field("id"), anns.field("id"));
    assert_eq!(house.free(&sale).await, 8);
}

pub async fn an_order_that_is_paid_is_not_paid_again(house: &House) {
    let sale = house.sale(10).await;
    let buyer = house.somebody().await;
    let order = buyer.buy(&sale, 1).await;
    let again = buyer.pay(&order, card::GOOD).await.expect(200);
    assert_eq!(again.field("status"), "settled");
    let attempts = &again.value()["attempts"];
    assert_eq!(attempts.as_array().map(Vec::len), Some(1), "{attempts}");
}
