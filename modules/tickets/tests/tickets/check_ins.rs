//! `/v1/check-ins`: what happens at the doors.

use runtime::Clock as _;
use serde_json::json;
use uuid::Uuid;

use crate::{
    house::{BALCONY, EVENT, House, ORDER, OTHER_EVENT, STALLS, scan},
    on_both_databases,
};

on_both_databases! {
    a_ticket_lets_in_once_and_the_next_door_learns_when_and_where,
    two_doors_that_scan_one_ticket_at_once_let_one_person_in,
    a_scan_that_is_sent_again_is_no_second_one,
    a_forged_code_lets_nobody_in,
    a_void_ticket_lets_nobody_in,
    a_ticket_for_another_event_lets_nobody_in,
    only_those_who_work_there_may_scan,
    every_scan_of_a_ticket_is_listed,
    scanners_that_number_their_scans_alike_are_told_apart,
    every_refusal_of_a_door_has_a_problem_of_its_own,
    a_blocked_ticket_lets_nobody_in_until_it_is_unblocked,
    nobody_is_kept_from_leaving_and_reentry_is_for_lists_that_allow_it,
    codes_that_are_not_ours_are_recorded_where_they_were_shown,
    what_no_door_could_mean_is_refused,
}

async fn a_ticket_lets_in_once_and_the_next_door_learns_when_and_where(house: House) {
    let (ticket, code) = house.ticket().await;
    let admitted = house.scan(&code).await.expect(201);
    assert_eq!(
        (admitted.field("ticket_id"), admitted.field("entrance")),
        (ticket.clone(), "north".to_owned())
    );
    let second = house.anna().post("/v1/check-ins", &json!({"code": code})).await;
    let refused = second.expect_problem(409, "already-admitted");
    assert_eq!(refused.field("admitted_at"), admitted.field("admitted_at"));
    assert_eq!(refused.field("entrance"), "north");
    let ticket = house.cara().get(&format!("/v1/tickets/{ticket}")).await.expect(200);
    assert_eq!(ticket.field("state"), "admitted");
}

async fn two_doors_that_scan_one_ticket_at_once_let_one_person_in(house: House) {
    let codes = house.issue(ORDER, 8).await;
    for ticket in codes {
        let code = house.cara().get(&format!("/v1/tickets/{ticket}/code")).await.expect(200).text();
        let (one, other) = tokio::join!(house.scan(&code), house.scan(&code));
        let (first, second) = if one.status() == 201 { (one, other) } else { (other, one) };
        let _admitted = first.expect(201);
        let _refused = second.expect_problem(409, "already-admitted");
    }
}

async fn a_scan_that_is_sent_again_is_no_second_one(house: House) {
    let (_ticket, code) = house.ticket().await;
    let mut marked = scan(&code);
    marked["nonce"] = json!("door 1, scan 17");
    let emil = house.emil();
    let first = emil.post("/v1/check-ins", &marked).await.expect(201);
    let again = emil.post("/v1/check-ins", &marked).await.expect(201);
    assert_eq!(again.value(), first.value());
    let keyed = emil.post("/v1/check-ins", &marked).key("17").await.expect(201);
    assert_eq!(keyed.value(), first.value());
    let ticket = house.issue(Uuid::from_u128(2), 1).await.remove(0);
    let unmarked = scan(&house.code(&house.cara(), &ticket).await);
    let by_key = emil.post("/v1/check-ins", &unmarked).key("18").await.expect(201);
    let again = emil.post("/v1/check-ins", &unmarked).key("18").await.expect(201);
    assert_eq!(again.value(), by_key.value());
    let another = emil.post("/v1/check-ins", &unmarked).without_key().await;
    let _refused = another.expect_problem(409, "already-admitted");
    marked["nonce"] = json!("door 2, scan 4");
    let other = emil.post("/v1/check-ins", &marked).await;
    let _refused = other.expect_problem(409, "already-admitted");
    marked["nonce"] = json!("");
    let empty = emil.post("/v1/check-ins", &marked).await;
    let _refused = empty.expect_problem(422, "invalid-input");
}

async fn a_forged_code_lets_nobody_in(house: House) {
    let (_ticket, code) = house.ticket().await;
    let middle = code.len() / 2;
    let forged: String = code
        .char_indices()
        .map(|(at, letter)| match letter {
            'A' if at == middle => 'B',
            _ if at == middle => 'A',
            other => other,
        })
        .collect();
    for wrong in [forged.as_str(), "BX1.", "", "https://example.org/ticket", "BX2.ZmFrZQ"] {
        let _refused = house.scan(wrong).await.expect_problem(422, "unknown-ticket-code");
    }
    let _admitted = house.scan(&code).await.expect(201);
}

async fn a_void_ticket_lets_nobody_in(house: House) {
    let (_ticket, code) = house.ticket().await;
    for _ in 0..2 {
        assert!(house.void(ORDER).await["Ok"].is_object());
    }
    let refused = house.scan(&code).await.expect_problem(409, "ticket-voided");
    assert_eq!(refused.field("reason"), "refunded");
}

