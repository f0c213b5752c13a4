//! `/v1/events`.

use jiff::ToSpan as _;
use runtime::Clock as _;
use serde_json::json;

use crate::{
    house::{House, change, event, names, pointers, seat, with},
    on_both_databases,
};

on_both_databases!(
    an_event_is_drafted_published_sold_and_cancelled,
    a_draft_exists_for_members_only,
    only_members_change_an_event,
    what_is_repeated_is_a_success,
    an_event_is_published_with_ticket_types_and_before_it_starts,
    publishing_fixes_what_people_rely_on,
    a_draft_can_be_deleted,
    a_change_needs_the_version_one_has_seen,
    a_lifecycle_step_heeds_the_version_when_given,
    an_event_is_over_when_its_end_has_passed,
    what_is_shown_of_venue_and_organizer_is_up_to_date,
    the_programme_is_listed_by_start_and_filtered,
    members_find_their_drafts_by_organizer,
    an_event_needs_a_venue_of_its_organizer,
    all_faults_of_a_body_are_told_together,
    a_key_drafts_one_event,
    other_services_hear_what_concerns_them,
);

async fn an_event_is_drafted_published_sold_and_cancelled(house: House) {
    let event = house.draft().await;
    let draft = house.anna().get(&event.path).await.expect(200);
    assert_eq!(draft.field("state"), "draft");
    assert_eq!(draft.field("venue_name"), "Boathouse");
    assert_eq!(draft.field("time_zone"), "Europe/Berlin");
    assert_eq!(draft.field("organizer_name"), "Riverside");
    assert_eq!(draft.field("starts_at"), "2027-06-18T18:00:00Z");
    assert_eq!(draft.value()["ticket_types"][0]["price"]["amount"], 2500);
    assert_eq!(draft.value()["ticket_types"][0]["capacity"]["places"], 100);

    for (action, state) in [
        ("publish", "published"),
        ("open-sales", "on_sale"),
        ("close-sales", "sales_closed"),
        ("open-sales", "on_sale"),
        ("cancel", "cancelled"),
    ] {
        let done = house.act(&event, action).await.expect(200);
        assert_eq!(done.field("state"), state);
        let seen = house.public().get(&event.path).await.expect(200);
        assert_eq!((seen.value(), seen.etag()), (done.value(), done.etag()));
    }
    let cancelled = house.public().get(&event.path).await.expect(200);
    assert_eq!(cancelled.field("cancellation_reason"), "The soloist is ill.");
    for action in ["publish", "open-sales", "close-sales"] {
        let _problem = house.act(&event, action).await.expect_problem(409, "event-is-cancelled");
    }
}

async fn a_draft_exists_for_members_only(house: House) {
    let event = house.draft().await;
    let _seen = house.anna().get(&event.path).await.expect(200);
    let _seen = house.admin().get(&event.path).await.expect(200);
    for stranger in [house.public(), house.ben(), house.cara()] {
        let _problem = stranger.get(&event.path).await.expect_problem(404, "not-found");
        let ticket_type = format!("{}/ticket-types/{}", event.path, event.seat);
        let _problem = stranger.get(&ticket_type).await.expect_problem(404, "not-found");
    }
    let refused = house.ben().post(&format!("{}/publish", event.path), &json!({})).await;
    let _problem = refused.expect_problem(404, "not-found");
}

async fn only_members_change_an_event(house: House) {
    let event = house.published().await;
    let etag = house.public().get(&event.path).await.expect(200).etag();
    let reason = json!({"reason": "I say so."});
    for action in ["publish", "open-sales", "close-sales", "cancel"] {
        let path = format!("{}/{action}", event.path);
        let _problem = house.ben().post(&path, &reason).await.expect_problem(403, "forbidden");
        let refused = house.public().post(&path, &reason).await;
        let _problem = refused.expect_problem(401, "unauthenticated");
    }
    let refused = house.ben().put(&event.path, &change(&event.venue)).if_match(&etag).await;
    let _problem = refused.expect_problem(403, "forbidden");
    let refused = house.ben().delete(&event.path).if_match(&etag).await;
    let _problem = refused.expect_problem(403, "forbidden");
    let opened = house.admin().post(&format!("{}/open-sales", event.path), &json!({})).await;
    let _opened = opened.expect(200);
}

