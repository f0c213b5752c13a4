//! `/v1/payments` and `/v1/payments/{payment_id}`.

use jiff::SignedDuration;
use serde_json::json;
use testkit::Storage;
use tokio::task::JoinSet;

use crate::{
    house::{BROKE, CARA, DECLINED, EXPIRY, GOOD, House, SILENT},
    on_both_databases,
};

async fn a_good_card_settles_the_payment(house: House) {
    let opened = house.opened(1).await;
    let reply = house.cara().post("/v1/payments", &opened.by_card(GOOD)).await.expect(201);
    assert_eq!(reply.header("location"), Some(opened.path.as_str()));
    let payment = reply.value();
    assert_eq!(payment["id"], opened.payment_id);
    assert_eq!(payment["status"], "settled");
    assert_eq!(payment["attempts"][0]["card"], json!({"brand": "visa", "last4": "4242"}));
    assert!(!reply.text().contains(GOOD), "the number shows: {reply}");

    let read = house.cara().get(&opened.path).await.expect(200);
    assert_eq!((read.value(), read.etag()), (payment, reply.etag()));
    let heard = house.hears(&["payment_settled"]).await;
    assert_eq!(heard[0]["amount"], json!({"amount": 5000, "currency": "EUR"}));
}

async fn the_same_request_takes_the_money_once(house: House) {
    let opened = house.opened(1).await;
    let pay = || house.cara().post("/v1/payments", &opened.by_card(GOOD)).key("once");
    let first = pay().await.expect(201);
    let again = pay().await.expect(201);
    assert_eq!(again.header("idempotent-replayed"), Some("true"));
    assert_eq!(first.bytes(), again.bytes());
    house.hears(&["payment_settled"]).await;
}

async fn a_payment_that_is_settled_answers_with_itself(house: House) {
    let opened = house.paid(1).await;
    let again = house.cara().post("/v1/payments", &opened.by_card(GOOD)).await.expect(200);
    assert_eq!(again.value()["attempts"].as_array().map(Vec::len), Some(1));
    house.hears(&["payment_settled"]).await;
}

async fn a_declined_card_leaves_the_payment_open(house: House) {
    let opened = house.opened(1).await;
    let pay = |card| house.cara().post("/v1/payments", &opened.by_card(card)).key(card);
    let refused = pay(BROKE).await.expect_problem(402, "payment-declined");
    assert_eq!(refused.value()["reason"], "insufficient_funds");
    let again = pay(BROKE).await.expect_problem(402, "payment-declined");
    assert_eq!(again.header("idempotent-replayed"), Some("true"));
    let plainly = pay(DECLINED).await.expect_problem(402, "payment-declined");
    assert_eq!(plainly.value()["reason"], "declined");
    assert_eq!(house.cara().get(&opened.path).await.field("status"), "open");

    let paid = pay(GOOD).await.expect(201);
    assert_eq!(paid.value()["attempts"].as_array().map(Vec::len), Some(3));
    house.hears(&["payment_declined", "payment_declined", "payment_settled"]).await;
}

async fn attempts_to_pay_are_used_up(house: House) {
    let opened = house.opened(1).await;
    let pay = |card| house.cara().post("/v1/payments", &opened.by_card(card));
    for _ in 0..20 {
        let _declined = pay(DECLINED).await.expect_problem(402, "payment-declined");
    }
    let _refused = pay(GOOD).await.expect_problem(409, "too-many-payment-attempts");
    let payment = house.cara().get(&opened.path).await.expect(200).value();
    assert_eq!(payment["status"], "open");
    assert_eq!(payment["attempts"].as_array().map(Vec::len), Some(20));
    let closed = house.tell("close", &opened.order()).await;
    assert_eq!(closed["Ok"]["status"], "closed");
}

async fn an_answer_that_is_lost_is_found(house: House) {
    let opened = house.opened(1).await;
    let reply = house.cara().post("/v1/payments", &opened.by_card(SILENT)).await.expect(201);
    assert_eq!(reply.field("status"), "pending");
    let other = || house.cara().post("/v1/payments", &opened.by_card(GOOD)).key("other");
    let refused = other().await.expect_problem(409, "payment-under-way");
    assert!(refused.header("retry-after").is_some());
    house.advance(SignedDuration::from_secs(2));
    house.becomes(&opened, "settled").await;
    // Nothing was done under the key, so it is good for another try.
    let tried = other().await.expect(200);
    assert_eq!(tried.header("idempotent-replayed"), None);
    house.hears(&["payment_settled"]).await;
}

