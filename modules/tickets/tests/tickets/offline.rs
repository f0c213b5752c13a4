//! Doors without a network: what they download, how they decide, and what becomes of it afterwards.

use std::{fs, path::Path, time::Duration};

use contracts::tickets::TicketPosition;
use runtime::Clock as _;
use serde_json::{Value, json};
use testkit::Reply;
use uuid::Uuid;

use crate::{
    device::Device,
    house::{BALCONY, EMIL, EVENT, House, ORDER, OTHER_EVENT, STALLS},
    on_both_databases,
};

on_both_databases! {
    a_device_decides_with_nothing_but_what_it_has_downloaded,
    a_device_knows_who_is_in_and_who_has_left,
    no_forged_code_gets_past_a_device,
    a_download_is_sent_again_only_when_it_has_changed,
    what_was_decided_without_a_network_is_recorded_once_with_its_own_times,
    two_doors_that_admitted_copies_are_reported_with_their_times,
    history_is_never_rejected,
    an_upload_that_makes_no_sense_is_refused_with_everything_that_is_wrong,
}

async fn download(house: &House, list: &str) -> Reply {
    house.emil().get(&format!("/v1/check-in-lists/{list}/offline")).await.expect(200)
}

async fn device(house: &House, name: &str) -> Device {
    Device::new(name, download(house, &EVENT.to_string()).await.bytes())
}

async fn upload(house: &House, body: &Value) -> Vec<Value> {
    let path = format!("/v1/check-in-lists/{EVENT}/scans");
    let uploaded = house.emil().post(&path, body).await.expect(200).value();
    uploaded["results"].as_array().cloned().unwrap_or_default()
}

async fn conflicts(house: &House) -> Vec<Value> {
    let path = format!("/v1/check-in-lists/{EVENT}/conflicts");
    let listed = house.anna().get(&path).await.expect(200).value();
    listed["items"].as_array().cloned().unwrap_or_default()
}

fn position(ticket_type_id: Uuid) -> TicketPosition {
    TicketPosition {
        ticket_type_id,
        ticket_type_name: "Any".to_owned(),
        position: 1,
        seat: None,
        valid_from: None,
        valid_until: None,
    }
}

async fn a_device_decides_with_nothing_but_what_it_has_downloaded(house: House) {
    let now = house.sandbox.clock().now();
    let hour = Duration::from_hours(1);
    let tickets = house.issue(ORDER, 6).await;
    let mut codes = Vec::new();
    for ticket in &tickets {
        codes.push(house.code(&house.cara(), ticket).await);
    }
    let _voided = house.void_some(ORDER, &[&tickets[1]]).await;
    let offered = house.cara().post(&format!("/v1/tickets/{}/transfer", tickets[2]), &json!({}));
    let token = json!({"token": offered.await.expect(201).field("token")});
    let accepted = house.dan().post("/v1/tickets/transfers/accept", &token).await;
    let _accepted = accepted.expect(200);
    let block = |at: usize| format!("/v1/tickets/{}/block", tickets[at]);
    let blocked = json!({"reason": "stolen"});
    let _blocked = house.anna().post(&block(3), &blocked).await.expect(200);
    let unpaid = json!({"reason": "disputed", "unpaid": true});
    let _blocked = house.anna().post(&block(4), &unpaid).await.expect(200);
    let _admitted = house.scan(&codes[5]).await.expect(201);
    let mut others = Vec::new();
    for (order, event, change) in [
        (11, OTHER_EVENT, position(STALLS)),
        (12, EVENT, TicketPosition { valid_from: Some(now + hour), ..position(STALLS) }),
        (13, EVENT, TicketPosition { valid_until: Some(now - hour), ..position(STALLS) }),
    ] {
        let ticket = house.issue_positions(Uuid::from_u128(order), event, vec![change]).await;
        others.push(house.code(&house.cara(), &ticket[0]).await);
    }

    let mut door = device(&house, "south 2").await;
    let sold_since = house.issue(Uuid::from_u128(14), 1).await.remove(0);
    let sold_since = house.code(&house.cara(), &sold_since).await;
    let passed_on = house.code(&house.dan(), &tickets[2]).await;
    for good in [&codes[0], &sold_since, &passed_on] {
        assert_eq!(door.enter(good, now), Ok(()));
        assert_eq!(door.enter(good, now), Err("already_admitted"), "a copy");
    }
    for (code, reason) in [
        (&codes[1], "voided"),
        (&codes[2], "transferred"),
        (&codes[3], "blocked"),
        (&codes[4], "unpaid"),
        (&codes[5], "already_admitted"),
        (&others[0], "other_event"),
        (&others[1], "not_yet_valid"),
        (&others[2], "no_longer_valid"),
    ] {
        assert_eq!(door.enter(code, now), Err(reason));
    }

    let balcony = house.list(json!({"name": "Balcony", "ticket_type_ids": [BALCONY]})).await;
    let mut balcony = Device::new("balcony", download(&house, &balcony).await.bytes());
    assert_eq!(balcony.enter(&codes[0], now), Err("other_list"));
    let tomorrow = house.list(json!({"name": "Tomorrow", "valid_from": now + hour})).await;
    let mut tomorrow = Device::new("tomorrow", download(&house, &tomorrow).await.bytes());
    assert_eq!(tomorrow.enter(&codes[0], now), Err("not_yet_valid"));
    assert_eq!(tomorrow.enter(&codes[0], now + hour), Ok(()));
}