async fn what_is_repeated_is_a_success(house: House) {
    let event = house.draft().await;
    for action in ["publish", "open-sales", "close-sales", "cancel"] {
        let first = house.act(&event, action).await.expect(200);
        let second = house.act(&event, action).await.expect(200);
        assert_eq!((first.value(), first.etag()), (second.value(), second.etag()), "{action}");
    }
}

async fn an_event_is_published_with_ticket_types_and_before_it_starts(house: House) {
    let draft = house.draft().await;
    let seat = format!("{}/ticket-types/{}", draft.path, draft.seat);
    let etag = house.anna().get(&draft.path).await.expect(200).etag();
    let _gone = house.anna().delete(&seat).if_match(&etag).await.expect(204);
    let _problem = house.act(&draft, "publish").await.expect_problem(409, "event-incomplete");
    let _problem = house.act(&draft, "open-sales").await.expect_problem(409, "event-is-draft");
    let _problem = house.act(&draft, "cancel").await.expect_problem(409, "event-is-draft");

    let late = house.draft().await;
    house.sandbox.clock().set("2027-06-18T18:00:00Z".parse().expect("an instant"));
    let refused = house.act(&late, "publish").await;
    let _problem = refused.expect_problem(409, "event-starts-in-the-past");
}

async fn publishing_fixes_what_people_rely_on(house: House) {
    let event = house.published().await;
    let anna = house.anna();
    let etag = anna.get(&event.path).await.expect(200).etag();
    let moved = with(change(&event.venue), "starts_at", "2027-06-17T18:00:00Z");
    let moved = with(moved, "currency", "CHF");
    let refused = anna.put(&event.path, &moved).if_match(&etag).await;
    let problem = refused.expect_problem(409, "fixed-by-publishing").value();
    assert_eq!(problem["fields"], json!(["starts_at", "currency"]));

    let renamed = with(change(&event.venue), "name", "Quintet by the river");
    let changed = anna.put(&event.path, &renamed).if_match(&etag).await.expect(200);
    assert_eq!(changed.field("name"), "Quintet by the river");
    let refused = anna.delete(&event.path).if_match(&changed.etag()).await;
    let _problem = refused.expect_problem(409, "event-is-published");
}

async fn a_draft_can_be_deleted(house: House) {
    let event = house.draft().await;
    let anna = house.anna();
    let etag = anna.get(&event.path).await.expect(200).etag();
    let _problem = anna.delete(&event.path).await.expect_problem(428, "precondition-required");
    let _gone = anna.delete(&event.path).if_match(&etag).await.expect(204);
    let _problem = anna.get(&event.path).await.expect_problem(404, "not-found");
    let drafts = format!("/v1/events?organizer_id={}", event.organizer);
    assert!(names(&anna.get(&drafts).await.expect(200)).is_empty());
    let again = anna.delete(&event.path).if_match(&etag).await;
    let _problem = again.expect_problem(404, "not-found");
}

async fn a_change_needs_the_version_one_has_seen(house: House) {
    let event = house.draft().await;
    let (anna, body) = (house.anna(), change(&event.venue));
    let etag = anna.get(&event.path).await.expect(200).etag();
    let renamed = with(body.clone(), "name", "First");
    let changed = anna.put(&event.path, &renamed).if_match(&etag).await.expect(200);
    let refused = anna.put(&event.path, &body).if_match(&etag).await;
    let refused = refused.expect_problem(412, "precondition-failed");
    assert_eq!(refused.etag(), changed.etag());
    let refused = anna.put(&event.path, &body).if_match("\"none\"").await;
    let _problem = refused.expect_problem(412, "precondition-failed");
    let refused = anna.put(&event.path, &body).await;
    let _problem = refused.expect_problem(428, "precondition-required");

    let same = anna.put(&event.path, &renamed).if_match(&changed.etag()).await.expect(200);
    assert_eq!(same.etag(), changed.etag());
}