async fn many_requests_at_once_take_the_money_once(house: House) {
    let opened = house.opened(1).await;
    let mut paying = JoinSet::new();
    for _ in 0..10 {
        let (client, body) = (house.cara(), opened.by_card(GOOD));
        paying.spawn(async move { client.post("/v1/payments", &body).await.status().as_u16() });
    }
    let statuses = paying.join_all().await;
    let created = statuses.iter().filter(|status| **status == 201).count();
    assert_eq!(created, 1, "{statuses:?}");
    assert!(statuses.iter().all(|status| [200, 201, 409].contains(status)), "{statuses:?}");
    house.hears(&["payment_settled"]).await;
}

async fn a_payment_that_is_closed_or_expired_takes_no_money(house: House) {
    let (closed, expired) = (house.opened(1).await, house.opened(2).await);
    let reply = house.tell("close", &closed.order()).await;
    assert_eq!(reply["Ok"], json!({"payment_id": closed.payment_id, "status": "closed"}));
    let pay = |body| house.cara().post("/v1/payments", &body);
    let refused = pay(closed.by_card(GOOD)).await.expect_problem(409, "payment-closed");
    assert!(refused.field("detail").starts_with("the order was called off at "), "{refused}");
    house.sandbox.clock().set(EXPIRY.parse().unwrap());
    let refused = pay(expired.by_card(GOOD)).await.expect_problem(409, "payment-closed");
    assert!(refused.field("detail").starts_with("the order could be paid until "), "{refused}");
    house.hears(&[]).await;
}

async fn payments_of_others_do_not_exist(house: House) {
    let opened = house.opened(1).await;
    for stranger in [house.dora(), house.ben()] {
        let paid = stranger.post("/v1/payments", &opened.by_card(GOOD)).await;
        let _hidden = paid.expect_problem(404, "not-found");
        let _hidden = stranger.get(&opened.path).await.expect_problem(404, "not-found");
        let list = stranger.get(&format!("/v1/payments?order_id={}", opened.order_id)).await;
        assert_eq!(list.expect(200).value()["items"], json!([]));
    }
    for insider in [house.anna(), house.admin()] {
        let _shown = insider.get(&opened.path).await.expect(200);
        let list = insider.get(&format!("/v1/payments?order_id={}", opened.order_id)).await;
        assert_eq!(list.expect(200).value()["items"][0]["id"], opened.payment_id);
        let paid = insider.post("/v1/payments", &opened.by_card(GOOD)).await;
        let _theirs_to_pay = paid.expect_problem(404, "not-found");
    }
    let nobody = house.sandbox.client();
    let _out = nobody.get(&opened.path).await.expect_problem(401, "unauthenticated");
    let _out = nobody.get("/v1/payments").await.expect_problem(401, "unauthenticated");
    let paid = nobody.post("/v1/payments", &opened.by_card(GOOD)).await;
    let _out = paid.expect_problem(401, "unauthenticated");
}

async fn ones_own_payments_come_in_pages(house: House) {
    for order in 1..=3 {
        house.opened(order).await;
        house.advance(SignedDuration::from_secs(1));
    }
    let orders = |page: &testkit::Reply| -> Vec<String> {
        let items = page.value()["items"].as_array().cloned().unwrap_or_default();
        items.iter().filter_map(|it| it["order_id"].as_str().map(str::to_owned)).collect()
    };
    let first = house.cara().get("/v1/payments?limit=2").await.expect(200);
    let cursor = first.field("next_cursor");
    let path = format!("/v1/payments?limit=2&cursor={cursor}");
    let second = house.cara().get(&path).await.expect(200);
    let seen = [orders(&first), orders(&second)].concat();
    let ends: Vec<&str> = seen.iter().filter_map(|id| id.get(35..)).collect();
    assert_eq!(ends, ["3", "2", "1"]);
    let others = house.dora().get("/v1/payments").await.expect(200);
    assert!(orders(&others).is_empty());
}

