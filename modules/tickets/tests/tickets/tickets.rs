//! `/v1/tickets`: who sees which, and the code in its forms.

use aws_lc_rs::signature::{ED25519, UnparsedPublicKey};
use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use serde_json::{Value, json};
use testkit::Reply;
use uuid::Uuid;

use crate::{
    house::{EVENT, House, ORDER},
    on_both_databases,
};

on_both_databases! {
    an_order_gets_its_tickets_once,
    an_order_that_was_called_off_gets_none,
    tickets_are_seen_by_their_holder_and_those_who_run_the_event,
    tickets_come_in_pages,
    a_code_comes_as_text_and_in_two_kinds_of_pictures,
    a_code_is_for_its_holder_alone,
    a_door_without_a_network_can_tell_a_genuine_code,
    other_services_find_the_tickets_of_an_order_with_their_seats,
    some_tickets_of_an_order_become_worthless,
}

fn ids(page: &Reply) -> Vec<String> {
    let page = page.value();
    let items = page["items"].as_array().cloned().unwrap_or_default();
    items.iter().filter_map(|ticket| ticket["id"].as_str().map(str::to_owned)).collect()
}

async fn an_order_gets_its_tickets_once(house: House) {
    let first = house.issue(ORDER, 3).await;
    assert_eq!(first.len(), 3);
    assert_eq!(house.issue(ORDER, 3).await, first);
    let path = format!("/v1/tickets?order_id={ORDER}");
    assert_eq!(ids(&house.cara().get(&path).await.expect(200)), first);
}

async fn an_order_that_was_called_off_gets_none(house: House) {
    assert_eq!(house.void(ORDER).await["Ok"]["ticket_ids"], Value::Array(Vec::new()));
    let late = house.public().post(
        "/v1/probe/issue",
        &json!({
            "order_id": ORDER, "holder_id": EVENT, "event_id": EVENT, "event_name": "",
            "organizer_id": EVENT, "starts_at": "2027-06-18T18:00:00Z", "venue_name": "",
            "time_zone": "", "positions": [],
        }),
    );
    assert_eq!(late.await.value()["Err"]["code"], "voided");
}

async fn tickets_are_seen_by_their_holder_and_those_who_run_the_event(house: House) {
    let ticket = house.issue(ORDER, 1).await.remove(0);
    let (path, of_event) =
        (format!("/v1/tickets/{ticket}"), format!("/v1/tickets?event_id={EVENT}"));
    for reader in [house.cara(), house.anna(), house.admin()] {
        assert_eq!(reader.get(&path).await.expect(200).field("state"), "valid");
    }
    for other in [house.ben(), house.dan()] {
        let _hidden = other.get(&path).await.expect_problem(404, "not-found");
        let _hidden = other.get(&of_event).await.expect_problem(404, "not-found");
        assert!(ids(&other.get("/v1/tickets").await.expect(200)).is_empty());
    }
    for reader in [house.anna(), house.emil(), house.admin()] {
        assert_eq!(ids(&reader.get(&of_event).await.expect(200)), std::slice::from_ref(&ticket));
    }
    let anonymous = house.public().get("/v1/tickets").await;
    let _refused = anonymous.expect_problem(401, "unauthenticated");
}

async fn tickets_come_in_pages(house: House) {
    let mut all = house.issue(ORDER, 3).await;
    all.extend(house.issue(Uuid::from_u128(2), 2).await);
    let (mut seen, mut path) = (Vec::new(), "/v1/tickets?limit=2".to_owned());
    loop {
        let page = house.cara().get(&path).await.expect(200);
        seen.extend(ids(&page));
        let Some(cursor) = page.value()["next_cursor"].as_str().map(str::to_owned) else { break };
        path = format!("/v1/tickets?limit=2&cursor={cursor}");
    }
    all.sort();
    assert_eq!(seen, all);
}