async fn a_device_knows_who_is_in_and_who_has_left(house: House) {
    let (_ticket, code) = house.ticket().await;
    let now = house.sandbox.clock().now();
    let list = house.list(json!({"name": "Garden", "allows_reentry": true})).await;
    let scan = |kind: &str| json!({"code": code, "list_id": list, "kind": kind});
    let _in = house.emil().post("/v1/check-ins", &scan("entry")).await.expect(201);
    let mut door = Device::new("garden", download(&house, &list).await.bytes());
    assert_eq!(door.enter(&code, now), Err("already_admitted"));
    door.leave(&code, now);
    assert_eq!(door.enter(&code, now), Ok(()));
    let _out = house.emil().post("/v1/check-ins", &scan("exit")).await.expect(201);
    let mut door = Device::new("garden", download(&house, &list).await.bytes());
    assert_eq!(door.enter(&code, now), Ok(()));
}

async fn no_forged_code_gets_past_a_device(house: House) {
    let (_ticket, code) = house.ticket().await;
    let now = house.sandbox.clock().now();
    let mut door = device(&house, "south 2").await;
    let letters: Vec<char> = code.chars().collect();
    for at in 0..letters.len() {
        let mut forged = letters.clone();
        forged[at] = if forged[at] == 'A' { 'B' } else { 'A' };
        let forged: String = forged.into_iter().collect();
        assert_eq!(door.enter(&forged, now), Err("unknown"), "letter {at}");
    }
    let cut = code.trim_end_matches(|letter| code.ends_with(letter));
    for forged in ["", "BX2.", "BX2.AAAA", "https://example.org", cut] {
        assert_eq!(door.enter(forged, now), Err("unknown"));
    }
    assert_eq!(door.enter(&code, now), Ok(()));
}

async fn a_download_is_sent_again_only_when_it_has_changed(house: House) {
    let tickets = house.issue(ORDER, 2).await;
    let path = format!("/v1/check-in-lists/{EVENT}/offline");
    let first = download(&house, &EVENT.to_string()).await;
    let again = house.emil().get(&path).header("if-none-match", &first.etag()).await;
    assert!(again.expect(304).bytes().is_empty());
    let _voided = house.void_some(ORDER, &[&tickets[0]]).await;
    let changed = house.emil().get(&path).header("if-none-match", &first.etag()).await;
    let changed = changed.expect(200);
    assert_ne!(changed.etag(), first.etag());
    let revocations = json!([{"ticket_id": tickets[0], "up_to_serial": 1, "reason": "voided"}]);
    assert_eq!(changed.value()["revocations"], revocations);
    let keys = house.public().get("/v1/tickets/keys").await.expect(200).value();
    assert_eq!(changed.value()["keys"], keys["keys"]);
}

