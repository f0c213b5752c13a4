//! `/v1/events/{event_id}/quotas`.

use serde_json::{Value, json};

use crate::{
    house::{BEN, House, pointers, seat, with},
    on_both_databases,
};

on_both_databases!(
    a_quota_is_added_read_changed_and_deleted,
    a_ticket_type_has_as_many_places_as_the_smallest_of_its_quotas,
    a_ticket_type_without_a_capacity_is_in_no_quota,
    a_quota_draws_on_the_events_ticket_types_only,
    strangers_change_no_quota,
    an_unlimited_capacity_with_places_is_refused,
);

fn room(places: u32, ticket_types: &[&str]) -> Value {
    json!({
        "name": "Room",
        "capacity": {"kind": "limited", "places": places},
        "ticket_type_ids": ticket_types,
    })
}

async fn a_quota_is_added_read_changed_and_deleted(house: House) {
    let event = house.published().await;
    let (anna, quotas) = (house.anna(), format!("{}/quotas", event.path));
    let added = anna.post(&quotas, &room(60, &[&event.seat])).await.expect(201);
    let path = format!("{quotas}/{}", added.field("id"));
    assert_eq!(added.header("location"), Some(path.as_str()));
    let read = house.public().get(&path).await.expect(200);
    assert_eq!((read.value(), read.etag()), (added.value(), added.etag()));
    let all = house.public().get(&quotas).await.expect(200).value();
    assert_eq!(all["items"].as_array().map(Vec::len), Some(2), "the ticket type's own, too");
    assert_eq!(all["items"][0]["id"], event.seat);

    let _problem =
        anna.put(&path, &room(50, &[])).await.expect_problem(428, "precondition-required");
    let changed = anna.put(&path, &room(50, &[])).if_match(&read.etag()).await.expect(200);
    assert_eq!(
        (&changed.value()["ticket_type_ids"], changed.value()["capacity"]["places"].as_u64()),
        (&json!([]), Some(50))
    );
    let refused = anna.put(&path, &room(40, &[])).if_match(&read.etag()).await;
    let _problem = refused.expect_problem(412, "precondition-failed");
    let _gone = anna.delete(&path).if_match(&changed.etag()).await.expect(204);
    let _problem = anna.get(&path).await.expect_problem(404, "not-found");
    let etag = anna.get(&event.path).await.expect(200).etag();
    let refused = anna.put(&path, &room(40, &[])).if_match(&etag).await;
    let _problem = refused.expect_problem(404, "not-found");
}

async fn a_ticket_type_has_as_many_places_as_the_smallest_of_its_quotas(house: House) {
    let event = house.published().await;
    let anna = house.anna();
    let places = async || {
        let event = house.public().get(&event.path).await.expect(200).value();
        event["ticket_types"][0]["capacity"]["places"].clone()
    };
    assert_eq!(places().await, 100);
    let quotas = format!("{}/quotas", event.path);
    let added = anna.post(&quotas, &room(60, &[&event.seat])).await.expect(201);
    assert_eq!(places().await, 60);
    let own = format!("{quotas}/{}", event.seat);
    let smaller =
        anna.put(&own, &room(30, &[&event.seat])).if_match(&added.etag()).await.expect(200);
    assert_eq!(places().await, 30, "a quota of the ticket type's own is one like others");
    let _gone = anna.delete(&own).if_match(&smaller.etag()).await.expect(204);
    assert_eq!(places().await, 60);
}

async fn a_ticket_type_without_a_capacity_is_in_no_quota(house: House) {
    let event = house.draft().await;
    let types = format!("{}/ticket-types", event.path);
    let lawn = json!({"name": "Lawn", "price": {"amount": 0, "currency": "EUR"}});
    let added = house.anna().post(&types, &lawn).await.expect(201);
    assert_eq!(added.value()["capacity"], json!({"kind": "limited", "places": 0}));
    let path = format!("{types}/{}", added.field("id"));
    let larger = with(lawn, "capacity", json!({"kind": "unlimited"}));
    let changed = house.anna().put(&path, &larger).if_match(&added.etag()).await.expect(200);
    assert_eq!(changed.value()["capacity"], json!({"kind": "unlimited"}));
}

async fn a_quota_draws_on_the_events_ticket_types_only(house: House) {
    let event = house.draft().await;
    let strange = room(60, &[&event.seat, &BEN.to_string()]);
    let refused = house.anna().post(&format!("{}/quotas", event.path), &strange).await;
    let refused = refused.expect_problem(422, "invalid-input");
    assert_eq!(pointers(&refused), ["/ticket_type_ids"]);
}

async fn strangers_change_no_quota(house: House) {
    let event = house.published().await;
    let quotas = format!("{}/quotas", event.path);
    let own = format!("{quotas}/{}", event.seat);
    let etag = house.public().get(&own).await.expect(200).etag();
    for stranger in [house.ben(), house.cara()] {
        let _problem = stranger.post(&quotas, &room(1, &[])).await.expect_problem(403, "forbidden");
        let refused = stranger.put(&own, &room(1, &[])).if_match(&etag).await;
        let _problem = refused.expect_problem(403, "forbidden");
        let refused = stranger.delete(&own).if_match(&etag).await;
        let _problem = refused.expect_problem(403, "forbidden");
    }
    let draft = house.draft().await;
    for path in [format!("{}/quotas", draft.path), format!("{}/quotas/{}", draft.path, draft.seat)]
    {
        let _problem = house.ben().get(&path).await.expect_problem(404, "not-found");
        let _seen = house.anna().get(&path).await.expect(200);
    }
}

async fn an_unlimited_capacity_with_places_is_refused(house: House) {
    let event = house.draft().await;
    let odd = with(seat(), "capacity", json!({"kind": "unlimited", "places": 3}));
    let odd = with(odd, "name", "Lawn");
    let refused = house.anna().post(&format!("{}/ticket-types", event.path), &odd).await;
    let _problem = refused.expect_problem(422, "invalid-input");
}
