//! What is told, counted and remembered of a purchase: mail, reports, the trail of changes.

use std::fs;

use serde_json::{Value, json};
use testkit::{Client, eventually};

use crate::{
    house::House,
    people::{ADMIN, PASSWORD, Person, Sale, text},
};

/// The order's notification of this kind, once it was sent.
async fn sent(sale: &Sale, order: &str, kind: &str) -> Value {
    let of_order = format!("organizer_id={}&order_id={order}", sale.organizer_id);
    let path = format!("/v1/notifications?{of_order}&state=sent");
    eventually(format!("the mail {kind} to be sent"), || async {
        let page = sale.organizer.get(&path).await.expect(200).value();
        let items = page["items"].as_array().expect("a list");
        let found = items.iter().find(|it| it["message"]["kind"] == kind);
        found.cloned().ok_or(page)
    })
    .await
}

/// What lies in the directory of mails under the notification's name.
fn mail(house: &House, notification: &Value) -> String {
    let name = format!("{}.0.eml", text(notification, "id"));
    let path = house.sandbox.data_dir().join("mail").join(name);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

async fn buy_three_and_give_one_back(house: &House) -> (Sale, Person, String) {
    let sale = house.sale(10).await;
    let buyer = house.somebody().await;
    let order = buyer.buy(&sale, 3).await;
    let wish = json!({ "positions": [2], "reason": "one of them is ill" });
    let cancel = format!("/v1/orders/{order}/cancel");
    let _cancelled = sale.organizer.post(&cancel, &wish).await.expect(200);
    (sale, buyer, order)
}

pub async fn tickets_come_by_mail_and_so_does_what_goes_back(house: &House) {
    let (sale, buyer, order) = buy_three_and_give_one_back(house).await;
    let code = buyer.get(&format!("/v1/orders/{order}")).await.expect(200).field("code");

    let confirmation = sent(&sale, &order, "order_confirmation").await;
    assert_eq!(confirmation["user_id"], buyer.id.as_str());
    let confirmation = mail(house, &confirmation);
    for part in ["To: ", "Message-ID: <", "application/pdf", &format!("tickets-{code}.pdf")] {
        assert!(confirmation.contains(part), "{part} is missing");
    }
    let part = sent(&sale, &order, "positions_cancellation").await;
    assert_eq!(part["message"]["positions"], json!([2]));
    assert_eq!(part["message"]["amount"], json!({ "amount": 2500, "currency": "EUR" }));
    let part = mail(house, &part);
    assert!(part.contains("25.00 EUR") && part.contains("one of them is ill"), "{part}");
    let own = buyer.list("/v1/notifications").await;
    assert!(own.iter().all(|it| !it.to_string().contains('@')), "no addresses: {own:?}");
}

pub async fn reports_agree_with_each_other_after_a_ticket_went_back(house: &House) {
    let (sale, buyer, order) = buy_three_and_give_one_back(house).await;
    let organizer = &sale.organizer;
    let path = format!("/v1/reports/events/{}/sales", sale.event);
    let euros = |amount: u32| json!({ "amount": amount, "currency": "EUR" });
    let revenue = json!([{"gross": euros(7_500), "refunded": euros(2_500), "net": euros(5_000)}]);
    let report = eventually("the report to have the ticket that went back", || async {
        let report = organizer.get(&path).await.expect(200).value();
        if report["tickets"]["cancelled"] == 1 { Ok(report) } else { Err(report) }
    })
    .await;
    assert_eq!((&report["revenue"], &report["tickets"]["sold"]), (&revenue, &json!(2)));
    assert_eq!(report["ticket_types"][0]["sold"], 2);
    let days = organizer.get(&format!("{path}/days")).await.expect(200).value();
    assert_eq!(days["time_zone"], "Europe/Berlin");
    assert_eq!(days["days"][0]["revenue"], revenue);
    assert_eq!(days["days"][0]["tickets"], json!({ "sold": 3, "cancelled": 1 }));
    let table = organizer.get(&format!("{path}/days?format=csv")).await.expect(200).text();
    assert!(table.contains(",EUR,75.00,25.00,50.00,1,0,3,1"), "{table}");
    let customer = format!("/v1/reports/customers/{}", buyer.id);
    let own = format!("{customer}?organizer_id={}", sale.organizer_id);
    let history = organizer.get(&own).await.expect(200).value();
    assert_eq!(history["items"][0]["order_id"], order);
    assert_eq!(history["totals"][0]["net"], euros(5_000));
    let _hidden = buyer.get(&own).await.expect_problem(403, "forbidden");
    let _hidden = organizer.get(&customer).await.expect_problem(403, "forbidden");
}

/// The records at this filter, once one of them is of the service.
async fn trail(admin: &Client, filter: &str, service: &str) -> Vec<Value> {
    let path = format!("/v1/audit?service={service}&{filter}");
    eventually(format!("the trail of {service} for {filter}"), || async {
        let page = admin.get(&path).await.expect(200).value();
        let items = page["items"].as_array().cloned().unwrap_or_default();
        if items.is_empty() { Err(page) } else { Ok(items) }
    })
    .await
}

pub async fn a_purchase_leaves_a_trail_in_every_service(house: &House) {
    let sale = house.sale(5).await;
    let buyer = house.somebody().await;
    let order = buyer.buy(&sale, 1).await;
    let told = sent(&sale, &order, "order_confirmation").await;
    let admin = house.client().log_in(ADMIN, PASSWORD).await;

    for (service, thing) in [
        ("identity", buyer.id.as_str()),
        ("catalog", &sale.event),
        ("inventory", &sale.event),
        ("orders", &order),
        ("payments", &order),
        ("tickets", &order),
        ("notifications", text(&told, "id")),
    ] {
        let records = trail(&admin, &format!("aggregate_id={thing}"), service).await;
        for record in &records {
            let actor = text(record, "actor");
            let is_somebody =
                ["user:", "service:", "anonymous"].iter().any(|it| actor.starts_with(it));
            assert!(is_somebody && !text(record, "type").is_empty(), "{record}");
            assert!(!record.to_string().contains('@'), "no personal data: {record}");
        }
    }
    let placed = trail(&admin, &format!("aggregate_id={order}&type=placed"), "orders").await;
    assert_eq!(placed[0]["actor"], format!("user:{}", buyer.id));
    // What placing it caused elsewhere is found by the request.
    let request = format!("correlation_id={}", text(&placed[0], "correlation_id"));
    trail(&admin, &request, "inventory").await;
    let _refused = sale.organizer.get("/v1/audit").await.expect_problem(403, "forbidden");
    let _refused = buyer.get("/v1/audit").await.expect_problem(403, "forbidden");
}