async fn what_was_decided_without_a_network_is_recorded_once_with_its_own_times(house: House) {
    let (ticket, code) = house.ticket().await;
    let now = house.sandbox.clock().now();
    let mut door = device(&house, "south 2").await;
    assert_eq!(door.enter(&code, now), Ok(()));
    let copy = now + Duration::from_mins(1);
    assert_eq!(door.enter(&code, copy), Err("already_admitted"));
    assert_eq!(door.enter("no code", copy), Err("unknown"));
    door.leave(&code, now + Duration::from_mins(2));

    house.sandbox.clock().advance(jiff::SignedDuration::from_mins(30));
    let first = upload(&house, &door.upload()).await;
    let again = upload(&house, &door.upload()).await;
    assert_eq!(first, again, "a lost answer is asked for again");
    assert_eq!(first.len(), 4);
    assert_eq!(first[0], json!({"nonce": door.scans[0]["nonce"], "ticket_id": ticket}));
    assert_eq!(first[2], json!({"nonce": door.scans[2]["nonce"]}), "no ticket of ours");
    assert!(conflicts(&house).await.is_empty());

    let scans = house.anna().get(&format!("/v1/check-ins?event_id={EVENT}")).await.expect(200);
    let scans = scans.value()["items"].as_array().cloned().unwrap_or_default();
    assert_eq!(scans.len(), 4);
    let entry = scans.iter().find(|scan| scan["kind"] == "entry" && scan["refused"].is_null());
    let entry = entry.expect("the entry");
    assert_eq!(entry["at"], json!(now));
    assert_eq!(entry["device"], "south 2");
    assert_eq!(entry["by"], format!("user:{EMIL}"));
    assert_eq!(entry["offline"], true);
    let shown = house.cara().get(&format!("/v1/tickets/{ticket}")).await.expect(200).value();
    assert_eq!((&shown["state"], &shown["admission"]["at"]), (&json!("admitted"), &json!(now)));
    let _refused = house.scan(&code).await.expect_problem(409, "already-admitted");
}

async fn two_doors_that_admitted_copies_are_reported_with_their_times(house: House) {
    let (ticket, code) = house.ticket().await;
    let now = house.sandbox.clock().now();
    let mut south = device(&house, "south 2").await;
    let mut west = device(&house, "west 1").await;
    let later = |seconds| now + Duration::from_secs(seconds);
    assert_eq!(south.enter(&code, later(30)), Ok(()));
    assert_eq!(west.enter(&code, later(60)), Ok(()), "it cannot know");
    let online = house.scan(&code).await.expect(201);
    house.sandbox.clock().advance(jiff::SignedDuration::from_mins(2));

    for door in [&west, &south] {
        for _ in 0..2 {
            let results = upload(&house, &door.upload()).await;
            assert_eq!(results[0]["conflict"], "already_admitted");
        }
    }
    let reported = conflicts(&house).await;
    assert_eq!(reported.len(), 2, "each once: {reported:#?}");
    for (conflict, (device, at)) in
        reported.iter().zip([("south 2", later(30)), ("west 1", later(60))])
    {
        assert_eq!(conflict["ticket_id"], ticket);
        assert_eq!(conflict["order_id"], json!(ORDER));
        assert_eq!(conflict["reason"], "already_admitted");
        let admitted = &conflict["admitted"];
        assert_eq!((&admitted["device"], &admitted["at"]), (&json!(device), &json!(at)));
        assert_eq!(admitted["by"], json!(EMIL));
        assert_eq!(conflict["other"]["entrance"], "north");
        assert_eq!(conflict["other"]["at"], online.value()["admitted_at"]);
    }
}