async fn input_that_is_wrong_changes_nothing(house: House) {
    let opened = house.opened(1).await;
    let cara = house.cara();
    let keyless = cara.post("/v1/payments", &opened.by_card(GOOD)).without_key().await;
    let _refused = keyless.expect_problem(400, "idempotency-key-missing");
    let mistyped = cara.post("/v1/payments", &opened.by_card("4242424242424243")).await;
    let mistyped = mistyped.expect_problem(422, "invalid-input");
    assert_eq!(mistyped.value()["errors"][0]["pointer"], "/method/number");
    assert!(!mistyped.text().contains("4242424242424243"), "{mistyped}");
    let mut as_number = opened.by_card(GOOD);
    as_number["method"]["number"] = json!(4_242_424_242_424_242_u64);
    let refused = cara.post("/v1/payments", &as_number).await;
    let refused = refused.expect_problem(422, "invalid-input");
    assert!(!refused.text().contains(GOOD), "{refused}");
    let mut unknown = opened.by_card(GOOD);
    unknown["method"]["cvc"] = json!("123");
    let _refused = cara.post("/v1/payments", &unknown).await.expect_problem(422, "invalid-input");
    for (method, pointers) in [
        (json!({"kind": "card"}), vec!["/method/number"]),
        (json!({"kind": "token"}), vec!["/method/token"]),
        (
            json!({"kind": "card", "number": "1", "token": "t"}),
            vec!["/method/number", "/method/token"],
        ),
        (json!({"kind": "token", "token": "a b"}), vec!["/method/token"]),
    ] {
        let body = json!({"order_id": opened.order_id, "method": method});
        let refused = cara.post("/v1/payments", &body).await.expect_problem(422, "invalid-input");
        let errors = refused.value()["errors"].clone();
        let found: Vec<_> =
            errors.as_array().unwrap().iter().filter_map(|it| it["pointer"].as_str()).collect();
        assert_eq!(found, pointers, "{body}");
    }
    let token = cara.post("/v1/payments", &opened.by_token("pm_card_visa")).await;
    let _refused = token.expect_problem(422, "payment-method-unsupported");
    let mut other = opened.by_card(GOOD);
    other["order_id"] = json!(CARA);
    let _refused = cara.post("/v1/payments", &other).await.expect_problem(404, "not-found");
    let payment = cara.get(&opened.path).await.expect(200).value();
    assert_eq!((payment["status"].as_str(), &payment["attempts"]), (Some("open"), &json!([])));
}

on_both_databases!(
    a_good_card_settles_the_payment,
    the_same_request_takes_the_money_once,
    a_payment_that_is_settled_answers_with_itself,
    a_declined_card_leaves_the_payment_open,
    attempts_to_pay_are_used_up,
    an_answer_that_is_lost_is_found,
    many_requests_at_once_take_the_money_once,
    a_payment_that_is_closed_or_expired_takes_no_money,
    payments_of_others_do_not_exist,
    ones_own_payments_come_in_pages,
    input_that_is_wrong_changes_nothing,
);

#[tokio::test]
async fn a_charge_that_outlives_the_process_is_found() {
    for storage in [Storage::Sqlite, Storage::Postgres] {
        let house = House::waiting(storage, "8s").await;
        let opened = house.opened(1).await;
        let (client, body) = (house.cara(), opened.by_card(SILENT));
        let mut paying = JoinSet::new();
        paying.spawn(async move { client.post("/v1/payments", &body).send().await.is_ok() });
        house.becomes(&opened, "pending").await;
        let node = house.sandbox.node("payments");
        node.crash().await;
        node.restart().await;
        house.advance(SignedDuration::from_secs(20));
        let outcome = testkit::eventually("the fate of the attempt", || async {
            let status = house.cara().get(&opened.path).await.expect(200).field("status");
            (status != "pending").then_some(status)
        });
        // Settled when the provider had the charge, open when it never came; never both.
        let status = outcome.await;
        let expected: &[&str] = if status == "settled" { &["payment_settled"] } else { &[] };
        house.hears(expected).await;
        assert!(["settled", "open"].contains(&status.as_str()), "{status}");
        paying.shutdown().await;
    }
}
