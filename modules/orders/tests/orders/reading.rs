//! `GET /v1/orders` and below.

use runtime::Role;
use serde_json::{Value, json};
use testkit::Reply;
use uuid::Uuid;

use crate::{
    house::{EVENT, House, ORGANIZER, two_seats},
    on_both_databases,
};

on_both_databases! {
    an_order_is_seen_by_its_buyer_and_its_organizer,
    orders_are_listed_newest_first_in_pages,
    the_timeline_tells_every_step,
}

fn ids(page: &Reply) -> Vec<Value> {
    let page = page.value();
    let items = page["items"].as_array().cloned().unwrap_or_default();
    items.iter().map(|order| order["id"].clone()).collect()
}

async fn an_order_is_seen_by_its_buyer_and_its_organizer(house: House) {
    let path = house.held().await;
    let ben = house.person(Uuid::from_u128(0xB), Role::Organizer);
    let admin = house.person(Uuid::from_u128(0xAD), Role::Admin);
    for reader in [house.cara(), house.anna(), admin] {
        let read = reader.get(&path).await.expect(200);
        let again = reader.get(&path).header("if-none-match", &read.etag()).await;
        assert_eq!(again.status(), 304);
    }
    for stranger in [house.dan(), ben.clone()] {
        for hidden in [path.clone(), format!("{path}/timeline")] {
            let _hidden = stranger.get(&hidden).await.expect_problem(404, "not-found");
        }
    }
    let of_organizer = format!("/v1/orders?organizer_id={ORGANIZER}");
    for stranger in [house.cara(), ben] {
        let _refused = stranger.get(&of_organizer).await.expect_problem(403, "forbidden");
    }
}

async fn orders_are_listed_newest_first_in_pages(house: House) {
    let mut all = Vec::new();
    for _ in 0..3 {
        all.insert(0, house.order().await.expect(201).value()["id"].clone());
    }
    let of_dan = house.dan().post("/v1/orders", &two_seats()).await.expect(201);
    let (mut seen, mut path) = (Vec::new(), "/v1/orders?limit=2".to_owned());
    loop {
        let page = house.cara().get(&path).await.expect(200);
        seen.extend(ids(&page));
        let Some(cursor) = page.value()["next_cursor"].as_str().map(str::to_owned) else { break };
        path = format!("/v1/orders?limit=2&cursor={cursor}");
    }
    assert_eq!(seen, all);
    all.insert(0, of_dan.value()["id"].clone());
    let of_event = format!("/v1/orders?organizer_id={ORGANIZER}&event_id={EVENT}&state=held");
    assert_eq!(ids(&house.anna().get(&of_event).await.expect(200)), all);
    let none = house.cara().get("/v1/orders?state=fulfilled").await.expect(200);
    assert!(ids(&none).is_empty());
}

async fn the_timeline_tells_every_step(house: House) {
    let path = house.fulfilled().await;
    let timeline = house.cara().get(&format!("{path}/timeline")).await.expect(200).value();
    let steps: Vec<Value> = timeline["entries"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|entry| entry["what"].clone())
        .collect();
    let expected = [
        "placed",
        "places held",
        "waiting for payment",
        "payment received",
        "places sold",
        "tickets issued",
    ];
    assert_eq!(steps, expected.map(|step| json!(step)));
}