async fn a_ticket_for_another_event_lets_nobody_in(house: House) {
    let (_ticket, code) = house.ticket().await;
    let mut elsewhere = scan(&code);
    elsewhere["event_id"] = json!(OTHER_EVENT);
    let refused = house.emil().post("/v1/check-ins", &elsewhere).await;
    let refused = refused.expect_problem(409, "ticket-for-other-event");
    assert_eq!(refused.field("event_name"), "Quartet by the river");
    let _admitted = house.scan(&code).await.expect(201);
}

async fn only_those_who_work_there_may_scan(house: House) {
    let (_ticket, code) = house.ticket().await;
    for stranger in [house.cara(), house.ben(), house.fred()] {
        let refused = stranger.post("/v1/check-ins", &scan(&code)).await;
        let _refused = refused.expect_problem(403, "forbidden");
    }
    let blind = house.cara().post("/v1/check-ins", &scan("BX1.ZmFrZQ")).await;
    let _refused = blind.expect_problem(403, "forbidden");
    let anonymous = house.public().post("/v1/check-ins", &scan(&code)).without_key().await;
    let _refused = anonymous.expect_problem(401, "unauthenticated");
    let _admitted = house.anna().post("/v1/check-ins", &scan(&code)).await.expect(201);
}

async fn every_scan_of_a_ticket_is_listed(house: House) {
    let (_ticket, code) = house.ticket().await;
    let _admitted = house.scan(&code).await.expect(201);
    let _second = house.scan(&code).await.expect_problem(409, "already-admitted");
    let _voided = house.void(ORDER).await;
    let _third = house.scan(&code).await.expect_problem(409, "ticket-voided");

    let path = format!("/v1/check-ins?event_id={EVENT}");
    for reader in [house.emil(), house.anna()] {
        let listed = reader.get(&path).await.expect(200).value();
        let refusals: Vec<_> = (0..4).map(|at| listed["items"][at]["refused"].clone()).collect();
        assert_eq!(
            refusals,
            [json!("voided"), json!("already_admitted"), json!(null), json!(null)]
        );
        assert_eq!(listed["items"].as_array().map(Vec::len), Some(3));
    }
    for stranger in [house.cara(), house.ben(), house.fred()] {
        let _hidden = stranger.get(&path).await.expect_problem(404, "not-found");
    }
}

async fn scanners_that_number_their_scans_alike_are_told_apart(house: House) {
    let (_ticket, code) = house.ticket().await;
    let numbered = json!({"code": code, "nonce": "1"});
    let first = house.emil().post("/v1/check-ins", &numbered).await.expect(201);
    let again = house.emil().post("/v1/check-ins", &numbered).await.expect(201);
    assert_eq!(again.value(), first.value());
    for (scanner, device) in [(house.anna(), None), (house.emil(), Some("south 2"))] {
        let mut scan = numbered.clone();
        if let Some(device) = device {
            scan["device"] = json!(device);
        }
        for _ in 0..2 {
            let other = scanner.post("/v1/check-ins", &scan).await;
            let _refused = other.expect_problem(409, "already-admitted");
        }
    }
    let scans = house.anna().get(&format!("/v1/check-ins?event_id={EVENT}")).await.expect(200);
    assert_eq!(scans.value()["items"].as_array().map(Vec::len), Some(3), "each was made once");
}

async fn every_refusal_of_a_door_has_a_problem_of_its_own(house: House) {
    let now = house.sandbox.clock().now();
    let hour = std::time::Duration::from_hours(1);
    let lists = [
        (json!({"name": "Balcony", "ticket_type_ids": [BALCONY]}), "ticket-for-other-list"),
        (json!({"name": "Tomorrow", "valid_from": now + hour}), "ticket-not-yet-valid"),
        (json!({"name": "Yesterday", "valid_until": now - hour}), "ticket-no-longer-valid"),
    ];
    let (ticket, code) = house.ticket().await;
    for (terms, slug) in lists {
        let list = house.list(terms).await;
        let scan = json!({"code": code, "list_id": list});
        let _refused = house.emil().post("/v1/check-ins", &scan).await.expect_problem(409, slug);
        let scans = format!("/v1/check-ins?event_id={EVENT}&list_id={list}");
        let scans = house.emil().get(&scans).await.expect(200).value();
        let reason = slug.trim_start_matches("ticket-").replace("for-", "").replace('-', "_");
        assert_eq!(scans["items"][0]["refused"], reason);
        assert_eq!(scans["items"][0]["ticket_id"], ticket);
        assert_eq!(scans["items"].as_array().map(Vec::len), Some(1));
    }
    let stalls = house.list(json!({"name": "Stalls", "ticket_type_ids": [STALLS]})).await;
    let scan = json!({"code": code, "list_id": stalls});
    let admitted = house.emil().post("/v1/check-ins", &scan).await.expect(201);
    assert_eq!(admitted.field("list_id"), stalls);
    assert_eq!(admitted.value()["seat"]["number"], "1");
}

