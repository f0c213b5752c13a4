//! Cards that are declined, and cards that want a second step.

use serde_json::json;

use crate::{
    house::House,
    people::{card, text},
};

pub async fn whoever_is_declined_pays_with_another_card(house: &House) {
    let sale = house.sale(4).await;
    let buyer = house.somebody().await;
    let order = buyer.order(&sale, 1).await;

    let declined = buyer.pay(&order, card::DECLINED).await.expect_problem(402, "payment-declined");
    assert_eq!(declined.field("reason"), "declined");
    let empty = buyer.pay(&order, card::EMPTY).await.expect_problem(402, "payment-declined");
    assert_eq!(empty.field("reason"), "insufficient_funds");
    buyer.order_in(&order, "held").await;
    assert_eq!(house.free(&sale).await, 3, "the place is kept meanwhile");

    let _payment = buyer.pay(&order, card::GOOD).await.expect(201);
    buyer.order_in(&order, "fulfilled").await;
    assert_eq!(buyer.tickets(&order).await.len(), 1);
    let payment = buyer.payment_of(&order).await;
    let attempts = payment["attempts"].as_array().expect("a list");
    let states: Vec<&str> = attempts.iter().map(|attempt| text(attempt, "state")).collect();
    assert_eq!(states, ["failed", "failed", "confirmed"]);
}

pub async fn a_card_with_a_second_step_pays_once_it_is_approved(house: &House) {
    let sale = house.sale(4).await;
    let buyer = house.somebody().await;
    let order = buyer.order(&sale, 1).await;

    let begun = buyer.pay(&order, card::TWO_STEPS).await.expect(201);
    assert_eq!(begun.field("status"), "action_required", "{begun}");
    let url = text(&begun.value()["next_action"], "url").to_owned();
    buyer.order_in(&order, "held").await;

    let settled = buyer.post(&url, &json!({ "approve": true })).await.expect(200);
    assert_eq!(settled.field("status"), "settled");
    buyer.order_in(&order, "fulfilled").await;
    assert_eq!(buyer.tickets(&order).await.len(), 1);
    let again = buyer.post(&url, &json!({ "approve": true })).await.expect(200);
    assert_eq!(again.field("status"), "settled");
}

pub async fn a_second_step_that_is_not_approved_takes_no_money(house: &House) {
    let sale = house.sale(4).await;
    let buyer = house.somebody().await;
    let order = buyer.order(&sale, 1).await;

    let begun = buyer.pay(&order, card::TWO_STEPS).await.expect(201).value();
    let url = text(&begun["next_action"], "url");
    let refused = buyer.post(url, &json!({ "approve": false })).await;
    let refused = refused.expect_problem(402, "payment-declined");
    assert_eq!(refused.field("reason"), "not_approved");
    buyer.order_in(&order, "held").await;

    let _payment = buyer.pay(&order, card::GOOD).await.expect(201);
    buyer.order_in(&order, "fulfilled").await;
}

pub async fn tickets_that_cost_nothing_are_there_at_once(house: &House) {
    let sale = house.sale_at(4, 0).await;
    let buyer = house.somebody().await;
    let order = buyer.post("/v1/orders", &sale.order(2)).await.expect(201);
    assert_eq!(order.field("state"), "fulfilled", "{order}");
    assert_eq!(buyer.tickets(&order.field("id")).await.len(), 2);
    assert_eq!(house.free(&sale).await, 2);
}
