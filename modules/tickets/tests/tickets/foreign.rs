//! What doors may not do: those of another organizer, those of another event, and devices that are wrong.

use std::time::Duration;

use runtime::Clock as _;
use serde_json::{Value, json};
use testkit::Client;

use crate::{
    device::Device,
    house::{EVENT, FOREIGN_EVENT, House, ORDER, OTHER_EVENT},
    on_both_databases,
};

on_both_databases! {
    a_door_of_another_organizer_learns_nothing_and_changes_nothing,
    a_door_of_another_event_is_told_of_the_event_and_admits_nobody,
    a_device_whose_clock_is_ahead_locks_nobody_out,
    a_revoked_code_that_was_let_in_offline_shuts_the_holder_out_nowhere,
    a_void_ticket_that_was_let_in_offline_is_reported_and_not_admitted,
}

async fn items(reader: &Client, path: &str) -> Vec<Value> {
    let listed = reader.get(path).await.expect(200).value();
    listed["items"].as_array().cloned().unwrap_or_default()
}

/// Everything that the organizer and the holder see of the tickets.
async fn seen(house: &House, tickets: &[String]) -> Value {
    let mut shown = Vec::new();
    for ticket in tickets {
        shown.push(house.cara().get(&format!("/v1/tickets/{ticket}")).await.expect(200).value());
    }
    let anna = house.anna();
    let download = anna.get(&format!("/v1/check-in-lists/{EVENT}/offline")).await.expect(200);
    json!({
        "tickets": shown,
        "scans": items(&anna, &format!("/v1/check-ins?event_id={EVENT}")).await,
        "conflicts": items(&anna, &format!("/v1/check-in-lists/{EVENT}/conflicts")).await,
        "download": download.value(),
    })
}

async fn upload(worker: &Client, list: &str, scans: Value) -> Vec<Value> {
    let path = format!("/v1/check-in-lists/{list}/scans");
    let uploaded = worker.post(&path, &json!({"scans": scans})).await.expect(200).value();
    uploaded["results"].as_array().cloned().unwrap_or_default()
}

async fn a_door_of_another_organizer_learns_nothing_and_changes_nothing(house: House) {
    let tickets = house.issue(ORDER, 3).await;
    let mut codes = Vec::new();
    for ticket in &tickets {
        codes.push(house.code(&house.cara(), ticket).await);
    }
    let _voided = house.void_some(ORDER, &[&tickets[1]]).await;
    let _admitted = house.scan(&codes[2]).await.expect(201);
    let before = seen(&house, &tickets).await;

    let fred = house.fred();
    let new = json!({"event_id": FOREIGN_EVENT, "name": "Back door", "allows_reentry": true});
    let list = house.ben().post("/v1/check-in-lists", &new).await.expect(201).field("id");
    let at = house.sandbox.clock().now();
    for code in &codes {
        for door in [json!({"list_id": list}), json!({"event_id": FOREIGN_EVENT})] {
            for kind in ["entry", "exit"] {
                let mut scan = door.clone();
                (scan["code"], scan["kind"]) = (json!(code), json!(kind));
                let refused = fred.post("/v1/check-ins", &scan).await;
                let told = refused.expect_problem(422, "unknown-ticket-code").value();
                for secret in ["reason", "voided_at", "event_name", "admitted_at", "ticket_id"] {
                    assert!(told[secret].is_null(), "{told}");
                }
            }
        }
        let scans = json!([
            {"code": code, "at": at, "nonce": "1"},
            {"code": code, "at": at, "nonce": "2", "kind": "exit"},
            {"code": code, "at": at, "nonce": "3", "refused": "voided"},
            {"code": code, "at": at, "nonce": "4", "refused": "other_event", "kind": "exit"},
        ]);
        let mut results = upload(&fred, &list, scans.clone()).await;
        results.extend(upload(&fred, &FOREIGN_EVENT.to_string(), scans).await);
        for result in results {
            assert!(result["ticket_id"].is_null() && result["conflict"].is_null(), "{result}");
        }
    }
    assert_eq!(seen(&house, &tickets).await, before);

    let there = items(&fred, &format!("/v1/check-ins?event_id={FOREIGN_EVENT}")).await;
    assert!(!there.is_empty(), "the door keeps what it has seen");
    for scan in there {
        assert!(scan["refused"] == "unknown" && scan["ticket_id"].is_null(), "{scan}");
    }
    assert!(items(&fred, &format!("/v1/check-in-lists/{list}/conflicts")).await.is_empty());
    let _admitted = house.scan(&codes[0]).await.expect(201);
}

async fn a_door_of_another_event_is_told_of_the_event_and_admits_nobody(house: House) {
    let tickets = house.issue(ORDER, 2).await;
    let (good, void) = (&tickets[0], &tickets[1]);
    let code = house.code(&house.cara(), good).await;
    let void_code = house.code(&house.cara(), void).await;
    let _voided = house.void_some(ORDER, &[void]).await;
    let emil = house.emil();
    for code in [&code, &void_code] {
        let scan = json!({"code": code, "event_id": OTHER_EVENT});
        let refused = emil.post("/v1/check-ins", &scan).await;
        let told = refused.expect_problem(409, "ticket-for-other-event");
        assert!(told.value()["reason"].is_null());
    }
    let at = house.sandbox.clock().now();
    let scans = json!([
        {"code": code, "at": at, "nonce": "1"},
        {"code": code, "at": at, "nonce": "2", "kind": "exit"},
    ]);
    let results = upload(&emil, &OTHER_EVENT.to_string(), scans).await;
    assert_eq!(results[0], json!({"nonce": "1", "ticket_id": good, "conflict": "other_event"}));
    assert_eq!(results[1], json!({"nonce": "2", "ticket_id": good}));

    let shown = house.cara().get(&format!("/v1/tickets/{good}")).await.expect(200).value();
    assert_eq!((&shown["state"], &shown["admission"]), (&json!("valid"), &Value::Null));
    let conflicts = items(&emil, &format!("/v1/check-in-lists/{OTHER_EVENT}/conflicts")).await;
    assert_eq!(conflicts[0]["reason"], "other_event", "it is reported where it was");
    let there = items(&emil, &format!("/v1/check-ins?event_id={OTHER_EVENT}")).await;
    assert_eq!(there.len(), 4);
    assert!(items(&emil, &format!("/v1/check-ins?event_id={EVENT}")).await.is_empty());
    let _admitted = house.scan(&code).await.expect(201);
}

