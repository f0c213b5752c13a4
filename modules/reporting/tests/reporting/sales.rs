//! What reports add up to, and how far they say they go.

use serde_json::{Value, json};
use uuid::Uuid;

use crate::{
    house::{House, QUARTET, RIVERSIDE, STALLS, admitted, cancelled, confirmed, sales_of},
    on_both_databases,
};

async fn an_event_that_nothing_was_sold_of_has_an_empty_report(house: House) {
    let report = house.report(&sales_of(QUARTET), 0, 0).await;
    let source = |publisher: &str| json!({"publisher": publisher, "position": 0, "missing": 0});
    let expected = json!({
        "event_id": QUARTET,
        "event_name": "Quartet by the river",
        "organizer_id": RIVERSIDE,
        "orders": {"confirmed": 0, "cancelled": 0},
        "tickets": {"sold": 0, "cancelled": 0, "admitted": 0},
        "ticket_types": [],
        "revenue": [],
        "sources": [source("orders"), source("tickets")],
    });
    assert_eq!(report, expected);
}

async fn a_report_adds_up_what_was_told(house: House) {
    house.tell(1, 9, &confirmed(7, QUARTET, 2)).await;
    house.tell(2, 8, &confirmed(8, QUARTET, 3)).await;
    house.tell(3, 5, &cancelled(8, QUARTET, 3)).await;
    house.tell(4, 2, &admitted(70, QUARTET)).await;
    let report = house.report(&sales_of(QUARTET), 3, 1).await;
    let euros = |amount: u32| json!({"amount": amount, "currency": "EUR"});
    let expected = json!({
        "event_id": QUARTET,
        "event_name": "Quartet by the river",
        "organizer_id": RIVERSIDE,
        "orders": {"confirmed": 1, "cancelled": 1},
        "tickets": {"sold": 2, "cancelled": 3, "admitted": 1},
        "ticket_types": [
            {"ticket_type_id": STALLS, "name": "Stalls", "sold": 2, "cancelled": 3},
        ],
        "revenue": [{"gross": euros(12_500), "refunded": euros(7_500), "net": euros(5_000)}],
        "sources": [
            {
                "publisher": "orders",
                "as_of": "2027-03-01T11:59:55Z",
                "lag_seconds": 5.0,
                "position": 3,
                "missing": 0,
            },
            {
                "publisher": "tickets",
                "as_of": "2027-03-01T11:59:58Z",
                "lag_seconds": 2.0,
                "position": 1,
                "missing": 0,
            },
        ],
    });
    assert_eq!(report, expected);
}

async fn what_is_told_twice_counts_once(house: House) {
    for _ in 0..2 {
        house.tell(1, 0, &confirmed(7, QUARTET, 2)).await;
        house.tell(2, 0, &cancelled(7, QUARTET, 2)).await;
        house.tell(3, 0, &admitted(70, QUARTET)).await;
    }
    let report = house.report(&sales_of(QUARTET), 4, 2).await;
    assert_eq!(report["orders"], json!({"confirmed": 0, "cancelled": 1}));
    assert_eq!(report["tickets"], json!({"sold": 0, "cancelled": 2, "admitted": 1}));
}

async fn an_admission_counts_though_it_is_told_before_its_order(house: House) {
    house.tell(1, 0, &admitted(70, QUARTET)).await;
    house.report(&sales_of(QUARTET), 0, 1).await;
    house.tell(2, 0, &confirmed(7, QUARTET, 1)).await;
    let report = house.report(&sales_of(QUARTET), 1, 1).await;
    assert_eq!(report["tickets"], json!({"sold": 1, "cancelled": 0, "admitted": 1}));
}

async fn an_organizers_events_follow_each_other_in_pages(house: House) {
    let events = [0x101, 0x102, 0x103].map(Uuid::from_u128);
    for (order, event_id) in (1..).zip(events) {
        house.tell(order, 0, &confirmed(order, event_id, 1)).await;
    }
    house.tell(4, 0, &admitted(70, events[1])).await;
    let first = format!("/v1/reports/sales?organizer_id={RIVERSIDE}&limit=2");
    let mut page = house.report(&first, 3, 1).await;
    let mut seen = Vec::new();
    loop {
        let items = page["items"].as_array().cloned().unwrap_or_default();
        seen.extend(items.iter().map(|it| (it["event_id"].clone(), it["tickets"].clone())));
        let Value::String(cursor) = &page["next_cursor"] else { break };
        page = house.report(&format!("{first}&cursor={cursor}"), 3, 1).await;
    }
    let tickets = |admitted: u32| json!({"sold": 1, "cancelled": 0, "admitted": admitted});
    let expected =
        [(2, 0), (1, 1), (0, 0)].map(|(n, admitted)| (json!(events[n]), tickets(admitted)));
    assert_eq!(seen, expected);
}

on_both_databases! {
    an_event_that_nothing_was_sold_of_has_an_empty_report,
    a_report_adds_up_what_was_told,
    what_is_told_twice_counts_once,
    an_admission_counts_though_it_is_told_before_its_order,
    an_organizers_events_follow_each_other_in_pages,
}