async fn a_lifecycle_step_heeds_the_version_when_given(house: House) {
    let event = house.draft().await;
    let (anna, publish) = (house.anna(), format!("{}/publish", event.path));
    let etag = anna.get(&event.path).await.expect(200).etag();
    let renamed = with(change(&event.venue), "name", "Other");
    let changed = anna.put(&event.path, &renamed).if_match(&etag).await.expect(200);
    let refused = anna.post(&publish, &json!({})).if_match(&etag).await;
    let _problem = refused.expect_problem(412, "precondition-failed");
    let _done = anna.post(&publish, &json!({})).if_match(&changed.etag()).await.expect(200);
}

async fn an_event_is_over_when_its_end_has_passed(house: House) {
    let event = house.on_sale().await;
    let before = house.public().get(&event.path).await.expect(200);
    house.sandbox.clock().set("2027-06-18T20:30:00Z".parse().expect("an instant"));
    let after = house.public().get(&event.path).header("if-none-match", &before.etag()).await;
    assert_eq!(after.expect(200).field("state"), "ended");
    let _problem = house.act(&event, "open-sales").await.expect_problem(409, "event-has-ended");
    let ended = house.public().get("/v1/events?state=ended").await.expect(200);
    assert_eq!(names(&ended), ["Quartet by the river"]);
    let on_sale = house.public().get("/v1/events?state=on_sale").await.expect(200);
    assert!(names(&on_sale).is_empty());
    let cancelled = house.act(&event, "cancel").await.expect(200);
    assert_eq!(cancelled.field("state"), "cancelled");
}

async fn what_is_shown_of_venue_and_organizer_is_up_to_date(house: House) {
    let event = house.published().await;
    let before = house.public().get(&event.path).await.expect(200);
    let unchanged = house.public().get(&event.path).header("if-none-match", &before.etag()).await;
    assert_eq!(unchanged.status().as_u16(), 304);

    let path = format!("/v1/venues/{}", event.venue);
    let etag = house.anna().get(&path).await.expect(200).etag();
    let moved =
        json!({"name": "Boathouse", "address": "4 Quay Street", "time_zone": "Europe/Berlin"});
    let _moved = house.anna().put(&path, &moved).if_match(&etag).await.expect(200);
    let after = house.public().get(&event.path).header("if-none-match", &before.etag()).await;
    assert_eq!(after.expect(200).field("venue_address"), "4 Quay Street");
}

async fn the_programme_is_listed_by_start_and_filtered(house: House) {
    let anna = house.anna();
    let organizer = house.organizer(&anna).await;
    let (hall, barn) = (house.venue(&anna, &organizer).await, house.venue(&anna, &organizer).await);
    for (name, venue, day) in [("Jazz", &hall, 3), ("jam", &barn, 1), ("Blues", &hall, 2)] {
        let body = with(event(&organizer, venue), "name", name);
        let body = with(body, "starts_at", format!("2027-07-0{day}T18:00:00Z"));
        let body = with(body, "ends_at", format!("2027-07-0{day}T20:00:00Z"));
        let id = anna.post("/v1/events", &body).await.expect(201).field("id");
        let types = format!("/v1/events/{id}/ticket-types");
        let _seat = anna.post(&types, &seat()).await.expect(201);
        let publish = format!("/v1/events/{id}/publish");
        let _published = anna.post(&publish, &json!({})).await.expect(200);
    }
    let public = house.public();
    let first = public.get("/v1/events?limit=2").await.expect(200);
    assert_eq!(names(&first), ["jam", "Blues"]);
    let cursor = first.field("next_cursor");
    let second = public.get(&format!("/v1/events?limit=2&cursor={cursor}")).await.expect(200);
    assert_eq!(names(&second), ["Jazz"]);
    for (filter, expected) in [
        ("q=ja".to_owned(), vec!["jam", "Jazz"]),
        (format!("venue_id={hall}"), vec!["Blues", "Jazz"]),
        (format!("organizer_id={organizer}&venue_id={barn}"), vec!["jam"]),
        ("starts_after=2027-07-02T18:00:00Z".to_owned(), vec!["Blues", "Jazz"]),
        ("starts_before=2027-07-02T18:00:00Z".to_owned(), vec!["jam"]),
        ("state=published".to_owned(), vec!["jam", "Blues", "Jazz"]),
        ("state=on_sale".to_owned(), vec![]),
        ("state=draft".to_owned(), vec![]),
        ("starts_after=-009998-01-02T00:00:00Z".to_owned(), vec!["jam", "Blues", "Jazz"]),
    ] {
        let found = public.get(&format!("/v1/events?{filter}")).await.expect(200);
        assert_eq!(names(&found), expected, "{filter}");
    }
    for wrong in ["state=sold", "starts_after=monday", "limit=0", "cursor=x", "venue_id=1", "a=b"] {
        let refused = public.get(&format!("/v1/events?{wrong}")).await;
        let _problem = refused.expect_problem(422, "invalid-input");
    }
}

