//! `/v1/refunds` and `/v1/refunds/{refund_id}`.

use jiff::SignedDuration;
use serde_json::json;
use testkit::{Client, eventually};
use tokio::task::JoinSet;

use crate::{
    house::{GOOD, House, eur},
    on_both_databases,
};

async fn done(client: &Client, path: &str) {
    eventually("the refund to be done", || async {
        let state = client.get(path).await.expect(200).field("state");
        if state == "done" { Ok(()) } else { Err(state) }
    })
    .await;
}

async fn a_member_of_the_organizer_gives_the_money_back_once(house: House) {
    let paid = house.paid(1).await;
    let reply = house.anna().post("/v1/refunds", &paid.refund()).key("a").await.expect(201);
    let path = format!("/v1/refunds/{}", reply.field("id"));
    assert_eq!(reply.header("location"), Some(path.as_str()));
    assert_eq!(reply.value()["amount"], json!({"amount": 5000, "currency": "EUR"}));
    let replayed = house.anna().post("/v1/refunds", &paid.refund()).key("a").await.expect(201);
    assert_eq!(replayed.bytes(), reply.bytes());
    let again = house.admin().post("/v1/refunds", &paid.refund()).await.expect(200);
    assert_eq!(again.field("id"), reply.field("id"));
    done(&house.cara(), &path).await;
    house.becomes(&paid, "refunded").await;
    let late = house.cara().post("/v1/payments", &paid.by_card(GOOD)).await;
    let refused = late.expect_problem(409, "payment-closed");
    assert_eq!(refused.field("detail"), "the order was paid, and its money was given back");
    house.hears(&["payment_settled", "payment_refunded"]).await;

    let order = format!("/v1/refunds?order_id={}", paid.order_id);
    for insider in [house.cara(), house.anna(), house.admin()] {
        let list = insider.get(&order).await.expect(200).value();
        assert_eq!(list["items"][0]["id"], reply.field("id"));
    }
    let own = house.cara().get("/v1/refunds").await.expect(200).value();
    assert_eq!(own["items"].as_array().map(Vec::len), Some(1));
}

async fn others_give_nothing_back(house: House) {
    let paid = house.paid(1).await;
    let by_payer = house.cara().post("/v1/refunds", &paid.refund()).await;
    let _refused = by_payer.expect_problem(403, "forbidden");
    let reply = house.anna().post("/v1/refunds", &paid.refund()).await.expect(201);
    let path = format!("/v1/refunds/{}", reply.field("id"));
    for stranger in [house.dora(), house.ben()] {
        let tried = stranger.post("/v1/refunds", &paid.refund()).await;
        let _hidden = tried.expect_problem(404, "not-found");
        let _hidden = stranger.get(&path).await.expect_problem(404, "not-found");
        let list = stranger.get(&format!("/v1/refunds?order_id={}", paid.order_id)).await;
        assert_eq!(list.expect(200).value()["items"], json!([]));
        let own = stranger.get("/v1/refunds").await.expect(200).value();
        assert_eq!(own["items"], json!([]));
    }
}

async fn what_was_not_received_is_not_given_back(house: House) {
    let opened = house.opened(1).await;
    let refused = house.anna().post("/v1/refunds", &opened.refund()).await;
    let _refused = refused.expect_problem(409, "nothing-to-refund");
    let keyless = house.anna().post("/v1/refunds", &opened.refund()).without_key().await;
    let _refused = keyless.expect_problem(400, "idempotency-key-missing");
    let unreasoned = json!({"order_id": opened.order_id, "reason": ""});
    let refused = house.anna().post("/v1/refunds", &unreasoned).await;
    let _refused = refused.expect_problem(422, "invalid-input");
}

async fn a_member_of_the_organizer_gives_parts_back(house: House) {
    let paid = house.paid(1).await;
    let give = |amount| house.anna().post("/v1/refunds", &paid.refund_of(amount));
    let part = give(2000).await.expect(201);
    assert_eq!(part.value()["amount"], eur(2000));
    let payment = house.cara().get(&paid.path).await.expect(200).value();
    assert_eq!((&payment["status"], &payment["refunded"]), (&json!("settled"), &eur(2000)));
    let refused = give(3001).await.expect_problem(409, "refund-exceeds-payment");
    assert_eq!(refused.value()["left"], eur(3000));
    let rest = house.anna().post("/v1/refunds", &paid.refund()).await.expect(201);
    assert_eq!((&rest.value()["amount"], &rest.value()["number"]), (&eur(3000), &json!(2)));
    house.becomes(&paid, "refunded").await;
    house.hears(&["payment_settled", "payment_refunded", "payment_refunded"]).await;
}