async fn a_device_whose_clock_is_ahead_locks_nobody_out(house: House) {
    let (ticket, code) = house.ticket().await;
    let list = house.list(json!({"name": "Garden", "allows_reentry": true})).await;
    let ahead = house.sandbox.clock().now() + Duration::from_hours(24);
    let scans = json!([{"code": code, "at": ahead, "nonce": "1"}]);
    for _ in 0..2 {
        let results = upload(&house.emil(), &list, scans.clone()).await;
        assert_eq!(results, [json!({"nonce": "1", "ticket_id": ticket})]);
    }
    let scans = items(&house.anna(), &format!("/v1/check-ins?event_id={EVENT}")).await;
    assert_eq!(scans.len(), 1);
    assert_eq!(scans[0]["device_at"], json!(ahead));
    let at: runtime::Timestamp = serde_json::from_value(scans[0]["at"].clone()).expect("a time");
    assert!(at <= house.sandbox.clock().now());

    for kind in ["exit", "entry", "exit", "entry"] {
        let scan = json!({"code": code, "list_id": list, "kind": kind});
        let _passed = house.emil().post("/v1/check-ins", &scan).await.expect(201);
    }
    let scan = json!({"code": code, "list_id": list});
    let copy = house.emil().post("/v1/check-ins", &scan).await;
    let _refused = copy.expect_problem(409, "already-admitted");
}

async fn a_revoked_code_that_was_let_in_offline_shuts_the_holder_out_nowhere(house: House) {
    let (ticket, old) = house.ticket().await;
    let download = async || {
        let path = format!("/v1/check-in-lists/{EVENT}/offline");
        house.emil().get(&path).await.expect(200)
    };
    let mut south = Device::new("south 2", download().await.bytes());
    let mut west = Device::new("west 1", download().await.bytes());
    let offered = house.cara().post(&format!("/v1/tickets/{ticket}/transfer"), &json!({}));
    let token = json!({"token": offered.await.expect(201).field("token")});
    let accepted = house.dan().post("/v1/tickets/transfers/accept", &token).await;
    let _accepted = accepted.expect(200);
    let new = house.code(&house.dan(), &ticket).await;

    let now = house.sandbox.clock().now();
    assert_eq!(west.enter(&old, now), Ok(()), "it cannot know");
    assert_eq!(west.enter(&new, now), Ok(()), "a later code is the good one");
    assert_eq!(west.enter(&old, now), Err("transferred"), "and the older one is revoked");
    west.leave(&old, now);
    assert_eq!(west.enter(&new, now), Err("already_admitted"), "its holder has not left");

    assert_eq!(south.enter(&old, now), Ok(()));
    let results = upload(&house.emil(), &EVENT.to_string(), json!(south.scans)).await;
    assert_eq!(results[0]["conflict"], "transferred");
    let shown = house.dan().get(&format!("/v1/tickets/{ticket}")).await.expect(200).value();
    assert_eq!((&shown["state"], &shown["admission"]), (&json!("valid"), &Value::Null));
    let downloaded = download().await;
    let listed = &downloaded.value()["tickets"][0];
    assert_eq!((&listed["serial"], &listed["used"]), (&json!(2), &Value::Null));
    let mut south = Device::new("south 2", downloaded.bytes());
    assert_eq!(south.enter(&new, now), Ok(()));

    let _admitted = house.scan(&new).await.expect(201);
    let _refused = house.scan(&new).await.expect_problem(409, "already-admitted");
    let conflicts = items(&house.anna(), &format!("/v1/check-in-lists/{EVENT}/conflicts")).await;
    let reasons: Vec<_> = conflicts.iter().map(|conflict| &conflict["reason"]).collect();
    assert_eq!(reasons, ["transferred"], "the report stays");
}

async fn a_void_ticket_that_was_let_in_offline_is_reported_and_not_admitted(house: House) {
    let (ticket, code) = house.ticket().await;
    let _voided = house.void(ORDER).await;
    let at = house.sandbox.clock().now();
    let scans = json!([{"code": code, "at": at, "nonce": "1"}]);
    let results = upload(&house.emil(), &EVENT.to_string(), scans).await;
    assert_eq!(results[0]["conflict"], "voided");
    let shown = house.cara().get(&format!("/v1/tickets/{ticket}")).await.expect(200).value();
    assert_eq!((&shown["state"], &shown["admission"]), (&json!("voided"), &Value::Null));
    let conflicts = items(&house.anna(), &format!("/v1/check-in-lists/{EVENT}/conflicts")).await;
    assert_eq!(conflicts.len(), 1);
}