async fn members_find_their_drafts_by_organizer(house: House) {
    let draft = house.draft().await;
    let of_organizer = format!("/v1/events?organizer_id={}", draft.organizer);
    let own = house.anna().get(&of_organizer).await.expect(200);
    assert_eq!(names(&own), ["Quartet by the river"]);
    let drafts = house.anna().get(&format!("{of_organizer}&state=draft")).await.expect(200);
    assert_eq!(names(&drafts), ["Quartet by the river"]);
    for stranger in [house.public(), house.ben()] {
        assert!(names(&stranger.get(&of_organizer).await.expect(200)).is_empty());
    }
    let everywhere = format!("/v1/events?venue_id={}", draft.venue);
    for path in ["/v1/events", &everywhere] {
        assert!(names(&house.anna().get(path).await.expect(200)).is_empty());
    }
}

async fn an_event_needs_a_venue_of_its_organizer(house: House) {
    let (anna, ben) = (house.anna(), house.ben());
    let (annas, bens) = (house.organizer(&anna).await, house.organizer(&ben).await);
    let bens_venue = house.venue(&ben, &bens).await;
    let refused = anna.post("/v1/events", &event(&annas, &bens_venue)).await;
    assert_eq!(pointers(&refused.expect_problem(422, "invalid-input")), ["/venue_id"]);
    let refused = anna.post("/v1/events", &event(&bens, &bens_venue)).await;
    let _problem = refused.expect_problem(403, "forbidden");

    let draft = house.draft().await;
    let etag = anna.get(&draft.path).await.expect(200).etag();
    let refused = anna.put(&draft.path, &change(&bens_venue)).if_match(&etag).await;
    assert_eq!(pointers(&refused.expect_problem(422, "invalid-input")), ["/venue_id"]);
}

async fn all_faults_of_a_body_are_told_together(house: House) {
    let anna = house.anna();
    let organizer = house.organizer(&anna).await;
    let venue = house.venue(&anna, &organizer).await;
    let body = with(event(&organizer, &venue), "name", "");
    let body = with(body, "starts_at", "1969-07-20T20:17:00Z");
    let body = with(body, "ends_at", "1969-07-20T20:17:00Z");
    let body = with(body, "currency", "XAU");
    let refused = anna.post("/v1/events", &body).await.expect_problem(422, "invalid-input");
    assert_eq!(pointers(&refused), ["/currency", "/ends_at", "/name", "/starts_at"]);

    for wrong in [
        with(event(&organizer, &venue), "currency", "EURO"),
        with(event(&organizer, &venue), "starts_at", "tomorrow"),
        with(event(&organizer, &venue), "state", "on_sale"),
    ] {
        let refused = anna.post("/v1/events", &wrong).await;
        let _problem = refused.expect_problem(422, "invalid-input");
    }
}

