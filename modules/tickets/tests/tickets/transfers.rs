//! Passing a ticket on.

use jiff::SignedDuration;
use serde_json::{Value, json};
use testkit::Reply;

use crate::{
    house::{House, ORDER},
    on_both_databases,
};

on_both_databases! {
    a_ticket_that_was_passed_on_has_another_code_and_the_old_one_is_revoked,
    a_link_that_was_withdrawn_replaced_or_expired_gives_nothing,
    of_two_who_accept_at_once_one_gets_the_ticket,
    only_the_holder_passes_a_ticket_on,
    what_was_used_is_worthless_or_blocked_stays_where_it_is,
}

const ACCEPT: &str = "/v1/tickets/transfers/accept";

async fn offer(house: &House, ticket: &str) -> Reply {
    house.cara().post(&format!("/v1/tickets/{ticket}/transfer"), &json!({})).await
}

fn token(offered: &Reply) -> Value {
    json!({"token": offered.field("token")})
}

async fn a_ticket_that_was_passed_on_has_another_code_and_the_old_one_is_revoked(house: House) {
    let (ticket, old) = house.ticket().await;
    let link = offer(&house, &ticket).await.expect(201);
    let path = format!("/v1/tickets/{ticket}");
    let waiting = house.cara().get(&path).await.expect(200);
    assert_eq!(waiting.field("transfer_expires_at"), link.field("expires_at"));
    assert_eq!(house.code(&house.cara(), &ticket).await, old, "nothing has changed yet");
    let own = house.cara().post(ACCEPT, &token(&link)).await;
    let _refused = own.expect_problem(409, "own-ticket");
    let anonymous = house.public().post(ACCEPT, &token(&link)).await;
    let _refused = anonymous.expect_problem(401, "unauthenticated");

    for _ in 0..2 {
        let accepted = house.dan().post(ACCEPT, &token(&link)).await.expect(200);
        assert_eq!(accepted.field("id"), ticket);
    }
    let _hidden = house.cara().get(&path).await.expect_problem(404, "not-found");
    let hidden = house.cara().get(&format!("{path}/code")).await;
    let _hidden = hidden.expect_problem(404, "not-found");
    let theirs = house.dan().get("/v1/tickets").await.expect(200).value();
    assert_eq!(theirs["items"][0]["id"], ticket);
    let new = house.code(&house.dan(), &ticket).await;
    assert_ne!(new, old);
    let refused = house.scan(&old).await.expect_problem(409, "ticket-transferred");
    assert!(refused.value()["transferred_at"].is_string());
    let _admitted = house.scan(&new).await.expect(201);
    let scans = house.emil().get(&format!("/v1/check-ins?event_id={}", crate::house::EVENT));
    assert_eq!(scans.await.expect(200).value()["items"][1]["refused"], "transferred");
}

async fn a_link_that_was_withdrawn_replaced_or_expired_gives_nothing(house: House) {
    let (ticket, _code) = house.ticket().await;
    let first = offer(&house, &ticket).await.expect(201);
    let second = offer(&house, &ticket).await.expect(201);
    let replaced = house.dan().post(ACCEPT, &token(&first)).await;
    let _gone = replaced.expect_problem(410, "transfer-gone");
    let path = format!("/v1/tickets/{ticket}/transfer");
    let stranger = house.dan().delete(&path).await;
    let _hidden = stranger.expect_problem(404, "not-found");
    for _ in 0..2 {
        let _withdrawn = house.cara().delete(&path).await.expect(204);
    }
    let withdrawn = house.dan().post(ACCEPT, &token(&second)).await;
    let _gone = withdrawn.expect_problem(410, "transfer-gone");
    for made_up in ["", "BXT1.", "BXT1.AAAA", "nonsense"] {
        let wrong = house.dan().post(ACCEPT, &json!({"token": made_up})).await;
        let _gone = wrong.expect_problem(410, "transfer-gone");
    }
    let third = offer(&house, &ticket).await.expect(201);
    house.sandbox.clock().advance(SignedDuration::from_hours(7 * 24));
    let late = house.dan().post(ACCEPT, &token(&third)).await;
    let late = late.expect_problem(410, "transfer-expired");
    assert_eq!(late.field("expired_at"), third.field("expires_at"));
}

async fn of_two_who_accept_at_once_one_gets_the_ticket(house: House) {
    let (ticket, _code) = house.ticket().await;
    let link = token(&offer(&house, &ticket).await.expect(201));
    let (dan, ben) = (house.dan(), house.ben());
    let (one, other) = tokio::join!(dan.post(ACCEPT, &link), ben.post(ACCEPT, &link));
    let mut answers = [one.status(), other.status()];
    answers.sort_unstable();
    assert_eq!(answers, [200, 410]);
}

async fn only_the_holder_passes_a_ticket_on(house: House) {
    let (ticket, _code) = house.ticket().await;
    let path = format!("/v1/tickets/{ticket}/transfer");
    for other in [house.dan(), house.anna(), house.emil(), house.admin()] {
        let _hidden = other.post(&path, &json!({})).await.expect_problem(404, "not-found");
        let _hidden = other.delete(&path).await.expect_problem(404, "not-found");
    }
}

async fn what_was_used_is_worthless_or_blocked_stays_where_it_is(house: House) {
    let tickets = house.issue(ORDER, 3).await;
    let links = [
        offer(&house, &tickets[0]).await.expect(201),
        offer(&house, &tickets[1]).await.expect(201),
        offer(&house, &tickets[2]).await.expect(201),
    ];
    let code = house.code(&house.cara(), &tickets[0]).await;
    let _admitted = house.scan(&code).await.expect(201);
    let _voided = house.void_some(ORDER, &[&tickets[1]]).await;
    let block = format!("/v1/tickets/{}/block", tickets[2]);
    let _blocked = house.anna().post(&block, &json!({"reason": "stolen"})).await.expect(200);
    let expected = [
        ("already-admitted", 409, "already-admitted"),
        ("ticket-voided", 410, "transfer-gone"),
        ("ticket-blocked", 410, "transfer-gone"),
    ];
    for ((ticket, link), (offered, status, accepted)) in tickets.iter().zip(links).zip(expected) {
        let accept = house.dan().post(ACCEPT, &token(&link)).await;
        let _refused = accept.expect_problem(status, accepted);
        let _refused = offer(&house, ticket).await.expect_problem(409, offered);
    }
}
