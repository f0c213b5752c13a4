//! What happens to tickets until somebody stands at the door, and there.

use std::time::Duration;

use runtime::Clock as _;
use serde_json::json;

use crate::{
    house::House,
    people::{Person, text},
};

/// The first ticket of an order, and its code.
async fn ticket(buyer: &Person, order: &str) -> (String, String) {
    let ticket = text(&buyer.tickets(order).await[0], "id").to_owned();
    let code = buyer.get(&format!("/v1/tickets/{ticket}/code")).await.expect(200).text();
    (ticket, code)
}

pub async fn a_ticket_that_was_passed_on_opens_doors_with_its_new_code_alone(house: &House) {
    let sale = house.sale(10).await;
    let (buyer, friend) = (house.somebody().await, house.somebody().await);
    let order = buyer.buy(&sale, 1).await;
    let (ticket, old) = ticket(&buyer, &order).await;
    let path = format!("/v1/tickets/{ticket}");
    let link = buyer.post(&format!("{path}/transfer"), &json!({})).await.expect(201);
    let accept = json!({ "token": link.field("token") });
    let _accepted = friend.post("/v1/tickets/transfers/accept", &accept).await.expect(200);

    let _hidden = buyer.get(&path).await.expect_problem(404, "not-found");
    let new = friend.get(&format!("{path}/code")).await.expect(200).text();
    let scan =
        async |code: &str| sale.organizer.post("/v1/check-ins", &json!({ "code": code })).await;
    let _refused = scan(&old).await.expect_problem(409, "ticket-transferred");
    let _admitted = scan(&new).await.expect(201);
    let _refused = scan(&new).await.expect_problem(409, "already-admitted");

    let reason = json!({ "reason": "the evening is called off" });
    let cancel = format!("/v1/orders/{order}/cancel");
    let _cancelled = sale.organizer.post(&cancel, &reason).await;
    buyer.order_in(&order, "cancelled").await;
    let _refused = scan(&new).await.expect_problem(409, "ticket-voided");
}

pub async fn staff_scans_for_the_organizer_it_belongs_to(house: &House) {
    let sale = house.sale(10).await;
    let buyer = house.somebody().await;
    let order = buyer.buy(&sale, 1).await;
    let (_ticket, code) = ticket(&buyer, &order).await;
    let staff = house.staff().await;
    let scan = json!({ "code": code, "entrance": "north" });
    let stranger = staff.post("/v1/check-ins", &scan).await;
    let _refused = stranger.expect_problem(403, "forbidden");
    let member = format!("/v1/organizers/{}/members/{}", sale.organizer_id, staff.id);
    let _member = sale.organizer.put(&member, &json!({ "role": "member" })).await.expect(200);
    let _admitted = staff.post("/v1/check-ins", &scan).await.expect(201);
    let list = json!({ "event_id": sale.event, "name": "Garden" });
    let _refused = staff.post("/v1/check-in-lists", &list).await.expect_problem(403, "forbidden");
}

pub async fn a_door_without_a_network_tells_later_and_copies_are_reported(house: &House) {
    let sale = house.sale(10).await;
    let buyer = house.somebody().await;
    let order = buyer.buy(&sale, 1).await;
    let (ticket, code) = ticket(&buyer, &order).await;
    let list = json!({
        "event_id": sale.event,
        "name": "Stalls",
        "ticket_type_ids": [sale.ticket_type],
        "allows_reentry": true,
    });
    let list = sale.organizer.post("/v1/check-in-lists", &list).await.expect(201).field("id");
    let path = format!("/v1/check-in-lists/{list}");
    let download = sale.organizer.get(&format!("{path}/offline")).await.expect(200);
    assert_eq!(download.value()["tickets"][0]["ticket_id"], ticket.as_str());
    let online = json!({ "code": code, "list_id": list, "entrance": "north" });
    let online = sale.organizer.post("/v1/check-ins", &online).await.expect(201);

    let at = house.sandbox.clock().now() - Duration::from_mins(5);
    let scan = json!({ "code": code, "at": at, "entrance": "south", "nonce": "south-1" });
    let upload = json!({ "device": "south 2", "scans": [scan] });
    for _ in 0..2 {
        let uploaded = sale.organizer.post(&format!("{path}/scans"), &upload).await.expect(200);
        assert_eq!(uploaded.value()["results"][0]["conflict"], "already_admitted");
    }
    let conflicts = sale.organizer.list(&format!("{path}/conflicts")).await;
    let [conflict] = conflicts.as_slice() else { panic!("one conflict: {conflicts:#?}") };
    assert_eq!(conflict["admitted"]["entrance"], "south");
    assert_eq!(conflict["admitted"]["at"], json!(at));
    assert_eq!(conflict["other"]["at"], online.value()["admitted_at"]);
    let again = sale.organizer.get(&format!("{path}/offline"));
    let again = again.header("if-none-match", &download.etag()).await;
    assert_eq!(again.expect(200).value()["tickets"][0]["used"]["entrance"], "north");
}

pub async fn a_buyer_prints_the_tickets(house: &House) {
    let sale = house.sale(10).await;
    let buyer = house.somebody().await;
    let order = buyer.buy(&sale, 3).await;
    let path = format!("/v1/tickets/pdf?order_id={order}");
    let printed = buyer.get(&path).await.expect(200);
    assert_eq!(printed.header("content-type"), Some("application/pdf"));
    assert!(printed.bytes().starts_with(b"%PDF-"), "it is a document");
    let _hidden = house.somebody().await.get(&path).await.expect_problem(404, "not-found");
    let _hidden = sale.organizer.get(&path).await.expect_problem(404, "not-found");
}
