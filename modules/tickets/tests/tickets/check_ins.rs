//! `/v1/check-ins`: what happens at the doors.

use serde_json::json;
use uuid::Uuid;

use crate::{
    house::{EVENT, House, ORDER, scan},
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
    for wrong in [forged.as_str(), "BX1.", "", "https://example.org/ticket", "BX1.ZmFrZQ"] {
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
    elsewhere["event_id"] = json!(Uuid::from_u128(0xE2));
    let refused = house.emil().post("/v1/check-ins", &elsewhere).await;
    let refused = refused.expect_problem(409, "ticket-for-other-event");
    assert_eq!(refused.field("event_name"), "Quartet by the river");
    let _admitted = house.scan(&code).await.expect(201);
}

async fn only_those_who_work_there_may_scan(house: House) {
    let (_ticket, code) = house.ticket().await;
    for stranger in [house.cara(), house.ben()] {
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
    for stranger in [house.cara(), house.ben()] {
        let _hidden = stranger.get(&path).await.expect_problem(404, "not-found");
    }
}