async fn parts_that_are_asked_for_at_once_never_exceed_what_was_received(house: House) {
    let paid = house.paid(1).await;
    let mut giving = JoinSet::new();
    for _ in 0..10 {
        let (client, body) = (house.anna(), paid.refund_of(1500));
        giving.spawn(async move { client.post("/v1/refunds", &body).await.status().as_u16() });
    }
    let mut statuses = giving.join_all().await;
    statuses.sort_unstable();
    assert_eq!(statuses, [201, 201, 201, 409, 409, 409, 409, 409, 409, 409]);
    let payment = house.cara().get(&paid.path).await.expect(200).value();
    assert_eq!(payment["refunded"], eur(4500));
}

async fn a_refund_that_is_wrong_is_told_everything_that_is(house: House) {
    let paid = house.paid(1).await;
    let wrong =
        json!({"order_id": paid.order_id, "reason": "rain\nand\u{7}hail", "amount": eur(0)});
    let refused = house.anna().post("/v1/refunds", &wrong).await;
    let refused = refused.expect_problem(422, "invalid-input").value();
    let pointers: Vec<_> =
        refused["errors"].as_array().unwrap().iter().map(|it| it["pointer"].clone()).collect();
    assert_eq!(pointers, [json!("/amount"), json!("/reason")]);
    let dollars = json!({"amount": 100, "currency": "USD"});
    let foreign = json!({"order_id": paid.order_id, "reason": "rain", "amount": dollars});
    let refused = house.anna().post("/v1/refunds", &foreign).await;
    let refused = refused.expect_problem(422, "invalid-input").value();
    assert_eq!(refused["errors"][0]["pointer"], "/amount/currency");
    house.hears(&["payment_settled"]).await;
}

async fn a_refused_refund_is_visible_and_tried_again(house: House) {
    let opened = house.opened(1).await;
    let card = opened.by_card("4000000000005126");
    let _paid = house.cara().post("/v1/payments", &card).await.expect(201);
    let reply = house.anna().post("/v1/refunds", &opened.refund()).await.expect(201);
    let path = format!("/v1/refunds/{}", reply.field("id"));
    let failed = house.anna().get(&path).await.expect(200);
    assert_eq!(failed.field("state"), "failed");
    assert!(!failed.field("failure").is_empty());
    assert_eq!(house.cara().get(&opened.path).await.field("status"), "refunding");
    house.advance(SignedDuration::from_secs(61));
    let list = format!("/v1/refunds?order_id={}", opened.order_id);
    eventually("another refund", || async {
        let items = house.anna().get(&list).await.expect(200).value();
        items["items"][0]["number"] == 2
    })
    .await;
}

async fn a_refund_that_is_refused_for_long_is_given_up_and_can_be_begun_anew(house: House) {
    let opened = house.opened(1).await;
    let card = opened.by_card("4000000000005126");
    let _paid = house.cara().post("/v1/payments", &card).await.expect(201);
    let asked = house.anna().post("/v1/refunds", &opened.refund()).await.expect(201);
    let list = format!("/v1/refunds?order_id={}", opened.order_id);
    for number in 2..=9 {
        house.advance(SignedDuration::from_mins(61));
        let state = if number == 9 { "cancelled" } else { "failed" };
        eventually(format!("refund {number} to be {state}"), || async {
            let items = house.anna().get(&list).await.expect(200).value();
            items["items"][0]["number"] == number && items["items"][0]["state"] == state
        })
        .await;
    }
    house.becomes(&opened, "settled").await;
    let heard = house.hears(&[&["payment_settled"][..], &["refund_failed"; 9]].concat()).await;
    let will_retry: Vec<_> = heard[1..].iter().map(|it| it["will_retry"] == true).collect();
    assert_eq!(will_retry, [true, true, true, true, true, true, true, true, false]);
    assert_eq!(heard[9]["requested_refund_id"], asked.value()["id"]);
    assert_eq!(heard[9]["total_refunded"], eur(0));
    let anew = house.anna().post("/v1/refunds", &opened.refund()).await.expect(201).value();
    assert_eq!((&anew["number"], &anew["repeats"]), (&json!(10), &json!(null)));
}

async fn a_refund_on_its_way_arrives_by_itself(house: House) {
    let opened = house.opened(1).await;
    let card = opened.by_card("4000000000007726");
    let _paid = house.cara().post("/v1/payments", &card).await.expect(201);
    let reply = house.anna().post("/v1/refunds", &opened.refund()).await.expect(201);
    let path = format!("/v1/refunds/{}", reply.field("id"));
    assert_eq!(house.cara().get(&path).await.expect(200).field("state"), "in_transit");
    house.advance(SignedDuration::from_secs(61));
    done(&house.cara(), &path).await;
}

on_both_databases!(
    a_member_of_the_organizer_gives_the_money_back_once,
    others_give_nothing_back,
    what_was_not_received_is_not_given_back,
    a_member_of_the_organizer_gives_parts_back,
    parts_that_are_asked_for_at_once_never_exceed_what_was_received,
    a_refund_that_is_wrong_is_told_everything_that_is,
    a_refused_refund_is_visible_and_tried_again,
    a_refund_that_is_refused_for_long_is_given_up_and_can_be_begun_anew,
    a_refund_on_its_way_arrives_by_itself,
);