async fn a_blocked_ticket_lets_nobody_in_until_it_is_unblocked(house: House) {
    let (ticket, code) = house.ticket().await;
    let (block, unblock) =
        (format!("/v1/tickets/{ticket}/block"), format!("/v1/tickets/{ticket}/unblock"));
    let unpaid = json!({"reason": "the charge is disputed", "unpaid": true});
    for stranger in [house.dan(), house.ben(), house.fred(), house.emil()] {
        let _hidden = stranger.post(&block, &unpaid).await.expect_problem(404, "not-found");
        let _hidden = stranger.post(&unblock, &json!({})).await.expect_problem(404, "not-found");
    }
    let _refused = house.cara().post(&block, &unpaid).await.expect_problem(403, "forbidden");
    let cases = [
        (unpaid, "ticket-unpaid", "the charge is disputed"),
        (json!({"reason": "stolen"}), "ticket-blocked", "stolen"),
    ];
    for (input, slug, reason) in cases {
        let blocked = house.anna().post(&block, &input).await.expect(200);
        assert_eq!(blocked.field("state"), "blocked");
        let refused = house.scan(&code).await.expect_problem(409, slug);
        assert_eq!(refused.field("reason"), reason);
    }
    let empty = house.anna().post(&block, &json!({"reason": " "})).await;
    let _refused = empty.expect_problem(422, "invalid-input");
    let free = house.anna().post(&unblock, &json!({})).await.expect(200);
    assert_eq!(free.field("state"), "valid");
    let _admitted = house.scan(&code).await.expect(201);
}

async fn nobody_is_kept_from_leaving_and_reentry_is_for_lists_that_allow_it(house: House) {
    let (_ticket, code) = house.ticket().await;
    let list = house.list(json!({"name": "Garden", "allows_reentry": true})).await;
    let entry = json!({"code": code, "list_id": list});
    let exit = json!({"code": code, "list_id": list, "kind": "exit"});
    let emil = house.emil();
    let _early = emil.post("/v1/check-ins", &exit).await.expect(201);
    let _in = emil.post("/v1/check-ins", &entry).await.expect(201);
    let inside = emil.post("/v1/check-ins", &entry).await;
    let _refused = inside.expect_problem(409, "already-admitted");
    let out = emil.post("/v1/check-ins", &exit).await.expect(201).value();
    assert!(out["left_at"].is_string() && out["admitted_at"].is_null(), "{out}");
    let _in_again = emil.post("/v1/check-ins", &entry).await.expect(201);

    let _once = house.scan(&code).await.expect(201);
    let exit = json!({"code": code, "kind": "exit"});
    let _out = emil.post("/v1/check-ins", &exit).await.expect(201);
    let _refused = house.scan(&code).await.expect_problem(409, "already-admitted");
    let _voided = house.void(ORDER).await;
    let _out = emil.post("/v1/check-ins", &exit).await.expect(201);
}

async fn codes_that_are_not_ours_are_recorded_where_they_were_shown(house: House) {
    let shown = json!({"code": "BX2.ZmFrZQ", "event_id": EVENT, "entrance": "north", "nonce": "7"});
    for _ in 0..2 {
        let refused = house.emil().post("/v1/check-ins", &shown).await;
        let _refused = refused.expect_problem(422, "unknown-ticket-code");
    }
    let stranger = house.fred().post("/v1/check-ins", &shown).await;
    let _refused = stranger.expect_problem(403, "forbidden");
    let scans = house.emil().get(&format!("/v1/check-ins?event_id={EVENT}")).await.expect(200);
    let scans = scans.value();
    assert_eq!(scans["items"].as_array().map(Vec::len), Some(1));
    assert_eq!(scans["items"][0]["refused"], "unknown");
    assert_eq!(scans["items"][0]["entrance"], "north");
    assert!(scans["items"][0]["ticket_id"].is_null());
}

async fn what_no_door_could_mean_is_refused(house: House) {
    let (_ticket, code) = house.ticket().await;
    let nothing = "00000000-0000-0000-0000-000000000001";
    for (wrong, pointer) in [
        (json!({"code": code, "list_id": nothing}), "/list_id"),
        (json!({"code": code, "event_id": nothing}), "/event_id"),
        (json!({"code": code, "list_id": EVENT, "event_id": OTHER_EVENT}), "/event_id"),
        (json!({"code": code, "device": ""}), "/device"),
        (json!({"code": code, "entrance": "north\nsouth"}), "/entrance"),
        (json!({"code": code, "entrance": "\u{202e}htuos"}), "/entrance"),
        (json!({"code": code, "nonce": "1\u{0}"}), "/nonce"),
        (json!({"code": code, "kind": "sideways"}), "/kind"),
    ] {
        let refused = house.emil().post("/v1/check-ins", &wrong).await;
        let refused = refused.expect_problem(422, "invalid-input");
        assert_eq!(refused.value()["errors"][0]["pointer"], pointer, "{refused}");
    }
    let _admitted = house.scan(&code).await.expect(201);
}