async fn a_code_comes_as_text_and_in_two_kinds_of_pictures(house: House) {
    let (ticket, text) = house.ticket().await;
    assert!(text.starts_with("BX2."), "{text}");
    let path = format!("/v1/tickets/{ticket}/code");
    let forms = [
        ("svg", "image/svg+xml", b"<?xml".as_slice()),
        ("png", "image/png", b"\x89PNG".as_slice()),
        ("text", "text/plain; charset=utf-8", text.as_bytes()),
    ];
    for (format, media_type, beginning) in forms {
        let by_name = house.cara().get(&format!("{path}?format={format}")).await.expect(200);
        let bare = media_type.split(';').next().unwrap_or_default();
        let by_type = house.cara().get(&path).header("accept", bare).await.expect(200);
        for code in [by_name, by_type] {
            assert_eq!(code.header("content-type"), Some(media_type));
            assert_eq!(code.header("cache-control"), Some("private, no-store"));
            assert!(code.bytes().starts_with(beginning), "{code}");
        }
    }
    let wrong = house.cara().get(&format!("{path}?format=gif")).await;
    let _refused = wrong.expect_problem(422, "invalid-input");
}

async fn a_code_is_for_its_holder_alone(house: House) {
    let (ticket, _code) = house.ticket().await;
    let path = format!("/v1/tickets/{ticket}/code");
    for other in [house.dan(), house.anna(), house.emil(), house.admin()] {
        let _hidden = other.get(&path).await.expect_problem(404, "not-found");
    }
    let _voided = house.void(ORDER).await;
    let worthless = house.cara().get(&path).await.expect_problem(409, "ticket-voided");
    assert_eq!(worthless.field("reason"), "refunded");
    assert!(worthless.value()["voided_at"].is_string(), "{worthless}");
    let ticket = house.cara().get(&format!("/v1/tickets/{ticket}")).await.expect(200);
    assert_eq!(ticket.field("state"), "voided");
}

async fn a_door_without_a_network_can_tell_a_genuine_code(house: House) {
    let (_ticket, code) = house.ticket().await;
    let keys = house.public().get("/v1/tickets/keys").await.expect(200).value();
    let public_key = keys["keys"][0]["public_key"].as_str().expect("a key");
    let public_key = STANDARD.decode(public_key).expect("base64");
    let signed = URL_SAFE_NO_PAD.decode(code.trim_start_matches("BX2.")).expect("base64url");
    let (said, signature) = signed.split_at(signed.len() - 64);
    UnparsedPublicKey::new(&ED25519, public_key).verify(said, signature).expect("it is genuine");
    let key_id = said.iter().take(4).fold(String::new(), |id, byte| format!("{id}{byte:02x}"));
    assert_eq!(keys["keys"][0]["id"], key_id);
}

async fn other_services_find_the_tickets_of_an_order_with_their_seats(house: House) {
    assert_eq!(house.ask("find", ORDER).await["tickets"], json!([]));
    let tickets = house.issue(ORDER, 2).await;
    let found = house.ask("find", ORDER).await;
    assert_eq!(
        found["tickets"][1],
        json!({
            "ticket_id": tickets[1],
            "position": 2,
            "ticket_type_name": "Stalls",
            "seat": {"section": "Stalls", "row": "A", "number": "2"},
            "state": "valid",
        })
    );
    let shown = house.cara().get(&format!("/v1/tickets/{}", tickets[1])).await.expect(200).value();
    assert_eq!(shown["seat"], found["tickets"][1]["seat"]);
    assert_eq!(shown["position"], 2);
}

async fn some_tickets_of_an_order_become_worthless(house: House) {
    let tickets = house.issue(ORDER, 3).await;
    let first = tickets[0].as_str();
    for _ in 0..2 {
        let voided = house.void_some(ORDER, &[first]).await;
        assert_eq!(voided["Ok"]["ticket_ids"], json!([first]));
    }
    let unknown = house.void_some(ORDER, &["00000000-0000-0000-0000-000000000001"]).await;
    assert_eq!(unknown["Err"]["code"], "ticket_unknown");
    let states = async || {
        let found = house.ask("find", ORDER).await["tickets"].clone();
        let found = found.as_array().cloned().unwrap_or_default();
        found.iter().map(|ticket| ticket["state"].clone()).collect::<Vec<_>>()
    };
    assert_eq!(states().await, ["voided", "valid", "valid"]);
    assert_eq!(house.issue(ORDER, 3).await, tickets, "the others stay");
    let all = house.void(ORDER).await;
    assert_eq!(all["Ok"]["ticket_ids"], json!(tickets));
    assert_eq!(states().await, ["voided", "voided", "voided"]);
}
