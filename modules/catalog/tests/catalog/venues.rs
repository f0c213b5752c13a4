//! `/v1/venues`.

use serde_json::json;

use crate::{
    house::{BEN, House, names, pointers},
    on_both_databases,
};

on_both_databases!(
    a_venue_is_added_read_and_changed,
    a_venues_clock_stays_while_published_events_go_by_it,
    others_do_not_see_a_venue,
    venues_are_listed_for_their_organizers_members,
    a_venue_needs_an_organizer_of_ones_own,
    a_venue_needs_a_time_zone_that_exists,
    all_that_is_wrong_with_a_venue_is_told_at_once,
);

fn hall(organizer: &str) -> serde_json::Value {
    json!({
        "organizer_id": organizer,
        "name": "Hall",
        "address": "1 Main Street\nBerlin",
        "time_zone": "europe/berlin",
    })
}

async fn a_venue_is_added_read_and_changed(house: House) {
    let anna = house.anna();
    let organizer = house.organizer(&anna).await;
    let added = anna.post("/v1/venues", &hall(&organizer)).await.expect(201);
    assert_eq!(added.field("time_zone"), "Europe/Berlin");
    let path = format!("/v1/venues/{}", added.field("id"));
    assert_eq!(added.header("location"), Some(path.as_str()));
    let read = anna.get(&path).await.expect(200);
    assert_eq!((read.value(), read.etag()), (added.value(), added.etag()));

    let change = json!({"name": "Great Hall", "address": "2 Main Street", "time_zone": "UTC"});
    let changed = anna.put(&path, &change).if_match(&read.etag()).await.expect(200);
    assert_eq!(changed.field("name"), "Great Hall");
    assert_eq!(anna.get(&path).await.expect(200).value(), changed.value());
    let refused = anna.put(&path, &change).if_match(&read.etag()).await;
    let _problem = refused.expect_problem(412, "precondition-failed");
}

async fn a_venues_clock_stays_while_published_events_go_by_it(house: House) {
    let event = house.draft().await;
    let path = format!("/v1/venues/{}", event.venue);
    let moved = async |zone: &str| {
        let anna = house.anna();
        let etag = anna.get(&path).await.expect(200).etag();
        let change = json!({"name": "Quayhouse", "address": "3 Quay Street", "time_zone": zone});
        anna.put(&path, &change).if_match(&etag).await
    };
    let _drafted = moved("Europe/Lisbon").await.expect(200);
    let _published = house.act(&event, "publish").await.expect(200);
    let _refused = moved("Europe/Berlin").await.expect_problem(409, "time-zone-in-use");
    let _renamed = moved("europe/lisbon").await.expect(200);
    let _opened = house.act(&event, "open-sales").await.expect(200);
    let _refused = moved("Europe/Berlin").await.expect_problem(409, "time-zone-in-use");

    let other = house.on_sale().await;
    let elsewhere = format!("/v1/venues/{}", other.venue);
    let _cancelled = house.act(&other, "cancel").await.expect(200);
    let anna = house.anna();
    let etag = anna.get(&elsewhere).await.expect(200).etag();
    let change = json!({"name": "Quayhouse", "address": "3 Quay Street", "time_zone": "UTC"});
    let _changed = anna.put(&elsewhere, &change).if_match(&etag).await.expect(200);

    house.sandbox.clock().set("2027-06-18T20:30:00Z".parse().expect("an instant"));
    let _over = moved("Europe/Berlin").await.expect(200);
}

async fn others_do_not_see_a_venue(house: House) {
    let anna = house.anna();
    let organizer = house.organizer(&anna).await;
    let path = format!("/v1/venues/{}", house.venue(&anna, &organizer).await);
    let _problem = house.ben().get(&path).await.expect_problem(404, "not-found");
    let _problem = house.public().get(&path).await.expect_problem(401, "unauthenticated");
    let etag = house.admin().get(&path).await.expect(200).etag();
    let change = json!({"name": "Mine", "address": "Here", "time_zone": "UTC"});
    let refused = house.ben().put(&path, &change).if_match(&etag).await;
    let _problem = refused.expect_problem(404, "not-found");
}

async fn venues_are_listed_for_their_organizers_members(house: House) {
    let anna = house.anna();
    let organizer = house.organizer(&anna).await;
    for name in ["One", "Two", "Three"] {
        let mut venue = hall(&organizer);
        venue["name"] = name.into();
        let _added = anna.post("/v1/venues", &venue).await.expect(201);
    }
    let bens = house.organizer(&house.ben()).await;
    let _added = house.ben().post("/v1/venues", &hall(&bens)).await.expect(201);

    let first = anna.get("/v1/venues?limit=2").await.expect(200);
    assert_eq!(names(&first), ["One", "Two"]);
    let cursor = first.field("next_cursor");
    let second = anna.get(&format!("/v1/venues?limit=2&cursor={cursor}")).await.expect(200);
    assert_eq!(names(&second), ["Three"]);
    let of_organizer = format!("/v1/venues?organizer_id={organizer}");
    assert_eq!(names(&anna.get(&of_organizer).await.expect(200)), ["One", "Two", "Three"]);
    let _problem = house.ben().get(&of_organizer).await.expect_problem(403, "forbidden");
    assert_eq!(names(&house.ben().get("/v1/venues").await.expect(200)), ["Hall"]);
    assert_eq!(names(&house.admin().get("/v1/venues").await.expect(200)).len(), 4);
}

async fn a_venue_needs_an_organizer_of_ones_own(house: House) {
    let organizer = house.organizer(&house.anna()).await;
    let refused = house.ben().post("/v1/venues", &hall(&organizer)).await;
    let _problem = refused.expect_problem(403, "forbidden");
    let refused = house.anna().post("/v1/venues", &hall(&BEN.to_string())).await;
    assert_eq!(pointers(&refused.expect_problem(422, "invalid-input")), ["/organizer_id"]);
}

async fn all_that_is_wrong_with_a_venue_is_told_at_once(house: House) {
    let organizer = house.organizer(&house.anna()).await;
    let venue = json!({"organizer_id": organizer, "name": "", "time_zone": "Berlin", "vip": true});
    let refused = house.anna().post("/v1/venues", &venue).await;
    let refused = refused.expect_problem(422, "invalid-input");
    assert_eq!(pointers(&refused), ["/address", "/name", "/time_zone", "/vip"]);
}

async fn a_venue_needs_a_time_zone_that_exists(house: House) {
    let organizer = house.organizer(&house.anna()).await;
    let mut venue = hall(&organizer);
    venue["time_zone"] = "Europe/Atlantis".into();
    venue["name"] = " ".into();
    let refused = house.anna().post("/v1/venues", &venue).await;
    let refused = refused.expect_problem(422, "invalid-input");
    assert_eq!(pointers(&refused), ["/name", "/time_zone"]);
}
