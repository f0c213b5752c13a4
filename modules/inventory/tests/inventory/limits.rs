//! What limits a hold beside the room: windows of sale, how many an order may have, how many holds
//! one may have at a time.

use contracts::catalog::{Capacity, TicketTypeCapacity};
use jiff::SignedDuration;
use runtime::Clock;
use testkit::Storage;

use crate::{
    house::{House, SEAT},
    on_both_databases,
};

on_both_databases! {
    a_type_is_held_within_its_window_only,
    an_order_has_so_many_at_least_and_at_most,
    one_has_ten_holds_at_a_time,
}

fn stalls() -> TicketTypeCapacity {
    TicketTypeCapacity::of_its_own(SEAT, "Stalls", Capacity::limited(100))
}

async fn on_sale(house: &House, stalls: TicketTypeCapacity) {
    house.published_with(vec![stalls], Vec::new(), Vec::new()).await;
    house.opened().await;
}

async fn a_type_is_held_within_its_window_only(house: House) {
    let now = house.sandbox.clock().now();
    let (from, until) = (now + SignedDuration::from_mins(10), now + SignedDuration::from_mins(20));
    on_sale(
        &house,
        TicketTypeCapacity { sales_from: Some(from), sales_until: Some(until), ..stalls() },
    )
    .await;
    let early = house.hold(&house.cara(), 1).await.expect_problem(409, "sales-not-started");
    assert_eq!(early.field("from"), from.to_string());
    assert_eq!(house.availability().await["ticket_types"][0]["on_sale"], false);
    house.sandbox.clock().set(from);
    assert_eq!(house.availability().await["ticket_types"][0]["on_sale"], true);
    let _held = house.hold(&house.cara(), 1).await.expect(201);
    house.sandbox.clock().set(until);
    assert_eq!(house.availability().await["ticket_types"][0]["on_sale"], false);
    let late = house.hold(&house.cara(), 1).await.expect_problem(409, "sales-ended");
    assert_eq!(late.field("until"), until.to_string());
}

async fn an_order_has_so_many_at_least_and_at_most(house: House) {
    on_sale(&house, TicketTypeCapacity { min_per_order: 2, max_per_order: 4, ..stalls() }).await;
    let few = house.hold(&house.cara(), 1).await.expect_problem(409, "below-minimum");
    assert_eq!(few.value()["minimum"], 2);
    let many = house.hold(&house.cara(), 5).await.expect_problem(409, "above-maximum");
    assert_eq!(many.value()["maximum"], 4);
    for quantity in [2, 4] {
        let _held = house.hold(&house.cara(), quantity).await.expect(201);
    }
}

async fn one_has_ten_holds_at_a_time(house: House) {
    house.on_sale(100).await;
    let cara = house.cara();
    let first = house.hold(&cara, 1).await.expect(201);
    for _ in 1..10 {
        let _held = house.hold(&cara, 1).await.expect(201);
    }
    let refused = house.hold(&cara, 1).await.expect_problem(409, "too-many-holds").value();
    assert_eq!((&refused["open"], &refused["most"]), (&10.into(), &10.into()));
    let _others = house.hold(&house.dan(), 1).await.expect(201);
    let _given_back = cara.delete(&format!("/v1/holds/{}", first.field("id"))).await.expect(204);
    let _held = house.hold(&cara, 1).await.expect(201);
}

#[tokio::test]
async fn the_limit_of_holds_is_a_setting() {
    for (most, allowed) in [("1", 1), ("0", 12)] {
        let house = House::set(Storage::Sqlite, "inventory.open_holds_per_customer", most).await;
        house.on_sale(100).await;
        let cara = house.cara();
        for _ in 0..allowed {
            let _held = house.hold(&cara, 1).await.expect(201);
        }
        if most != "0" {
            let _refused = house.hold(&cara, 1).await.expect_problem(409, "too-many-holds");
        }
    }
}