async fn history_is_never_rejected(house: House) {
    let (_ticket, code) = house.ticket().await;
    let now = house.sandbox.clock().now();
    let list = house.list(json!({"name": "Garden"})).await;
    let mut door = Device::new("garden", download(&house, &list).await.bytes());
    assert_eq!(door.enter(&code, now), Ok(()));
    let _voided = house.void(ORDER).await;
    let path = format!("/v1/check-in-lists/{list}");
    let etag = house.anna().get(&path).await.expect(200).etag();
    let _gone = house.anna().delete(&path).if_match(&etag).await.expect(204);

    let scans = format!("{path}/scans");
    let uploaded = house.emil().post(&scans, &door.upload()).await.expect(200).value();
    assert_eq!(uploaded["results"][0]["conflict"], "voided");
    let conflicts = house.anna().get(&format!("{path}/conflicts")).await.expect(200).value();
    assert_eq!(conflicts["items"][0]["reason"], "voided");
    assert!(conflicts["items"][0]["other"].is_null());
    let ancient = json!({"scans": [
        {"code": code, "at": "1970-01-01T00:00:00Z", "nonce": "1", "kind": "exit"},
        {"code": code, "at": "9999-12-30T00:00:00Z", "nonce": "2", "refused": "voided"},
    ]});
    let _taken = house.emil().post(&scans, &ancient).await.expect(200);
}

async fn an_upload_that_makes_no_sense_is_refused_with_everything_that_is_wrong(house: House) {
    let path = format!("/v1/check-in-lists/{EVENT}/scans");
    let scan = json!({"code": "x", "at": "2027-06-18T17:30:00Z", "nonce": ""});
    for (wrong, pointers) in [
        (json!({"scans": []}), vec!["/scans"]),
        (json!({"scans": [scan, scan]}), vec!["/scans/0/nonce", "/scans/1/nonce"]),
        (json!({"scans": [{"code": "x", "at": "noon", "nonce": "1"}]}), vec!["/scans/0/at"]),
        (
            json!({"scans": [
                {"code": "x", "at": "2027-06-18T17:30:00Z", "nonce": "1"},
                {"code": "x", "at": "2027-06-18T17:30:00Z", "nonce": "2\u{0}", "entrance": "a\nb"},
            ]}),
            vec!["/scans/1/entrance", "/scans/1/nonce"],
        ),
        (
            json!({"scans": [{"code": "x", "at": "2027-06-18T17:30:00Z", "nonce": "1",
                "refused": "bored"}]}),
            vec!["/scans/0/refused"],
        ),
    ] {
        let refused = house.emil().post(&path, &wrong).await;
        let refused = refused.expect_problem(422, "invalid-input").value();
        let faults = refused["errors"].as_array().cloned().unwrap_or_default();
        let found: Vec<_> = faults.iter().map(|fault| fault["pointer"].clone()).collect();
        assert_eq!(found, pointers);
    }
}

/// `docs/offline-check-in.md` shows the device that is tested here, word for word. After a change run
/// with `UPDATE_DOCS=1`.
#[test]
#[expect(clippy::disallowed_methods, reason = "whoever runs the test says whether to write")]
fn the_documentation_shows_the_device_as_it_is_tested() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/offline-check-in.md");
    let page = fs::read_to_string(&path).expect("the page is there");
    let (before, rest) = page.split_once("```rust\n").expect("the page has an example");
    let (shown, after) = rest.split_once("```\n").expect("the example ends");
    let device = include_str!("device.rs").replace("pub(crate) ", "pub ");
    if std::env::var_os("UPDATE_DOCS").is_some() {
        let page = format!("{before}```rust\n{device}```\n{after}");
        return fs::write(&path, page).expect("the page is written");
    }
    assert!(shown == device, "run this test with UPDATE_DOCS=1, and commit what it wrote");
}