async fn a_key_drafts_one_event(house: House) {
    let draft = house.draft().await;
    let (anna, body) = (house.anna(), event(&draft.organizer, &draft.venue));
    let first = anna.post("/v1/events", &body).key("k-1").await.expect(201);
    house.sandbox.clock().set(house.sandbox.clock().now() + 1.minute());
    let second = anna.post("/v1/events", &body).key("k-1").await.expect(201);
    assert_eq!((first.value(), first.etag()), (second.value(), second.etag()));
    let path = format!("/v1/events/{}", first.field("id"));
    let read = anna.get(&path).await.expect(200);
    assert_eq!((read.value(), read.etag()), (first.value(), first.etag()));
}

async fn other_services_hear_what_concerns_them(house: House) {
    let draft = house.draft().await;
    let (anna, types) = (house.anna(), format!("{}/ticket-types", draft.path));
    let path = format!("{types}/{}", draft.seat);
    let etag = anna.get(&path).await.expect(200).etag();
    let smaller = with(seat(), "capacity", json!({"kind": "limited", "places": 90}));
    let changed = anna.put(&path, &smaller).if_match(&etag).await.expect(200);
    let renamed = with(change(&draft.venue), "name", "Quintet");
    let _changed = anna.put(&draft.path, &renamed).if_match(&changed.etag()).await.expect(200);
    assert_eq!(house.ask("heard").await, json!([]));

    let _published = house.act(&draft, "publish").await.expect(200);
    let lawn = with(with(seat(), "name", "Lawn"), "capacity", json!({"kind": "unlimited"}));
    let added = anna.post(&types, &lawn).await.expect(201);
    let dearer = with(smaller.clone(), "price", json!({"amount": 3000, "currency": "EUR"}));
    let changed = anna.put(&path, &dearer).if_match(&added.etag()).await.expect(200);
    let larger = with(dearer, "capacity", json!({"kind": "limited", "places": 120}));
    let _changed = anna.put(&path, &larger).if_match(&changed.etag()).await.expect(200);
    for action in ["open-sales", "open-sales", "close-sales", "open-sales", "cancel"] {
        let _done = house.act(&draft, action).await.expect(200);
    }

    let event_id = &draft.id;
    let limited = |places| json!({"kind": "limited", "places": places});
    let named = |id: &str, name, capacity| json!({"ticket_type_id": id, "name": name, "capacity": capacity, "quotas_told": true});
    let quota = |id: &str, name, capacity| json!({"quota_id": id, "name": name, "capacity": capacity, "ticket_type_ids": [id]});
    let (stalls, lawn) = (&draft.seat, &added.field("id"));
    let unlimited = json!({"kind": "unlimited"});
    let expected = json!([
        {
            "type": "event_published",
            "event_id": event_id,
            "organizer_id": draft.organizer,
            "name": "Quintet",
            "starts_at": "2027-06-18T18:00:00Z",
            "ends_at": "2027-06-18T20:30:00Z",
            "venue_name": "Boathouse",
            "time_zone": "Europe/Berlin",
            "ticket_types": [named(stalls, "Stalls", limited(90))],
            "quotas": [quota(stalls, "Stalls", limited(90))],
        },
        {
            "type": "capacity_changed",
            "event_id": event_id,
            "ticket_type": named(lawn, "Lawn", unlimited.clone()),
        },
        {
            "type": "quota_changed",
            "event_id": event_id,
            "quota": quota(lawn, "Lawn", unlimited),
        },
        {
            "type": "quota_changed",
            "event_id": event_id,
            "quota": quota(stalls, "Stalls", limited(120)),
        },
        {"type": "sales_opened", "event_id": event_id},
        {"type": "sales_closed", "event_id": event_id},
        {"type": "sales_opened", "event_id": event_id},
        {"type": "event_cancelled", "event_id": event_id, "reason": "The soloist is ill."},
    ]);
    // On PostgreSQL a feed holds back what others may still come before.
    testkit::eventually("catalog to announce it all", || async {
        let heard = house.ask("heard").await;
        if heard == expected { Ok(()) } else { Err(format!("{heard:#}")) }
    })
    .await;
}
