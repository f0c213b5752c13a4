//! `GET /v1/availability/{event_id}`.

use contracts::catalog::{Capacity, CatalogEvent, TicketTypeCapacity};
use testkit::{Storage, eventually};

use crate::{
    house::{EVENT, House, SEAT, availability},
    on_both_databases,
};

on_both_databases! {
    what_is_available_is_shown_to_everybody_and_may_be_a_second_old,
    the_programme_decides_what_is_sold,
}

async fn what_is_available_is_shown_to_everybody_and_may_be_a_second_old(house: House) {
    let _unknown = house.public().get(&availability()).await.expect_problem(404, "not-found");
    house.on_sale(10).await;
    let shown = house.public().get(&availability()).await.expect(200);
    assert_eq!(shown.header("cache-control"), Some("public, max-age=1"));
    let stalls = shown.value()["ticket_types"][0].clone();
    assert_eq!((&stalls["free"], &stalls["sold_out"]), (&10.into(), &false.into()));

    let again = house.public().get(&availability()).header("if-none-match", &shown.etag()).await;
    assert_eq!(again.status(), 304);
    let _held = house.hold(&house.cara(), 10).await.expect(201);
    let changed = house.public().get(&availability()).header("if-none-match", &shown.etag()).await;
    assert_eq!(changed.expect(200).value()["ticket_types"][0]["sold_out"], true);
}

/// For a minute nothing is looked at again that nobody says was written.
#[tokio::test]
async fn what_the_programme_changes_is_not_shown_from_memory() {
    for storage in [Storage::Sqlite, Storage::Postgres] {
        let house = House::set(storage, "cache.staleness", "1m").await;
        the_programme_decides_what_is_sold(house).await;
    }
}

async fn the_programme_decides_what_is_sold(house: House) {
    house.published(10).await;
    let early = house.hold(&house.cara(), 1).await.expect_problem(409, "not-on-sale");
    assert!(early.field("detail").starts_with("sales of the event are not open"), "{early}");
    house.announce(&CatalogEvent::SalesOpened { event_id: EVENT }).await;
    eventually("the sale to open", || async { house.availability().await["on_sale"] == true })
        .await;
    let _held = house.hold(&house.cara(), 4).await.expect(201);

    let stalls = TicketTypeCapacity::of_its_own(SEAT, "Stalls", Capacity::limited(3));
    house.announce(&CatalogEvent::CapacityChanged { event_id: EVENT, ticket_type: stalls }).await;
    eventually("the places to be fewer", || async {
        house.availability().await["ticket_types"][0]["overbooked"] == 1
    })
    .await;
    house
        .announce(&CatalogEvent::EventCancelled { event_id: EVENT, reason: "Rain.".to_owned() })
        .await;
    eventually("the sale to end", || async { house.availability().await["on_sale"] == false })
        .await;
    let late = house.hold(&house.cara(), 1).await.expect_problem(409, "not-on-sale");
    assert_eq!(late.field("detail"), "the event was cancelled");
}
