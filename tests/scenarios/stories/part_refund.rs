//! Money that goes back in parts, and what the payment provider says by webhook.

use serde_json::json;

use crate::{house::House, people::text};

pub async fn an_organizer_gives_a_part_back_and_the_tickets_stay_good(house: &House) {
    let sale = house.sale(4).await;
    let buyer = house.somebody().await;
    let order = buyer.buy(&sale, 2).await;
    let payment = buyer.payment_of(&order).await;
    let (whole, currency) = (&payment["amount"]["amount"], &payment["amount"]["currency"]);
    let whole = whole.as_i64().expect("an amount");
    let give = |amount: i64| {
        let part = json!({ "amount": amount, "currency": currency });
        let refund = json!({ "order_id": order, "amount": part, "reason": "no interval" });
        sale.organizer.post("/v1/refunds", &refund)
    };

    let _part = give(1000).await.expect(201);
    let refused = give(whole - 999).await.expect_problem(409, "refund-exceeds-payment");
    assert_eq!(refused.value()["left"]["amount"], whole - 1000);
    let payment = buyer.payment_of(&order).await;
    assert_eq!(
        (text(&payment, "status"), &payment["refunded"]["amount"]),
        ("settled", &json!(1000))
    );
    buyer.order_in(&order, "fulfilled").await;
    assert_eq!(buyer.tickets(&order).await.len(), 2);

    let rest = json!({ "order_id": order, "reason": "no concert either" });
    let rest = sale.organizer.post("/v1/refunds", &rest).await.expect(201);
    assert_eq!(rest.value()["amount"]["amount"], whole - 1000);
    buyer.order_in(&order, "cancelled").await;
    assert_eq!(buyer.payment_of(&order).await["status"], "refunded");
}

pub async fn a_webhook_that_nobody_signed_is_not_believed(house: &House) {
    let sale = house.sale(4).await;
    let buyer = house.somebody().await;
    let order = buyer.order(&sale, 1).await;
    let forged = json!({
        "id": "evt_1", "type": "charge.updated", "order_id": order, "attempt_id": order,
    });
    let anybody = house.client();
    let unsigned = anybody.post("/v1/payment-webhooks/sandbox", &forged).await;
    let _refused = unsigned.expect_problem(400, "webhook-signature-invalid");
    let elsewhere = anybody.post("/v1/payment-webhooks/elsewhere", &forged).await;
    let _unknown = elsewhere.expect_problem(404, "not-found");
    buyer.order_in(&order, "held").await;
}
