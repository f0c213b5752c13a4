//! `/v1/venues/{venue_id}/seating`, and events that take their seats from there.

use serde_json::{Value, json};
use testkit::eventually;

use crate::{
    house::{House, pointers, seat, with},
    on_both_databases,
};

on_both_databases!(
    a_seating_is_described_and_read_by_members_only,
    all_faults_of_a_seating_are_told_together,
    an_event_keeps_the_seating_it_was_published_with,
    a_section_that_does_not_exist_keeps_an_event_from_being_published,
);

fn stalls(rows: &[(&str, &[&str])]) -> Value {
    let rows: Vec<Value> =
        rows.iter().map(|(name, seats)| json!({"name": name, "seats": seats})).collect();
    json!({"sections": [{"name": "Stalls", "rows": rows}]})
}

async fn a_seating_is_described_and_read_by_members_only(house: House) {
    let anna = house.anna();
    let organizer = house.organizer(&anna).await;
    let venue = format!("/v1/venues/{}", house.venue(&anna, &organizer).await);
    let path = format!("{venue}/seating");
    let none = anna.get(&path).await.expect(200);
    assert_eq!(none.value(), json!({"sections": []}));
    assert_eq!(none.etag(), anna.get(&venue).await.expect(200).etag(), "it is the venue's");

    let seating = stalls(&[("A", &["1", "2"]), ("B", &["1", "2", "3"])]);
    let _problem = anna.put(&path, &seating).await.expect_problem(428, "precondition-required");
    let put = anna.put(&path, &seating).if_match(&none.etag()).await.expect(200);
    assert_eq!(put.value(), seating);
    let read = anna.get(&path).await.expect(200);
    assert_eq!((read.value(), read.etag()), (seating.clone(), put.etag()));
    let refused = anna.put(&path, &seating).if_match(&none.etag()).await;
    let _problem = refused.expect_problem(412, "precondition-failed");

    for stranger in [house.ben(), house.cara()] {
        let _problem = stranger.get(&path).await.expect_problem(404, "not-found");
        let refused = stranger.put(&path, &seating).if_match(&read.etag()).await;
        let _problem = refused.expect_problem(404, "not-found");
    }
    let _problem = house.public().get(&path).await.expect_problem(401, "unauthenticated");
}

async fn all_faults_of_a_seating_are_told_together(house: House) {
    let anna = house.anna();
    let organizer = house.organizer(&anna).await;
    let path = format!("/v1/venues/{}/seating", house.venue(&anna, &organizer).await);
    let etag = anna.get(&path).await.expect(200).etag();
    let wrong =
        stalls(&[("A", &["1", " ", "1"]), ("A", &["1"]), ("B\n", &["x".repeat(51).as_str()])]);
    let refused = anna.put(&path, &wrong).if_match(&etag).await;
    assert_eq!(
        pointers(&refused.expect_problem(422, "invalid-input")),
        [
            "/sections/0/rows/0/seats/1",
            "/sections/0/rows/0/seats/2",
            "/sections/0/rows/1/name",
            "/sections/0/rows/2/seats/0",
        ]
    );
    let many: Vec<String> = (0..501).map(|number| number.to_string()).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    let refused = anna.put(&path, &stalls(&[("A", &many)])).if_match(&etag).await;
    let refused = refused.expect_problem(422, "invalid-input");
    assert_eq!(pointers(&refused), ["/sections/0/rows/0/seats"]);
}

async fn an_event_keeps_the_seating_it_was_published_with(house: House) {
    let draft = house.draft().await;
    let anna = house.anna();
    let venue = format!("/v1/venues/{}/seating", draft.venue);
    let etag = anna.get(&venue).await.expect(200).etag();
    let seating = stalls(&[("A", &["1", "2"])]);
    let put = anna.put(&venue, &seating).if_match(&etag).await.expect(200);
    let path = format!("{}/ticket-types/{}", draft.path, draft.seat);
    let etag = anna.get(&path).await.expect(200).etag();
    let seated = with(seat(), "sections", json!(["Stalls"]));
    let _changed = anna.put(&path, &seated).if_match(&etag).await.expect(200);
    let _published = house.act(&draft, "publish").await.expect(200);
    let larger = stalls(&[("A", &["1", "2", "3"])]);
    let _changed = anna.put(&venue, &larger).if_match(&put.etag()).await.expect(200);

    eventually("the event to be announced", || async {
        let heard = house.ask("heard").await;
        let published = &heard[0];
        let is_as_it_was = published["seating"] == seating["sections"]
            && published["ticket_types"][0]["sections"] == json!(["Stalls"]);
        if is_as_it_was { Ok(()) } else { Err(format!("{heard:#}")) }
    })
    .await;
    let terms = house.ask(&format!("terms/{}", draft.id)).await;
    assert_eq!(terms["Ok"]["ticket_types"][0]["seated"], true);
    let etag = anna.get(&path).await.expect(200).etag();
    let refused = anna.put(&path, &seat()).if_match(&etag).await;
    let refused = refused.expect_problem(409, "fixed-by-publishing");
    assert_eq!(refused.value()["fields"], json!(["sections"]));
}

async fn a_section_that_does_not_exist_keeps_an_event_from_being_published(house: House) {
    let draft = house.draft().await;
    let balcony = with(with(seat(), "sections", json!(["Balcony"])), "name", "Balcony");
    let types = format!("{}/ticket-types", draft.path);
    let _added = house.anna().post(&types, &balcony).await.expect(201);
    let refused = house.act(&draft, "publish").await.expect_problem(409, "section-unknown");
    assert_eq!(refused.field("section"), "Balcony");
}
